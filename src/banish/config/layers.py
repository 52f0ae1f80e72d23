"""Logical names to merged sections: which files speak, in which order, and who overrides whom.

A *tree* has the packaged directory below and the user's above. For a logical name N (``jail``, ``filter.d/sshd``) the files
are ``N.conf``, ``N.d/*.conf``, ``N.local``, ``N.d/*.local``, the packaged ones before the user's, so that whatever a user
writes overrides what the package brings. A file in the user's directory replaces the packaged one of the same relative name
wherever that name is read, by ``[INCLUDES]`` too.

An included file pulls in its sibling ``.local`` directly after itself. A file that is included twice is read twice, and the
second reading overrides again, as fail2ban does it.

What exists counts, whether or not it can be read: a file or directory of the user's that cannot be (permissions, a dangling
link, a directory in its place) is a fatal problem, never the same as one that is not there. A link to /dev/null is an empty file.

Every definition of an option is kept with the rank of its file, since ``%(known/option)s`` means "what was known before this
file", through any number of files.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from banish.config import distribution, ini
from banish.config.text import Text
from banish.errors import Origin, Problem

INCLUDES = ini.INCLUDES


class Definition(NamedTuple):
    """One time that an option was given a value; a higher *rank* overrides a lower one."""

    section: str
    option: str
    rank: int
    text: Text
    given: bool = False
    """Given in brackets (``filter = sshd[mode=ddos]``), so interpolated once already: a lone percent sign in it is one."""


class Sections:
    """The merged files of one logical name. Sections like ``[Init?family=inet6]`` are folded into ``[Init]``."""

    def __init__(self, files: tuple[ini.IniFile, ...]) -> None:
        self.files = tuple(file.file for file in files)
        self._sections: dict[str, dict[str, list[Definition]]] = {}
        for rank, file in enumerate(files):
            for header, options in file.sections.items():
                section, _, condition = header.partition("?")
                merged = self._sections.setdefault(section, {})
                for name, text in options.items():
                    option = f"{name}?{condition}" if condition else name
                    merged.setdefault(option, []).append(Definition(section, option, rank, text))

    def names(self) -> tuple[str, ...]:
        """The sections in the order they first appear, without ``[DEFAULT]`` and ``[INCLUDES]``."""
        return tuple(name for name in self._sections if name not in (ini.DEFAULT, INCLUDES))

    def has(self, section: str) -> bool:
        return section in self._sections

    def options(self, section: str) -> tuple[str, ...]:
        """The options that *section* itself gives a value, ``[DEFAULT]`` not counted."""
        return tuple(self._sections.get(section, ()))

    def definition(self, section: str, option: str) -> Definition | None:
        """The definition that counts."""
        found = self.history(section, option)
        return found[-1] if found else None

    def history(self, section: str, option: str) -> tuple[Definition, ...]:
        """Every definition of *option*, the one that counts last."""
        return tuple(self._sections.get(section, {}).get(option, ()))

    def all_definitions(self) -> Iterator[Definition]:
        for options in self._sections.values():
            for definitions in options.values():
                yield from definitions


class Tree:
    """The user's directory (if there is one) above the packaged one. Files are read once; *problems* collects theirs."""

    def __init__(self, user: Path | None, packaged: Path) -> None:
        self.user = user
        self.packaged = packaged
        self.problems: list[Problem] = []
        self._files: dict[Path, ini.IniFile] = {}
        self._names: dict[tuple[str, bool], Sections | None] = {}
        self._directories: dict[Path, tuple[Path, ...]] = {}
        self._users: dict[str, bool] = {}
        if user is not None and not os.path.isdir(user) and _exists(user):
            self._cannot_be_read(user, "is not a directory", "make it one, or remove it")
        elif user is not None and not os.path.isdir(user):
            self.problems.append(
                Problem(
                    "is not a directory; the packaged configuration is used",
                    origin=Origin(str(user)),
                    severity="warning",
                )
            )
        elif user is not None and not os.access(user, os.R_OK | os.X_OK):
            self._cannot_be_read(user, "cannot be read", "check its permissions")

    def read(self, name: str, *, packaged_base: bool = False) -> Sections | None:
        """Return the merged sections of logical *name*, None when no file speaks for it.

        With *packaged_base* the user's ``N.conf`` does not replace the packaged one, nor what that one includes; everything
        else is layered as ever.
        """
        key = (name, packaged_base)
        if key not in self._names:
            paths = tuple(self._paths(name, packaged_base))
            self._names[key] = Sections(tuple(self._chain(paths, packaged_base))) if paths else None
        return self._names[key]

    def available(self, directory: str) -> tuple[str, ...]:
        """The logical names that exist in *directory* (``filter.d``), without the directory."""
        found: set[str] = set()
        for root in self._roots():
            found.update(path.stem for suffix in (".conf", ".local") for path in self._listed(root / directory, suffix))
        return tuple(sorted(found))

    def is_user_file(self, file: str) -> bool:
        """True when *file* (as an Origin names it) lies in the user's directory."""
        known = self._users.get(file)
        if known is None:
            known = self._users[file] = self.user is not None and Path(file).is_relative_to(self.user)
        return known

    def _roots(self) -> tuple[Path, ...]:
        """Lowest first."""
        return (self.packaged,) if self.user in (None, self.packaged) else (self.packaged, self.user)

    def _paths(self, name: str, packaged_base: bool) -> Iterator[Path]:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            return
        for root in self._roots():
            steps = (
                (root / f"{name}.conf",),
                self._listed(root / f"{name}.d", ".conf"),
                (root / f"{name}.local",),
                self._listed(root / f"{name}.d", ".local"),
            )
            for path in (path for step in steps for path in step):
                base = packaged_base and path == root / f"{name}.conf"
                if root == self.packaged:
                    left_out = not base and self._is_replaced(path.relative_to(root))
                else:
                    left_out = base
                if not left_out and _exists(path):
                    yield path

    def _is_replaced(self, relative: Path) -> bool:
        return self.user not in (None, self.packaged) and _exists(self.user / relative)

    def _chain(self, paths: tuple[Path, ...], packaged_base: bool) -> Iterator[ini.IniFile]:
        listed = set(paths)
        for path in paths:
            ours = packaged_base and path.is_relative_to(self.packaged)
            roots = self._roots() if ours else self._roots()[::-1]
            for found in self._with_includes(path, (), listed, roots):
                yield self._file(found)

    def _with_includes(
        self, path: Path, chain: tuple[Path, ...], listed: set[Path], roots: tuple[Path, ...]
    ) -> Iterator[Path]:
        """Yield what *path* includes before, *path*, its sibling ``.local``, and what it includes after.

        *roots* says where included files are looked for, the first that has one counts.
        """
        if path in chain:
            return
        chain = (*chain, path)
        includes = self._file(path).sections.get(INCLUDES, {})
        yield from self._included(includes.get("before"), path, chain, listed, roots)
        yield path
        for sibling in self._siblings(path):
            if sibling not in listed and sibling not in chain:
                yield from self._with_includes(sibling, chain, listed, roots)
        yield from self._included(includes.get("after"), path, chain, listed, roots)

    def _included(
        self, names: Text | None, path: Path, chain: tuple[Path, ...], listed: set[Path], roots: tuple[Path, ...]
    ) -> Iterator[Path]:
        for name, _ in names.entries() if names else ():
            if distribution.TAG in name:
                name = name.replace(distribution.TAG, distribution.family())
            found = self._locate(path, name, roots)
            if found is not None:
                yield from self._with_includes(found, chain, listed, roots)

    def _locate(self, including: Path, name: str, roots: tuple[Path, ...]) -> Path | None:
        """Return the file that *name* means in *including*; None when there is none, which is no fault."""
        if "\0" in name:
            return None
        direct = Path(os.path.normpath(including.parent / name))
        relative = self._relative(direct)
        candidates = [direct] if relative is None else [root / relative for root in roots]
        return next((path for path in candidates if _exists(path)), None)

    def _siblings(self, path: Path) -> Iterator[Path]:
        if path.suffix == ".local":
            return
        sibling = path.with_suffix(".local")
        relative = self._relative(sibling)
        for candidate in [sibling] if relative is None else [root / relative for root in self._roots()]:
            if _exists(candidate):
                yield candidate

    def _relative(self, path: Path) -> Path | None:
        for root in self._roots():
            if path.is_relative_to(root):
                return path.relative_to(root)
        return None

    def _listed(self, directory: Path, suffix: str) -> tuple[Path, ...]:
        """The files of *directory* that end in *suffix*, by name; hidden ones are left out, as the shell does."""
        if directory not in self._directories:
            found: list[Path] = []
            try:
                found = sorted(path for path in directory.iterdir() if not path.name.startswith("."))
            except (OSError, ValueError) as error:
                if _exists(directory):
                    why = getattr(error, "strerror", None) or str(error)
                    self._cannot_be_read(directory, f"cannot be read: {why}", "check its permissions, or remove it")
            self._directories[directory] = tuple(found)
        return tuple(path for path in self._directories[directory] if path.suffix == suffix)

    def _cannot_be_read(self, directory: Path, why: str, remedy: str) -> None:
        self.problems.append(Problem(why, remedy, origin=Origin(str(directory)), fatal=True))

    def _file(self, path: Path) -> ini.IniFile:
        if path not in self._files:
            self._files[path] = ini.read(path)
            self.problems.extend(self._files[path].problems)
        return self._files[path]


def _exists(path: Path) -> bool:
    """Tell whether there is anything at *path*, if only a dangling link; what cannot be found out is taken for a yes."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError as error:
        return error.errno != errno.ENAMETOOLONG
    return True
