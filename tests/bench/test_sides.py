"""Two sides that did not do the same work are not compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as program
from bench import feeder, lines
from bench.sides import must_agree
from bench.table import BenchError, Row

FOUND = [["sshd", "198.18.0.1", 10.0], ["postfix", "198.18.0.2", 11.0], ["sshd", "198.18.0.3", 12.0]]


def run(*failures: Any, bans: Any = ((["sshd", "198.18.0.1", 10.0]),)) -> dict[str, Any]:
    return {"failures": list(failures), "bans": list(bans)}


def test_the_order_of_jails_within_a_batch_is_nobodys_verdict() -> None:
    must_agree("a row", run(*FOUND), run(FOUND[1], FOUND[0], FOUND[2]))


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (run(*FOUND[:2]), "3 and 2 failures are not the same"),
        (run(FOUND[2], FOUND[1], FOUND[0]), "number 1: banish .*198.18.0.1.*, fail2ban .*198.18.0.3"),
        (run(*FOUND, bans=(["sshd", "198.18.0.1", 10.5],)), "1 and 1 bans are not the same"),
    ],
)
def test_other_verdicts_are_refused(other: dict[str, Any], told: str) -> None:
    with pytest.raises(BenchError, match=told):
        must_agree("a row", run(*FOUND), other)


def test_nothing_found_is_nothing_compared() -> None:
    with pytest.raises(BenchError, match="no failures"):
        must_agree("a row", run(), run())


def test_there_are_fifty_filters_to_choose_from() -> None:
    assert len(set(lines.SYSLOG_JAILS)) == len(lines.SYSLOG_JAILS) >= 50


def test_the_feeder_knows_what_must_come_of_its_lines() -> None:
    messages, failures, bans = feeder.plan(10_000, 0.1, 3, turn=1)
    attack = [message.split(" from ")[1].split()[0] for message in messages if "Failed password" in message]
    tries = [attack.count(address) for address in dict.fromkeys(attack)]
    assert len(messages) == 10_000
    assert len(attack) == failures
    assert sum(count >= 3 for count in tries) == bans > 0
    assert max(tries) < 6
    assert not {*attack} & {
        message.split(" from ")[1].split()[0]
        for message in feeder.plan(10_000, 0.1, 3, turn=2)[0]
        if "Failed" in message
    }


def test_what_is_measured_is_written_for_machines_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.lines.measure", lambda *_: [Row("sshd", "us", [2.0], [20.0], "lines")])
    assert program.main(["--part", "lines", "--json", str(tmp_path / "found.json")]) == 0
    document = json.loads((tmp_path / "found.json").read_text())
    assert [row["what"] for row in document["rows"]] == ["sshd"]
    assert document["troubles"] == []


def test_a_part_that_cannot_be_measured_is_told_and_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> list[Row]:
        raise BenchError("fail2ban is not installed")

    monkeypatch.setattr("bench.lines.measure", fail)
    assert program.main(["--part", "lines", "--json", str(tmp_path / "found.json")]) == 1
    assert "lines: fail2ban is not installed" in capsys.readouterr().err
    assert json.loads((tmp_path / "found.json").read_text())["troubles"] == ["lines: fail2ban is not installed"]
