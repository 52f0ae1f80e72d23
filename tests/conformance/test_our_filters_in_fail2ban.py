"""Our filters in the real fail2ban: the files under ``data/filter.d`` are written in its language, so it must read them too.

Every sample of ``tests/samples`` is given to fail2ban-regex with our filter file, and must come to what its note says. That is
two proofs at once: that the files are compatible, and that the notes are true of somebody else's engine.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.samples.notation import Sample, read

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = REPOSITORY / "src" / "banish" / "data"
SAMPLES = REPOSITORY / "tests" / "samples"

pytestmark = pytest.mark.skipif(
    shutil.which("fail2ban-regex") is None, reason="fail2ban is not installed (Debian package fail2ban)"
)

END = "\x1e"


class Found(NamedTuple):
    """A failure that fail2ban-regex found: the line that completed it, and what is known of it."""

    line: str
    time: float
    host: str
    user: str


def found(lines: Sequence[str], filter_file: Path, options: Mapping[str, str], tmp_path: Path) -> list[Found]:
    """Return the failures that fail2ban finds in *lines*, in order."""
    log = tmp_path / "sample.log"
    log.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    name = (
        f"{filter_file}[{','.join(f'{key}={value}' for key, value in options.items())}]"
        if options
        else str(filter_file)
    )
    template = f"<time>|<ip>|<F-USER>|<matches>{END}"
    done = subprocess.run(
        ["fail2ban-regex", "--usedns=no", "--no-check-all", "--encoding=UTF-8", "-o", template, log, name],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    failures = []
    for row in done.stdout.split(f"{END}\n")[:-1]:
        time, host, user, matches = row.split("|", 3)
        failures.append(Found(matches.splitlines()[-1].strip(), float(time), host, user))
    return failures


def verdicts(samples: Sequence[Sample], failures: Sequence[Found]) -> list[Found | None]:
    """Return the failure that each sample completes, or None; both are in the order of the log."""
    waiting = list(failures)
    result: list[Found | None] = []
    for sample in samples:
        completes = bool(waiting) and waiting[0].line == sample.text.strip()
        result.append(waiting.pop(0) if completes else None)
    assert not waiting, f"failures that belong to no sample: {waiting}"
    return result


def test_there_are_samples_for_every_filter() -> None:
    filters = {path.stem for path in (DATA / "filter.d").glob("*.conf") if not path.stem.endswith("common")}

    assert {path.stem for path in SAMPLES.glob("*.log")} == filters


INSTANCES = [
    pytest.param(path, options, samples, id=f"{path.stem}{json.dumps(options)}")
    for path in sorted(SAMPLES.glob("*.log"))
    for options, samples in read(path)
]


@pytest.mark.parametrize(("path", "options", "samples"), INSTANCES)
def test_fail2ban_comes_to_the_verdict_of_the_note(
    path: Path, options: dict[str, str], samples: list[Sample], tmp_path: Path
) -> None:
    failures = found([sample.text for sample in samples], DATA / "filter.d" / f"{path.stem}.conf", options, tmp_path)

    wrong = []
    for sample, failure in zip(samples, verdicts(samples, failures), strict=True):
        expected = {key: sample.expected[key] for key in ("host", "user", "time") if key in sample.expected}
        got: dict[str, str] = {}
        if failure is not None:
            stated = str(sample.expected.get("time", ""))[:4]
            # fail2ban gives a line without a year the year in which the test runs, or the one before.
            got = {"host": failure.host, "user": failure.user, "time": f"{stated}{_local(failure.time)[4:]}"}
        if sample.matches != (failure is not None) or expected != {key: got[key] for key in expected}:
            wrong.append(
                f"{path.name}:{sample.number}: expected {dict(sample.expected)}, got {got or 'no match'}: {sample.text}"
            )
    assert not wrong, "\n".join(wrong)


def _local(at: float) -> str:
    return datetime.fromtimestamp(at).isoformat(timespec="seconds")


def test_nobody_is_banned_who_never_connected() -> None:
    blamed = [
        f"{path.name}:{sample.number}"
        for path in SAMPLES.glob("*.log")
        for _, samples in read(path)
        for sample in samples
        if sample.expected.get("host") == "203.0.113.9"
    ]

    assert blamed == []


PREFIXES = [
    ("file", "Nov 22 17:00:00 host daemon[12]: "),
    ("file", "Nov 22 17:00:00 host daemon: "),
    ("file", "Nov 22 17:00:00 host (daemon)[12]: "),
    ("file", "Nov 22 17:00:00 host [12]: daemon: "),
    ("file", "Nov 22 17:00:00 host daemon(pam_unix)[12]: "),
    ("file", "Nov 22 17:00:00 host kernel: [ 123.456789] daemon[12]: "),
    ("file", "Nov 22 17:00:00 host kernel: @vserver_web daemon[12]: "),
    ("file", "Nov 22 17:00:00 <auth.info> host daemon[12]: "),
    ("file", "Nov 22 17:00:00 host daemon[12]: [ID 800047 auth.info] "),
    ("file", "2026-11-22T17:00:00.123456+01:00 host daemon[12]: "),
    ("file", "[2026-11-22 17:00:00] daemon[12]: "),
    ("short", "Nov 22 17:00:00 host daemon[12]: "),
    ("journal", "2026-11-22T17:00:00+0000 host daemon[12]: "),
    ("rfc5424", "<38>1 2026-11-22T17:00:00.123456+01:00 host daemon 12 - - "),
    ("rfc5424", "<38>1 2026-11-22T17:00:00Z host daemon - ID47 - "),
    ("rfc5424", r'<165>1 2026-11-22T17:00:00Z host daemon 12 ID47 [a@32473 x="1 \" ]" y="2"][b@1] '),
]


@pytest.mark.parametrize(("logtype", "prefix"), PREFIXES)
def test_the_prefix_before_a_message_is_known(logtype: str, prefix: str, tmp_path: Path) -> None:
    (tmp_path / "mine.conf").write_text(
        f"[INCLUDES]\nbefore = {DATA}/filter.d/common.conf\n"
        "[Definition]\n_daemon = daemon\nfailregex = ^%(__prefix_line)srefused <HOST>$\n"
    )
    line = f"{prefix}refused 192.0.2.7"

    assert [each.host for each in found([line], tmp_path / "mine.conf", {"logtype": logtype}, tmp_path)] == [
        "192.0.2.7"
    ]


@pytest.mark.parametrize(
    "line",
    ["Nov 22 17:00:00 host other[12]: refused 192.0.2.7", "Nov 22 17:00:00 host daemon[12]: x refused 192.0.2.7"],
)
def test_the_prefix_does_not_swallow_another_daemon_or_half_the_message(line: str, tmp_path: Path) -> None:
    (tmp_path / "mine.conf").write_text(
        f"[INCLUDES]\nbefore = {DATA}/filter.d/common.conf\n"
        "[Definition]\n_daemon = daemon\nfailregex = ^%(__prefix_line)srefused <HOST>$\n"
    )

    assert found([line], tmp_path / "mine.conf", {}, tmp_path) == []


def test_fail2ban_reads_our_jails(tmp_path: Path) -> None:
    config = tmp_path / "config"
    shutil.copytree(DATA, config)
    (tmp_path / "auth.log").touch()
    (config / "fail2ban.conf").write_text("[Definition]\nloglevel = INFO\nlogtarget = STDOUT\ndbfile = None\n")
    (config / "jail.local").write_text(
        f"[DEFAULT]\nignoreip = 192.0.2.0/24\nbantime = 1h\nsyslog_authpriv = {tmp_path}/auth.log\n[sshd]\nmode = aggressive\n"
    )

    done = subprocess.run(
        ["fail2ban-client", "-c", config, "-d"], check=False, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stdout + done.stderr
    for command in (
        "['add', 'sshd', 'auto']",
        "['set', 'sshd', 'maxretry', 5]",
        "['set', 'sshd', 'findtime', '10m']",
        "['set', 'sshd', 'bantime', '1h']",
        "['set', 'sshd', 'addignoreip', '192.0.2.0/24']",
        f"['set', 'sshd', 'addlogpath', '{tmp_path}/auth.log', 'head']",
        "['set', 'sshd', 'addaction', 'nftables']",
        "['start', 'sshd']",
    ):
        assert command in done.stdout
    assert "Unable to negotiate with" in done.stdout, "mode = aggressive has not reached the filter"
    assert "'add', '" not in done.stdout.replace("'add', 'sshd'", ""), "only sshd is on from the start"
