"""``ignorecommand``: a shell command that says whether a match counts, run beside the reading of logs.

jail.conf(5): exit status 0, the match is ignored; 1, it counts; anything else, it counts and there is a notice. The command gets
a shell, a process group and an environment of its own; after TIMEOUT the whole group is killed.

Law: nothing is raised; who cannot be asked about is counted. Answers for one id come in the order of its questions. AT_ONCE
commands run at a time; how many questions wait for their turn is for the caller to bound.

Answers are kept as ``ignorecache`` says: max-count keys for each jail, the oldest goes first; answers that were errors are not
kept. Only what the command said is kept: the other rules are quick, and must never be out of date.
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio import create_subprocess_exec as start_process
from collections.abc import Sequence
from typing import NamedTuple
from weakref import WeakValueDictionary

from banish.failures.ignore import CacheSettings
from banish.lookups import tags
from banish.lookups.hosts import Hosts
from banish.model import Notice, Question

TIMEOUT = 60.0
AT_ONCE = 8
_OUTPUT_BYTES = 500
"""Of what a failing command says; the rest is read and thrown away."""


class Verdict(NamedTuple):
    """What a command said about a match, and what a person should know about how it went."""

    ignored: bool
    notices: tuple[Notice, ...] = ()


class Finished(NamedTuple):
    """How a command ended: *status* as subprocess has it (negative: the signal), None when it was killed for its time."""

    status: int | None
    output: str


class _Kept(NamedTuple):
    ignored: bool
    until: float


class Commands:
    """Asks the commands of all jails. To be used from one event loop; who is cancelled kills its command."""

    def __init__(
        self,
        hosts: Hosts | None = None,
        *,
        timeout: float = TIMEOUT,
        at_once: int = AT_ONCE,
    ) -> None:
        self._hosts = hosts or Hosts()
        self._timeout = timeout
        self._slots = asyncio.Semaphore(at_once)
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._kept: dict[str, dict[str, _Kept]] = {}

    def forget(self) -> None:
        """Forget all answers, as after a reload."""
        self._kept.clear()

    async def ask(self, question: Question, cache: CacheSettings | None, now: float) -> Verdict:
        """Return what the command in *question* says about its match; *now* in seconds, for the age of answers.

        Carry the verdict out before the next ``await``: then those of one id stay in order.
        """
        who = (question.jail, question.match.id)
        # The dictionary is weak: a lock lives as long as somebody waits for it.
        turn = self._turns.setdefault(who, asyncio.Lock())
        async with turn:
            return await self._ask(question, cache, now)

    async def _ask(self, question: Question, cache: CacheSettings | None, now: float) -> Verdict:
        match, jail = question.match, question.jail
        host = ""
        if match.network is not None and any(
            tags.mentions(text, "ip-host") for text in (question.text, cache.key if cache else "")
        ):
            host = await self._hosts.name_of(str(match.network.network_address), now)
        known = tags.values(match, jail, host)
        key = tags.text(cache.key, known, match.fields) if cache else ""
        kept = self._kept.get(jail, {}).get(key) if cache else None
        if cache and kept and now < kept.until <= now + cache.max_time:
            return Verdict(kept.ignored)
        command = tags.command(question.text, known, match.fields)
        async with self._slots:
            try:
                finished = await run(command.script, command.environment, self._timeout)
            except (OSError, ValueError) as error:
                return Verdict(False, (_failed(question, f"cannot be run: {error}"),))
        if finished.status not in (0, 1):
            return Verdict(False, (_failed(question, _how(finished, self._timeout)),))
        ignored = finished.status == 0
        if cache:
            answers = self._kept.setdefault(jail, {})
            answers.pop(key, None)
            answers[key] = _Kept(ignored, now + cache.max_time)
            while len(answers) > cache.max_count:
                del answers[next(iter(answers))]
        return Verdict(ignored)


async def run(script: str, environment: dict[str, str], timeout: float) -> Finished:  # noqa: ASYNC109
    """Run *script* by ``sh -c`` with *environment* added to ours; after *timeout* seconds its process group is killed.

    Does not wait for what the script leaves in the background. Raises OSError when it cannot be started, ValueError for a NUL
    character.
    """
    loop = asyncio.get_running_loop()
    heard = bytearray()
    # Not asyncio's own pipe: its end is waited for, and something in the background may keep it open for ever.
    mouth, ear = _pipe()

    def listen() -> None:
        try:
            said = os.read(ear, 65536)
        except BlockingIOError:
            return
        heard.extend(said[: _OUTPUT_BYTES - len(heard)])
        if not said:
            loop.remove_reader(ear)

    try:
        try:
            process = await start_process(
                *_shell(script),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=mouth,
                stderr=mouth,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        finally:
            os.close(mouth)
        loop.add_reader(ear, listen)
        status: int | None = None
        try:
            async with asyncio.timeout(timeout):
                status = await process.wait()
        except TimeoutError:
            pass
        finally:
            if process.returncode is None:
                _kill_group(process.pid)
                await process.wait()
        listen()
    finally:
        loop.remove_reader(ear)
        os.close(ear)
    return Finished(status, " ".join(heard.decode("utf-8", "replace").split()))


def _shell(script: str) -> Sequence[str]:
    return ("/bin/sh", "-c", script)


def _pipe() -> tuple[int, int]:
    """Return the end to write to and the end to read from, which never waits."""
    ear, mouth = os.pipe()  # not inheritable; a child gets what is passed on to it as its own
    os.set_blocking(ear, False)
    return mouth, ear


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:  # it ended in this very moment
        return


def _how(finished: Finished, timeout: float) -> str:
    status = finished.status
    if status is None:
        how = f"took longer than {timeout:g} s and was killed"
    elif status < 0:
        how = f"was killed by signal {-status}"
    else:
        how = f"ended with status {status}"
    return f"{how}: {finished.output}" if finished.output else how


def _failed(question: Question, how: str) -> Notice:
    text = f"[{question.jail}] ignorecommand {how}; {question.match.id} counts (end with 0 to ignore a match, with 1 to count it)"
    return Notice("ERROR", "filter", text)
