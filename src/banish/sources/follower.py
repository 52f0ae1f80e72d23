"""Follows one path through every way of rotating a log; no line is lost and none is read twice.

The path is a name; what is read are files. A *chain* holds the files that still have something to say, oldest first; its last
one is, as a rule, the file that stands at the path now:

* renamed, unlinked or a symlink turned elsewhere: another file stands at the path. The old one stays open until it has been
  silent for a while (its writer may not have reopened yet), the new one is read from its beginning.
* truncated in place (copytruncate), even when it has grown past the old offset since: noticed by the anchor. The unread rest is
  in the copy, which is read once and closed: to follow it would read it again when the next rotation rewrites it.
* rotated while nobody looked: the saved position finds the rest (see ``rotated``), then the present file is read from its start.

Law: synchronous, one step at a time, nothing raised; what goes wrong is a text in ``problem`` and is tried again with every read.
A position never covers a line that was not handed on. What a writer adds to an already rotated file while we are not running is
lost when the next file had been begun before: a position speaks of one file.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from banish.model import Batch, Position
from banish.sources import rotated
from banish.sources.reading import (
    HEAD,
    LONGEST,
    Forward,
    Identity,
    Plain,
    fits,
    identity_of,
    last_line_start,
    open_regular,
)
from banish.sources.rotated import Rest

BLOCK = 256 * 1024
LINGER = 5.0
"""Seconds without a new line after which a deleted file is closed (it holds disk space as long as it is open)."""
LINGER_RENAMED = 60.0
"""The same for a renamed one: children of a gracefully restarted Apache or nginx log to it until their request is done."""
_CHAIN = 16
"""Files open at once for one path; the oldest is given up first."""
_SURE_AFTER = 0.1
"""Seconds that a file must have looked the same, so that its time stamps (of a kernel tick's precision) can be trusted."""


@dataclass(slots=True, eq=False)
class _Link:
    file: Forward
    serial: int
    lingers: bool
    """Kept open at its end for a while, because its writer may still be writing."""
    active_at: float


class Follower:
    """Reads *path* from *start*, or from where *resume* says that it has been read to.

    *start* counts only for a file that is there when we first look and is not known from *resume*: a file that appears later is
    new altogether, and is read from its beginning. The file is opened at once: "the end" is that of this moment. *begin*
    returns where in a file (its descriptor) that is read from its head anything begins that matters. *clock* gives seconds that
    never go back.
    """

    def __init__(
        self,
        path: str,
        start: Literal["head", "tail"] = "head",
        resume: Position | None = None,
        *,
        begin: Callable[[int], int] = lambda fd: 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self.problem: str | None = None
        """What keeps the path from being read, and what to do about it; None when all is well."""
        self.found = False
        """True when a regular file stood at the path when last looked at."""
        self.live = False
        self.more = False
        """True when the last ``read`` stopped short of the end, with a batch or (it works in bounded steps) without one."""
        self.rotations: list[str] = []
        """What happened to the path since the reader of this list last cleared it (the last few, in words)."""
        self._start = start
        self._first = begin
        self._clock = clock
        self._chain: list[_Link] = []
        self._current: _Link | None = None
        self._serial = 0
        self._mark_serial = -1
        self._mark = resume
        self._missed = False
        self._looked = False
        self._left_out = 0
        self._quiet: tuple[int, int, int, int] | None = None
        self._quiet_since = 0.0
        self._quiet_sure = False
        self._look(clock())

    @property
    def position(self) -> Position | None:
        """Where reading goes on after all that was handed over; None when no file has been seen yet."""
        return self._mark

    @property
    def identity(self) -> Identity | None:
        """The file read as the present one; None when there is none."""
        return self._current.file.identity if self._current else None

    @property
    def left_out(self) -> int:
        """Lines so far that were too long and were left out."""
        return self._left_out + sum(link.file.left_out for link in self._chain)

    @property
    def idle(self) -> bool:
        """True when nothing is open: the path is missing and all that is known of it has been read."""
        return not self._chain

    @property
    def lingering(self) -> bool:
        """True while a file is open that does not stand at the path any more."""
        return any(link is not self._current for link in self._chain)

    def lag(self) -> int:
        """Return the bytes that are written but not yet handed over (an unfinished last line is among them).

        Compressed files count nothing: how long they are is known only when they have been read.
        """
        total = 0
        for link in self._chain:
            try:
                total += link.file.lag()
            except OSError:
                continue
        return total

    def size(self) -> int:
        """Return the length of the present file in bytes; 0 when there is none."""
        try:
            return self._current.file.size() if self._current else 0
        except OSError:
            return 0

    def release(self, identity: Identity) -> Position | None:
        """Let go of a file that was renamed and is followed under its new name from now on; returns where that one goes on.

        None when this follower does not read the file, or when it still stands at this follower's own path (two names of one
        file are two sources).
        """
        if not any(_own(link) == identity for link in self._chain):
            return None
        self._look(self._clock())
        link = next((link for link in self._chain if link is not self._current and _own(link) == identity), None)
        if link is None:
            return None
        position = link.file.position
        self._drop(link)
        return position

    @property
    def certain(self) -> bool:
        """True when there is nothing to read but what has been written since the last look."""
        return self._quiet_sure and self._current is not None and len(self._chain) == 1

    def unchanged(self) -> bool:
        """Return True when one look at the path shows that ``read`` would find nothing: the cheap question of an idle daemon."""
        if not self.certain:
            return False
        try:
            found = os.stat(self.path)
        except (OSError, ValueError):
            return False
        return (*identity_of(found), found.st_size, found.st_mtime_ns) == self._quiet

    def close(self) -> None:
        """Close what is open. The position stays; an unfinished line is not handed over."""
        for link in self._chain:
            link.file.close()
        self._chain.clear()
        self._current = None

    def read(self, limit: int = BLOCK) -> Batch | None:
        """Return the next whole lines of *limit* bytes at most, None at the end of what is written (see ``more``).

        Every call looks first whether another file stands at the path.
        """
        limit = max(1, min(limit, LONGEST))
        now = self._clock()
        self.more = False
        seen = self._look(now)
        if seen is not None and seen == self._quiet and self._quiet_sure and len(self._chain) == 1:
            return None
        for link in tuple(self._chain):
            batch = self._step(link, limit, now)
            if batch is not None or self.more:
                return batch
        self._at_the_end(seen, now)
        return None

    def _step(self, link: _Link, limit: int, now: float) -> Batch | None:
        before = link.file.at
        try:
            lines = link.file.read(limit)
            if lines is None:
                return self._rewritten(link, now)
            patience = self._patience(link)
        except OSError as error:
            self._unreadable(link, error)
            return None
        if link.file.at > before:
            link.active_at = now
        if lines:
            self.more = not link.file.ended or link is not self._current
            return self._batch(link, lines)
        self.more = not link.file.ended
        if self.more or link is self._current or now - link.active_at < patience:
            return None
        return self._retire(link)

    def _batch(self, link: _Link, lines: bytes) -> Batch:
        if link.serial >= self._mark_serial:
            self._mark_serial, self._mark = link.serial, link.file.position
        batch = Batch(self.path, lines, self._mark or link.file.position, self.live)
        self.live = self.live or (link is self._current and link.file.ended)
        return batch

    def _at_the_end(self, seen: tuple[int, int, int, int] | None, now: float) -> None:
        if self._current is None:
            return
        self.live = True
        if seen != self._quiet:
            self._quiet, self._quiet_since, self._quiet_sure = seen, now, False
        else:
            self._quiet_sure = now - self._quiet_since >= _SURE_AFTER

    @staticmethod
    def _patience(link: _Link) -> float:
        if not link.lingers:
            return 0.0
        return LINGER_RENAMED if link.file.links() else LINGER

    # Which file stands at the path

    def _look(self, now: float) -> tuple[int, int, int, int] | None:
        """Bring the chain in line with what stands at the path, and return that file's marks of change."""
        try:
            found = os.stat(self.path)
        except ValueError as error:  # a NUL byte, or a character that the file system's encoding does not have
            self.found, self.problem = False, f"{self.path!r}: {error} (check logpath)"
            return None
        except OSError as error:
            self.found = False
            self.problem = _explain(self.path, error)
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                self._gone(now)
            return None
        identity = identity_of(found)
        if self._current is None or _own(self._current) != identity:
            self._turn_to(identity, now)
        else:
            self.found, self.problem = True, None
        if self._current is not None and self._current.file.at == 0 and found.st_size:
            self._peek(self._current)
        return (*identity, found.st_size, found.st_mtime_ns)

    def _peek(self, link: _Link) -> None:
        try:
            if isinstance(link.file, Plain):
                link.file.peek()
        except OSError as error:
            self._unreadable(link, error)

    def _gone(self, now: float) -> None:
        if not self._looked and self._mark is not None:
            self._catch_up(rotated.unread(self.path, self._mark, None), now)
        self._looked = self._missed = True
        if self._current is not None:
            self._current.active_at = max(self._current.active_at, now)
            self._current = None

    def _turn_to(self, identity: Identity, now: float) -> None:
        back = next((link for link in self._chain if link.lingers and _own(link) == identity), None)
        if back is not None:
            self._leave_current(now)
            self._chain.remove(back)
            self._serial += 1
            back.serial = self._serial
            self._chain.append(back)
            self._current = back
            self.found, self.problem = True, None
            return
        try:
            fd = open_regular(self.path)
        except OSError as error:
            self.found = error.errno not in (errno.ENOENT, errno.EISDIR, errno.EINVAL)
            self.problem = _explain(self.path, error)
            return
        before: list[Rest] = []
        try:
            old = self._current or next((link for link in reversed(self._chain) if link.lingers), None)
            own = identity_of(os.fstat(fd))
            offset, before = self._after(old, fd, own) if old else self._begin(fd, own)
            file = Plain(fd, offset)
        except OSError as error:
            os.close(fd)
            for rest in before:
                rest.file.close()
            self.problem = _explain(self.path, error)
            return
        self._leave_current(now)
        if old is not None and offset:
            self._drop(old)
        self._catch_up(before, now)
        self._current = self._append(file, lingers=True, now=now)
        self._looked, self.found, self.problem = True, True, None
        if self._mark_serial < 0 and len(self._chain) == 1:
            self._mark_serial, self._mark = self._current.serial, file.position

    def _after(self, old: _Link, fd: int, own: Identity) -> tuple[int, list[Rest]]:
        """Return from where a file that took the place of *old* is read, and what is to be read before it."""
        known = old.file.position
        if not old.file.links() and len(known.head) == HEAD and fits(fd, known):
            # Replaced by a copy of itself (an editor, sed -i): what we read is in it, and must not be read again.
            self._note("it was replaced by a copy of itself")
            return known.offset, []
        self._note("another file took its place")
        return 0, rotated.rotated_since(self.path, _own(old), own, known)

    def _begin(self, fd: int, own: Identity) -> tuple[int, list[Rest]]:
        """Return the same for a file that we do not come to from an open one: at the start, or after a long absence."""
        known = self._mark
        if known is None:
            if self._missed:
                return 0, []
            return (last_line_start(fd) if self._start == "tail" else self._first(fd)), []
        if own == (known.device, known.inode) and fits(fd, known):
            return known.offset, []
        if self._chain:  # the copies of what stood here are being read already
            return 0, []
        renamed = rotated.unread(self.path, known, own, by_inode_only=True)
        if not renamed and known.head and (len(known.head) == HEAD or not self._missed) and fits(fd, known):
            return known.offset, []  # copied to another disk, or the disk got another number
        self._note("it was rotated while nobody looked")
        rests = renamed or rotated.unread(self.path, known, own)
        if not rests and (archive := rotated.sealed(self.path, own)):
            self._note(f"{archive} cannot be unpacked (install libzstd1)")
        return 0, rests

    def _leave_current(self, now: float) -> None:
        if self._current is not None:
            self._current.active_at = max(self._current.active_at, now)
            self._current = None

    def _catch_up(self, rests: list[Rest], now: float) -> None:
        for rest in rests:
            self._append(rest.file, rest.renamed, now)

    def _append(self, file: Forward, lingers: bool, now: float) -> _Link:
        self._serial += 1
        link = _Link(file, self._serial, lingers, now)
        self._chain.append(link)
        while len(self._chain) > _CHAIN:
            self._note("more rotated files than can be read at once, the oldest is left out")
            self._drop(self._chain[0])
        self._quiet = None
        return link

    # How a file leaves the chain

    def _rewritten(self, link: _Link, now: float) -> Batch | None:
        """The file was truncated or rewritten below us."""
        if link is not self._current or not isinstance(link.file, Plain):
            # A copy that the next rotation rewrote, or a renamed file that was: what it holds now is read elsewhere.
            self._drop(link)
            self.more = True
            return None
        self._note("it was truncated")
        rests = rotated.unread(self.path, link.file.position, _own(link))
        self._catch_up(rests, now)
        leftover = b"" if rests else link.file.finish()
        batch = self._batch(link, leftover) if leftover else None
        self._left_out += link.file.left_out
        self._chain.remove(link)
        self._current = self._append(link.file.restart(), lingers=True, now=now)
        self.more = True
        return batch

    def _retire(self, link: _Link) -> Batch | None:
        leftover = link.file.finish()
        batch = self._batch(link, leftover) if leftover else None
        self.more = batch is not None
        self._drop(link)
        return batch

    def _unreadable(self, link: _Link, error: OSError) -> None:
        self.problem = _explain(self.path, error)
        self._drop(link)
        self._quiet = None

    def _drop(self, link: _Link) -> None:
        self._left_out += link.file.left_out
        link.file.close()
        if link in self._chain:
            self._chain.remove(link)
        if link is self._current:
            self._current = None
        later = next((each for each in self._chain if each.serial > self._mark_serial), None)
        if later is not None and self._mark_serial <= link.serial and later is self._chain[0]:
            # All that came before is done: the next file is where reading goes on, even if it has said nothing yet.
            self._mark_serial, self._mark = later.serial, later.file.position

    def _note(self, text: str) -> None:
        self.rotations.append(text)
        del self.rotations[:-8]


def _own(link: _Link) -> Identity:
    """The file's own identity; a copy is read in the name of its original, and is found by neither."""
    return link.file.own_identity if isinstance(link.file, Plain) else (-1, -1)


_REMEDIES = {
    errno.ENOENT: "no such file (it is read as soon as it appears; check logpath)",
    errno.ENOTDIR: "no such file: a part of the path is not a directory (check logpath)",
    errno.EACCES: "permission denied (let the daemon's user read it, for example through the group adm)",
    errno.EPERM: "permission denied (let the daemon's user read it, for example through the group adm)",
    errno.EISDIR: "is a directory (name the files in it: directory/*.log)",
    errno.EINVAL: "is not a regular file (a pipe, socket or device cannot be followed)",
    errno.ELOOP: "too many levels of symbolic links",
    errno.EMFILE: "too many open files (raise LimitNOFILE= of the service, or follow fewer files)",
    errno.ENFILE: "too many open files on this system (raise fs.file-max)",
}


def _explain(path: str, error: OSError) -> str:
    return f"{path}: {_REMEDIES.get(error.errno or 0) or error.strerror or error}"
