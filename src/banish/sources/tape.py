"""What a reader of the journal does, whoever does it.

Three do: we ourselves (``filetape``), libsystemd in this process (``sdjournal``), and journalctl(1) beside it (``journalctl``). A tape
stands at one entry of the journal, or before the first. It knows nothing of jails.
"""

from __future__ import annotations

import glob
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from banish.lines.entries import EntryWriter, stated

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

SYSTEM = 4
"""SD_JOURNAL_SYSTEM: the journal of services and the kernel, not those of users; fail2ban's own default."""
LOCAL, RUNTIME, USER = 1, 2, 8
_PLACES = ("/run/log/journal", "/var/log/journal")


class JournalError(OSError):
    """The journal could not be read; the text says what was tried."""


@dataclass(frozen=True, slots=True)
class JournalOptions:
    """Which journal: what stands in brackets behind ``backend = systemd``."""

    flags: int | None = None
    """``journalflags``, see sd_journal_open(3); None: the system's journal."""
    path: str = ""
    """``journalpath``: a directory of journal files."""
    files: tuple[str, ...] = ()
    """``journalfiles``: these files alone."""
    namespace: str = ""
    """``namespace``, see systemd-journald.service(8)."""

    @classmethod
    def read(cls, given: Mapping[str, str]) -> JournalOptions:
        """Return the journal that the options *given* in brackets name; ValueError for flags that are no number."""
        flags = given.get("journalflags", "")
        return cls(
            int(flags) if flags else None,
            given.get("journalpath", ""),
            tuple(name for name in re.split(r"[,\s]+", given.get("journalfiles", "")) if name),
            given.get("namespace", ""),
        )

    @property
    def effective_flags(self) -> int:
        return SYSTEM if self.flags is None else self.flags

    def __str__(self) -> str:
        """Name the journal, as ``banish match`` and fail2ban-regex take it."""
        given = {
            "journalflags": "" if self.flags is None else str(self.flags),
            "journalpath": self.path,
            "journalfiles": '"' + ", ".join(self.files) + '"' if self.files else "",
            "namespace": self.namespace,
        }
        told = ", ".join(f"{name}={value}" for name, value in given.items() if value)
        return f"systemd-journal[{told}]" if told else "systemd-journal"

    def places(self) -> tuple[str, ...]:
        """Return the directories in which the journal is kept, as far as it is (journald may never have written to one)."""
        wanted = (self.path,) if self.path else tuple(map(os.path.dirname, self.files)) or _PLACES
        return tuple(place for place in wanted if any(_journals(place)))


def _journals(place: str) -> Iterator[str]:
    for depth in ("", "*"):  # a directory for each machine
        yield from glob.iglob(os.path.join(glob.escape(place), depth, "*.journal"))


class Place(NamedTuple):
    """Where an entry stands, read off its cursor: which of two entries comes first."""

    source: str
    """The file family that numbers the entry."""
    number: int
    boot: str
    monotonic: int
    realtime: int

    @classmethod
    def of(cls, cursor: str) -> Place | None:
        """Return the place that *cursor* names; None when it is none (systemd.journal-fields(7) calls it opaque)."""
        parts = dict(part.split("=", 1) for part in cursor.split(";") if "=" in part)
        try:
            return cls(parts["s"], int(parts["i"], 16), parts["b"], int(parts["m"], 16), int(parts["t"], 16))
        except (KeyError, ValueError):
            return None

    def reaches(self, other: Place) -> bool:
        """True when this entry is *other*, or comes after it."""
        if self.source == other.source:
            return self.number >= other.number
        if self.boot == other.boot:
            return self.monotonic >= other.monotonic
        return self.realtime >= other.realtime


class Entry(Protocol):
    """The present entry of a tape, or as much of it as it takes to know whose it is."""

    def get(self, field: bytes) -> bytes | None: ...
    def every(self, field: bytes) -> Sequence[bytes]: ...


class Routing(Protocol[T_co]):
    """Knows where entries go."""

    @property
    def fields(self) -> Sequence[bytes]:
        """What `routes` may ask an entry for."""

    def routes(self, entry: Entry) -> tuple[T_co, ...]: ...


class Tape(Protocol):
    """A reader of one journal. Everything may raise JournalError; what then helps is to open another."""

    def match(self, groups: Sequence[Sequence[bytes]]) -> None: ...
    def seek_cursor(self, cursor: str) -> None: ...
    def seek_time(self, usec: int) -> None: ...
    def lines(
        self, router: Routing[T], writer: EntryWriter, most: int = 1
    ) -> Iterator[list[tuple[tuple[T, ...], bytes]]]:
        """Yield the entries that follow, as far as there are any, *most* at once: where each goes by *router*, and its line.

        The tape then stands at the last of them or, if these may be several, at one behind it that nobody wants. Now and then a list
        is empty: entries are passed over, and that takes its time too.
        """

    @property
    def moved(self) -> bool:
        """True when it stands at another entry than before `lines` was called last, though nothing was yielded."""

    def added(self) -> bool:
        """Return False when nothing was added since `lines` was called last: cheap to ask, if the answer is not always True."""

    def fileno(self) -> int | None: ...
    def changed(self) -> None: ...
    def realtime(self) -> int: ...
    def cursor(self) -> str: ...
    def place(self) -> Place | None: ...
    def close(self) -> None: ...


class Stepping(ABC):
    """A tape that stands at one entry, and is asked for each of its fields."""

    moved = False

    def added(self) -> bool:
        """See `Tape.added`: who steps finds out by stepping."""
        return True

    @abstractmethod
    def step(self) -> bool:
        """Go to the next entry; False when there is none yet."""

    @abstractmethod
    def get(self, field: bytes) -> bytes | None:
        """Return the first value of *field*."""

    @abstractmethod
    def every(self, field: bytes) -> Sequence[bytes]:
        """Return all values of *field*."""

    @abstractmethod
    def realtime(self) -> int: ...

    @abstractmethod
    def monotonic(self) -> int: ...

    @abstractmethod
    def cursor(self) -> str: ...

    def place(self) -> Place | None:
        """Return where the present entry stands."""
        return Place.of(self.cursor())

    def lines(
        self, router: Routing[T], writer: EntryWriter, most: int = 1
    ) -> Iterator[list[tuple[tuple[T, ...], bytes]]]:
        """See `Tape.lines`."""
        while self.step():
            yield [(router.routes(self), writer.line(self, stated(self)))]
