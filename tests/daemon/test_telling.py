"""What happened to very many bans, in the log."""

from __future__ import annotations

import asyncio
from pathlib import Path

from banish.daemon.logbook import Logbook
from banish.daemon.telling import SLICE, Telling
from banish.model import Decision


def ban(number: int, jail: str = "sshd") -> Decision:
    return Decision(jail, f"2001:db8::{number:x}", None, 0.0, 1.0)


def test_every_ban_is_told_though_they_are_many(tmp_path: Path) -> None:
    log, logbook = tmp_path / "log", Logbook()
    logbook.configure(f"{log}[datetime=off]", "INFO")
    telling = Telling(logbook)
    many, more, few = [ban(number) for number in range(2 * SLICE + 5)], [ban(7, "web")] * (SLICE + 1), [ban(1, "few")]

    async def story() -> None:
        telling.tell("Restore Ban", many)
        assert log.read_text().count("Restore Ban") == SLICE, "the rest beside other work"
        telling.tell("Unban", more)
        telling.tell("Unban", few)
        assert log.read_text().splitlines()[-1].endswith("[few] Unban 2001:db8::1"), "at once"
        turns = 0
        while not telling._task or not telling._task.done():
            before = log.read_text().count("\n")
            await asyncio.sleep(0)
            turns += 1
            assert log.read_text().count("\n") - before <= SLICE
        assert turns > 3
        await telling.told()

    asyncio.run(story())
    logbook.close()
    said = log.read_text().splitlines()
    assert [line.rsplit(" ", 1)[1] for line in said if "[sshd] Restore Ban" in line] == [each.id for each in many]
    assert sum("[web] Unban" in line for line in said) == len(more)


def test_when_there_is_nothing_to_tell_nothing_is_said(tmp_path: Path) -> None:
    log, logbook = tmp_path / "log", Logbook()
    logbook.configure(str(log), "INFO")
    Telling(logbook).tell("Unban", [])
    asyncio.run(Telling(logbook).told())
    logbook.close()
    assert log.read_text() == ""
