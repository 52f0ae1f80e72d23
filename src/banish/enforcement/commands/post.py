"""One action of one jail at work: what waits for it, in which order it is done, and what happens when it fails.

The law: the bans and unbans of one id are done in their order, those of different ids beside each other (``at_once`` of them); the
jail's start comes before the first, its stop after the last. A ban that has not been done yet and is over is never done. Of one id
nothing more than "unban, then ban" ever waits, so that what waits is no larger than the ledger.

What fails is tried again after 1, 2, 4 and 8 seconds, ATTEMPTS times altogether; what could not even be started waits for as long
as that lasts. Then it is given up and told in ``problems()``. A ban that was given up is tried once more when the action is seen to
work again, and after a reload: the ledger is the truth.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from collections.abc import Coroutine, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from banish.enforcement.actions import ActionSettings
from banish.enforcement.commands.performer import NotDone, Performer, Say
from banish.enforcement.commands.ticket import Ticket, World, family
from banish.errors import Problem
from banish.model import Decision

ATTEMPTS = 5
LONGEST_PAUSE = 60.0
TOLD = 1000
"""Unbans that failed and are remembered, for their number to be told."""
AGAIN_EVERY = 60.0
"""Seconds between two rounds of trying bans that were given up."""
LAST_WORD = 10.0
"""Of the seconds there are for stopping, those that are kept for ``actionstop``."""


@dataclass(slots=True)
class Pending:
    """What is to be done for one id, in this order: end the ban *lift*, put *ban* in force, tell that *prolong* has another end."""

    lift: Decision | None = None
    ban: Decision | None = None
    prolong: Decision | None = None
    restored: bool = False
    """*ban* was in force before this action knew of it."""
    again: bool = False
    """*ban* was in force, and was lost in a repair."""
    attempts: int = 0

    def __bool__(self) -> bool:
        return any((self.lift, self.ban, self.prolong))

    def followed_by(self, newer: Pending) -> Pending:
        """Return what is left to do when *newer* came while this was tried in vain."""
        if newer.lift is not None:
            return Pending(newer.lift, newer.ban, newer.prolong, newer.restored)
        ban = newer.ban or self.ban
        return Pending(self.lift, ban, newer.prolong or self.prolong, self.restored, self.again)


class Post:
    """To be used from one event loop. *slots* bounds what runs for all posts together, *lane* what runs for one file of action.d."""

    def __init__(
        self,
        jail: str,
        settings: ActionSettings,
        performer: Performer,
        *,
        world: World,
        say: Say,
        slots: AbstractAsyncContextManager[Any],
        lane: AbstractAsyncContextManager[Any] | None = None,
    ) -> None:
        self.jail = jail
        self.settings = settings
        self._performer = performer
        self._world = world
        self._say = say
        self._slots = slots
        self._lane = lane or contextlib.nullcontext()
        self._pending: dict[str, Pending] = {}
        self._ready: dict[str, None] = {}
        """Ids of *_pending* that can be served, the first to come first."""
        self._busy: dict[str, Pending] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._standing: dict[str, Decision] = {}
        self._tried: dict[str, Decision] = {}
        """Bans that failed, perhaps half done."""
        self._lost: dict[str, str] = {}
        """Ids of *_tried* that have been given up, and why."""
        self._unlifted: dict[str, str] = {}
        self._again_at = 0.0
        self._open = False
        self._closing = asyncio.Event()
        self._fed = False
        self._gathering = False
        self._tasks: set[asyncio.Task[None]] = set()
        performer.repaired = self._put_back

    # What is to be done

    def ban(self, decision: Decision, *, restored: bool = False) -> None:
        """Put *decision* in force; *restored* if it has been before."""
        waiting = self._pending.setdefault(decision.id, Pending())
        waiting.ban, waiting.restored, waiting.prolong = decision, restored, None
        self._enqueue(decision.id)

    def unban(self, decision: Decision, *, forgotten: bool = True) -> None:
        """End what *decision* is, unless it has not begun; *forgotten*: the database may forget what led to it right after this."""
        id_ = decision.id
        waiting = self._pending.get(id_, Pending())
        busy = self._busy.get(id_)
        begun = busy.ban is not None if busy is not None and busy.lift is not None else self._is_begun(id_)
        waiting.ban = waiting.prolong = None
        waiting.attempts = 0
        if begun:
            waiting.lift = self._world.told(decision) if forgotten else decision
        if waiting:
            self._pending[id_] = waiting
            self._wait_no_longer(id_)
            self._enqueue(id_)
        else:
            self._forget(id_)

    def prolong(self, decision: Decision) -> None:
        """Tell the other end of a ban; when it is the same end, see to it that the ban is still in force."""
        waiting = self._pending.setdefault(decision.id, Pending())
        if waiting.ban is not None:
            waiting.ban = decision
        else:
            waiting.prolong = decision
        self._enqueue(decision.id)

    def gather(self) -> None:
        """Begin nothing before `go_on`: what follows belongs together."""
        self._gathering = True

    def go_on(self) -> None:
        """All has been brought."""
        self._gathering = False
        self._feed()

    def waiting(self) -> bool:
        """Return whether anything is still to be done."""
        return bool(self._pending or self._busy)

    def flush_if_all_end(self) -> None:
        """Where every ban in force is to end, and the action can do that at once, let it."""
        if not self._performer.can_flush or self._busy or self._tried or len(self._standing) < 2 or not self._open:
            return
        pending = self._pending
        if len(pending) >= len(self._standing) and all(map(_only_ends, map(pending.get, self._standing))):
            self._open = False
            for id_ in self._standing:
                self._forget(id_)
            self._spawn(self._flush_and_go_on())

    def problems(self) -> list[Problem]:
        """Return what a person should mend."""
        found = []
        if self._performer.trouble:
            found.append(self._problem(self._performer.trouble, "tried again with the next ban"))
        if self._lost:
            why = next(reversed(self._lost.values()))
            remedy = "mend it, then banish reload; the log has the commands"
            found.append(self._problem(f"{len(self._lost)} bans are not carried out: {why}", remedy))
        if self._unlifted:
            why = next(reversed(self._unlifted.values()))
            found.append(self._problem(f"{len(self._unlifted)} bans may still be in force: {why}", "end them by hand"))
        return found

    # Beginning and end

    def begin(self, after: Iterable[asyncio.Task[None]] = ()) -> None:
        """Start the action, when all of *after* have ended, and serve."""
        self._spawn(self._begin(tuple(after)))

    def reload(self) -> None:
        """The configuration was read again, and this action is the same."""
        self._unlifted.clear()
        self._again_at = 0.0
        self._try_lost_again()
        self._spawn(self._reload())

    async def call(self, method: str, decision: Decision | None) -> None:
        """Have the action do what *method* says, beside what it does anyway; raises NotDone when it could not."""
        performer = self._performer
        if decision is None:
            await {"start": performer.start, "stop": performer.stop, "flush": performer.flush}.get(
                method, performer.reload
            )()
            return
        ticket = self._ticket(decision)
        match method:
            case "ban" | "reban":
                await performer.ban(ticket, again=method == "reban")
            case "unban":
                await performer.unban(ticket)
            case "prolong":
                await performer.prolong(ticket)
            case _:
                await performer.check(ticket)

    async def stop(self, deadline: float) -> None:
        """End every ban and stop the action, by *deadline* (of ``time.monotonic``) or soon after. Raises nothing."""
        self._closing.set()
        for timer in self._timers.values():
            timer.cancel()
        self._pending.clear()
        patience = max(0.0, deadline - LAST_WORD - time.monotonic())
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=patience)
            await _cancel(self._tasks)
        if self._standing and not self._performer.lasting:
            await self._end_all(deadline - LAST_WORD)
        if self._standing and not self._performer.lasting:
            text = f"[{self.jail}] there was no time to end {len(self._standing)} bans with {self.settings.actname}"
            self._say("actions", "WARNING", text)
        try:
            async with asyncio.timeout(max(LAST_WORD / 2, deadline - time.monotonic())):
                await self._performer.stop()
        except (NotDone, TimeoutError) as error:
            text = f"Failed to stop jail {self.jail!r} action {self.settings.actname!r}: {str(error) or 'no time left'}"
            self._say("actions", "ERROR", text)
        except Exception as error:  # noqa: BLE001 - the others are to be stopped as well
            self._bug(error)

    async def abandon(self) -> None:
        """Let go of everything at once, and leave what is in force."""
        self._closing.set()
        for timer in self._timers.values():
            timer.cancel()
        await _cancel(self._tasks)

    async def _begin(self, after: tuple[asyncio.Task[None], ...]) -> None:
        if after:
            await asyncio.wait(after)
        if self._closing.is_set():
            return
        for attempt in range(ATTEMPTS):
            with contextlib.suppress(NotDone):  # it is in the log, and in the performer's trouble
                await self._guarded(self._performer.start())
            self._open = True
            self._feed()
            if not self._performer.trouble:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2.0**attempt + 0.05):
                    await self._closing.wait()
                    return

    async def _reload(self) -> None:
        try:
            await self._guarded(self._performer.reload())
        except NotDone as error:
            self._say("actions", "ERROR", f"[{self.jail}] {error}")

    async def _flush_and_go_on(self) -> None:
        await self._flush()
        self._open = True
        for id_, decision in self._standing.items():  # where flushing failed
            self._pending.setdefault(id_, Pending()).lift = decision
            self._enqueue(id_)
        self._feed()

    async def _flush(self) -> None:
        self._say("actions", "NOTICE", f"[{self.jail}] Flush ticket(s) with {self.settings.actname}")
        try:
            await self._guarded(self._performer.flush())
            self._standing.clear()
        except NotDone as error:
            self._say("actions", "ERROR", f"[{self.jail}] {error}")

    async def _end_all(self, deadline: float) -> None:
        if self._performer.can_flush:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(1.0, deadline - time.monotonic())):
                    await self._flush()
        waiting = iter(list(self._standing.values()))

        async def end_one_by_one() -> None:
            for decision in waiting:
                async with self._lane, self._slots:
                    try:
                        await self._guarded(self._performer.unban(self._ticket(decision)))
                    except NotDone as error:
                        self._say("actions", "ERROR", f"[{self.jail}] {error}")
                    self._standing.pop(decision.id, None)

        tasks = {asyncio.create_task(end_one_by_one()) for _ in range(self._performer.at_once)}
        await asyncio.wait(tasks, timeout=max(1.0, deadline - time.monotonic()))
        await _cancel(tasks)

    # Serving

    def _enqueue(self, id_: str) -> None:
        if id_ not in self._busy and id_ not in self._timers:
            self._ready[id_] = None
            self._feed()

    def _feed(self) -> None:
        """Let as many be served as may be at a time, when whoever brings changes has brought them all."""
        if not (self._fed or self._gathering or self._closing.is_set()) and self._open:
            self._fed = True
            asyncio.get_running_loop().call_soon(self._feed_now)

    def _feed_now(self) -> None:
        self._fed = False
        if self._gathering or self._closing.is_set():
            return
        while self._open and self._ready and len(self._busy) < self._performer.at_once:
            id_ = next(iter(self._ready))
            del self._ready[id_]
            self._busy[id_] = work = self._pending.pop(id_)
            self._spawn(self._serve(id_, work))

    async def _serve(self, id_: str, work: Pending) -> None:
        try:
            async with self._lane, self._slots:
                await self._guarded(self._do(id_, work))
        except NotDone as error:
            self._failed(id_, work, error)
        else:
            self._unlifted.pop(id_, None)
        finally:
            del self._busy[id_]
            if id_ in self._pending:
                self._enqueue(id_)
            self._feed()

    async def _do(self, id_: str, work: Pending) -> None:
        """Do what there is to be done, and strike out of *work* what is done."""
        if work.lift is not None:
            await self._performer.unban(self._ticket(work.lift))
            work.lift = None
            self._standing.pop(id_, None)
            self._tried.pop(id_, None)
            self._lost.pop(id_, None)
        if work.ban is not None:
            restored = work.restored or work.ban.origin == "restored"
            if not (restored and self._performer.norestored):
                self._tried[id_] = work.ban
                await self._performer.ban(self._ticket(work.ban, restored=restored), again=work.again)
                self._standing[id_] = self._tried.pop(id_).bare()
                self._lost.pop(id_, None)
                self._try_lost_again()
            work.ban = None
        if work.prolong is not None and (known := self._standing.get(id_)) is not None:
            ticket = self._ticket(work.prolong)
            if known.expires_at == work.prolong.expires_at:
                await self._performer.check(ticket)
            elif self._performer.can_prolong and not (ticket.restored and self._performer.norestored):
                await self._performer.prolong(ticket)
            self._standing[id_] = work.prolong.bare()
            work.prolong = None

    def _failed(self, id_: str, work: Pending, error: NotDone) -> None:
        if not error.not_started:
            work.attempts += 1
        doing, decision = ("unban", work.lift) if work.lift else ("ban", work.ban or work.prolong)
        newer = self._pending.get(id_)
        if newer is not None:
            self._pending[id_] = work.followed_by(newer)
            return
        text = f"Failed to execute {doing} jail {self.jail!r} action {self.settings.actname!r}"
        text += f" info {self._info(decision)}: {error}" if decision is not None else f": {error}"
        if work.attempts >= ATTEMPTS:
            self._say("actions", "ERROR", f"{text}; given up after {work.attempts} attempts")
            self._give_up(id_, work, str(error))
            return
        pause = min(2.0 ** max(0, work.attempts - 1), LONGEST_PAUSE) if work.attempts else 1.0
        self._say("actions", "DEBUG" if error.not_started else "ERROR", f"{text}; trying again in {pause:g} s")
        self._pending[id_] = work
        loop = asyncio.get_running_loop()
        self._timers[id_] = loop.call_later(pause, self._try_again, id_)

    def _give_up(self, id_: str, work: Pending, why: str) -> None:
        if work.lift is not None:
            for table in (self._standing, self._tried, self._lost):
                table.pop(id_, None)
            self._unlifted[id_] = why
            while len(self._unlifted) > TOLD:
                del self._unlifted[next(iter(self._unlifted))]
            if work.ban is not None:
                self.ban(work.ban)
        elif work.ban is not None:
            self._lost[id_] = why

    def _try_again(self, id_: str) -> None:
        del self._timers[id_]
        if id_ in self._pending:
            self._enqueue(id_)

    def _try_lost_again(self) -> None:
        """Where the action works, perhaps it works for those that were given up as well."""
        now = time.monotonic()
        if self._lost and now >= self._again_at:
            self._again_at = now + AGAIN_EVERY
            for id_ in self._lost:
                if id_ not in self._pending and id_ not in self._busy:
                    self._pending[id_] = Pending(ban=self._tried[id_], restored=True, attempts=ATTEMPTS - 1)
                    self._enqueue(id_)

    def _put_back(self, families: frozenset[str]) -> None:
        """A repair has wiped out what was banned: ban it again."""
        for id_, decision in list(self._standing.items()):
            busy = self._busy.get(id_)
            if family(decision) in families and (busy is None or not (busy.lift or busy.ban)):
                waiting = self._pending.setdefault(id_, Pending())
                if waiting.lift is None and waiting.ban is None:
                    waiting.ban, waiting.again = decision, True
                    self._enqueue(id_)

    def _is_begun(self, id_: str) -> bool:
        return any(id_ in table for table in (self._standing, self._tried, self._busy))

    def _wait_no_longer(self, id_: str) -> None:
        timer = self._timers.pop(id_, None)
        if timer is not None:
            timer.cancel()

    def _forget(self, id_: str) -> None:
        self._wait_no_longer(id_)
        self._pending.pop(id_, None)
        self._ready.pop(id_, None)

    # Small change

    def _ticket(self, decision: Decision, *, restored: bool = False) -> Ticket:
        return Ticket(decision, self._world, restored=restored)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Await *work*; a bug of ours in it is told, and is NotDone like any other failure."""
        try:
            await work
        except NotDone:
            raise
        except Exception as error:  # see above
            self._bug(error)
            raise NotDone(f"a bug in banish, please report it: {error!r}") from error

    def _bug(self, error: Exception) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        self._say("actions", "CRITICAL", f"[{self.jail}] {self.settings.actname} failed by a bug: {error!r}{place}")

    def _info(self, decision: Decision) -> str:
        seen = {"ip": decision.id, "family": family(decision) or None, "failures": decision.failures}
        return f"'ActionInfo({seen!r})'"

    def _problem(self, text: str, remedy: str) -> Problem:
        return Problem(text, remedy, self.jail, "action", self.settings.actname)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _only_ends(work: Pending | None) -> bool:
    return work is not None and work.lift is not None and work.ban is None


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    left = [task for task in tasks if not task.done()]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
