"""The programs that are compared on log files: ours and fail2ban's with one configuration, and sshguard's parser.

Each run is a process of its own that tells its CPU seconds and its largest memory, see ``judge_with_banish``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.corpus import Corpus
from bench.table import BenchError

ROOT = Path(__file__).resolve().parent.parent
OURS = ROOT / "src" / "banish" / "data" / "filter.d"
THEIRS = Path("/etc/fail2ban/filter.d")
_PARSER = Path("/usr/libexec/sshguard/sshg-parser")
_DEFAULTS = """
[DEFAULT]
ignoreip = 127.0.0.1/8 ::1 203.0.113.0/24
findtime = 10m
maxretry = 5
bantime = 10m
usedns = no
enabled = true
logpath = /dev/null
backend = polling
"""


WARM_UP = 2
"""Batches at the beginning that are judged, but not timed."""


@dataclass(frozen=True, slots=True)
class Log:
    """A log on disk, and the plan by which it is read: where each batch ends, when it is read, how many lines it ends."""

    path: Path
    plan: tuple[tuple[int, float, int], ...]

    @property
    def lines(self) -> int:
        return self.plan[-1][2]

    @property
    def timed(self) -> int:
        """Lines behind the first batches, during which both sides learn what the log is like; these are not timed."""
        return self.lines - self.plan[WARM_UP - 1][2]

    def first(self, lines: int) -> Log:
        """Return the beginning of this log: as many batches as it takes to have *lines* lines, of which some are timed."""
        ended = next((n for n, (_, _, so_far) in enumerate(self.plan) if so_far >= lines), len(self.plan) - 1)
        return Log(self.path, self.plan[: max(ended, WARM_UP) + 1])


def write(corpus: Corpus, path: Path) -> Log:
    """Write *corpus* to *path*."""
    path.write_bytes(b"".join(data for data, _ in corpus.batches))
    plan: list[tuple[int, float, int]] = []
    size = lines = 0
    for data, now in corpus.batches:
        size, lines = size + len(data), lines + data.count(b"\n")
        plan.append((size, now, lines))
    return Log(path, tuple(plan))


@dataclass(frozen=True, slots=True)
class Side:
    """A program that judges a log."""

    argv: tuple[str, ...]
    path: str = ""
    """``PYTHONPATH``."""

    def run(self, log: Log, *more: str) -> dict[str, Any]:
        """Return what it printed about *log*; BenchError when it fails."""
        plan = Path(f"{log.path}.{os.getpid()}.batches")
        plan.write_text(json.dumps([(end, now) for end, now, _ in log.plan]))
        argv = [*self.argv, str(log.path), str(plan), *more]
        environment = {**os.environ, "PYTHONPATH": self.path, "TZ": "UTC"}
        done = subprocess.run(argv, check=False, capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            raise BenchError(f"{' '.join(argv[:3])}: {done.stderr.strip()}")
        result: dict[str, Any] = json.loads(done.stdout)
        return result


def sides(place: Path, filters: Path, jails: Sequence[str]) -> tuple[Side, Side]:
    """Return our side and fail2ban's, both configured by the same tree (made at *place*): *jails* are named after their filters,
    which are in the directory *filters*.

    Raises BenchError when fail2ban is not installed, or cannot use one of them.
    """
    place.mkdir()
    (place / "jail.conf").write_text(_DEFAULTS + "".join(f"\n[{name}]\nfilter = {name}\n" for name in jails))
    (place / "filter.d").symlink_to(filters)
    for name in ("fail2ban.conf", "action.d"):
        (place / name).symlink_to(Path("/etc/fail2ban") / name)
    fail2ban_server()
    dump = subprocess.run(["fail2ban-client", "-c", str(place), "-d"], check=False, capture_output=True, text=True)
    if dump.returncode != 0 or "config-error" in dump.stdout:
        raise BenchError(f"fail2ban-client: {dump.stderr.strip()}")
    commands = place / "commands"
    commands.write_text(dump.stdout)
    python = fail2ban_python()
    search = os.pathsep.join(filter(None, (str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH"))))
    ours = Side((sys.executable, "-m", "bench.judge_with_banish", str(place)), search)
    return ours, Side((python, str(ROOT / "bench" / "judge_with_fail2ban.py"), str(commands)))


def must_agree(what: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Raise BenchError unless both found the same failures and bans, jail by jail in the same order, and some of each."""
    for kind in ("failures", "bans"):
        # Which jail comes first within a batch is nobody's verdict.
        mine, other = (sorted(side[kind], key=lambda found: str(found[0])) for side in (ours, theirs))
        if not mine:
            raise BenchError(f"{what}: no {kind}, so there is nothing to compare")
        if mine != other:
            at = next((n for n, pair in enumerate(zip(mine, other, strict=False)) if pair[0] != pair[1]), -1)
            first = f"banish {mine[at]}, fail2ban {other[at]}" if at >= 0 else "one side has more"
            raise BenchError(f"{what}: {len(mine)} and {len(other)} {kind} are not the same: number {at}: {first}")


def parser_seconds(log: Log) -> float | None:
    """Return the CPU seconds that sshguard's parser takes for all of *log*, its start included; None when it is not installed.

    It finds attacks and tells them to another program: it neither reads dates nor counts.
    """
    if not _PARSER.exists():
        return None
    with log.path.open("rb") as read:
        parser = subprocess.Popen([str(_PARSER)], stdin=read, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(parser.pid, 0)
        parser.returncode = os.waitstatus_to_exitcode(status)
    if parser.returncode != 0:
        raise BenchError(f"{_PARSER}: exit status {parser.returncode}")
    return used.ru_utime + used.ru_stime


def fail2ban_server() -> Path:
    """Return the program of fail2ban's server. Raises BenchError when it is not installed."""
    program = shutil.which("fail2ban-server")
    if program is None:
        raise BenchError("fail2ban is not installed (Debian: apt-get install fail2ban)")
    return Path(program)


def fail2ban_python() -> str:
    """Return the interpreter that fail2ban is installed for: the one that its program names."""
    words = fail2ban_server().read_text().split("\n", 1)[0].removeprefix("#!").split()
    return words[-1] if words and words[-1].startswith("/") else "/usr/bin/python3"


def alike(python: str) -> bool:
    """True when *python* can load what we load."""
    tag = subprocess.run(
        [python, "-c", "import sys; print(sys.implementation.cache_tag)"], check=False, capture_output=True, text=True
    )
    return tag.stdout.strip() == sys.implementation.cache_tag
