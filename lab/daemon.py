"""banishd on a host of the laboratory, configured by a jail.local as an administrator would write it."""

from __future__ import annotations

import compileall
import itertools
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import banish
from lab.namespaces import Host, LabError

_NUMBERS = itertools.count(1)
_STAMP = re.compile(r"(\S+ \S+),(\d{3}) ")


@cache
def _compile() -> None:
    """Have the program as bytecode, as it is once it is installed, even where the environment keeps Python from writing that."""
    compileall.compile_dir(Path(banish.__file__).parent, quiet=2)


class Daemon:
    """The daemon; a context manager that runs while the block does.

    *files* are further files of its configuration, by their names below it (``filter.d/web.conf``). Daemons of one *name* share
    their state, as one that is started again; without a name it is a new one. On one host one at a time can own the table.
    """

    def __init__(self, host: Host, jail_local: str, *, files: Mapping[str, str] | None = None, name: str = "") -> None:
        _compile()
        self.host = host
        name = name or f"banish-{next(_NUMBERS)}"
        self._inside = host.lab.directory / name
        self._outside = host.lab.path(self._inside)
        self._process: subprocess.Popen[bytes] | None = None
        (self._outside / "state").mkdir(parents=True, exist_ok=True)
        self.configure({"jail.local": jail_local, **(files or {})})

    @property
    def log(self) -> Path:
        """Its log file, by the path that this process can open."""
        return self._outside / "banish.log"

    @property
    def database(self) -> Path:
        """Its database, by the path that processes inside open (SQLite does not follow the other one)."""
        return self._inside / "state" / "banish.sqlite3"

    def configure(self, files: Mapping[str, str]) -> None:
        """Write *files* of the configuration; what runs takes them up with ``reload``."""
        for name, text in files.items():
            path = self._outside / "etc" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def start(self) -> Self:
        """Start it, and return when it answers; LabError when it does not come to that."""
        self.launch()
        self.wait_for("ping to be answered", lambda: self.client("ping").returncode == 0)
        return self

    def launch(self) -> None:
        """Start it, and do not wait."""
        self._process = self.host.popen(self.command())

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running daemon."""
        if self._process is None:
            raise LabError("banishd is not running")
        return self._process

    def command(self) -> list[str]:
        """Return the command line of the daemon, in the foreground."""
        where = {"config": "etc", "state": "state", "socket": "sock", "logtarget": "banish.log"}
        options = [word for option, name in where.items() for word in (f"--{option}", str(self._inside / name))]
        return [sys.executable, "-m", "banish.cli.banishd", "--foreground", *options]

    def client(self, *words: str, input: str = "") -> subprocess.CompletedProcess[str]:  # noqa: A002  (as subprocess.run)
        """Run ``banish`` with *words*, and return what became of it."""
        return self.host.run(self.client_command(*words), check=False, input=input)

    def client_command(self, *words: str) -> list[str]:
        """Return the command line of ``banish`` with *words*."""
        return [sys.executable, "-m", "banish.cli.banish", "--socket", str(self._inside / "sock"), *words]

    def banish(self, *words: str) -> str:
        """Run ``banish`` with *words*, which must succeed, and return what it printed."""
        done = self.client(*words)
        if done.returncode != 0:
            raise LabError(
                f"banish {' '.join(words)}: exit status {done.returncode}: {done.stderr.strip() or done.stdout.strip()}"
            )
        return done.stdout

    def ask(self, *words: str) -> Any:
        """Run ``banish`` with *words* and ``--json``, and return the document."""
        return json.loads(self.banish(*words, "--json"))

    def wait_for(self, what: str, true: Any, *, timeout: float = 10.0) -> None:
        """Wait until *true* () is; LabError, with the log, when that takes more than *timeout* seconds."""
        deadline = time.monotonic() + timeout
        while not true():
            if self._process is not None and self._process.poll() is not None:
                raise LabError(f"banishd ended with {self._process.returncode}; its log:\n{self._said()}")
            if time.monotonic() > deadline:
                raise LabError(f"waited {timeout:g} s for {what}; the log of banishd:\n{self._said()}")
            time.sleep(0.02)

    def wait_for_log(self, text: str, *, timeout: float = 10.0) -> float:
        """Wait for a line of its log to end with *text*, and return that line's time: Unix seconds, to the millisecond."""
        self.wait_for(
            f"{text!r} in the log",
            lambda: any(line.endswith(text) for line in self._said().splitlines()),
            timeout=timeout,
        )
        line = next(line for line in self._said().splitlines() if line.endswith(text))
        stamp = _STAMP.match(line)
        if stamp is None:
            raise LabError(f"no time in the line {line!r}")
        return datetime.fromisoformat(f"{stamp[1]}.{stamp[2]}").timestamp()

    def stop(self) -> None:
        """Stop it as an administrator does; it has ended when this returns."""
        self.banish("stop")
        if self._process is not None:
            self._process.wait(10)
            self._process = None

    def kill(self) -> None:
        """kill -9."""
        self.signal(signal.SIGKILL)
        self.process.wait(10)
        self._process = None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.host.signal(self.process, number)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.host.end(self._process)
            self._process = None

    def _said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""
