"""Scripts and their ends: real shells, short ones."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from banish.enforcement.commands import shell
from banish.enforcement.commands.shell import OUTPUT_BYTES, Result, run


def sh(script: str, *arguments: str, timeout: float = 20.0) -> Result:
    return asyncio.run(run(script, arguments, timeout))


def gone(pid: int) -> bool:
    """Tell whether a process has ended, within ten seconds."""
    for _ in range(500):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_status_output_and_parameters() -> None:
    assert sh("echo out; echo err >&2; exit 3") == Result(3, "out\n", "err\n")
    assert sh('printf "%s|" "$0" "$@"', "a b", "$(x)") == Result(0, "sh|a b|$(x)|")
    assert sh("kill -9 $$").status == -9
    assert sh("exit 0").ok


def test_output_is_bounded_and_everything_is_read() -> None:
    result = sh("head -c 1000000 /dev/zero | tr '\\0' x")
    assert result.ok
    assert result.stdout == "x" * OUTPUT_BYTES


def test_what_goes_on_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    began = time.monotonic()
    assert sh(f"sleep 60 & echo $! > {tmp_path}/pid; echo done").stdout == "done\n"
    assert time.monotonic() - began < 30
    os.kill(int((tmp_path / "pid").read_text()), 9)


def test_the_whole_group_is_ended_when_time_is_up(tmp_path: Path) -> None:
    result = sh(f"sleep 60 & echo $! > {tmp_path}/pid; sleep 60", timeout=0.5)
    assert result.timed_out
    assert not result.ok
    assert result.status == -15
    assert gone(int((tmp_path / "pid").read_text()))


def test_who_is_deaf_to_term_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "GRACE", 0.3)
    result = sh(f"trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.1; done", timeout=0.5)
    assert result.timed_out
    assert result.status == -9
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_child_that_is_deaf_does_not_outlive_its_leader(tmp_path: Path) -> None:
    script = f"(trap '' TERM; exec sleep 60) & echo $! > {tmp_path}/pid; exec sleep 60"
    assert sh(script, timeout=0.5).timed_out
    assert gone(int((tmp_path / "pid").read_text()))


def test_who_is_cancelled_kills_the_group(tmp_path: Path) -> None:
    async def story() -> None:
        task = asyncio.create_task(
            run(f"sleep 60 & echo $! > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; wait", (), 20.0)
        )
        while not (tmp_path / "pid").exists():  # noqa: ASYNC110 -- a file has no event
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(story())
    assert gone(int((tmp_path / "pid").read_text()))


def test_what_cannot_be_started_is_told() -> None:
    result = sh("true", "x" * 200_000)
    assert not result.ok
    assert result.trouble.startswith("cannot be started: ")


def test_no_descriptor_is_left_open() -> None:
    async def story() -> tuple[int, int]:
        await run("true", (), 20.0)
        before = len(os.listdir("/proc/self/fd"))
        await asyncio.gather(*(run("echo x", (), 20.0) for _ in range(5)))
        await run("true", ("x" * 200_000,), 20.0)
        return before, len(os.listdir("/proc/self/fd"))

    before, after = asyncio.run(story())
    assert after == before
