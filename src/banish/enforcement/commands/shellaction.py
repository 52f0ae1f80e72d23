"""An action of shell commands: which command runs when, and what is done when one fails. The rules are fail2ban's (jail.conf(5)).

``actionstart`` runs once: when the jail starts, or, where options differ between the families (or ``actionstart_on_demand``
says so), before the first ban of a family. ``actionunban`` runs where that family has had bans, ``actionstop`` where it was started.

When a ban fails and there is an ``actioncheck``, that is asked. If it fails too, what bans stand on is laid anew (``actionrepair``, or
``actionstop`` and ``actionstart``), and the ban is tried once more. Other than fail2ban, the bans that stood there before are put
back at once: see ``repaired``.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import re
import socket
import time
from collections.abc import Callable
from signal import Signals

from banish import durations
from banish.enforcement.actions import ActionSettings
from banish.enforcement.commands import shell
from banish.enforcement.commands.door import Door
from banish.enforcement.commands.filling import Script, fill, tags
from banish.enforcement.commands.performer import TIMEOUT, NameOf, NotDone, Say
from banish.enforcement.commands.ticket import Ticket, World

AT_ONCE = 8
"""Commands of one action that run at a time; option ``at_once`` of the action sets another number."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds until a start that failed is tried again: 1, 2, 4 … 60, when there is something to ban."""
CHECK_EVERY = 3.0
"""Seconds between two looks at what bans stand on, whatever asks for them."""

_TRUE = frozenset({"1", "on", "true", "yes"})
_EDITS = re.compile(r"\b(?:sed|perl)\b[^|;&\n]*\s-\w*i|\bmv\b|\bed\b\s")
"""Commands that replace a file: two of them at a time lose what one has written."""
_SHOWN = 2000
_numbers = itertools.count(1)


class ShellAction:
    """One action of one jail; to be used from one event loop. See ``performer.Performer``."""

    def __init__(self, jail: str, settings: ActionSettings, world: World, say: Say, name_of: NameOf) -> None:
        self.lasting = False
        self.repaired: Callable[[frozenset[str]], None] = lambda families: None
        self.trouble = ""
        self._jail = jail
        self._settings = settings
        self._world = world
        self._say = say
        self._name_of = name_of
        options = settings.options
        self._timeout = _seconds(options.get("timeout", ""), TIMEOUT)
        self._on_demand = _flag(options.get("actionstart_on_demand", ""), settings.conditional)
        self._repair_on_unban = _flag(options.get("actionrepair_on_unban", ""), False)
        self.norestored = _flag(options.get("norestored", ""), False)
        self.can_flush = bool(self._command("flush", ""))
        self.can_prolong = bool(self._command("prolong", ""))
        self.editing = any(_EDITS.search(self._command(kind, "")) for kind in ("ban", "unban"))
        self.at_once = 1 if self.editing else AT_ONCE
        if options.get("at_once", "").strip().isdigit():
            self.at_once = max(1, int(options["at_once"]))
            self.editing = self.at_once == 1
        self._door = Door()
        self._starting = asyncio.Lock()
        self._started: set[str] = set()
        self._to_stop: set[str] = set()
        """What was started, or may have been in part."""
        self._banned: set[str] = set()
        """The families that have had bans."""
        self._epoch = 0
        self._checked_at: dict[str, float] = {}
        self._retry_at = -math.inf
        self._pause = 0.0

    async def start(self) -> None:
        if not self._on_demand:
            await self._ensure_started("")

    async def ban(self, ticket: Ticket, *, again: bool = False) -> None:
        await self._ensure_started(ticket.family)
        if again:
            self._say(
                "actions", "NOTICE", f"[{self._jail}] Reban {ticket.decision.id}, action {self._settings.actname!r}"
            )
        kind = "reban" if again and self._command("reban", ticket.family) else "ban"
        await self._insist(kind, ticket, "banning", repair=True)
        self._banned.add(ticket.family)

    async def unban(self, ticket: Ticket) -> None:
        if ticket.family in self._banned:
            await self._insist("unban", ticket, "unbanning", repair=self._repair_on_unban)

    async def prolong(self, ticket: Ticket) -> None:
        await self._insist("prolong", ticket, "prolonging", repair=True)

    async def check(self, ticket: Ticket) -> None:
        now, checked_at = time.monotonic(), self._checked_at.get(ticket.family, -math.inf)
        if self._command("check", ticket.family) and self._stands(ticket.family) and now - checked_at > CHECK_EVERY:
            self._checked_at[ticket.family] = now
            epoch = self._epoch
            async with self._door.alone():
                if epoch == self._epoch:
                    await self._mend(ticket.family)

    async def flush(self) -> None:
        async with self._door.alone():
            await self._each("flush", sorted(self._banned))
            self._banned.clear()

    async def reload(self) -> None:
        async with self._door.alone():
            await self._each("reload", sorted(self._started))

    async def stop(self) -> None:
        async with self._door.alone():
            families = sorted(self._to_stop)
            for left in (self._started, self._to_stop, self._banned):
                left.clear()
            await self._each("stop", families)

    # The flow of fail2ban

    async def _insist(self, kind: str, ticket: Ticket, doing: str, *, repair: bool) -> None:
        """Run the command of that *kind*; after a failure, and a check with what follows from it, once more."""
        family = ticket.family
        if not self._command(kind, family):
            return
        if (
            "ip-host" in tags(self._command(kind, family))
            and ticket.decision.network is not None
            and ticket.host is None
        ):
            ticket.host = await self._name_of(str(ticket.decision.network.network_address), time.time())
        epoch = self._epoch
        async with self._door.shared():
            result = await self._run(kind, family, ticket)
        if result.ok:
            return
        if repair and self._command("check", family):
            async with self._door.alone():
                if epoch == self._epoch:  # nobody else has mended it meanwhile
                    await self._mend(family)
            async with self._door.shared():
                result = await self._run(kind, family, ticket)
        if not result.ok:
            raise NotDone(f"Error {doing} {ticket.decision.id}: {self._how(result)}")

    async def _mend(self, family: str) -> None:
        """Check what bans of *family* stand on, and lay it anew if it is not there. Raises NotDone when that does not help."""
        ground = self._ground(family)
        if (await self._run("check", ground)).ok:
            return
        self._say("CommandAction", "ERROR", "Invariant check failed. Trying to restore a sane environment")
        self._epoch += 1
        if self._command("repair", ground):
            await self._run("repair", ground)
        else:
            await self._run("stop", ground)
            await self._run("start", ground)
        if not (await self._run("check", ground)).ok:
            self._say("CommandAction", "CRITICAL", "Unable to restore environment")
            raise NotDone("Unable to restore environment")
        self.repaired(frozenset({family} if self._on_demand else self._banned))

    async def _ensure_started(self, family: str) -> None:
        """Start what *family* needs; where that is not done on demand, a ban is tried even if it failed, as fail2ban does it."""
        ground = self._ground(family)
        if ground in self._started:
            return
        async with self._starting:
            if ground in self._started:
                return
            if 0 <= self._retry_at - time.monotonic() <= LONGEST_PAUSE:
                if self._on_demand:
                    raise NotDone(self.trouble, not_started=True)
                return
            async with self._door.alone():
                result = await self._run("start", ground)
            if result.ok or not self._on_demand:
                self._to_stop.add(ground)
            if result.ok:
                self._started.add(ground)
                self.trouble, self._pause, self._retry_at = "", 0.0, -math.inf
                return
            self.trouble = f"Error starting action {self._jail}/{self._settings.actname}: {self._how(result)}"
            self._pause = min(max(FIRST_PAUSE, self._pause * 2), LONGEST_PAUSE)
            self._retry_at = time.monotonic() + self._pause
            text = f"Failed to start jail {self._jail!r} action {self._settings.actname!r}: {self.trouble}"
            self._say("actions", "ERROR", text)
            if self._on_demand:
                raise NotDone(self.trouble, not_started=True)

    async def _each(self, kind: str, families: list[str]) -> None:
        """Run the command of that *kind* for every one of *families*, even if one fails; a command without families once."""
        failed = ""
        done: set[str] = set()
        for family in dict.fromkeys(map(self._ground, families)):
            command = self._command(kind, family)
            if command in done and "family" not in tags(command):
                continue
            done.add(command)
            result = await self._run(kind, family)
            if not result.ok:
                failed = self._how(result)
        if failed:
            raise NotDone(f"action{kind} of {self._settings.actname}: {failed}")

    def _ground(self, family: str) -> str:
        """What bans of *family* stand on: what was started for it, or for all."""
        return family if self._on_demand else ""

    def _stands(self, family: str) -> bool:
        return self._ground(family) in self._started or family in self._banned

    # One command

    def _command(self, kind: str, family: str) -> str:
        options = self._settings.families.get(family, self._settings.options)
        return options.get(f"action{kind}", "").strip()

    async def _run(self, kind: str, family: str, ticket: Ticket | None = None) -> shell.Result:
        """Run a command, and tell how it went; one that is not there has succeeded. Without *ticket* it is about no ban."""
        command = self._command(kind, family)
        if not command:
            return shell.Result(0)
        known = await self._hostnames(command)

        def lookup(tag: str) -> str | None:
            value = ticket.text(tag) if ticket is not None else self._about_no_ban(tag, family)
            if value is None:
                value = known.get(tag, self._settings.families.get(family, {}).get(tag))
            return value

        script = fill(command, lookup)
        result = await shell.run(script.text, script.arguments, self._timeout)
        self._tell(script, result)
        return result

    def _about_no_ban(self, tag: str, family: str) -> str | None:
        if tag == "bantime":
            span = self._world.figures(self._jail).bantime
            return "-1" if math.isinf(span) else str(round(span))
        values = {"family": family, "time": str(time.time()), "jail.name": self._jail}
        return "" if tag.startswith("F-") and tag != "F-*" else values.get(tag)

    async def _hostnames(self, command: str) -> dict[str, str]:
        wanted = tags(command) & {"fq-hostname", "sh-hostname"}
        if not wanted:
            return {}
        short = socket.gethostname()
        full = await self._name_of(short, time.time()) if "fq-hostname" in wanted else ""
        return {"sh-hostname": short, "fq-hostname": full or short}

    def _tell(self, script: Script, result: shell.Result) -> None:
        level = "DEBUG" if result.ok else "ERROR"
        mark = f"{next(_numbers):012x}"
        lines = [f"exec: {_short(script.text)}"]
        lines += [f"with ${at}: {_short(value, 200)!r}" for at, value in enumerate(script.arguments, 1)]
        lines += [f"stdout: {_short(result.stdout)!r}"] if result.stdout else []
        lines += [f"stderr: {_short(result.stderr)!r}"] if result.stderr else []
        if result.timed_out:
            lines.append(f"timed out after {self._timeout:g} seconds.")
        lines.append(_ending(result))
        for line in lines:
            self._say("utils", level, f"{mark} -- {line}")

    def _how(self, result: shell.Result) -> str:
        if result.timed_out:
            return f"timed out after {self._timeout:g} seconds"
        said = " ".join(result.stderr.split())
        return _ending(result) + (f": {_short(said, 200)}" if said else "")


def _ending(result: shell.Result) -> str:
    if result.trouble:
        return result.trouble
    if result.status < 0:
        return f"killed with {Signals(-result.status).name} (return code: {result.status})"
    if result.status == shell.NOT_FOUND:
        return f"returned 127: a command was not found; programs are looked for in PATH={os.environ.get('PATH', '')}"
    return f"returned {result.status}"


def _short(text: str, limit: int = _SHOWN) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def _seconds(text: str, default: float) -> float:
    try:
        span = durations.parse(text)
    except ValueError:
        return default
    return span if 0 < span < math.inf else default


def _flag(text: str, default: bool) -> bool:
    return text.strip().lower() in _TRUE if text.strip() else default
