"""Who can carry out bans, by the names that an action's option ``enforcer`` uses.

A new firewall is a module with a class that keeps to ``Enforcer``, and a line in ``ENFORCERS``;
``tests/contracts/test_enforcers.py`` then holds it to the same promises as the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple, Protocol, cast, runtime_checkable

from banish.addresses import Network
from banish.enforcement.layout import Refusal
from banish.enforcement.scopes import Record, Scope
from banish.errors import ConfigError, FirewallError, Problem

ENFORCERS = {
    "nftables": "banish.enforcement.nftables:NftablesFirewall",
    "dryrun": "banish.enforcement.dryrun:DryRun",
}


class TableLost(FirewallError):  # noqa: N818 -- what happened, not what it is
    """What the bans lie in has been removed by somebody else: only ``Enforcer.replace`` can help."""


class Enforcer(Protocol):
    """Blocks what it is told to. Made without arguments; nothing is touched before the first call.

    Every method raises FirewallError when the firewall refuses, and then nothing has changed that would leave open what was
    closed. Saying the same thing again does no harm. *now* is the time in Unix seconds; what is over by then is not blocked.
    A ban ends at its time even if nobody is left to end it, where the firewall can do that.
    """

    def replace(self, scopes: Sequence[Scope], records: Sequence[Record], now: float) -> list[Refusal]:
        """Make *scopes* and *records* all that stands, whatever stood before, with no moment in which less is blocked."""
        ...

    def apply(self, records: Sequence[Record], now: float) -> list[Refusal]:
        """Carry out *records*, together; of several for one jail and network the last counts. Returns what cannot be.

        A ban of what is banned sets its end anew; an unban of what is not banned is done. Raises TableLost when only
        ``replace`` can help.
        """
        ...

    def stop(self) -> None:
        """Remove everything; ``replace`` may follow."""
        ...

    def close(self) -> None:
        """Let go of the firewall and leave in it what is blocked, each ban until its time. Raises nothing."""
        ...

    def holds(self, now: float) -> dict[tuple[str, Network], float]:
        """Return what is blocked: by jail and network, when it ends (Unix seconds, ``math.inf`` for never)."""
        ...

    def intact(self) -> bool:
        """Tell whether what the bans lie in is still there; cheap enough to be asked every few seconds."""
        ...

    def disturbed(self) -> bool:
        """Tell whether somebody else may have changed bans since ``missing`` last found none, as of the last ``intact``."""
        ...

    def missing(self, records: Sequence[Record], now: float) -> list[Record]:
        """Return those bans of *records* that are not blocked, or would end too soon. Costs time for each ban there is.

        Raises TableLost when only ``replace`` can help.
        """
        ...


@runtime_checkable
class Telling(Protocol):
    """An enforcer that can say what its bans have done."""

    def find(self, jail: str, network: Network) -> float | None:
        """Return the seconds that a ban has left, ``math.inf`` for ever; None when it does not stand."""
        ...

    def dropped(self) -> dict[str, tuple[int, int]]:
        """Return how many packets and bytes were dropped for each jail."""
        ...


@runtime_checkable
class Attentive(Protocol):
    """An enforcer that can be told what others do to what it holds, at once."""

    def listen(self) -> int | None:
        """Return a file descriptor that is readable when there is something for ``heard``; None where that is not to be had.

        It is another one after the enforcer was stopped and used again.
        """
        ...

    def heard(self) -> Disturbance | None:
        """Return what others have done since the last call, None for nothing; costs next to nothing then."""
        ...


class Disturbance(NamedTuple):
    """What somebody else has done to what is held."""

    culprit: str
    """Who it was, in words; empty where nobody can say."""
    touched: tuple[tuple[str, Network], ...]
    """Bans (jail and network) that were removed or changed, where that is known one by one."""
    more: bool
    """There is more, or other, than *touched*: to be looked at."""


def load(name: str) -> Enforcer:
    """Return a new enforcer of that *name*. Raises ConfigError when there is none."""
    path = ENFORCERS.get(name)
    if path is None:
        remedy = f"one of {', '.join(ENFORCERS)}"
        raise ConfigError(Problem("unknown enforcer", remedy=remedy, option="enforcer", value=name))
    module, _, attribute = path.partition(":")
    return cast(Enforcer, getattr(import_module(module), attribute)())
