"""Actions at work on a file that tells what was run, and a log that is a list."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from banish import addresses
from banish.decisions.ledger import Ledger
from banish.enforcement.actions import ActionSettings
from banish.enforcement.commands.runner import Runner
from banish.enforcement.commands.ticket import Figures, World
from banish.model import Change, Decision

NOW = 1_800_000_000.0


def action(name: str = "x", inet6: Mapping[str, str] | None = None, /, **options: str) -> ActionSettings:
    """An action whose commands are *options*; *inet6* are those that differ for that family."""
    plain = {"name": "sshd", "actname": name, **options}
    conditional = {f"{option}?family=inet6": text for option, text in (inet6 or {}).items()}
    families = {"": plain, "inet4": plain, "inet6": {**plain, **(inet6 or {})}}
    return ActionSettings(name, name, "", {**plain, **conditional}, families)


def decision(id_: str = "192.0.2.7", **more: object) -> Decision:
    known: dict[str, Any] = {"jail": "sshd", "at": NOW, "expires_at": NOW + 600, "failures": 3, **more}
    return Decision("", id_, addresses.parse(id_), 0.0, 0.0)._replace(**known)


class Rig:
    """A runner for jail ``sshd``. Commands say what they do by ``>> $OUT``, a file of *directory*."""

    def __init__(self, directory: Path, *actions: ActionSettings) -> None:
        self.out = directory / "out"
        self.out.touch()
        self.ledger = Ledger()
        self.log: list[tuple[str, str, str]] = []
        self.history: list[Decision] = []
        self.database: dict[str, Decision] = {}
        """What the database has of each id, with the lines that led to it."""
        self.names: dict[str, str] = {}
        self.asked: list[str] = []
        world = World(lambda jail: Figures(1, 2, 3, 4, 600.0), self._past, self._evidence)
        self.runner = Runner(lambda: self.ledger, world, self._say, self._name_of)
        self.actions = actions

    def configure(self, *actions: ActionSettings) -> None:
        self.runner.configure({"sshd": actions})

    def ban(self, *ids: str, **more: object) -> None:
        self._apply([self.ledger.apply(decision(id_, **more), NOW).change for id_ in ids])

    def unban(self, *ids: str) -> None:
        self._apply([self.ledger.lift("sshd", id_) for id_ in ids])

    def prolong(self, id_: str, until: float) -> None:
        self._apply([self.ledger.apply(decision(id_, expires_at=until), NOW).change])

    def again(self, id_: str) -> None:
        """What the pipeline does about an id that is banned and fails all the same."""
        standing = next(each for each in self.ledger if each.id == id_)
        self.runner.apply([Change("prolong", standing)])

    @property
    def said(self) -> list[str]:
        return self.out.read_text(errors="surrogateescape").splitlines()

    async def until(self, true: Callable[[], bool]) -> None:
        while not true():  # noqa: ASYNC110 -- a file has no event
            await asyncio.sleep(0.01)

    async def lines(self, *expected: str) -> None:
        """Wait until exactly *expected* has been said, in this order."""
        try:
            async with asyncio.timeout(15):
                await self.until(lambda: len(self.said) >= len(expected))
        except TimeoutError:
            pass
        assert self.said == list(expected)

    def levels(self, level: str) -> list[str]:
        return [text for _, said, text in self.log if said == level]

    def play(self, story: Callable[[], Awaitable[None]]) -> None:
        """Start the actions, tell the *story*, and stop."""

        async def whole() -> None:
            async with asyncio.timeout(60):
                self.configure(*self.actions)
                await story()
                await self.runner.stop(30.0)

        asyncio.run(whole())

    def _apply(self, changes: Sequence[Change | None]) -> None:
        self.runner.apply([change for change in changes if change is not None])

    def _say(self, logger: str, level: str, text: str) -> None:
        self.log.append((logger, level, text))

    async def _name_of(self, address: str, now: float) -> str:
        self.asked.append(address)
        return self.names.get(address, "")

    def _evidence(self, ban: Decision) -> Decision:
        known = self.database.get(ban.id)
        return ban if known is None else ban._replace(matches=known.matches, fields=known.fields)

    def _past(self, id_: str) -> list[Decision]:
        self.asked.append(f"history of {id_}")
        return self.history
