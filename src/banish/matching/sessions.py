"""Sessions: what several lines of one connection say together (``<F-MLFID>``).

A daemon may log the address in one line, the user in another and the failure in a third, all with the same process number.
A filter captures what these lines share as ``mlfid``; the session keeps what its lines captured, later lines over earlier
ones, and each line is judged by the sum.

The law, as fail2ban has it (established by feeding it lines, not by its text):

* A ``nofail`` line is information: it is remembered, and becomes part of the next failure's lines.
* A failure of which nobody knows an address or id yet is *pending*. The first line that brings one completes it, at that
  line's time and as that line's expression, be it informational or not: one failure, however many were pending.
* ``mlfgained`` (a login that succeeded) takes back what is pending, with its lines, and is information itself.
* In a session that has tried more than one user name no line is mere information any more: each counts as a failure.
* ``mlfforget`` ends the session after its line has been judged; what is still pending is dropped.
* These three marks count when they captured some text; an empty capture is no mark.
* ``users`` are told of sessions: a line that begins one and ends it at once has only its ``user``.

One rule is ours: a line with an address of its own (``ip4``, ``ip6``) displaces the earlier lines' address of *either*
family, and their ``cidr``. fail2ban merges group by group, so that an IPv4 address, once seen, hides a later IPv6 one:
after a process number has been used again that blames someone else.

State: at most *capacity* sessions, the oldest dropped first; a session ends *lifetime* seconds after its first line (later
lines do not prolong it). Of its lines the last 100 are kept, each cut as evidence is (2048 characters); of its user names the
first two, and beyond them those of at most 256 characters until there are 100.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from banish.evidence import LONGEST_LINE, cut

CAPACITY = 100
LIFETIME = 300.0
_KEPT_LINES = 100
_KEPT_USERS = 100
_LONGEST_USER = 256

_ADDRESS = ("ip4", "ip6", "cidr")
_IDS = frozenset(("ip4", "ip6", "dns", "fid"))


Joined = tuple[dict[str, Any], tuple[str, ...]]
"""What makes up a failure: what the session's lines captured, and these lines, the one that makes it a failure last."""


class _Session:
    __slots__ = ("began_at", "fields", "lines", "number", "pending", "users")

    def __init__(self, number: int, began_at: float) -> None:
        self.number = number
        """The later a session began, the higher."""
        self.began_at = began_at
        self.fields: dict[str, Any] | None = None
        self.lines: tuple[str, ...] = ()
        self.users: tuple[Any, ...] = ()
        self.pending = False

    def meet(self, user: Any) -> tuple[Any, ...]:
        """Add a user name that is new, and return those there are.

        Who is not the first or second makes no difference to a verdict, and may be left out.
        """
        known = len(self.users)
        if known < 2 or (known < _KEPT_USERS and len(str(user)) <= _LONGEST_USER):
            self.users += (user,)
        return self.users

    def keep(self, lines: tuple[str, ...]) -> None:
        for line in lines:
            if len(line) > LONGEST_LINE:
                lines = tuple(map(cut, lines))
                break
        self.lines += lines
        if len(self.lines) > _KEPT_LINES:
            self.lines = self.lines[-_KEPT_LINES:]


class Sessions:
    """The sessions of one filter."""

    def __init__(self, capacity: int = CAPACITY, lifetime: float = LIFETIME) -> None:
        self._capacity = capacity
        self._lifetime = lifetime
        self._sessions: dict[str, _Session] = {}
        self._begun = 0
        self.changed: set[str] | None = None
        """Keys of the sessions that have changed since somebody began to take note of it (a set); None while nobody does."""

    def __len__(self) -> int:
        return len(self._sessions)

    # For who keeps them across a crash (``store.memory.Book``)

    oldest = -math.inf

    @property
    def size(self) -> int:
        """How many sessions there are."""
        return len(self._sessions)

    def keys(self) -> list[str]:
        """Every session there is."""
        return list(self._sessions)

    def rows(self, keys: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        """Yield each of the sessions *keys* as plain values; the key alone where it is over."""
        for key in keys:
            found = self._sessions.get(key)
            if found is None:
                yield (key,)
            else:
                known = found.number, found.fields, found.lines, found.users, found.pending
                yield (key, found.began_at, *known)

    def recall(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Take in what ``rows`` yielded, later rows over earlier ones."""
        for key, *known in rows:
            self._sessions.pop(key, None)
            if known:
                began_at, number, fields, lines, users, pending = known
                session = self._sessions[key] = _Session(number, began_at)
                session.fields, session.lines, session.users, session.pending = dict(fields), lines, users, pending
        inside = sorted(self._sessions.items(), key=lambda item: item[1].number)[-self._capacity :]
        self._sessions = dict(inside)
        self._begun = max([self._begun, *(session.number for _, session in inside)])

    def farewell(self, key: str, now: float, user: str | None = None) -> bool:
        """Tell whether a line that is mere news and ends the session *key* leaves it at that; then the session is over.

        *user*: whom the line names. Otherwise it must be joined.
        """
        sessions = self._sessions
        session = sessions.get(key)
        if session is None:
            if len(sessions) < self._capacity:
                return True
        elif now - session.began_at < self._lifetime:
            users = session.users
            if session.pending or (users and (len(users) > 1 or (user and user not in users))):
                return False
        self._make_room(key)  # as if it had been begun
        return True

    def join(
        self, key: str, captured: dict[str, Any], lines: tuple[str, ...], now: float
    ) -> Joined | Literal["nofail", "pending"]:
        """Add what a line *captured* to the session *key* and judge it; *lines* are the matched lines as written.

        *captured* holds groups that took part in the match only (no None), and is the session's from now on.
        """
        informs = captured.pop("nofail") if "nofail" in captured else None
        gained = captured.pop("mlfgained") if "mlfgained" in captured else None
        forgets = captured.pop("mlfforget") if "mlfforget" in captured else None
        session = self._sessions.get(key)
        if session is None or now - session.began_at >= self._lifetime:
            if session is not None or len(self._sessions) >= self._capacity:
                self._make_room(key)
            self._begun += 1
            session = self._sessions[key] = _Session(self._begun, now)
        if self.changed is not None:
            self.changed.add(key)
        users = session.users
        if "user" in captured and (user := captured["user"]) and user not in users:
            users = session.meet(user)
        fails = not (informs or gained) or len(users) > 1
        if forgets:
            del self._sessions[key]
            if not fails and not session.pending:
                return "nofail"  # the usual end: nobody asks any more for what this line captured
        fields = session.fields
        alone = forgets and not fields
        if not fields:
            fields = session.fields = captured
        else:
            if ("ip6" in fields or "cidr" in fields or "ip6" in captured) and (
                captured.get("ip4") or captured.get("ip6")
            ):
                for name in _ADDRESS:  # but for an IPv4 address over another one
                    fields.pop(name, None)
            fields.update(captured)
        if gained and session.pending:
            session.pending = False
            session.lines = ()
        if (fails or session.pending) and not _IDS.isdisjoint(fields):
            if session.lines:
                lines = session.lines + lines
                session.lines = ()
                if len(lines) > _KEPT_LINES:
                    lines = lines[-_KEPT_LINES:]
            session.pending = False
            if not forgets:
                fields = fields.copy()
            if users and not alone:
                fields["users"] = frozenset(users)
            return fields, lines
        if session.lines or len(lines) != 1 or len(lines[0]) > LONGEST_LINE:
            session.keep(lines)
        else:
            session.lines = lines
        if fails:
            session.pending = True
            return "pending"
        return "nofail"

    def _make_room(self, key: str) -> None:
        """End a session of this *key*, or the oldest if there are too many."""
        if self._sessions.pop(key, None) is not None:
            gone = key
        elif len(self._sessions) >= self._capacity:
            gone = next(iter(self._sessions))
            del self._sessions[gone]
        else:
            return
        if self.changed is not None:
            self.changed.add(gone)
