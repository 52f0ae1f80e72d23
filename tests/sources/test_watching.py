"""The watcher, with the real inotify: what is told, what happens at the limits, and what a lost watch costs."""

from __future__ import annotations

import errno
import os
import select
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from banish.sources import watching
from banish.sources.watching import InotifyWatcher, PollingWatcher


@pytest.fixture
def watcher() -> Iterator[InotifyWatcher]:
    watcher = InotifyWatcher()
    yield watcher
    watcher.close()


def told(watcher: InotifyWatcher, deadline: float = 5.0) -> dict[str, set[str]]:
    descriptor = watcher.fileno()
    assert descriptor is not None
    readable, _, _ = select.select([descriptor], [], [], deadline)
    assert readable
    return {directory: set(names) for directory, names in watcher.changes().names.items()}


def test_a_thousand_writes_are_one_name(watcher: InotifyWatcher, tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    log.touch()
    assert watcher.watch(str(tmp_path)) is None
    with log.open("ab", buffering=0) as file:
        for _ in range(1000):
            file.write(b"line\n")
    assert told(watcher) == {str(tmp_path): {"auth.log"}}
    assert watcher.changes() == ({}, False)


def test_create_rename_and_remove_are_told_by_name(watcher: InotifyWatcher, tmp_path: Path) -> None:
    watcher.watch(str(tmp_path))
    (tmp_path / "a").touch()
    (tmp_path / "a").rename(tmp_path / "b")
    (tmp_path / "b").unlink()
    assert told(watcher) == {str(tmp_path): {"a", "b"}}


def test_a_name_that_is_not_utf8(watcher: InotifyWatcher, tmp_path: Path) -> None:
    watcher.watch(str(tmp_path))
    name = os.fsdecode(b"caf\xe9.log")
    (tmp_path / name).touch()
    assert told(watcher) == {str(tmp_path): {name}}


def test_one_directory_by_two_names_is_told_for_both(watcher: InotifyWatcher, tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    watcher.watch(str(real))
    watcher.watch(str(link))
    (real / "x").touch()
    assert told(watcher) == {str(real): {"x"}, str(link): {"x"}}
    watcher.unwatch(str(real))
    (real / "y").touch()
    assert told(watcher) == {str(link): {"y"}}
    watcher.unwatch(str(link))
    (real / "z").touch()
    assert watcher.changes().names == {}


def test_a_directory_that_was_moved_away_is_watched_again_under_its_name(
    watcher: InotifyWatcher, tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    watcher.watch(str(logs))
    logs.rename(tmp_path / "away")
    logs.mkdir()
    assert watcher.changes().everything
    (tmp_path / "away" / "old").touch()
    watcher.watch(str(logs))
    (logs / "new").touch()
    assert told(watcher) == {str(logs): {"new"}}


def test_a_directory_that_is_missing_is_no_problem_yet(watcher: InotifyWatcher, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    assert watcher.watch(str(logs)) is None
    logs.mkdir()
    assert watcher.watch(str(logs)) is None
    (logs / "new").touch()
    assert told(watcher) == {str(logs): {"new"}}
    (logs / "new").unlink()
    logs.rmdir()
    assert watcher.changes().everything


def test_an_overflowing_queue_means_everything(watcher: InotifyWatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    event = struct.pack("iIII", -1, watching.IN_Q_OVERFLOW, 0, 0)
    with monkeypatch.context() as patched:
        patched.setattr("os.read", lambda fd, size: event)
        assert watcher.changes().everything


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOSPC, "no inotify watch left, it is looked at once a second (raise fs.inotify.max_user_watches)"),
        (errno.EACCES, "it cannot be watched, it is looked at once a second (Permission denied)"),
    ],
)
def test_a_directory_without_a_watch_is_told_and_not_raised(
    watcher: InotifyWatcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, text: str
) -> None:
    def refuse(function: str, *arguments: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(watcher, "_call", refuse)
        assert watcher.watch(str(tmp_path)) == f"{tmp_path}: {text}"
    assert watcher.watch(str(tmp_path)) is None
    (tmp_path / "x").touch()
    assert told(watcher) == {str(tmp_path): {"x"}}


def test_without_inotify_there_is_polling_and_a_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: InotifyWatcher) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(InotifyWatcher, "__init__", refuse)
    found, notice = watching.watcher()
    assert isinstance(found, PollingWatcher)
    assert notice is not None
    assert "fs.inotify.max_user_instances" in notice.text
    assert found.fileno() is None
    assert found.watch("/var/log") is None
    assert found.changes().everything


def test_the_best_watcher_here_is_inotify() -> None:
    found, notice = watching.watcher()
    assert isinstance(found, InotifyWatcher)
    assert notice is None
    found.close()
    assert found.fileno() is None
    assert found.changes().everything
