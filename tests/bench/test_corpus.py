"""The logs that the benchmarks are measured on."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import attacks, corpus
from bench.corpus import Kind
from bench.sides import WARM_UP, write
from bench.table import BenchError

KINDS = {
    "sshd": corpus.SSHD,
    "server": corpus.SERVER,
    "access": corpus.ACCESS,
    "nginx": corpus.NGINX_ERROR,
    "apache": corpus.APACHE_ERROR,
}
REAL_SSHD = "".join(
    f"Dec 10 06:55:4{pid} host sshd[{pid}]: Failed password for root from 192.0.2.{pid} port 4711 ssh2\n"
    for pid in (1, 2)
)


def lines(kind: Kind, share: float, count: int, real: Path | None = None) -> list[str]:
    return b"".join(data for data, _ in corpus.build(kind, share, count, real).batches).decode().splitlines()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_two_runs_see_the_same_bytes(kind: Kind) -> None:
    one, other = (corpus.build(kind, 0.5, 6000) for _ in range(2))
    assert one == other
    assert len(one.batches) > 1
    assert sum(data.count(b"\n") for data, _ in one.batches) == one.lines == 6000


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_nothing_is_left_to_fill_in(kind: Kind) -> None:
    assert not [line for line in lines(kind, 0.5, 2000) if "{" in line or "}" in line]


@pytest.mark.parametrize(
    ("kind", "begins"),
    [
        ("sshd", "Mar  2 00:00:01 host "),
        ("access", "198."),
        ("nginx", "2026/03/02 00:00:01 ["),
        ("apache", "[Mon Mar 02 00:00:01.000000 2026] ["),
    ],
)
def test_every_line_is_dated_as_its_service_does(kind: str, begins: str) -> None:
    assert all(line.startswith(begins) for line in lines(KINDS[kind], 0.0, 200)[100:])


def test_a_share_of_the_lines_is_attack() -> None:
    assert (
        400
        < sum("auth_basic:error" in line or "AH01630" in line for line in lines(corpus.APACHE_ERROR, 0.1, 5000))
        < 600
    )


def test_every_round_of_a_real_attack_comes_from_other_addresses_and_processes(tmp_path: Path) -> None:
    (tmp_path / "OpenSSH_2k.log").write_text(REAL_SSHD)
    found = lines(corpus.SSHD, 1.0, 10, tmp_path)
    assert len({line.split()[4] for line in found}) == 10
    assert len({line.split(" from ")[1].split()[0] for line in found}) == 10


def test_without_real_logs_there_are_our_samples(tmp_path: Path) -> None:
    assert attacks.sshd_messages(tmp_path) == attacks.sshd_messages(None) != []
    assert attacks.apache_messages(tmp_path) == []


def test_a_real_log_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "OpenSSH_2k.log").write_text("Dec 10 06:55:46 host cron[1]: nothing\n")
    with pytest.raises(BenchError, match="no line as syslog writes them for sshd"):
        attacks.sshd_messages(tmp_path)


def test_the_beginning_of_a_log_has_whole_batches(tmp_path: Path) -> None:
    log = write(corpus.build(corpus.SSHD, 0.0, 10_000), tmp_path / "log")
    part = log.first(1)
    assert part.plan == log.plan[: WARM_UP + 1]
    assert 0 < part.timed < part.lines < log.lines == 10_000
    assert (tmp_path / "log").read_bytes()[: part.plan[-1][0]].count(b"\n") == part.lines
    assert log.first(20_000).plan == log.plan
