"""The hub: many files and patterns in one stream, in a real event loop with the real inotify."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import pytest

from banish.model import Batch
from banish.sources import files
from banish.sources.files import LARGEST, PORTION, FileSource
from banish.sources.follower import BLOCK
from banish.sources.paths import LogPath
from banish.sources.watching import Changes, InotifyWatcher, PollingWatcher

DEADLINE = 5.0


def run(story: Coroutine[Any, Any, None]) -> None:
    async def within_the_deadline() -> None:
        async with asyncio.timeout(4 * DEADLINE):
            await story

    asyncio.run(within_the_deadline())


class Reader:
    """Takes what a source yields, in the background."""

    def __init__(self, source: FileSource) -> None:
        self.source = source
        self.batches: list[Batch] = []
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async with aclosing(_closable(self.source)) as stream:
            async for batch in stream:
                self.batches.append(batch)

    def text(self, path: Path | str) -> bytes:
        return b"".join(batch.data for batch in self.batches if batch.source == str(path))

    async def until(self, condition: Callable[[], bool]) -> float:
        began = time.monotonic()
        async with asyncio.timeout(DEADLINE):
            while not condition():  # noqa: ASYNC110  a condition on files has no event to wait for
                await asyncio.sleep(0.002)
        return time.monotonic() - began

    async def reads(self, path: Path, text: bytes) -> float:
        try:
            return await self.until(lambda: self.text(path) == text)
        except TimeoutError:
            raise AssertionError(f"{path}: {self.text(path)!r} instead of {text!r}") from None

    async def close(self) -> None:
        self.source.close()
        with suppress(asyncio.CancelledError):
            await self._task


async def _closable(source: FileSource) -> Any:
    async for batch in source.batches():
        yield batch


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def paths(*patterns: Path | str, start: Any = "head") -> list[LogPath]:
    return [LogPath(str(pattern), start) for pattern in patterns]


def reading(story: Callable[[Reader], Awaitable[None]], **settings: Any) -> None:
    async def told() -> None:
        reader = Reader(FileSource(**settings))
        try:
            await story(reader)
        finally:
            await reader.close()

    run(told())


def test_an_appended_line_arrives_within_milliseconds(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    append(log, b"old\n")

    async def story(reader: Reader) -> None:
        await reader.reads(log, b"old\n")
        append(log, b"new\n")
        assert await reader.reads(log, b"old\nnew\n") < 0.5
        assert [batch.live for batch in reader.batches] == [False, True]

    reading(story, paths=paths(log), poll_interval=60)


def test_rotation_is_followed_and_told(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    append(log, b"one\n")

    async def story(reader: Reader) -> None:
        await reader.reads(log, b"one\n")
        log.rename(tmp_path / "auth.log.1")
        append(tmp_path / "auth.log.1", b"two\n")
        append(log, b"three\n")
        await reader.reads(log, b"one\ntwo\nthree\n")
        append(tmp_path / "auth.log.1", b"straggler\n")
        await reader.reads(log, b"one\ntwo\nthree\nstraggler\n")
        texts = [notice.text for notice in reader.source.notices()]
        assert f"Log rotation detected for {log}, reason: another file took its place" in texts
        assert reader.source.notices() == []

    reading(story, paths=paths(log), poll_interval=60)


def test_without_inotify_the_poll_finds_everything(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"

    async def story(reader: Reader) -> None:
        append(log, b"late\n")
        await reader.reads(log, b"late\n")
        append(log, b"more\n")
        await reader.reads(log, b"late\nmore\n")
        append(tmp_path / "b.log", b"hit\n")
        await reader.reads(tmp_path / "b.log", b"hit\n")

    reading(story, paths=paths(log, tmp_path / "*.log"), watcher=PollingWatcher(), poll_interval=0.02)


def test_a_pattern_picks_up_new_files_from_their_beginning(tmp_path: Path) -> None:
    first, second = tmp_path / "a.log", tmp_path / "b.log"
    append(first, b"before\n")

    async def story(reader: Reader) -> None:
        append(second, b"from the beginning\n")
        append(tmp_path / "c.txt", b"no hit\n")
        await reader.reads(second, b"from the beginning\n")
        append(first, b"after\n")
        await reader.reads(first, b"after\n")
        assert reader.source.patterns_of(str(second)) == {str(tmp_path / "*.log")}
        assert reader.source.patterns_of(str(tmp_path / "c.txt")) == frozenset()

    reading(story, paths=paths(tmp_path / "*.log", start="tail"), poll_interval=60)


def test_a_pattern_with_wildcards_in_the_directory(tmp_path: Path) -> None:
    async def story(reader: Reader) -> None:
        site = tmp_path / "www" / "site"
        site.mkdir(parents=True)
        append(site / "access.log", b"hit\n")
        await reader.reads(site / "access.log", b"hit\n")
        append(site / "access.log", b"again\n")
        await reader.reads(site / "access.log", b"hit\nagain\n")

    reading(story, paths=paths(tmp_path / "w*" / "*" / "access.log"), poll_interval=0.05)


def test_a_missing_directory_may_appear(tmp_path: Path) -> None:
    log = tmp_path / "not" / "yet" / "app.log"

    async def story(reader: Reader) -> None:
        (row,) = reader.source.status()
        assert (row.found, row.problem is not None) == (False, True)
        log.parent.mkdir(parents=True)
        append(log, b"line\n")
        await reader.reads(log, b"line\n")
        (row,) = reader.source.status()
        assert row == (str(log), 5, 0, True, None, 0)

    reading(story, paths=paths(log), poll_interval=0.05)


def test_rotated_and_compressed_hits_are_not_logs_of_their_own(tmp_path: Path) -> None:
    for name in ("auth.log", "auth.log.1", "auth.log-20260131", "auth-20260130.log", "auth.log.2.gz", "mail.log.1"):
        append(tmp_path / name, b"line\n")
    (tmp_path / "auth.d.log").mkdir()
    (tmp_path / "current.log").symlink_to("auth.log")
    source = FileSource(paths(tmp_path / "*log*"), watcher=PollingWatcher())
    assert [Path(row.path).name for row in source.status()] == ["auth.log", "mail.log.1"]
    source.close()


def test_a_log_that_is_renamed_within_its_pattern_is_read_once(tmp_path: Path) -> None:
    log, aside = tmp_path / "app.log", tmp_path / "other-name.log"
    append(log, b"one\n")

    async def story(reader: Reader) -> None:
        await reader.reads(log, b"one\n")
        log.rename(aside)
        append(aside, b"two\n")
        append(log, b"three\n")
        await reader.until(
            lambda: reader.text(log) + reader.text(aside) in (b"one\ntwo\nthree\n", b"one\nthree\ntwo\n")
        )
        append(aside, b"four\n")
        await reader.until(
            lambda: sorted((reader.text(log) + reader.text(aside)).split()) == [b"four", b"one", b"three", b"two"]
        )

    reading(story, paths=paths(tmp_path / "*.log"), poll_interval=0.05)


def test_a_rotation_within_a_pattern_is_read_once(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    append(log, b"one\n")

    async def story(reader: Reader) -> None:
        await reader.reads(log, b"one\n")
        log.rename(tmp_path / "app.log.1")
        append(tmp_path / "app.log.1", b"two\n")
        append(log, b"three\n")
        await reader.reads(log, b"one\ntwo\nthree\n")
        assert {batch.source for batch in reader.batches} == {str(log)}

    reading(story, paths=paths(tmp_path / "app.log*"), poll_interval=0.05)


def test_a_rotated_file_is_let_go_when_its_log_appears(tmp_path: Path) -> None:
    log, old = tmp_path / "app.log", tmp_path / "app.log.1"
    append(old, b"one\n")

    async def story(reader: Reader) -> None:
        await reader.reads(old, b"one\n")
        append(log, b"two\n")
        await reader.reads(log, b"two\n")
        assert [row.path for row in reader.source.status()] == [str(log)]
        log.rename(old)
        append(log, b"three\n")
        await reader.reads(log, b"two\nthree\n")
        assert reader.text(old) == b"one\n"

    reading(story, paths=paths(tmp_path / "app.log*"), poll_interval=0.05)


def test_paths_that_cannot_be_are_problems(tmp_path: Path) -> None:
    source = FileSource(paths("a\0b", f"{tmp_path}/\0*.log", "", "\ud800.log"))
    rows = source.status()
    assert len(rows) == 4
    assert all(row.problem and not row.found for row in rows)
    source.close()


def test_head_wins_over_tail(tmp_path: Path) -> None:
    log, other = tmp_path / "a.log", tmp_path / "b.log"
    append(log, b"old\n")
    append(other, b"old\n")

    async def story(reader: Reader) -> None:
        await reader.reads(log, b"old\n")
        append(other, b"new\n")
        await reader.reads(other, b"new\n")
        assert reader.source.patterns_of(str(log)) == {str(log), str(tmp_path / "*.log")}

    both = [*paths(log, start="tail"), *paths(tmp_path / "*.log", start="tail"), *paths(log)]
    reading(story, paths=both)


def test_positions_are_gone_on_from(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    append(log, b"one\n")

    async def before() -> None:
        reader = Reader(FileSource(paths(log)))
        await reader.reads(log, b"one\n")
        await reader.close()
        positions[str(log)] = reader.batches[-1].position

    positions: dict[str, Any] = {}
    run(before())
    append(log, b"two\n")

    async def story(reader: Reader) -> None:
        await reader.reads(log, b"two\n")

    reading(story, paths=paths(log, start="tail"), positions=positions)


def test_a_tail_has_a_position_before_it_has_spoken(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    append(log, b"old\n")
    source = FileSource(paths(log, start="tail"))
    assert source.positions()[str(log)].offset == 4
    source.close()


def test_reload_removes_and_adds_without_losing_the_place(tmp_path: Path) -> None:
    log, other = tmp_path / "auth.log", tmp_path / "other.log"
    append(log, b"one\n")

    async def story(reader: Reader) -> None:
        await reader.reads(log, b"one\n")
        reader.source.remove([str(log)])
        assert reader.source.status() == []
        append(log, b"two\n")
        append(other, b"x\n")
        reader.source.add(paths(other))
        await reader.reads(other, b"x\n")
        assert reader.text(log) == b"one\n"
        reader.source.add(paths(log))
        await reader.reads(log, b"one\ntwo\n")

    reading(story, paths=paths(log), poll_interval=60)


def test_a_file_that_two_patterns_want_stays_until_both_are_removed(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    append(log, b"one\n")

    async def story(reader: Reader) -> None:
        await reader.reads(log, b"one\n")
        reader.source.remove([str(log)])
        append(log, b"two\n")
        await reader.reads(log, b"one\ntwo\n")
        assert reader.source.patterns_of(str(log)) == {str(tmp_path / "*.log")}

    reading(story, paths=paths(log, tmp_path / "*.log"), poll_interval=60)


def test_a_hit_that_is_deleted_is_forgotten_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("banish.sources.follower.LINGER", 0.05)
    log = tmp_path / "pod-1.log"
    append(log, b"one\n")

    async def story(reader: Reader) -> None:
        await reader.reads(log, b"one\n")
        log.unlink()
        await reader.until(lambda: [row.path for row in reader.source.status()] == [str(tmp_path / "*.log")])
        append(log, b"two\n")
        await reader.reads(log, b"one\ntwo\n")

    reading(story, paths=paths(tmp_path / "*.log"), poll_interval=0.02)


def test_a_problem_is_told_once_and_its_end_too(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    log.mkdir()

    async def story(reader: Reader) -> None:
        await asyncio.sleep(0.1)
        notices = reader.source.notices()
        assert [notice.text for notice in notices] == [f"{log}: is a directory (name the files in it: directory/*.log)"]
        log.rmdir()
        append(log, b"line\n")
        await reader.reads(log, b"line\n")
        assert reader.source.notices()[-1].text == f"{log}: it is read again"

    reading(story, paths=paths(log), poll_interval=0.02)


def test_a_directory_without_a_watch_is_told_and_polled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "auth.log"
    log.touch()
    watcher = InotifyWatcher()
    monkeypatch.setattr(watcher, "watch", lambda directory: f"{directory}: no inotify watch left")

    async def story(reader: Reader) -> None:
        append(log, b"line\n")
        await reader.reads(log, b"line\n")
        assert [notice.text for notice in reader.source.notices()] == [f"{tmp_path}: no inotify watch left"]

    reading(story, paths=paths(log), watcher=watcher, poll_interval=0.05)


def test_on_a_file_system_that_tells_nothing_the_look_at_everything_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, other = tmp_path / "a.log", tmp_path / "b.log"
    append(log, b"one\n")
    other.touch()
    watcher = InotifyWatcher()
    monkeypatch.setattr(watcher, "changes", lambda: Changes({}))

    async def story(reader: Reader) -> None:
        await reader.reads(log, b"one\n")
        await asyncio.sleep(0.3)  # so long that both are known to be quiet
        append(log, b"two\n")
        await reader.reads(log, b"one\ntwo\n")
        log.rename(tmp_path / "a.log.1")
        append(log, b"three\n")
        append(other, b"four\n")
        await reader.reads(log, b"one\ntwo\nthree\n")
        await reader.reads(other, b"four\n")

    reading(story, paths=paths(log, other), watcher=watcher, poll_interval=0.02)


class Driven:
    """A source that is looked at by hand, at the strokes of a clock of its own."""

    def __init__(self, *logs: Path, watcher: InotifyWatcher) -> None:
        self.now = 1000.0
        self.source = FileSource(paths(*logs), clock=lambda: self.now, watcher=watcher, poll_interval=1.0)

    def reads(self) -> bytes:
        """Return what is read at the next stroke."""
        self.now += 2.0
        self.source._listen()
        found = []
        while self.source._ready:
            path = next(iter(self.source._ready))
            del self.source._ready[path]
            batch, _ = self.source._read(path)
            found += [batch.data] if batch is not None else []
        return b"".join(found)


def test_a_change_that_nothing_tells_of_is_late_only_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs = [tmp_path / f"{number}.log" for number in range(12)]
    for log in logs:
        append(log, b"old\n")
    watcher = InotifyWatcher()
    monkeypatch.setattr(watcher, "changes", lambda: Changes({}))
    driven = Driven(*logs, watcher=watcher)
    for _ in range(2 * files.TURNS):
        driven.reads()  # until all are known to be quiet
    append(logs[7], b"one\n")
    assert sorted(driven.reads() for _ in range(files.TURNS)) == [b""] * (files.TURNS - 1) + [b"one\n"]
    for text in (b"two\n", b"three\n"):
        append(logs[7], text)
        assert driven.reads() == text
    driven.source.close()


def test_what_is_written_during_a_look_was_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "a.log"
    append(log, b"old\n")
    watcher = InotifyWatcher()
    driven = Driven(log, watcher=watcher)
    for _ in range(2 * files.TURNS):
        driven.reads()
    monkeypatch.setattr(files, "TURNS", 1)  # it is its turn
    monkeypatch.setattr(driven.source._files[str(log)], "turn", 0)
    told = watcher.changes

    def told_and_written() -> Changes:
        changes = told()
        monkeypatch.setattr(watcher, "changes", told)
        append(log, b"new\n")
        return changes

    monkeypatch.setattr(watcher, "changes", told_and_written)
    assert driven.reads() == b"new\n"
    assert not driven.source._files[str(log)].untold
    driven.source.close()


def test_everything_is_looked_at_more_often_where_something_could_be_missed(tmp_path: Path) -> None:
    looks: list[float] = []
    now = 1000.0

    class Watcher(InotifyWatcher):
        def watch(self, directory: str) -> str | None:
            looks.append(now)
            return super().watch(directory)

    def looks_in_ten_seconds() -> int:
        nonlocal now
        looks.clear()
        for _ in range(100):
            now += 0.1
            source._listen()
        return len(set(looks))

    log = tmp_path / "a.log"
    log.touch()
    source = FileSource(paths(log), clock=lambda: now, watcher=Watcher(), poll_interval=1.0)
    assert 4 <= looks_in_ten_seconds() <= 6
    source.add(paths(tmp_path / "missing.log"))
    assert 9 <= looks_in_ten_seconds() <= 11
    source.close()


def test_what_cannot_be_read_is_known_without_a_look(tmp_path: Path) -> None:
    log, missing, pattern = tmp_path / "a.log", tmp_path / "missing.log", tmp_path / "*.none"
    log.touch()
    source = FileSource(paths(log, missing, pattern))
    assert source.problems() == [(row.path, row.problem) for row in source.status() if row.problem]
    assert {path for path, _ in source.problems()} == {str(missing), str(pattern)}
    source.close()


def test_two_hundred_files_cost_one_inotify_instance(tmp_path: Path) -> None:
    def instances() -> int:
        count = 0
        for name in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                count += os.readlink(f"/proc/self/fd/{name}") == "anon_inode:inotify"
        return count

    before = instances()
    logs = [tmp_path / f"{number % 10}" / f"{number}.log" for number in range(200)]
    for log in logs:
        log.parent.mkdir(exist_ok=True)
        log.touch()

    async def story(reader: Reader) -> None:
        assert instances() - before == 1
        append(logs[123], b"line\n")
        await reader.reads(logs[123], b"line\n")

    reading(story, paths=paths(*logs, tmp_path / "*" / "*.log"))
    assert instances() == before


def test_the_loop_breathes_while_a_big_file_is_read_and_others_take_turns(tmp_path: Path) -> None:
    big, small = tmp_path / "a.log", tmp_path / "b.log"
    big.write_bytes(b"x" * 99 + b"\n" + (b"y" * 99 + b"\n") * 200_000)
    small.write_bytes(b"small\n")

    async def story() -> None:
        source = FileSource(paths(big, small))
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticker = asyncio.create_task(tick())
        stream: AsyncIterator[Batch] = source.batches()
        total, order = 0, []
        async for batch in stream:
            total += len(batch.data)
            order.append(batch.source)
            if total == big.stat().st_size + small.stat().st_size:
                break
        source.close()
        ticker.cancel()
        assert ticks >= big.stat().st_size // (2 * files.BREATH_BYTES)
        assert order.index(str(small)) <= 1

    run(story())


def test_closing_ends_the_stream_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        reader = Reader(FileSource(paths(tmp_path / "auth.log"), poll_interval=60))
        await asyncio.sleep(0.01)
        await reader.close()
        assert reader.source.positions() == {}

    run(story())


def test_relative_paths_are_watched_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("auth.log").touch()

    async def story(reader: Reader) -> None:
        append(Path("auth.log"), b"line\n")
        await reader.reads(Path("auth.log"), b"line\n")

    reading(story, paths=paths("auth.log"), poll_interval=60)


def test_of_a_log_whose_batches_take_long_less_is_read_at_once(tmp_path: Path) -> None:
    log = tmp_path / "flood.log"
    log.write_bytes(b"x" * 99 + b"\n")
    now = 0.0

    async def story() -> None:
        nonlocal now
        source = FileSource([LogPath(str(log))], clock=lambda: now)
        log.write_bytes((b"x" * 99 + b"\n") * 30_000)
        sizes = []
        async for batch in source.batches():
            sizes.append(len(batch.data))
            now += 0.1 if len(sizes) < 8 else 0.001
            if sum(sizes) == 3_000_000:
                break
        source.close()
        assert BLOCK - 100 < sizes[0] <= BLOCK
        assert PORTION - 100 < min(sizes) == min(sizes[5:8]) <= PORTION
        assert LARGEST - 100 < max(sizes[8:]) < LARGEST + 100, "it is quick again"

    run(story())
