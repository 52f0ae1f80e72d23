"""Questions of the heart: answered beside the reading of logs, and never more than can be borne."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import pytest

from banish import addresses
from banish.daemon import questions as module
from banish.daemon.questions import Answer, Questions
from banish.lookups.commands import Commands
from banish.lookups.names import Names
from banish.model import Match, Notice, Question


def question(kind: str, text: str, at: float = 0.0, id_: str = "192.0.2.7") -> Question:
    match = Match(0, id_, addresses.parse(id_), at, {}, ())
    return Question("name" if kind == "name" else "command", "sshd", text, match)


class Jail:
    """Takes the answers, and what is told."""

    def __init__(self) -> None:
        self.answers: list[tuple[float, Answer]] = []
        self.told: list[str] = []
        self.now = 0.0
        self.names = Names(lambda name: ["192.0.2.7"])
        self.questions = Questions(
            self.names,
            Commands(),
            settle=self.settle,
            cache_of=lambda jail: None,
            tell=self.tell,
            clock=lambda: self.now,
        )

    def settle(self, question: Question, answer: Answer) -> None:
        self.answers.append((question.match.at, answer))

    def tell(self, notices: Iterable[Notice]) -> None:
        self.told += [notice.text for notice in notices]

    async def wait_for(self, answers: int) -> None:
        while len(self.answers) < answers:  # noqa: ASYNC110  the answers come from outside
            await asyncio.sleep(0.01)


def run(story: Callable[[Jail], Awaitable[None]]) -> None:
    async def within_the_deadline() -> None:
        jail = Jail()
        try:
            async with asyncio.timeout(20):
                await story(jail)
        finally:
            await jail.questions.close()
            jail.names.close()

    asyncio.run(within_the_deadline())


def test_names_and_commands_are_answered() -> None:
    async def story(jail: Jail) -> None:
        jail.questions.ask([question("name", "evil.example.org", 1)])
        await jail.wait_for(1)
        jail.questions.ask(
            [question("command", "exit 0", 2), question("command", "exit 1", 3), question("command", "exit 9", 4)]
        )
        await jail.wait_for(4)
        assert jail.answers == [(1, (addresses.parse("192.0.2.7"),)), (2, True), (3, False), (4, False)]
        assert len(jail.told) == 1

    run(story)


def test_a_flood_counts_without_the_command_and_is_told_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COMMANDS", 2)

    async def story(jail: Jail) -> None:
        jail.questions.ask(question("command", "sleep 30", at) for at in range(5))
        assert jail.answers == [(2, False), (3, False), (4, False)]
        text = "[sshd] Too many matches wait for ignorecommand; further ones count unasked"
        assert jail.told == [text]
        jail.now = 61
        jail.questions.ask([question("command", "sleep 30", 5)])
        assert jail.told == [text] * 2

    run(story)


def test_room_is_made_by_what_was_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COMMANDS", 1)

    async def story(jail: Jail) -> None:
        for number in range(3):
            jail.questions.ask([question("command", "exit 0", number)])
            await jail.wait_for(number + 1)
            await asyncio.sleep(0)
        assert jail.answers == [(0, True), (1, True), (2, True)]

    run(story)


def test_a_flood_of_names_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NAMES", 1)

    async def story(jail: Jail) -> None:
        jail.questions.ask(question("name", f"n{number}.example.org", number) for number in range(3))
        await jail.wait_for(1)
        assert [at for at, _ in jail.answers] == [0]
        assert jail.told == ["Too many names to resolve at once; n1.example.org is not looked up"]

    run(story)
