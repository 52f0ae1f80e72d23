"""The journal as its files tell it: all files that *options* mean as one tape, in the order in which the entries were written.

What an entry says besides its message, and which watches it meets, is found out once for each combination of values and then known
by where these values stand in the file (see ``journalfile``). Files that are put aside are closed when they have been read; new
ones are found by looking into the directories when these change.

Order is that of sd_journal_next(3): by sequence number within a family of files, else by time; an entry that was copied from one
family to another (``journalctl --flush``) comes once. Raises JournalError; `UnsupportedError` where the library has to serve.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from banish.lines.entries import EntryWriter, since_start
from banish.sources.journalfile import Head, JournalFile, UnsupportedError
from banish.sources.reading import Identity, identity_of
from banish.sources.tape import LOCAL, RUNTIME, SYSTEM, USER, JournalError, JournalOptions, Place, Routing, T
from banish.sources.vocabulary import Groups, Vocabulary
from banish.sources.watching import InotifyWatcher

_ROOTS = ("/run/log/journal", "/var/log/journal")
_MACHINE = re.compile(r"[0-9a-f]{32}")
_KNOWN_FLAGS = LOCAL | RUNTIME | SYSTEM | USER
_PAUSE = 256
"""Entries that are passed over before somebody else gets a turn."""


class FileTape:
    """A ``tape.Tape``."""

    def __init__(self, options: JournalOptions) -> None:
        if options.effective_flags & ~_KNOWN_FLAGS:
            raise UnsupportedError(str(options), "these journalflags are not known")
        self._options = options
        self._files: dict[Identity, JournalFile | None] = {}
        """None: read to its end."""
        self._names: dict[str, Identity] = {}
        self._groups: Groups = ()
        self._vocabularies: dict[Identity, object] = {}
        self._file: JournalFile | None = None
        self._head: Head | None = None
        """The last entry that was read or passed over, and its file."""
        self._place: Place | None = None
        self._since = 0
        self.moved = False
        self._rescan = False
        self._known_roots: list[str] = []
        try:
            self._watcher: InotifyWatcher | None = InotifyWatcher()
        except (OSError, AttributeError):
            self._watcher = None  # the clock serves
        try:
            self._scan()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close every file."""
        for file in self._files.values():
            if file is not None:
                file.close()
        self._files.clear()
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None

    # Where to read

    def match(self, groups: Sequence[Sequence[bytes]]) -> None:
        """Return only entries that meet one of *groups* (terms of one field are alternatives); all when there are none."""
        made = []
        for group in groups:
            fields: dict[bytes, list[bytes]] = {}
            for term in group:
                fields.setdefault(term.partition(b"=")[0], []).append(term)
            made.append(tuple(map(tuple, fields.values())))
        self._groups = tuple(made)
        self._vocabularies.clear()

    def seek_cursor(self, cursor: str) -> None:
        """Let the next step go to the entry at *cursor*, or to the one that follows where that one has been."""
        place = Place.of(cursor)
        if place is None:
            raise JournalError(errno.EINVAL, f"{cursor!r} is no place in a journal")
        self._place, self._since = place, place.realtime
        self._seek_all()

    def seek_time(self, usec: int) -> None:
        """Let the next step go to the first entry received at *usec* or later."""
        self._place, self._since = None, usec
        self._seek_all()

    def _seek_all(self) -> None:
        self._file, self._head, self.moved = None, None, False
        for identity in [identity for identity, file in self._files.items() if file is None]:
            del self._files[identity]
        self._scan()
        for identity, file in self._files.items():
            if file is not None:
                self._seek(file)
                self._put_away(identity, file)

    def _seek(self, file: JournalFile) -> None:
        place, since = self._place, self._since
        if place is not None and place.source == file.source:
            known = place.number
            file.seek(lambda head: head[2] < known)
        else:
            file.seek(lambda head: head[3] < since)

    # Changes

    def fileno(self) -> int | None:
        """Return the descriptor that becomes readable when something happens to the journal."""
        return self._watcher.fileno() if self._watcher is not None else None

    def changed(self) -> None:
        """Take note of what happened to the files: appended to, rotated, removed."""
        if self._watcher is None:
            self._scan()
            return
        changes = self._watcher.changes()
        if changes.everything or self._rescan or self._roots() != self._known_roots:
            self._scan()
            return
        for directory, names in changes.names.items():
            for name in names:
                path = os.path.join(directory, name)
                if self._names.get(path) != _identity(path):
                    self._scan()
                    return

    def _scan(self) -> None:
        """Open the files that are new, and forget those that are gone and have been read."""
        names: dict[str, Identity] = {}
        self._rescan = False
        self._known_roots = self._roots()
        for directory in self._directories():
            if self._watcher is not None:
                self._watcher.watch(directory)
            try:
                found = sorted(os.listdir(directory))
            except OSError:
                continue
            for name in found:
                path = os.path.join(directory, name)
                if self._wanted(path, name) and (identity := _identity(path)) is not None:
                    names[path] = identity
        self._names = names
        for path, identity in names.items():
            if identity not in self._files:
                self._open(path, identity)
            elif (file := self._files[identity]) is not None:
                file.path = path  # it may have been put aside
        present = set(names.values())
        for identity in [
            identity for identity, file in self._files.items() if file is None and identity not in present
        ]:
            del self._files[identity]

    def _open(self, path: str, identity: Identity) -> None:
        try:
            file = JournalFile(path)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno == errno.EAGAIN:
                self._rescan = True
                return
            raise (
                error if isinstance(error, JournalError) else UnsupportedError(path, error.strerror or str(error))
            ) from error
        if file.identity != identity:
            file.close()
            self._rescan = True
            return
        self._files[identity] = file
        self._seek(file)
        self._put_away(identity, file)

    def _directories(self) -> list[str]:
        """Return the directories that hold files of the journal, and those in which such directories may appear."""
        found = []
        for root in self._roots():
            found.append(root)
            if not self._options.files:
                with contextlib.suppress(OSError):
                    found += [os.path.join(root, name) for name in sorted(os.listdir(root)) if self._of_machine(name)]
        return found

    def _roots(self) -> list[str]:
        """Return the directories in which everything is, as far as they exist: nothing tells when they are made."""
        options = self._options
        if options.files:
            roots = [os.path.dirname(name) or "." for name in dict.fromkeys(options.files)]
        elif options.path:
            roots = [options.path]
        else:
            roots = list(_ROOTS[:1] if options.effective_flags & RUNTIME else _ROOTS)
        return [root for root in roots if os.path.isdir(root)]

    def _of_machine(self, name: str) -> bool:
        machine, dot, namespace = name.partition(".")
        if self._options.path:
            return bool(_MACHINE.fullmatch(machine)) and not dot
        if not _MACHINE.fullmatch(machine) or namespace != self._options.namespace or (dot and not namespace):
            return False
        return not self._options.effective_flags & LOCAL or machine == _own_machine()

    def _wanted(self, path: str, name: str) -> bool:
        options = self._options
        if options.files:
            return path in options.files or name in options.files
        if not name.endswith((".journal", ".journal~")):
            return False
        flags = (options.flags or 0) if options.path else options.effective_flags
        if not flags & (SYSTEM | USER):
            return True
        system = flags & SYSTEM and name.startswith(("system.", "system@"))
        return bool(system or (flags & USER and name.startswith((f"user-{os.getuid()}.", f"user-{os.getuid()}@"))))

    # The entries

    def added(self) -> bool:
        """See ``tape.Tape``."""
        try:
            return any(file.added() for file in self.open_files())
        except OSError:
            return True  # whoever reads is told

    def lines(
        self, router: Routing[T], writer: EntryWriter, most: int = 1
    ) -> Iterator[list[tuple[tuple[T, ...], bytes]]]:
        """See ``tape.Tape``."""
        before = self._head
        self.moved = False
        try:
            for each in self.open_files():
                each.refresh()
            limits = self._limits()
            for each in self.open_files():
                if each.unread:
                    each.among = self._vocabulary(each, router).look()
            while True:
                file, beyond = self._next_file(limits)
                if file is None:
                    break
                vocabulary = self._vocabulary(file, router)
                yield from self._lines(file, vocabulary, writer, beyond, most)
                self.moved = self._head is not before
            for identity, put in self._files.items():
                if put is not None:
                    self._put_away(identity, put)
        except JournalError:
            raise
        except OSError as error:
            raise JournalError(error.errno or errno.EIO, error.strerror or str(error)) from error

    def _lines(
        self,
        file: JournalFile,
        vocabulary: Vocabulary[T],
        writer: EntryWriter,
        beyond: Callable[[Head], bool] | None,
        most: int,
    ) -> Iterator[list[tuple[tuple[T, ...], bytes]]]:
        every, wanted = not self._groups, vocabulary.wanted
        put, dated, passed, last = writer.put, writer.dated, 0, 0
        found: list[tuple[tuple[T, ...], bytes]] = []
        self._file = file
        try:
            while True:
                alike = file.alike(vocabulary.alike, beyond, most - len(found))
                if alike:
                    self._head = file.head()
                    found += [(meaning.routes, dated(digits, meaning.before, text)) for meaning, digits, text in alike]
                if len(found) >= most or passed >= _PAUSE:
                    yield found
                    found, passed = [], 0
                entry = file.following(beyond)
                if entry is None:
                    break
                head, items, at = entry
                if every or not wanted.isdisjoint(items):
                    (routes, words, kernel), message, stated, since = vocabulary.read(items, at, last)
                    last = at
                    if kernel:
                        words += since_start(since or head[4])
                    if routes:
                        found.append((routes, put(stated or head[3], words, message)))
                else:
                    passed += 1
                file.skip()
                self._head = head
        except OSError:
            if found:
                yield found  # nobody would read them again
            raise
        if found:
            yield found

    def open_files(self) -> list[JournalFile]:
        return [file for file in self._files.values() if file is not None]

    def _limits(self) -> dict[str, int]:
        """Return by family the number up to which all its files have been counted.

        While we counted, an entry may have been added to a file that was counted already, and a later one to one that was not.
        """
        live = [file for file in self.open_files() if not file.over]
        limits: dict[str, int] = {}
        if len(live) > 1:
            for file in live:
                limits[file.source] = max(limits.get(file.source, 0), file.last_number)
            for file in live:
                file.refresh()
        return limits

    def _next_file(self, limits: dict[str, int]) -> tuple[JournalFile | None, Callable[[Head], bool] | None]:
        """Return the file that has the next entry, and which of its entries are not among those that come before another's."""
        heads = []
        for file in self.open_files():
            head = file.peek()
            while head is not None and self._is_copy(file, head):
                file.skip()
                head = file.peek()
            if head is not None and not head[2] > limits.get(file.source, head[2]):
                heads.append((file, head))
        if not heads:
            return None, None
        chosen, first = heads[0]
        for file, head in heads[1:]:
            if _comes_before(file, head, chosen, first):
                chosen, first = file, head
        others = [(file, head) for file, head in heads if file is not chosen]
        limit = limits.get(chosen.source)
        if not others and limit is None:
            return chosen, None
        most = min(
            [head[2] for file, head in others if file.source == chosen.source] + ([] if limit is None else [limit + 1]),
            default=None,
        )
        latest = min((head[3] for file, head in others if file.source != chosen.source), default=None)

        def beyond(head: Head) -> bool:
            return (most is not None and head[2] >= most) or (latest is not None and head[3] > latest)

        return chosen, beyond

    def _is_copy(self, file: JournalFile, head: Head) -> bool:
        """True for an entry that has been read from another family of files of the same run of the machine."""
        here = self._head
        if here is None or self._file is None or self._file.source == file.source:
            return False
        return here[5] == head[5] and head[4] <= here[4]

    def _put_away(self, identity: Identity, file: JournalFile) -> None:
        if file.over and file.peek() is None:
            file.close()
            self._files[identity] = None
            self._vocabularies.pop(identity, None)

    def _vocabulary(self, file: JournalFile, router: Routing[T]) -> Vocabulary[T]:
        found = self._vocabularies.get(file.identity)
        if not isinstance(found, Vocabulary) or found.router is not router:
            found = self._vocabularies[file.identity] = Vocabulary(file, self._groups, router)
        return found

    # The present entry

    def realtime(self) -> int:
        """Return when the last entry was received that was read or passed over."""
        return self._present()[1][3]

    def cursor(self) -> str:
        """Return where that one stands, for `seek_cursor` of any later tape."""
        file, head = self._present()
        return file.cursor(head)

    def place(self) -> Place | None:
        """Return the same as a value."""
        file, head = self._present()
        return file.place(head)

    def _present(self) -> tuple[JournalFile, Head]:
        if self._file is None or self._head is None:
            raise JournalError(errno.EADDRNOTAVAIL, "no entry has been read yet")
        return self._file, self._head


def _comes_before(file: JournalFile, head: Head, other: JournalFile, than: Head) -> bool:
    if file.source == other.source:
        return head[2] < than[2]
    return head[3] < than[3]


def _identity(path: str) -> Identity | None:
    try:
        return identity_of(os.stat(path))
    except OSError:
        return None


def _own_machine() -> str:
    try:
        return Path("/etc/machine-id").read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
