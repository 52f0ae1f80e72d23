"""Changes go out to the enforcers from here, and come to rest here until an enforcer has taken them.

It is told what the jails' actions are and what is banned (the ledger, through ``standing``); it tells enforcers scopes and
records, one transaction for each batch. Its law: **no ban is lost, and nothing an enforcer does is raised**. What an enforcer
refuses stays queued, is tried again with growing pauses, and is told: as a notice when it happens and in ``problems`` for as
long as it lasts. A bug in an enforcer is treated as a refusal.

The ledger is the truth, not the firewall. An enforcer that can hears at once what somebody else does to what it holds, and from
whom (``listeners``, ``hear``); and every few seconds each is asked, which costs next to nothing while nobody has changed
anything. When somebody has removed the table, a set or a rule, everything that stands is put back in one transaction; when it was
single bans, these. When there was a change that nobody heard of, which may be another program minding its own tables, the bans
themselves are looked up, and put back where they are missing. That costs time for each ban, so it is done with a pause of a
second for each thousand bans (5 s at least): a host with half a million bans spends no more on a restless neighbour than others.
"""

from __future__ import annotations

import contextlib
import errno
import math
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import cast

from banish.addresses import Network
from banish.enforcement import roster
from banish.enforcement.actions import ActionSettings, scope_of
from banish.enforcement.layout import Refusal
from banish.enforcement.roster import Attentive, Enforcer, TableLost, Telling
from banish.enforcement.scopes import Record, Scope, Standing
from banish.errors import ConfigError, FirewallError, Problem
from banish.model import Change, Decision, Notice

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
"""Seconds between attempts: 1, 2, 4 … 60."""

LOOK_EVERY = 5.0
"""Seconds between looks at whether an enforcer's table still stands."""

SECONDS_PER_BAN = 0.001
"""Between two lookups of every ban; see above."""

MANY = 1000
"""Bans that end at once, from which on it is asked whether a new table is less work."""

_LOGGER = "actions"

_NOT_FOR_US = frozenset({errno.EPERM, errno.EACCES, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.EOPNOTSUPP})
"""Whoever meets these can have left nothing in that firewall either."""


class Dispatch:
    """All enforcers in use. *jails* gives the actions of each jail by its name, *standing* yields every ban in force.

    *load* makes an enforcer from its name, and raises ConfigError for a name that has none; *roster_names* are those that an
    earlier run may have used.
    """

    def __init__(
        self,
        jails: Mapping[str, Sequence[ActionSettings]],
        standing: Callable[[], Iterable[Decision]],
        load: Callable[[str], Enforcer] = roster.load,
        roster_names: Iterable[str] = tuple(roster.ENFORCERS),
    ) -> None:
        self._standing = standing
        self._load = load
        self._roster_names = tuple(roster_names)
        self._posts: dict[str, _Post] = {}
        self._misfits: list[Problem] = []
        self.errors: Counter[str] = Counter()
        """How often each enforcer has failed since the start."""
        self._settle(jails)

    def start(self, now: float) -> list[Notice]:
        """Put in force everything that stands, in place of whatever an earlier run left behind.

        To be called again when the clock was set: the kernel counts down the seconds that a ban had left.
        """
        return self._sweep() + self._renew_all(now)

    def reconfigure(self, jails: Mapping[str, Sequence[ActionSettings]], now: float) -> list[Notice]:
        """Take on other *jails*; what stands for them stays blocked without a gap, what stood for others is gone."""
        self._settle(jails)
        return self._renew_all(now)

    def apply(self, changes: Sequence[Change], now: float) -> list[Notice]:
        """Carry out *changes*, one transaction for each enforcer they concern."""
        if len(changes) > MANY and all(op == "unban" for op, _ in changes):
            return self._open_many(changes, now)
        notices: list[Notice] = []
        for op, decision in changes:
            posts = [post for post in self._posts.values() if post.guards(decision.jail)]
            if decision.network is not None:
                record = Record(
                    "unban" if op == "unban" else "ban", decision.jail, decision.network, decision.expires_at
                )
                for post in posts:
                    post.queue[decision.jail, decision.network] = record
            elif op != "unban":
                text = f"[{decision.jail}] {decision.id!r} is not an address: cannot be blocked by "
                notices += [Notice("WARNING", _LOGGER, text + post.name) for post in posts]
        for post in list(self._posts.values()):
            if post.queue and post.due(now):
                notices += self._serve(post, now)
                # The kernel has told us of it by now, as it tells everybody; else that would wake us up again.
                notices += self._hear(post, now)
        return notices

    def _open_many(self, changes: Sequence[Change], now: float) -> list[Notice]:
        """End very many bans: when more of them end than stand, what stands is put in place of everything."""
        jails = {change.decision.jail for change in changes}
        notices: list[Notice] = []
        for post in list(self._posts.values()):
            if not any(map(post.guards, jails)):
                continue
            if len(self._bans(post)) < len(changes):
                post.queue.clear()  # the ledger knows of all of it
                post.renewal = True
            else:
                for _, decision in changes:
                    if decision.network is not None and post.guards(decision.jail):
                        record = Record("unban", decision.jail, decision.network, decision.expires_at)
                        post.queue[decision.jail, decision.network] = record
            if post.due(now):
                notices += self._serve(post, now)
        return notices

    def tick(self, now: float) -> list[Notice]:
        """Try again what is due, and look whether the tables still stand. To be called every second or two."""
        notices: list[Notice] = []
        for post in list(self._posts.values()):
            if not post.due(now):
                continue
            if post.renewal or post.trouble is not None or post.queue or not post.scopes:
                notices += self._serve(post, now)
                continue
            # Whoever watches the descriptor of listeners() has heard most of it before; some is noticed while we are at work.
            heard = self._hear(post, now)
            notices += heard
            if not heard and post.look_due(now):
                notices += self._look(post, now)
        return notices

    def listeners(self) -> dict[str, int]:
        """Return file descriptors, by the enforcers' names, that are readable when ``hear`` has something to find out.

        To be asked again after ``start`` and ``reconfigure``. Enforcers that cannot listen are not among them.
        """
        found = {}
        for name, post in self._posts.items():
            # Where it cannot be listened to, the look every few seconds serves as well, and tells what is wrong.
            with contextlib.suppress(Exception):
                if post.attentive is not None and (descriptor := post.attentive.listen()) is not None:
                    found[name] = descriptor
        return found

    def hear(self, now: float) -> list[Notice]:
        """See to what others have just done to the bans."""
        return [notice for post in list(self._posts.values()) for notice in self._hear(post, now)]

    def problems(self) -> list[Problem]:
        """Return what keeps bans from being in force, for a person to read; empty when all is well."""
        return self._misfits + [
            Problem(
                f"bans are not in force: {post.trouble}",
                remedy=f"tried again every {post.pause:.0f} s; {len(post.queue)} changes wait",
                option="enforcer",
                value=post.name,
            )
            for post in self._posts.values()
            if post.trouble is not None
        ]

    def find(self, jail: str, network: Network) -> dict[str, float | None]:
        """Ask those who block for *jail* for the ban of *network*: the seconds it has left, None where it does not stand.

        By the enforcers' names; who cannot be asked, or cannot answer now, is not among them.
        """
        found = {}
        for post in self._telling(jail):
            with contextlib.suppress(FirewallError):
                found[post.name] = cast(Telling, post.enforcer).find(jail, network)
        return found

    def dropped(self) -> dict[str, tuple[int, int]]:
        """Return how many packets and bytes were dropped for each jail, as far as enforcers can tell."""
        found: dict[str, tuple[int, int]] = {}
        for post in self._telling():
            with contextlib.suppress(FirewallError):
                for jail, (packets, size) in cast(Telling, post.enforcer).dropped().items():
                    before = found.get(jail, (0, 0))
                    found[jail] = before[0] + packets, before[1] + size
        return found

    def _telling(self, jail: str | None = None) -> list[_Post]:
        posts = [post for post in self._posts.values() if jail is None or post.guards(jail)]
        return [post for post in posts if isinstance(cast(object, post.enforcer), Telling)]

    def stop(self, keep: bool = False) -> list[Notice]:
        """Unblock everything, or with *keep* leave every ban until its time; what an enforcer cannot undo is said."""
        notices: list[Notice] = []
        for post in self._posts.values():
            try:
                if keep:
                    post.enforcer.close()
                else:
                    post.enforcer.stop()
            except Exception as error:  # noqa: BLE001 - the others are to be stopped as well
                text = f"{post.name}: bans may still be in force: {_refusal(error)}"
                notices.append(Notice("ERROR", _LOGGER, text))
        self._posts = {}
        return notices

    def _sweep(self) -> list[Notice]:
        """Remove what an earlier run left with enforcers that nobody uses any more; who is in use does it by ``replace``."""
        notices: list[Notice] = []
        for name in self._roster_names:
            if name in self._posts:
                continue
            try:
                self._load(name).stop()
            except Exception as error:  # noqa: BLE001 - nobody needs this enforcer: say it and go on
                refusal = _refusal(error)
                text = f"{name}: what an earlier run blocked may still be in force: {refusal}"
                notices.append(Notice("DEBUG" if refusal.errno in _NOT_FOR_US else "WARNING", _LOGGER, text))
        return notices

    def _renew_all(self, now: float) -> list[Notice]:
        return [notice for post in list(self._posts.values()) for notice in self._renew(post, now)]

    def _settle(self, jails: Mapping[str, Sequence[ActionSettings]]) -> None:
        """Work out who guards what, and keep the enforcers that are in use already."""
        self._misfits = []
        scopes: dict[str, dict[Scope, None]] = {}
        for jail, actions in jails.items():
            for action in actions:
                if not action.enforcer:
                    continue
                try:
                    scope = scope_of(jail, action)
                    if action.enforcer not in self._posts:
                        self._posts[action.enforcer] = _Post(action.enforcer, self._load(action.enforcer))
                except ConfigError as error:
                    self._misfits.append(replace(error.problem, section=jail))
                except Exception as error:  # noqa: BLE001 - one action that cannot be made leaves the others in force
                    text = f"the enforcer cannot be used: {_refusal(error)}"
                    self._misfits.append(Problem(text, "", jail, "enforcer", action.enforcer))
                else:
                    scopes.setdefault(action.enforcer, {})[scope] = None
            blocked = any(scope.jail == jail for taken in scopes.values() for scope in taken)
            if actions and not blocked and all(action.enforcer for action in actions):
                remedy = "give it an action that has an enforcer, such as banaction = nftables"
                text = "none of its actions can be carried out: nothing blocks what it bans"
                self._misfits.append(Problem(text, remedy, jail, "action", severity="warning"))
        for name, post in self._posts.items():
            post.guard(tuple(scopes.get(name, ())))

    def _serve(self, post: _Post, now: float) -> list[Notice]:
        """Let *post* do what waits for it."""
        if post.renewal or not post.scopes:
            return self._renew(post, now)
        try:
            refusals = post.enforcer.apply(list(post.queue.values()), now)
        except TableLost as error:
            return self._lost(post, str(error), now)
        except Exception as error:  # noqa: BLE001 - see the law
            return self._failed(post, error, now)
        return self._done(post, refusals)

    def _hear(self, post: _Post, now: float) -> list[Notice]:
        if post.attentive is None:
            return []
        try:
            found = post.attentive.heard()
        except Exception as error:  # noqa: BLE001 - see the law
            return self._failed(post, error, now)
        if found is None:
            return []
        post.search_owed |= found.more
        if not post.due(now) or post.renewal or post.trouble is not None:
            return []  # what is tried again puts everything right
        who = found.culprit or "another program"
        notices = self._look(post, now, who) if found.more else []
        if notices or not found.touched:
            return notices
        touched = set(found.touched)
        gone = [ban for ban in self._bans(post) if (ban.jail, ban.network) in touched]
        return self._put_back(post, Standing(gone), who, now)

    def _look(self, post: _Post, now: float, who: str = "another program") -> list[Notice]:
        post.looked_at = now
        try:
            if not post.enforcer.intact():
                return self._lost(post, f"the table or its rules have been changed by {who}", now)
            if not post.enforcer.disturbed() or not post.search_due(now):
                return []
            bans = self._bans(post)
            post.searched(now, len(bans))
            missing = post.enforcer.missing(Standing(bans), now)
        except TableLost as error:
            return self._lost(post, str(error), now)
        except Exception as error:  # noqa: BLE001 - see the law
            post.renewal = True
            return self._failed(post, error, now)
        return self._put_back(post, missing, who, now)

    def _put_back(self, post: _Post, gone: Sequence[Record], who: str, now: float) -> list[Notice]:
        """Say once more what *who* has taken out; it is told after the fact."""
        if not gone:
            return []
        for record in gone:
            post.queue[record.jail, record.network] = record
        text = f"{post.name}: {who} has removed or changed {_counted(len(gone))}; putting them back"
        return [Notice("WARNING", _LOGGER, text), *self._serve(post, now)]

    def _lost(self, post: _Post, why: str, now: float) -> list[Notice]:
        """Rebuild at once the first time, with pauses when it is lost again and again: someone may be at odds with us."""
        post.renewal = True
        wait = post.wait_to_rebuild(now)
        notice = Notice(
            "WARNING", _LOGGER, f"{post.name}: bans are gone: {why}; rebuilding" + (f" in {wait:.0f} s" if wait else "")
        )
        if wait:
            post.put_off(FirewallError(why), wait, now)
            return [notice]
        return [notice, *self._renew(post, now)]

    def _renew(self, post: _Post, now: float) -> list[Notice]:
        """Have *post* hold exactly what stands; or nothing, and be gone, if it has nothing left to guard."""
        try:
            if not post.scopes:
                post.enforcer.stop()
                del self._posts[post.name]
                return []
            bans = self._bans(post)
            # Behind what stands comes what waits: it is younger, and the last word on a network counts.
            refusals = post.enforcer.replace(post.scopes, Standing(bans, list(post.queue.values())), now)
        except Exception as error:  # noqa: BLE001 - see the law
            post.renewal = True
            return self._failed(post, error, now)
        post.renewal = False
        told = Notice("INFO", _LOGGER, f"{post.name}: bans put in force: {len(bans)}")
        return [told, *self._done(post, refusals)]

    def _bans(self, post: _Post) -> list[Decision]:
        """Return what stands for *post*, as the ledger has it."""
        return [ban for ban in self._standing() if ban.network is not None and post.guards(ban.jail)]

    def _failed(self, post: _Post, found: Exception, now: float) -> list[Notice]:
        error = _refusal(found)
        self.errors[post.name] += 1
        # A second failure in a row may come from the state of the table, which only a rebuild can mend; and after a bug
        # nobody knows that state.
        post.renewal |= post.trouble is not None or error is not found
        post.put_off(error, min(max(FIRST_PAUSE, post.pause * 2), LONGEST_PAUSE), now)
        return [Notice("ERROR", _LOGGER, f"{post.name}: {error}; trying again in {post.pause:.0f} s")]

    def _done(self, post: _Post, refusals: Sequence[Refusal]) -> list[Notice]:
        notices = [
            Notice("ERROR", _LOGGER, f"[{record.jail}] {record.network} cannot be blocked: {why}")
            for record, why in refusals
        ]
        if post.trouble is not None:
            notices.append(Notice("NOTICE", _LOGGER, f"{post.name}: all bans are in force again"))
        post.queue.clear()
        post.recover()
        return notices


def _counted(bans: int) -> str:
    return "1 ban" if bans == 1 else f"{bans} bans"


def _refusal(error: Exception) -> FirewallError:
    """Return *error* if it is a firewall's, else one that says what and where it was: a bug."""
    if isinstance(error, FirewallError):
        return error
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return FirewallError(f"a bug in banish, please report it: {error!r}{place}")


class _Post:
    """One enforcer, what it guards, what waits for it, and when to speak to it next."""

    def __init__(self, name: str, enforcer: Enforcer) -> None:
        self.name = name
        self.enforcer = enforcer
        named: object = enforcer
        self.attentive = named if isinstance(named, Attentive) else None
        self.scopes: tuple[Scope, ...] = ()
        self._jails: frozenset[str] = frozenset()
        self.queue: dict[tuple[str, Network], Record] = {}
        """At most one record for each network of a jail, the youngest; so no larger than what the ledger holds and undoes."""
        self.renewal = True
        """Whether nothing less than ``replace`` will do."""
        self.trouble: FirewallError | None = None
        self.pause = 0.0
        self.looked_at = 0.0
        self.search_owed = False
        """Somebody has meddled with our bans in a way that is not known one by one; otherwise it may be other tables only."""
        self._searched_at = -math.inf
        self._search_pause = 0.0
        self._retry_at = 0.0
        self._rebuild_at = -math.inf
        self._rebuild_pause = 0.0

    def guard(self, scopes: tuple[Scope, ...]) -> None:
        self.scopes = scopes
        self._jails = frozenset(scope.jail for scope in scopes)
        self.queue = {key: record for key, record in self.queue.items() if record.jail in self._jails}
        self.renewal = True

    def guards(self, jail: str) -> bool:
        return jail in self._jails

    def due(self, now: float) -> bool:
        # A wait that is longer than any can be comes from a clock that was set back.
        return not 0 < self._retry_at - now <= LONGEST_PAUSE

    def look_due(self, now: float) -> bool:
        return not 0 <= now - self.looked_at < LOOK_EVERY

    def search_due(self, now: float) -> bool:
        pause = LOOK_EVERY if self.search_owed else self._search_pause
        return not 0 <= now - self._searched_at < pause

    def searched(self, now: float, bans: int) -> None:
        self._searched_at = now
        self.search_owed = False
        self._search_pause = max(LOOK_EVERY, bans * SECONDS_PER_BAN)

    def wait_to_rebuild(self, now: float) -> float:
        """Return the seconds to wait before the table is rebuilt: none, unless it was lost not long ago as well."""
        since = now - self._rebuild_at
        if 0 <= since < LONGEST_PAUSE:
            self._rebuild_pause = min(max(FIRST_PAUSE, self._rebuild_pause * 2), LONGEST_PAUSE)
            wait = max(0.0, self._rebuild_pause - since)
        else:
            self._rebuild_pause = wait = 0.0
        self._rebuild_at = now + wait
        return wait

    def put_off(self, error: FirewallError, pause: float, now: float) -> None:
        self.trouble = error
        self.pause = pause
        self._retry_at = now + pause

    def recover(self) -> None:
        self.trouble = None
        self.pause = 0.0
        self._retry_at = 0.0
