"""Where the unread rest of a log went when the log was rotated while nobody looked.

logrotate(8) renames or copies ``auth.log`` to ``auth.log.1``, ``auth.log-20260131`` or (option ``extension``)
``auth-20260131.log``, and may compress what it made. The rest of what we read is found again by content (head and anchor, see
``model.Position``), a renamed file by its inode as well. When the log was rotated more than once, the files between the one that
was found and the present one are unread altogether; only names that logrotate could have given count as being between.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from banish.model import Position
from banish.sources import zstd
from banish.sources.reading import (
    HEAD,
    PACKED_SUFFIXES,
    Forward,
    Identity,
    Packed,
    Plain,
    fits,
    identity_of,
    open_regular,
    packed_fits,
)

_LOOKS, _PAUSE = 20, 0.001
"""How often, and with how many seconds between, a directory is looked at in which files are being renamed."""
_CANDIDATES = 64
"""Siblings looked into at most: rotated names before others, the newest first."""
_ROTATION = re.compile(r"(?:\.(?P<number>\d{1,4})|[-._](?P<date>\d{4}[-_.]?\d{2}[-_.]?\d{2}(?:[-_.T]?\d+)*))")
_ROTATED = (
    re.compile(rf"(?P<stem>.+?){_ROTATION.pattern}(?P<extension>)"),
    re.compile(rf"(?P<stem>.+?){_ROTATION.pattern}(?P<extension>\.[^.]+)"),
)


class Rest(NamedTuple):
    """One file to be read before the present one."""

    file: Forward
    renamed: bool
    """True when it is the very file that was followed: its writer may still be writing. A copy is read once and closed."""


class Sibling(NamedTuple):
    path: str
    order: tuple[str, int, str] | None
    """Sorts the files of one way of rotating from old to new; None when the name is not a rotated one."""
    identity: Identity
    packed: bool
    changed_at: float


def rotated_name(name: str, sibling: str) -> tuple[str, int, str] | None:
    """Return the place of *sibling* among the rotated files of *name*, to sort from old to new; None when it is none of them.

    >>> rotated_name("auth.log", "auth.log.2.gz") < rotated_name("auth.log", "auth.log.1")
    True
    >>> rotated_name("auth.log", "auth-20260131.log") < rotated_name("auth.log", "auth-20260201.log.gz")
    True
    >>> rotated_name("mail.log", "mail.err")
    """
    for suffix in PACKED_SUFFIXES:
        sibling = sibling.removesuffix(suffix)
    stem, extension = os.path.splitext(name)
    if sibling.startswith(name):
        way, middle = "behind", sibling[len(name) :]
    elif extension and sibling.startswith(stem) and sibling.endswith(extension):
        way, middle = "inside", sibling[len(stem) : len(sibling) - len(extension)]
    else:
        return None
    found = _ROTATION.fullmatch(middle)
    if found is None:
        return None
    if found["number"] is not None:
        return (f"{way} number", -int(found["number"]), "")
    return (f"{way} date", 0, re.sub(r"\D", "", found["date"]))


def originals(name: str) -> set[str]:
    """Return the names of which *name* may be a rotated file: empty for one that no rotation could have made.

    >>> sorted(originals("auth.log.1.gz")), sorted(originals("app-20260131.log")), sorted(originals("auth.log"))
    (['auth.log'], ['app.log'], [])
    """
    for suffix in PACKED_SUFFIXES:
        name = name.removesuffix(suffix)
    found = set()
    for shape in _ROTATED:
        match = shape.fullmatch(name)
        if match:
            found.add(match["stem"] + (match["extension"] or ""))
    return found


def unread(path: str, position: Position, present: Identity | None, by_inode_only: bool = False) -> list[Rest]:
    """Return what is left to read of the file that *position* speaks of, then the files rotated after it, oldest first.

    Empty when that file is not found. *present* is the file that stands at *path* now; it is never among them. The caller
    closes what it gets.
    """

    def among(siblings: list[Sibling]) -> list[Rest]:
        found = _found(siblings, position, by_inode_only)
        if found is None:
            return []
        rest, sibling = found
        return [rest, *_newer(siblings, sibling, rest.renamed)]

    return _at_rest(path, present, among)


def rotated_since(path: str, identity: Identity, present: Identity, known: Position) -> list[Rest]:
    """Return the files rotated after the one with *identity*, which is open already, and before *present*; oldest first.

    That one may have been compressed since: then it is found by what it holds, *known*.
    """

    def among(siblings: list[Sibling]) -> list[Rest]:
        sibling = next((each for each in siblings if each.identity == identity), None)
        if sibling is None and (found := _found(siblings, known, by_inode_only=False)) is not None:
            found[0].file.close()
            sibling = found[1]
        return _newer(siblings, sibling, renamed=True) if sibling else []

    return _at_rest(path, present, among)


def _at_rest(path: str, present: Identity | None, look: Callable[[list[Sibling]], list[Rest]]) -> list[Rest]:
    """Return what *look* finds among the siblings of *path* while none of them gets another name."""
    siblings = list(_siblings(path, present))
    for _ in range(_LOOKS):
        rests = look(siblings)
        before, siblings = siblings, list(_siblings(path, present))
        if {(each.path, each.identity) for each in before} == {(each.path, each.identity) for each in siblings}:
            return rests
        for rest in rests:
            rest.file.close()
        time.sleep(_PAUSE)
    return look(siblings)


def sealed(path: str, present: Identity | None) -> str:
    """Return the newest rotated file that cannot be unpacked on this machine; empty when there is none."""
    if zstd.library() is not None:
        return ""
    siblings = _siblings(path, present)
    return next((each.path for each in siblings if each.order is not None and each.path.endswith(zstd.SUFFIX)), "")


def _found(siblings: list[Sibling], position: Position, by_inode_only: bool) -> tuple[Rest, Sibling] | None:
    identity: Identity = (position.device, position.inode)
    for sibling in siblings:
        if sibling.identity == identity and not sibling.packed:
            opened = _open_at(sibling.path, position, None)
            if opened is not None:
                return Rest(opened, renamed=True), sibling
    if by_inode_only or not position.head:  # an empty head fits everything
        return None
    # A log of another program may begin with the same line: a short head convinces only under a name that rotation gave.
    siblings = [each for each in siblings if each.order is not None or len(position.head) == HEAD]
    for sibling in siblings:
        if not sibling.packed:
            opened = _open_at(sibling.path, position, identity)
            if opened is not None:
                return Rest(opened, renamed=False), sibling
    for sibling in siblings:
        if sibling.packed and packed_fits(sibling.path, position):
            try:
                return Rest(Packed(sibling.path, position, identity), renamed=False), sibling
            except OSError:
                continue
    return None


def _newer(siblings: list[Sibling], found: Sibling, renamed: bool) -> list[Rest]:
    if found.order is None:
        return []
    kind = found.order[0]
    between: dict[tuple[str, int, str], Sibling] = {}
    for sibling in siblings:
        if sibling.order is not None and sibling.order[0] == kind and sibling.order > found.order:
            known = between.get(sibling.order)
            if known is None or known.packed:  # while logrotate compresses, both stand there; the plain one is whole
                between[sibling.order] = sibling
    rests = []
    for _, sibling in sorted(between.items()):
        try:
            file: Forward
            if sibling.packed:
                file = Packed(sibling.path, None, sibling.identity)
            else:
                file = Plain(open_regular(sibling.path))
        except OSError:
            continue
        rests.append(Rest(file, renamed and not sibling.packed))
    return rests


def _open_at(path: str, position: Position, identity: Identity | None) -> Plain | None:
    try:
        fd = open_regular(path)
    except OSError:
        return None
    try:
        if fits(fd, position):
            return Plain(fd, position.offset, identity)
    except OSError:
        pass
    os.close(fd)
    return None


def _siblings(path: str, present: Identity | None) -> Iterator[Sibling]:
    """The regular files whose names begin like *path* or like what it points to, rotated names before others, the newest first."""
    places = {os.path.split(path), os.path.split(os.path.realpath(path))}
    found: dict[str, Sibling] = {}
    for directory, name in places:
        # what a symlink points to often carries a date: app-20260131.log becomes app-20260201.log
        prefix = re.split(r"\d", os.path.splitext(name)[0])[0] or name
        try:
            with os.scandir(directory or ".") as entries:
                for entry in entries:
                    if not entry.name.startswith(prefix) or not entry.is_file():
                        continue
                    stat = entry.stat()
                    if identity_of(stat) != present:
                        packed = entry.name.endswith(PACKED_SUFFIXES)
                        order = rotated_name(name, entry.name)
                        found[entry.path] = Sibling(entry.path, order, identity_of(stat), packed, stat.st_mtime)
        except OSError:
            continue
    yield from sorted(found.values(), key=lambda each: (each.order is not None, each.changed_at), reverse=True)[
        :_CANDIDATES
    ]
