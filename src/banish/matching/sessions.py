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
lines do not prolong it). Of its lines the last 100 are kept, of its user names 100; names beyond that are not added.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

CAPACITY = 100
LIFETIME = 300.0
_KEPT_LINES = 100
_KEPT_USERS = 100

_MARKS = ("nofail", "mlfgained", "mlfforget")
_ADDRESS = ("ip4", "ip6", "cidr")
_IDS = frozenset(("ip4", "ip6", "dns", "fid"))


class Joined(NamedTuple):
    """A line judged within its session."""

    outcome: Literal["failure", "nofail", "pending"]
    fields: dict[str, Any]
    """What the session's lines captured, this one included; empty unless *outcome* is a failure."""
    lines: tuple[str, ...]
    """The lines that make up the failure, this one last; empty unless *outcome* is a failure."""


class _Session:
    __slots__ = ("began_at", "fields", "lines", "pending", "users")

    def __init__(self, began_at: float) -> None:
        self.began_at = began_at
        self.fields: dict[str, Any] = {}
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self.users: set[Any] = set()
        self.pending = False


class Sessions:
    """The sessions of one filter."""

    def __init__(self, capacity: int = CAPACITY, lifetime: float = LIFETIME) -> None:
        self._capacity = capacity
        self._lifetime = lifetime
        self._sessions: dict[str, _Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def join(self, key: str, captured: Mapping[str, Any], lines: tuple[str, ...], now: float) -> Joined:
        """Add what a line *captured* to the session *key* and judge it; *lines* are the matched lines as written.

        *captured* holds groups that took part in the match only (no None).
        """
        session = self._find(key, now)
        informs, gained, forgets = captured.get("nofail"), captured.get("mlfgained"), captured.get("mlfforget")
        alone = forgets and not session.fields
        self._merge(session, captured)
        if gained and session.pending:
            session.pending = False
            session.lines.clear()
        if forgets:
            del self._sessions[key]
        session.lines.extend(lines)
        fails = not (informs or gained) or len(session.users) > 1
        if (fails or session.pending) and not _IDS.isdisjoint(session.fields):
            fields = dict(session.fields) if alone else self._fields(session)
            joined = Joined("failure", fields, tuple(session.lines))
            session.pending = False
            session.lines.clear()
            return joined
        session.pending = session.pending or fails
        return Joined("pending" if fails else "nofail", {}, ())

    def _find(self, key: str, now: float) -> _Session:
        session = self._sessions.get(key)
        if session is not None and now - session.began_at < self._lifetime:
            return session
        self._sessions.pop(key, None)
        if len(self._sessions) >= self._capacity:
            del self._sessions[next(iter(self._sessions))]
        session = self._sessions[key] = _Session(now)
        return session

    @staticmethod
    def _merge(session: _Session, captured: Mapping[str, Any]) -> None:
        if captured.get("ip4") or captured.get("ip6"):
            for name in _ADDRESS:
                session.fields.pop(name, None)
        session.fields.update(captured)
        for mark in _MARKS:
            if mark in captured:
                del session.fields[mark]
        user = captured.get("user")
        if user and len(session.users) < _KEPT_USERS:
            session.users.add(user)

    @staticmethod
    def _fields(session: _Session) -> dict[str, Any]:
        return session.fields | {"users": frozenset(session.users)} if session.users else dict(session.fields)
