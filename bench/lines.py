"""What a log line costs: CPU time from bytes to decisions, on logs of which all, half or a hundredth is attack.

On our side ``LineReader``, ``Jail`` and ``Ledger``; on fail2ban's its ``Filter`` and ``FailManager``. Reading the file and all
set-up stay outside. Before anything is timed both sides tell which failures and bans they found, and these must be the same.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import corpus
from bench.corpus import Corpus
from bench.table import BenchError, Row

ROOT = Path(__file__).resolve().parent.parent
_OURS = ROOT / "src" / "banish" / "data" / "filter.d"
_THEIRS = Path("/etc/fail2ban/filter.d")
_SHARES = ((1.0, "100 % attack"), (0.5, "50 % attack"), (0.01, "1 % attack"))
_JAIL = """
[DEFAULT]
ignoreip = 127.0.0.1/8 ::1 203.0.113.0/24
findtime = 10m
maxretry = 5
bantime = 10m
usedns = no

[sshd]
enabled = true
filter = sshd
logpath = /dev/null
backend = polling
"""


@dataclass(frozen=True, slots=True)
class _Side:
    """A program that judges a log, ready to be run on one."""

    argv: tuple[str, ...]

    def run(self, log: Path, *more: str) -> dict[str, Any]:
        argv = [*self.argv, str(log), f"{log}.batches", *more]
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "TZ": "UTC"}
        done = subprocess.run(argv, check=False, capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            raise BenchError(f"{' '.join(argv[:3])}: {done.stderr.strip()}")
        result: dict[str, Any] = json.loads(done.stdout)
        return result


def measure(sshd_log: Path | None, runs: int, lines: int) -> list[Row]:
    """Return a row for each filter and log of *lines* lines."""
    messages = corpus.sshd_messages(sshd_log)
    filters = {"our filter": _OURS, "fail2ban's filter": _THEIRS} if _THEIRS.is_dir() else {"our filter": _OURS}
    with tempfile.TemporaryDirectory(prefix="banish-bench-") as name:
        place = Path(name)
        logs = [_write(corpus.build(what, messages, share, lines), place) for share, what in _SHARES]
        rows = []
        for number, (whose, directory) in enumerate(filters.items()):
            ours, theirs = _sides(place / f"filter-{number}", directory)
            for log, path in logs:
                what = f"a line: {log.name}, {whose} on both sides"
                _must_agree(what, ours.run(path, "record"), theirs.run(path, "record"))
                pairs = [(ours.run(path), theirs.run(path)) for _ in range(runs)]
                mine, other = ([run["seconds"] / log.lines * 1e6 for run in side] for side in zip(*pairs, strict=True))
                rows.append(Row(what, "us", mine, other))
        return rows


def _must_agree(what: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    for kind in ("failures", "bans"):
        mine, other = ours[kind], theirs[kind]
        if not mine:
            raise BenchError(f"{what}: no {kind}, so there is nothing to compare")
        if mine != other:
            at = next((n for n, pair in enumerate(zip(mine, other, strict=False)) if pair[0] != pair[1]), -1)
            first = f"banish {mine[at]}, fail2ban {other[at]}" if at >= 0 else "one side has more"
            raise BenchError(f"{what}: {len(mine)} and {len(other)} {kind} are not the same: number {at}: {first}")


def _write(log: Corpus, place: Path) -> tuple[Corpus, Path]:
    path = place / log.name.replace(" ", "-")
    path.write_bytes(b"".join(data for data, _ in log.batches))
    ends: list[tuple[int, float]] = []
    for data, now in log.batches:
        ends.append(((ends[-1][0] if ends else 0) + len(data), now))
    Path(f"{path}.batches").write_text(json.dumps(ends))
    return log, path


def _sides(place: Path, filters: Path) -> tuple[_Side, _Side]:
    """Return our side and fail2ban's, both configured by the same tree with the filters of the directory *filters*."""
    place.mkdir()
    (place / "jail.conf").write_text(_JAIL)
    (place / "filter.d").symlink_to(filters)
    for name in ("fail2ban.conf", "action.d"):
        (place / name).symlink_to(Path("/etc/fail2ban") / name)
    dump = subprocess.run(["fail2ban-client", "-c", str(place), "-d"], check=False, capture_output=True, text=True)
    if dump.returncode != 0:
        raise BenchError(f"fail2ban-client: {dump.stderr.strip()}")
    commands = place / "commands"
    commands.write_text(dump.stdout)
    python = fail2ban_python()
    # The same interpreter for us where it is new enough, so that it is the programs that are compared.
    wanted = "import sys; sys.exit(sys.version_info < (3, 11))"
    recent = subprocess.run([python, "-c", wanted], check=False).returncode == 0
    ours = (python if recent else sys.executable, "-m", "bench.judge_with_banish", str(place))
    return _Side(ours), _Side((python, str(ROOT / "bench" / "judge_with_fail2ban.py"), str(commands)))


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
