"""The table of the benchmarks, and the log that they are measured on."""

from __future__ import annotations

from bench import corpus
from bench.table import Row, render

MESSAGES = [f"sshd[{pid}]: Failed password for root from 192.0.2.{pid} port 4711 ssh2" for pid in (1, 2)]


def test_a_ratio_is_made_of_runs_that_followed_each_other() -> None:
    assert Row("a ban", "ms", [1.0, 2.0, 4.0], [30.0, 20.0, 80.0]).ratios() == [10.0, 20.0, 30.0]


def test_the_table() -> None:
    rows = [Row("a ban", "ms", [1.0, 2.0, 4.0], [30.0, 20.0, 80.0]), Row("a start", "s", [0.25])]
    assert render(rows).splitlines() == [
        "what     banish   fail2ban  ratio (min to max)",
        "a ban    2 ms     30 ms     20 (10 to 30)",
        "a start  0.250 s",
    ]


def test_two_runs_see_the_same_bytes() -> None:
    one, other = (corpus.build("half", MESSAGES, 0.5, 2000) for _ in range(2))
    assert one == other
    assert len(one.batches) > 1


def test_every_round_of_an_attack_comes_from_other_addresses_and_processes() -> None:
    [(data, _)] = corpus.build("all", MESSAGES, 1.0, 10).batches
    lines = data.decode().splitlines()
    assert len({line.split()[4] for line in lines}) == 10
    assert len({line.split(" from ")[1].split()[0] for line in lines}) == 10


def test_a_share_of_the_lines_is_attack() -> None:
    data = b"".join(data for data, _ in corpus.build("few", MESSAGES, 0.1, 5000).batches)
    assert 400 < data.count(b"Failed password") < 600
