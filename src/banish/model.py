"""The nouns that travel, one word per thing.

A *line* is read, a *match* found, a *failure* counted, a *decision* taken, a *change* applied::

    sources ──Batch──▶ lines ──Line──▶ matching ──Match──▶ failures ──Failure──▶ decisions ──Change──▶ enforcement

Nothing here does anything. Times end in ``_at`` or are called ``at`` (Unix seconds, float); "for ever" is ``math.inf``.
What one log line can produce thousands of times a second is a NamedTuple (cheap to make), the rest are frozen dataclasses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from banish.addresses import Network

Fields = Mapping[str, Any]
"""Named groups of a match: text for each, and ``users``: the set of user names seen in the session."""

NO_FIELDS: Fields = MappingProxyType({})

Origin = Literal["jail", "admin", "restored", "fleet"]
"""Who took a decision: a jail's counting, a person, an earlier run's database, another host."""


Basis = Literal["bantime", "increased", "said"]
"""What the end of a ban goes by: the jail's ``bantime``; that, made longer because of earlier bans; or what somebody said."""


class Position(NamedTuple):
    """How far a log file has been judged, and enough to know that file again.

    *head* is the first bytes of the file (256 at most), *anchor* the bytes just before *offset* (64 at most): together they
    tell rotation, truncation and a file that was truncated and grew again from one that was only appended to.
    """

    device: int
    inode: int
    offset: int
    head: bytes
    anchor: bytes


class Cursor(NamedTuple):
    """How far the systemd journal has been judged: the same for it as a Position for a file."""

    text: str
    """The last entry's place, in the journal's own words."""
    at: float
    """When it was received, Unix seconds."""


class Batch(NamedTuple):
    """A stretch of one source as it was read: whole lines, each ending in a newline (never a part of one)."""

    source: str
    """The file's path as configuration names it (one path even when a glob found it)."""
    data: bytes
    position: Position
    """Where reading goes on after this batch; saved together with what the batch led to."""
    live: bool
    """False while catching up with what was written before we looked; true once the end has been reached."""


class JournalBatch(NamedTuple):
    """The same of the systemd journal: its entries as lines, see ``lines.entries``."""

    source: str
    """Which journal, and what is matched in it."""
    data: bytes
    position: Cursor
    live: bool


class Line(NamedTuple):
    """One log line, decoded and dated."""

    text: str
    """As written, without the line end."""
    message: str
    """What expressions see: *text* with the date cut out (only the date; its brackets stay)."""
    at: float | None
    """The time the line states, in Unix seconds; None when no date was found in it."""
    timeless: bool = False
    """The date pattern that fits says that such a line has no date (it captures no text)."""


class Match(NamedTuple):
    """A failregex that was found in a line (or completed a session), before it is counted."""

    regex: int
    """Index in the filter's list of failregex."""
    id: str
    """What is counted and banned: an address or network as ``addresses.show`` writes it, else the text of ``<F-ID>``."""
    network: Network | None
    """The same, typed; None when the id is not an address."""
    at: float
    fields: Fields
    lines: tuple[str, ...]
    """The matched lines as written, earlier lines of the same session first."""
    name: str | None = None
    """A host name that must be resolved before this can be counted; *id* is then the name too."""


class Failure(NamedTuple):
    """A match that has been counted."""

    jail: str
    id: str
    network: Network | None
    at: float
    retries: int
    """The estimate of failures within findtime, this one included; a ban follows when it reaches maxretry."""
    since: float
    """When the window that *retries* speaks of began, Unix seconds."""
    matches: tuple[str, ...]
    """The last lines (maxmatches at most), oldest first; none unless a ban follows."""
    fields: Fields
    """Those of the first failure that counts."""
    attempts: int = 0
    """How many failures have been counted since the id was last at zero, this one included; *retries* weighs them."""
    bans: int = 0
    """How often the id was banned before, where that makes its failures weigh more (``bantime.increment``)."""
    weight: int = 1
    """How much this failure added to *retries*."""
    due: bool = False
    """True when *retries* has reached maxretry, and a ban follows."""
    regex: int = -1
    """Index of the failregex that was found in its last line, in the filter's list."""
    lines: int = 1
    """How many lines it is made of: those of its session, and the last one."""


class Place(NamedTuple):
    """Where a line of the evidence was read, and what was found in it."""

    source: str
    """The file's path, or which journal."""
    start: int | None
    """Byte offset of the line in the file; where only its stretch is known, where that begins. None for the journal."""
    stop: int | None = None
    """Where that stretch ends; None when *start* is the line's own."""
    regex: int | None = None
    """Index of the failregex; None for a line of a session that was no failure by itself."""


class Increase(NamedTuple):
    """Why a ban lasts longer than *base* seconds: *bans* earlier ones, the last of which began at *last_at*."""

    bans: int
    last_at: float
    base: float


class Decision(NamedTuple):
    """That *id* shall be blocked for *jail* from *at* until *expires_at*: the ledger's entry, and the database's row.

    A decision that was just taken brings its evidence along; the ledger keeps it without (``bare``), and who asks for the
    evidence of a ban that stands finds it in the database.
    """

    jail: str
    id: str
    network: Network | None
    at: float
    expires_at: float
    origin: Origin = "jail"
    reason: str = ""
    ban_count: int = 1
    """How often the id has been banned in this jail, this one included."""
    failures: int = 0
    matches: tuple[str, ...] = ()
    fields: Fields = NO_FIELDS
    increase: Increase | None = None
    """Set when earlier bans had a say in how long this one lasts; told once, not kept."""
    basis: Basis = "said"
    """What *expires_at* goes by."""
    set_at: float | None = None
    """When *expires_at* was decided, where that was after *at*: the ban was prolonged."""
    forced: bool = False
    """An administrator wants it though a rule would spare the id; no rule ends it either."""
    places: tuple[Place | None, ...] = ()
    """Where each of *matches* was read, None where that is not known; empty when it is known of none."""

    def bare(self) -> Decision:
        """The same without evidence, as it is kept in memory for as long as the ban stands."""
        if self.matches or self.fields or self.increase:
            # As ``_replace(matches=(), fields=NO_FIELDS, increase=None, places=())``, in a fifth of the time.
            return tuple.__new__(Decision, (*self[:9], (), NO_FIELDS, None, *self[12:15], ()))
        return self


class Change(NamedTuple):
    """What enforcement has to do about a decision. ``prolong`` moves the end of a ban that stands (to either side)."""

    op: Literal["ban", "unban", "prolong"]
    decision: Decision


IncidentKind = Literal["banned", "prolonged", "unbanned", "expired", "refused", "paused", "resumed"]


class Incident(NamedTuple):
    """Something that happened to a jail, for those who look later: a row of the database's table ``events``."""

    at: float
    jail: str
    kind: IncidentKind
    id: str = ""
    """Empty where it concerns the jail as a whole."""
    reason: str = ""
    origin: Origin = "jail"


@dataclass(frozen=True, slots=True)
class Question:
    """Something that only the world can answer; the answer comes back through ``Jail.answer``.

    ``name``: *text* is a host name to resolve; the answer is a tuple of networks, empty when there are none.
    ``command``: *text* is a shell command with tags; the answer is True when the match shall be ignored, False when it counts.
    """

    kind: Literal["name", "command"]
    jail: str
    text: str
    match: Match


class Ignored(NamedTuple):
    """A match that is not counted, and the rule that said so (``ip``, ``ignoreself rule``, ``dns``, ``file:PATH``, ``command``)."""

    jail: str
    id: str
    rule: str


class Notice(NamedTuple):
    """Something worth a log line that is not a failure: clock trouble, an undecodable line, an unresolvable name."""

    level: Literal["ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"]
    logger: str
    """fail2ban's logger name without ``fail2ban.``: ``filter``, ``actions`` …"""
    text: str


Event = Failure | Ignored | Decision | Question | Notice
"""What a jail says when it is fed: in the order in which it happened."""
