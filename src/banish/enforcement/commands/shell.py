"""One script, run by ``sh -c`` in a session of its own: its output kept within bounds, its process group ended when time is up.

The law: whatever the script does, ``run`` returns a Result, and nothing it started *in its process group* outlives its time. What
a script that ended in time leaves in the background goes on, and is not waited for.
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio import create_subprocess_exec as start_process
from collections.abc import Sequence
from typing import NamedTuple

OUTPUT_BYTES = 4096
"""Of each of stdout and stderr; what comes after is read and thrown away."""
GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL."""
NOT_FOUND = 127
"""What a shell returns for a command that it does not find."""


class Result(NamedTuple):
    """How a script ended: *status* as subprocess has it (negative: the signal); *trouble* when it could not be started."""

    status: int
    stdout: str = ""
    stderr: str = ""
    timed_out: bool = False
    trouble: str = ""

    @property
    def ok(self) -> bool:
        return self.status == 0 and not self.timed_out and not self.trouble


async def run(script: str, arguments: Sequence[str], timeout: float) -> Result:  # noqa: ASYNC109
    """Run *script* with the positional parameters *arguments*; after *timeout* seconds its group gets TERM, then KILL.

    Who is cancelled kills the group.
    """
    out, err = _Ear(), _Ear()
    try:
        try:
            process = await start_process(
                "/bin/sh",
                "-c",
                script,
                "sh",
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out.mouth,
                stderr=err.mouth,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return Result(-1, trouble=f"cannot be started: {error}")
        finally:
            out.begin()
            err.begin()
        timed_out = False
        try:
            async with asyncio.timeout(timeout):
                await process.wait()
        except TimeoutError:
            timed_out = True
            _signal_group(process.pid, signal.SIGTERM)
            try:
                async with asyncio.timeout(GRACE):
                    await process.wait()
            except TimeoutError:
                pass
            _signal_group(process.pid, signal.SIGKILL)  # who of the group is deaf to TERM, though its leader was not
            await process.wait()
        finally:
            if process.returncode is None:
                _signal_group(process.pid, signal.SIGKILL)
                await process.wait()
        return Result(process.returncode or 0, out.heard(), err.heard(), timed_out)
    finally:
        out.close()
        err.close()


class _Ear:
    """A pipe whose end is not waited for: something in the background may keep it open for ever."""

    def __init__(self) -> None:
        self._ear, self.mouth = os.pipe()
        os.set_blocking(self._ear, False)
        self._kept = bytearray()
        self._loop = asyncio.get_running_loop()

    def begin(self) -> None:
        """Listen, now that the script has its end of the pipe (or never will)."""
        os.close(self.mouth)
        self._loop.add_reader(self._ear, self._listen)

    def heard(self) -> str:
        self._listen()
        return self._kept.decode("utf-8", "replace")

    def close(self) -> None:
        self._loop.remove_reader(self._ear)
        os.close(self._ear)

    def _listen(self) -> None:
        try:
            said = os.read(self._ear, 65536)
        except BlockingIOError:
            return
        self._kept.extend(said[: OUTPUT_BYTES - len(self._kept)])
        if not said:
            self._loop.remove_reader(self._ear)


def _signal_group(leader: int, number: signal.Signals) -> None:
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):  # it has ended
        return
