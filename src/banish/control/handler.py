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
from typing import Any, Literal, NotRequired, Protocol, TypedDict

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


class Unbanned(TypedDict):
    """How many bans of *jail* were ended at once, all there were."""

    jail: str
    unbanned: int


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


class WhyLine(TypedDict):
    """One line of the evidence. *offset* is in bytes, of the line itself or (*exact* false) of the stretch it was read with."""

    line: str
    source: str | None
    offset: int | None
    exact: bool
    regex: int | None
    """Index of the failregex that was found in it."""
    expression: str | None
    """That failregex as it is configured now, and *origin* its file and line."""
    origin: str | None


class WhyBan(TypedDict):
    """A ban: one that stands, or the last one."""

    network: str
    banned_at: float
    expires_at: float | None
    origin: Literal["jail", "admin", "restored", "fleet"]
    """Who took the decision, as it was saved."""
    restored: bool
    """It was taken in an earlier run."""
    reason: str
    failures: int
    ban_count: int
    basis: str
    forced: bool


class WhyKernel(TypedDict):
    """What a firewall says of a ban: *left* are the seconds until it ends, None for ever or where it does not stand."""

    enforcer: str
    stands: bool
    left: float | None


class WhyCount(TypedDict):
    """Failures that count now, and when they are forgotten if no other follows."""

    failures: int
    attempts: int
    since: float
    last_at: float
    forgotten_at: float


class WhyJail(TypedDict):
    """What one jail has to do with it."""

    jail: str
    state: Literal["banned", "counting", "ignored", "paused", "expired", "nothing"]
    filter: str
    maxretry: int
    findtime: float
    bantime: float | None
    ban: WhyBan | None
    kernel: list[WhyKernel]
    dropped_packets: int | None
    """By the rules of this jail, for all that it bans."""
    dropped_bytes: int | None
    actions: list[ActionStatus]
    count: WhyCount | None
    ignored: str | None
    """By which rule, and which item of ``ignoreip``."""
    paused: str | None
    evidence: list[WhyLine]


class Why(TypedDict):
    """The whole story of one address, network or other id."""

    address: str
    banned: bool
    protected: str | None
    """Why nobody bans it, whatever a log says."""
    jails: list[WhyJail]
    nothing: list[str]
    """Jails that know nothing of it."""
    events: list[LogRow]
    now: float


class Figures(TypedDict):
    """Numbers for a live view; totals since the start, so that who asks twice can tell rates."""

    at: float
    uptime: float
    version: str
    lines: int
    bytes: int
    lag_bytes: int
    matches: int
    failures: int
    bans: int
    banned: int
    read_to_ban: float | None
    """Mean seconds from reading a line until its ban was in force."""
    cpu_seconds: float
    problems: list[str]
    jails: list[dict[str, Any]]
    sources: list[dict[str, Any]]
    networks: list[dict[str, Any]]
    """Who fails most at present: ``address``, ``jail``, ``failures``, ``last_at``."""
    neighbours: list[dict[str, Any]]
    """Where several fail: ``network`` (/24 or /64), ``addresses``, ``failures``."""
    users: list[dict[str, Any]]
    """As whom: ``user``, ``addresses``, ``failures``."""


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


class Got(TypedDict):
    """An option and its value, of the shape that fail2ban gives it; *jail* is None for one of the daemon."""

    jail: str | None
    option: str
    value: Any


class ChangeRow(TypedDict):
    """That something was set at run time: *words* as they stood behind ``set``, without the jail."""

    jail: str | None
    at: float
    words: list[str]


class Changes(TypedDict):
    """*config*: the directory whose files were read."""

    config: str
    changes: list[ChangeRow]


class Pong(TypedDict):
    reply: Literal["pong"]
    version: str


class Stopping(TypedDict):
    stopping: Literal[True]


class JailDone(TypedDict):
    """*jails*: those that were started, stopped or added."""

    jails: list[str]


class StatsRow(TypedDict):
    """The numbers of one jail; *backend* is what it reads with."""

    name: str
    backend: str
    failed_now: int
    failed_total: int
    banned_now: int
    banned_total: int


class Flushed(TypedDict):
    """*logs*: ``rolled over`` for a file, which was opened again; ``flushed`` for every other target."""

    logs: Literal["rolled over", "flushed"]


class Version(TypedDict):
    """*json*: the version of what ``--json`` prints; higher when a key has gone or means something else, not when one was added."""

    version: str
    json: int


class Echo(TypedDict):
    words: list[str]


class Slept(TypedDict):
    slept: float


class Control(Protocol):
    """Who answers the commands."""

    def status(self, jail: str | None, flavor: str | None, everything: bool) -> Status | Awaitable[Status]:
        """Every jail, or the one asked for; with what is banned for one jail, or when *everything* is wanted.

        *flavor*: one of `commands.FLAVORS`; with ``short``, without what is banned.
        """

    def stats(self) -> list[StatsRow] | Awaitable[list[StatsRow]]:
        """The numbers of every jail that runs."""

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
    ) -> list[Outcome] | list[Unbanned] | Awaitable[list[Outcome] | list[Unbanned]]:
        """End the bans of (or within) *addresses* in *jail*, or in all jails: a row for each ban ended, or why there was none.

        *everything*: every ban, in *jail* or in all jails; *addresses* is empty then, and there is a row for each jail that had bans.
        """

    def resume(self, jail: str) -> Resumed | Awaitable[Resumed]:
        """End the pause of *jail*."""

    def import_(self, file: str) -> Imported | Awaitable[Imported]:
        """Take over what the database *file* of fail2ban says is banned."""

    def log(
        self,
        subject: str | None,
        since: float | None,
        *,
        until: float | None,
        jail: str | None,
        network: str | None,
        user: str | None,
        most: int | None,
    ) -> list[LogRow] | Awaitable[list[LogRow]]:
        """The last *most* events, the oldest first, of those that fit all that is given; *since* and *until* are Unix seconds."""

    def why(self, address: str, jail: str | None) -> Why | Awaitable[Why]:
        """Everything that is known of *address*, of *jail* only where it is given."""

    def figures(self) -> Figures | Awaitable[Figures]:
        """Numbers for a live view."""

    def get(self, words: list[str]) -> Got | Awaitable[Got]:
        """Return the value of an option, see `options`."""

    def set(self, words: list[str]) -> Got | Awaitable[Got]:
        """Set an option, see `options`, and return what it is now; or carry out what has the form of one (``banip``)."""

    def changes(self, jail: str | None) -> Changes | Awaitable[Changes]:
        """What was set since the configuration was read, in all or in one jail."""

    def reload(
        self, jail: str | None, restart: bool, unban: bool, if_exists: bool, everything: bool
    ) -> Reloaded | Awaitable[Reloaded]:
        """Read the configuration again, of all or of *jail*, and go on with it. A jail that cannot run is a problem, not an error.

        *restart* begins anew, *unban* ends bans; with *if_exists*, a *jail* that there is not is no error.
        """

    def restart(self, jail: str | None, unban: bool, if_exists: bool) -> Reloaded | Awaitable[Reloaded]:
        """The same as ``reload`` with *restart*."""

    def start(self, jail: str) -> JailDone | Awaitable[JailDone]:
        """Start *jail*, which was stopped or added."""

    def stop(self, jail: str | None, everything: bool) -> Stopping | JailDone | Awaitable[Stopping | JailDone]:
        """Begin to stop, and return: the answer must still reach the client, which then waits for the process to end.

        With *jail*, or *everything*: end that jail, or every jail, and stay.
        """

    def add(self, jail: str, backend: str | None) -> JailDone | Awaitable[JailDone]:
        """Add a jail without logs and expressions, which is idle until it is started."""

    def flushlogs(self) -> Flushed | Awaitable[Flushed]:
        """Open the log file again."""

    def ping(self) -> Pong | Awaitable[Pong]:
        """Say that the daemon is there."""

    def version(self) -> Version | Awaitable[Version]:
        """Say which version it is."""

    def echo(self, words: list[str]) -> Echo | Awaitable[Echo]:
        """Say *words*."""

    def sleep(self, seconds: float) -> Slept | Awaitable[Slept]:
        """Return after *seconds*."""
