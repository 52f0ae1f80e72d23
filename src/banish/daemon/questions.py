"""Finds the answers to what the heart asked, beside the reading of logs: names to resolve, commands to run.

The law: no question is forgotten, and no attacker chooses how many wait. Beyond NAMES, a name is not looked up and its match is
lost. Beyond COMMANDS, a match counts without its command being asked: a flood of lines can switch ``ignorecommand`` off for a
while, never a ban. Both are told, once in TELL_EVERY seconds.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from banish.addresses import Network
from banish.failures.ignore import CacheSettings
from banish.lookups.commands import Commands
from banish.lookups.names import Names
from banish.model import Notice, Question

NAMES = 1000
COMMANDS = 1000
TELL_EVERY = 60.0

Answer = tuple[Network, ...] | bool


class Questions:
    """Asks the world.

    *settle* passes an answer to the jail that asked and carries out what follows, *cache_of* gives the ``ignorecache`` of a
    jail, *tell* takes what a person should know, *clock* is the time, *lose* is told of a question that nobody will answer.
    """

    def __init__(
        self,
        names: Names,
        commands: Commands,
        *,
        settle: Callable[[Question, Answer], None],
        cache_of: Callable[[str], CacheSettings | None],
        tell: Callable[[Iterable[Notice]], None],
        clock: Callable[[], float],
        lose: Callable[[Question], None] = lambda question: None,
    ) -> None:
        self._names = names
        self._commands = commands
        self._settle = settle
        self._cache_of = cache_of
        self._tell = tell
        self._clock = clock
        self._lose = lose
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: Counter[str] = Counter()
        self._told_at: dict[str, float] = {}

    def ask(self, questions: Iterable[Question]) -> None:
        """Begin to look for the answers to *questions*."""
        for question in questions:
            if question.kind == "name":
                if self._waiting["name"] < NAMES:
                    self._begin("name", self._resolve(question))
                else:
                    self._lose(question)
                    self._overflow("name", f"Too many names to resolve at once; {question.text} is not looked up")
            elif self._waiting["command"] < COMMANDS:
                self._begin("command", self._run(question))
            else:
                self._overflow(
                    "command", f"[{question.jail}] Too many matches wait for ignorecommand; further ones count unasked"
                )
                self._settle(question, False)

    async def close(self) -> None:
        """Give up what is still asked."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, kind: str, work: Coroutine[Any, Any, None]) -> None:
        def done(task: asyncio.Task[None]) -> None:
            self._waiting[kind] -= 1
            self._tasks.discard(task)

        self._waiting[kind] += 1
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(done)

    async def _resolve(self, question: Question) -> None:
        self._settle(question, await self._names.resolve(question.text, self._clock()))

    async def _run(self, question: Question) -> None:
        verdict = await self._commands.ask(question, self._cache_of(question.jail), self._clock())
        self._tell(verdict.notices)
        self._settle(question, verdict.ignored)

    def _overflow(self, kind: str, text: str) -> None:
        now = self._clock()
        if not 0 <= now - self._told_at.get(kind, -TELL_EVERY) < TELL_EVERY:
            self._told_at[kind] = now
            self._tell([Notice("WARNING", "filter", text)])
