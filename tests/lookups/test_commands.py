"""ignorecommand: real shells, short ones."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from banish import addresses
from banish.failures.ignore import CacheSettings
from banish.lookups import commands as module
from banish.lookups.commands import Commands, Verdict
from banish.lookups.hosts import Hosts
from banish.model import Match, Question


def question(command: str, id_: str = "192.0.2.7", user: str = "root", at: float = 0.0) -> Question:
    match = Match(0, id_, addresses.parse(id_), at, {"user": user}, ("a line",))
    return Question("command", "sshd", command, match)


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def within_the_deadline() -> None:
        async with asyncio.timeout(30):
            await story()

    asyncio.run(within_the_deadline())


def ask(command: str, user: str = "root", timeout: float = 20.0) -> Verdict:
    async def story() -> Verdict:
        return await Commands(timeout=timeout).ask(question(command, user=user), None, 0.0)

    return asyncio.run(story())


def test_status_0_ignores_and_status_1_counts() -> None:
    assert ask('test "<F-USER>" = root') == Verdict(True)
    assert ask('test "<F-USER>" = root', user="alice") == Verdict(False)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("echo oh no >&2; echo really; exit 3", "ended with status 3: oh no really"),
        ("exit 2", "ended with status 2"),
        ("/nosuch/command", "ended with status 127: /bin/sh: 1: /nosuch/command: not found"),
        ("kill -9 $$", "was killed by signal 9"),
    ],
)
def test_anything_else_counts_and_is_told(command: str, told: str) -> None:
    ignored, (notice,) = ask(command)
    assert not ignored
    assert (notice.level, notice.logger) == ("ERROR", "filter")
    end = "192.0.2.7 counts (end with 0 to ignore a match, with 1 to count it)"
    assert notice.text == f"[sshd] ignorecommand {told}; {end}"


def test_a_command_that_cannot_be_started_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_shell", lambda script: ("/nosuch/shell", script))
    ignored, (notice,) = ask("exit 0")
    assert not ignored
    assert "cannot be run" in notice.text


def test_a_command_with_a_nul_is_refused_and_counts() -> None:
    ignored, (notice,) = ask("exit 0 \0")
    assert not ignored
    assert "cannot be run" in notice.text


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_for_the_end_of(pid: int) -> None:
    deadline = time.monotonic() + 10
    while alive(pid):
        assert time.monotonic() < deadline, f"process {pid} lives"
        time.sleep(0.01)


def test_a_command_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    ignored, (notice,) = ask(f"sleep 60 & echo $! $$ > {pids}; trap '' TERM; wait; sleep 60", timeout=0.5)
    assert not ignored
    assert "took longer than 0.5 s and was killed" in notice.text
    for pid in pids.read_text().split():
        wait_for_the_end_of(int(pid))


def test_who_is_cancelled_kills_its_command(tmp_path: Path) -> None:
    pid = tmp_path / "pid"

    async def story() -> None:
        task = asyncio.create_task(
            Commands().ask(question(f"echo $$ > {pid}.new; mv {pid}.new {pid}; sleep 60"), None, 0.0)
        )
        while not pid.exists():  # noqa: ASYNC110  another process makes it
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(story)
    wait_for_the_end_of(int(pid.read_text()))


def test_what_goes_on_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    began = time.monotonic()
    assert ask(f"sleep 30 & echo $! > {pid}; exit 0") == Verdict(True)
    assert time.monotonic() - began < 10
    os.kill(int(pid.read_text()), 9)


def test_a_command_that_talks_a_lot_is_cut_short_and_not_held_up() -> None:
    _, (notice,) = ask("head -c 3000000 /dev/zero | tr '\\0' x; exit 3")
    assert len(notice.text) < 1000
    assert "status 3: xxxx" in notice.text


def test_text_from_the_log_is_never_code(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    for user in (
        f"$(touch {trap})",
        f"`touch {trap}`",
        f'"; touch {trap}; "',
        f"x\ntouch {trap}",
        f"'; touch {trap} #",
    ):
        for command in (
            'test "<F-USER>" = root',
            "test <F-USER> = root",
            "test '<F-USER>' = root",
            "test x<F-USER>y = root",
        ):
            assert not ask(command, user=user).ignored
    assert not trap.exists()


def test_answers_for_one_id_come_in_order_and_ids_do_not_wait_for_each_other(tmp_path: Path) -> None:
    async def story() -> None:
        commands, answered = Commands(), list[str]()

        async def one(id_: str, name: str, command: str) -> None:
            await commands.ask(question(command, id_), None, 0.0)
            answered.append(name)

        gate = tmp_path / "gate"
        await asyncio.gather(
            one("192.0.2.7", "slow", f"while test ! -e {gate}; do sleep 0.01; done; exit 1"),
            one("192.0.2.7", "quick, same id", "exit 1"),
            one("192.0.2.8", "quick, other id", f"touch {gate}; exit 1"),
        )
        assert answered.index("slow") < answered.index("quick, same id")

    run(story)


def test_only_so_many_run_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        commands = Commands(at_once=2)
        count = f"ls {tmp_path} | wc -l >> {tmp_path}.seen; sleep 0.05"
        await asyncio.gather(
            *(
                commands.ask(
                    question(f"touch {tmp_path}/{n}; {count}; rm {tmp_path}/{n}; exit 1", f"192.0.2.{n}"), None, 0.0
                )
                for n in range(6)
            )
        )

    run(story)
    seen = [int(word) for word in Path(f"{tmp_path}.seen").read_text().split()]
    assert len(seen) == 6
    assert max(seen) <= 2


def test_answers_are_kept_for_a_key_and_a_while(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = f'echo asked >> {log}; test "<F-USER>" = root'
    cache = CacheSettings("<F-USER>@<ip-host>", max_count=2, max_time=60.0)

    async def story() -> None:
        commands = Commands(Hosts(lambda address: "evil.example.org"))

        async def asked(user: str, now: float, id_: str = "192.0.2.7") -> tuple[bool, int]:
            before = log.read_text().count("asked") if log.exists() else 0
            verdict = await commands.ask(question(command, id_, user), cache, now)
            return verdict.ignored, log.read_text().count("asked") - before

        assert await asked("root", 0) == (True, 1)
        assert await asked("root", 59) == (True, 0)
        assert await asked("root", 59, "192.0.2.8") == (True, 0), "the same key"
        assert await asked("root", 60) == (True, 1), "too old"
        assert await asked("alice", 61) == (False, 1)
        assert await asked("alice", 61) == (False, 0)
        assert await asked("bob", 61) == (False, 1)
        assert await asked("root", 61) == (True, 1), "two keys are kept; the oldest went first"
        assert await asked("root", 10) == (True, 1), "the clock was set back"
        commands.forget()
        assert await asked("root", 10) == (True, 1)

    run(story)


def test_an_error_is_no_answer_to_keep(tmp_path: Path) -> None:
    flag = tmp_path / "flag"

    async def story() -> None:
        commands, cache = Commands(), CacheSettings("<ip>")
        asked = question(f"test -e {flag} || exit 3")
        assert (await commands.ask(asked, cache, 0.0)).notices
        flag.touch()
        assert await commands.ask(asked, cache, 0.0) == Verdict(True)

    run(story)
