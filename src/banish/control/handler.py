"""What the daemon answers: the other side of THE TABLE, as a Protocol.

Methods take what `commands.understand` hands over and return plain JSON, in the shapes below (keys may be added). They may be
coroutines; then those of different clients overlap. A list may be an iterator as well: its rows are made while they are sent, so
half a million of them hold up nobody; it must not be affected by what happens meanwhile, and not fail.

What cannot be done is a ControlError with the exit code of the client: 5 for
a jail that does not exist, 2 for an argument that makes no sense, 6 for a configuration that cannot be read at all.

Times are Unix seconds; None stands for "for ever".
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Literal, NotRequired, Protocol, TypedDict

OutcomeName = Literal["banned", "prolonged", "already banned", "refused", "unbanned", "not banned", "invalid"]


class SourceStatus(TypedDict):
    """One log source; *lines* and *bytes* are read and judged, *lag_bytes* are written but not yet judged.

    *every_line* says why the jail is shown every line of it; None when a prefilter passes over lines that are nothing to the jail.
    """

    name: str
    lines: int
    bytes: int
    lag_bytes: int
    every_line: str | None


class ActionStatus(TypedDict):
    """One action of a jail: by an enforcer, or by the commands (or the Python file) in action.d."""

    name: str
    served: str
    """``natively`` or ``as written``."""


class JailStatus(TypedDict):
    """One jail; *enabled* is false for one that was left out, and then *problem* says why."""

    name: str
    failed_now: int
    failed_total: int
    banned_now: int
    banned_total: int
    sources: list[SourceStatus]
    enabled: bool
    problem: str | None
    banned: NotRequired[list[str]]
    """What is banned, as ``addresses.show`` writes it; only when one jail was asked for."""
    journalmatches: NotRequired[list[str]]
    """For a jail that reads the journal: what it matches, in place of a file list."""
    reads: NotRequired[Literal["files", "journal"]]
    """What a jail that runs reads at present."""
    reads_because: NotRequired[str]
    """Why it reads that."""
    actions: NotRequired[list[ActionStatus]]
    """Of a jail that runs."""


class ProblemRow(TypedDict):
    """Something for a person to mend; *jail* is empty when it concerns none in particular (the database, the firewall)."""

    text: str
    severity: Literal["error", "warning"]
    jail: str


class Status(TypedDict):
    """*problems*: all of them, or those of the jail that was asked for; a jail's own ``problem`` is the first of its own."""

    version: str
    uptime: float
    jails: list[JailStatus]
    problems: NotRequired[list[ProblemRow]]


class BannedRow(TypedDict):
    """One ban in force."""

    jail: str
    network: str
    banned_at: float
    expires_at: float | None
    ban_count: int
    origin: Literal["jail", "admin", "restored", "fleet"]
    reason: str


class Outcome(TypedDict):
    """What became of one address of ``ban`` or ``unban``; *jail* is empty for an unban that found it in none."""

    address: str
    jail: str
    outcome: OutcomeName
    reason: str
    expires_at: NotRequired[float | None]
    """Of ``banned``, ``prolonged`` and ``already banned``."""
    problem: NotRequired[str]
    """Why it is not in force although it is banned; it will be as soon as it can."""


class Imported(TypedDict):
    """What became of the bans of another database.

    *banned* and *prolonged* are in force now, *already_banned* were, *refused* are of ids that are spared; *over* had ended, and count
    for how often their ids were banned; *waiting*: by jail, bans that will be in force when the jail runs. *events*: of the history.
    """

    file: str
    banned: int
    prolonged: int
    already_banned: int
    refused: int
    over: int
    waiting: dict[str, int]
    events: int


class Resumed(TypedDict):
    """*withheld*: how many bans were not made while *jail* was paused; None when it was not."""

    jail: str
    withheld: int | None


class LogRow(TypedDict):
    """One event; *address* is empty where it concerns the whole jail."""

    at: float
    jail: str
    kind: Literal["banned", "prolonged", "unbanned", "expired", "refused", "paused", "resumed"]
    address: str
    reason: str
    origin: Literal["jail", "admin", "restored", "fleet"]


class Reloaded(TypedDict):
    """*jails*: those that run now."""

    jails: list[str]
    problems: list[ProblemRow]


class Pong(TypedDict):
    reply: Literal["pong"]
    version: str


class Stopping(TypedDict):
    stopping: Literal[True]


class Control(Protocol):
    """Who answers the commands."""

    def status(self, jail: str | None) -> Status | Awaitable[Status]:
        """Every jail, or the one asked for (with its bans)."""

    def banned(self, network: str | None) -> Iterable[BannedRow] | Awaitable[list[BannedRow]]:
        """Bans in force; with *network*, those that overlap it."""

    def ban(
        self, jail: str, addresses: list[str], seconds: float | None, reason: str | None, force: bool
    ) -> list[Outcome] | Awaitable[list[Outcome]]:
        """Ban each of *addresses*: a row for each, in order. *seconds* is None for the jail's own ban time, ``math.inf`` for ever.

        *force*: also those that are ignored or never banned.
        """

    def unban(
        self, jail: str | None, addresses: list[str], everything: bool
    ) -> Iterable[Outcome] | Awaitable[list[Outcome]]:
        """End the bans of (or within) *addresses* in *jail*, or in all jails: a row for each ban ended, or why there was none.

        *everything*: every ban, in *jail* or in all jails; *addresses* is empty then.
        """

    def resume(self, jail: str) -> Resumed | Awaitable[Resumed]:
        """End the pause of *jail*."""

    def import_(self, file: str) -> Imported | Awaitable[Imported]:
        """Take over what the database *file* of fail2ban says is banned."""

    def log(self, subject: str | None, seconds: float | None) -> list[LogRow] | Awaitable[list[LogRow]]:
        """The last events, the oldest first; those of *subject* and of the last *seconds* only, where they are given."""

    def reload(self) -> Reloaded | Awaitable[Reloaded]:
        """Read the configuration again and go on with it. A jail that cannot run is a problem, not an error."""

    def ping(self) -> Pong | Awaitable[Pong]:
        """Say that the daemon is there."""

    def stop(self) -> Stopping | Awaitable[Stopping]:
        """Begin to stop, and return: the answer must still reach the client, which then waits for the process to end."""
