"""The table of the benchmarks."""

from __future__ import annotations

from bench.table import Row, render


def test_a_ratio_is_made_of_runs_that_followed_each_other() -> None:
    assert Row("a ban", "ms", [1.0, 2.0, 4.0], [30.0, 20.0, 80.0]).ratios() == [10.0, 20.0, 30.0]


def test_the_table() -> None:
    rows = [Row("a ban", "ms", [1.0, 2.0, 4.0], [30.0, 20.0, 80.0]), Row("a start", "s", [0.25])]
    assert render(rows).splitlines() == [
        "what     banish   fail2ban  ratio (min to max)",
        "a ban    2 ms     30 ms     20 (10 to 30)",
        "a start  0.250 s",
    ]


def test_parts_have_headings_and_columns_that_somebody_filled() -> None:
    rows = [
        Row("sshd", "us", [2.0], [20.0], "lines", (21.6, 30.4), [0.5]),
        Row("web", "us", [1.0], [20.0], "lines", (20.0, 30.0)),
        Row("a ban", "ms", [1.0], [30.0], "bans"),
    ]
    assert render(rows, {"lines": "A line", "bans": "A ban"}).splitlines() == [
        "what     banish  fail2ban  ratio (min to max)  peak MiB, banish / fail2ban  sshg-parser",
        "A line",
        "  sshd   2 us    20 us     10                  22 / 30                      0.500 us",
        "  web    1 us    20 us     20                  20 / 30",
        "A ban",
        "  a ban  1 ms    30 ms     30",
    ]


def test_a_row_for_machines_has_every_measurement() -> None:
    assert Row("sshd", "us", [1.0, 2.0], [30.0, 20.0], "lines", (21.5, 30.5), [0.5]).document() == {
        "part": "lines",
        "what": "sshd",
        "unit": "us",
        "banish": [1.0, 2.0],
        "fail2ban": [30.0, 20.0],
        "ratio": {"median": 20.0, "min": 10.0, "max": 30.0},
        "memory_mib": {"banish": 21.5, "fail2ban": 30.5},
        "sshguard": [0.5],
    }
    assert Row("a start", "s", [0.25]).document()["ratio"] is None
