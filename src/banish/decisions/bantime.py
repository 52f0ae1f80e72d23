"""How long a ban lasts: ``bantime``, and longer for those who come back.

With ``bantime.increment`` a ban of an id that was banned before lasts ``max(ban.Time, formula)``, or what ``multipliers`` give
in place of the formula; at most ``maxtime``; and up to ``rndtime`` more, so that nobody can reckon the end. A first ban, and one
for ever, last ``bantime`` itself. As in fail2ban (measured, version 1.0.2); but there the ban begins with ``bantime`` and is made
longer afterwards, here it is decided before anything is applied.

Who was banned before also reaches ``maxretry`` sooner: see ``weight``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, get_args

from banish import durations
from banish.decisions import formula
from banish.decisions.formula import Ban, Formula
from banish.model import Basis, Decision, Increase

LONGEST = 100 * durations.YEAR
"""Seconds that a formula can reach; for ever is for administrators to say."""


class History(NamedTuple):
    """What is remembered of an id: how often it was banned, when the last ban began, and whether it stands."""

    bans: int = 0
    last_at: float = 0.0
    standing: bool = False


CLEAN = History()
"""Of who was never banned."""


@dataclass(frozen=True, slots=True)
class BanTimeSettings:
    """jail.conf(5) ``bantime`` and ``bantime.*``; times in seconds, ``math.inf`` is for ever (of ``maxtime``: no limit)."""

    bantime: float = 600.0
    increment: bool = False
    factor: float = 1.0
    formula: Formula = formula.DEFAULT
    multipliers: tuple[float, ...] = ()
    """Used in place of the formula when there are any; the last one counts for all that follow."""
    maxtime: float = math.inf
    rndtime: float = 0.0
    overalljails: bool = False
    """The bans of all jails count for how long one lasts; for ``weight`` it is those of the own jail all the same."""


class Term(NamedTuple):
    """How long a ban lasts, in seconds; *increase* when earlier bans had a say; *problem* when the formula could not."""

    seconds: float
    increase: Increase | None = None
    problem: str = ""


def term(settings: BanTimeSettings, history: History, random: Callable[[], float]) -> Term:
    """Return how long a ban of an id with this *history* lasts; *random* gives numbers from 0 up to 1.

    While a ban stands, a further decision is worth ``bantime``: the increased one is running already.
    """
    base = settings.bantime
    if not settings.increment or history.bans < 1 or history.standing or math.isinf(base):
        return Term(base)
    problem = ""
    if settings.multipliers:
        place = min(history.bans, len(settings.multipliers) - 1)
        seconds = base * settings.factor * settings.multipliers[place]
    else:
        try:
            seconds = max(base, settings.formula.evaluate(Ban(base, history.bans, settings.factor, random)))
        except ValueError as error:
            seconds, problem = base, str(error)
    seconds = min(seconds, settings.maxtime, LONGEST)
    if settings.rndtime:
        seconds += random() * settings.rndtime
    if seconds <= 0:
        seconds = base
    return Term(seconds, Increase(history.bans, history.last_at, base), problem)


def longest(settings: BanTimeSettings, basis: Basis) -> float:
    """Return how many seconds after its end was decided a restored ban may last at most, ``math.inf`` for no limit.

    fail2ban's rule (measured, version 1.0.2): ``bantime`` as it is configured now, or with ``bantime.increment`` its ``maxtime``;
    so lowering it shortens bans of an earlier run, and raising it lengthens none. There it holds for every ban; here what was
    said by hand stands, and so does an increased ban where increments have been switched off since.
    """
    if basis == "said":
        return math.inf
    if settings.increment:
        return settings.maxtime + settings.rndtime
    return settings.bantime if basis == "bantime" else math.inf


def shortened(settings: BanTimeSettings, decision: Decision) -> Decision:
    """Return *decision*, of an earlier run, with the end that the *settings* of today leave it; see ``longest``.

    It is counted from when the end was decided: a ban that was prolonged is older than its end is long.
    """
    begin = decision.at if decision.set_at is None else decision.set_at
    end = begin + longest(settings, decision.basis)
    return decision._replace(expires_at=end) if end < decision.expires_at else decision


def all_shortened(settings: BanTimeSettings, decisions: Iterable[Decision]) -> Iterator[Decision]:
    """Yield `shortened` of each of *decisions*, of which there may be very many."""
    limits = {basis: longest(settings, basis) for basis in get_args(Basis)}
    for decision in decisions:
        yield decision if limits[decision.basis] == math.inf else shortened(settings, decision)


def weight(settings: BanTimeSettings, history: History, maxretry: int) -> int:
    """Return how many failures one failure of an id with this *history* counts for: 1, 2, 3, 5, 9 ... and maxretry at most.

    fail2ban's rule: ``2 ** bans / 2 + 1`` for *bans* earlier bans.
    """
    if not settings.increment or history.bans < 1:
        return 1
    uncapped: int = (1 << min(history.bans - 1, 64)) + 1
    return min(uncapped, max(maxretry, 1))
