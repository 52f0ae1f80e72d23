"""``banish match`` as it is called."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import banish
from banish.cli.banish import main

SOURCE = str(Path(banish.__file__).parents[1])
LINE = "Nov 22 12:00:00 host sshd[1]: Failed password for root from 192.0.2.7 port 22 ssh2"
NOON = 1795348800.0


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    directory = tmp_path / "etc" / "filter.d"
    directory.mkdir(parents=True)
    (directory / "gate.conf").write_text("[Definition]\nfailregex = ^ denied <HOST>$\n")
    return directory.parent


class Said:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def rows(self) -> list[Any]:
        return [json.loads(row) for row in self.out.splitlines()]


@pytest.fixture
def match(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: str) -> Said:
        code = main(["match", *words])
        return Said(code, *capsys.readouterr())

    return run


def test_a_line_against_a_packaged_filter(match: Any) -> None:
    said = match(LINE, "sshd[mode=aggressive]", "--now", str(NOON + 9), "--json")

    assert (said.code, said.err) == (0, "")
    (row,) = said.rows
    assert (row["line"], row["outcome"], row["time"]) == (1, "failure", NOON)
    (failure,) = row["failures"]
    assert {key: failure[key] for key in ("id", "host", "time")} == {
        "id": "192.0.2.7",
        "host": "192.0.2.7",
        "time": NOON,
    }
    assert failure["fields"]["users"] == ["root"]


def test_a_file_against_a_filter_of_the_users_tree(match: Any, tree: Path, tmp_path: Path) -> None:
    log = tmp_path / "gate.log"
    log.write_text("2026-11-22 12:00:00 denied 192.0.2.7\n\n2026-11-22 12:00:00 denied 192.0.2.7 twice")

    said = match(str(log), "gate", "--config", str(tree), "--json")

    assert [(row["line"], row["outcome"]) for row in said.rows] == [(1, "failure"), (2, "none"), (3, "none")]


def test_a_file_is_dated_by_when_it_was_written(match: Any, tmp_path: Path) -> None:
    log = tmp_path / "auth.log.1"
    log.write_text(LINE + "\n")
    os.utime(log, (NOON - 100 * 86400, NOON - 100 * 86400))

    assert match(str(log), "sshd", "--json").rows[0]["time"] == NOON - 365 * 86400


def test_text_is_a_report(match: Any) -> None:
    said = match(LINE, "Failed \\S+ for \\S+ from <HOST>", "--print-all-matched")

    assert said.code == 0
    assert "Lines: 1 lines, 0 ignored, 1 matched, 0 missed\n" in said.out
    assert "|     host 192.0.2.7, time " in said.out


def test_an_ignoreregex_may_follow(match: Any) -> None:
    assert match(LINE, "sshd", "for root", "--json").rows[0]["outcome"] == "ignored"


def test_names_are_resolved_unless_they_are_wanted_raw(match: Any) -> None:
    line = "x denied localhost"

    assert {f["id"] for f in match(line, "denied <HOST>", "--json").rows[0]["failures"]} <= {"127.0.0.1", "::1"}
    assert [f["id"] for f in match(line, "denied <HOST>", "--raw-host", "--json").rows[0]["failures"]] == ["localhost"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("/nowhere/auth.log", "sshd"), 1, "/nowhere/auth.log: No such file or directory"),
        ((LINE, "sshd", "("), 6, "ignoreregex = (: does not compile"),
        ((LINE, "shd"), 6, "did you mean sshd?"),
        ((LINE, "sshd", "--config", "/nowhere"), 6, "/nowhere is not a directory"),
        ((LINE, "sshd", "--now", "noon"), 2, "not Unix seconds"),
        ((LINE,), 2, "FILTER"),
    ],
)
def test_what_goes_wrong_is_told_on_standard_error(match: Any, words: tuple[str, ...], code: int, said: str) -> None:
    text = match(*words)
    assert (text.code, text.out) == (code, "")
    assert said in text.err

    if code != 2:  # of usage only the person at the terminal is told
        document = match(*words, "--json")
        (row,) = document.rows
        assert (document.code, row["error"]["code"]) == (code, code)
        assert said in row["error"]["text"]


def program(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "banish.cli.banish", "match", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": SOURCE, "TZ": "Europe/Zurich"},
    )


def test_a_log_that_is_still_written_is_judged_line_by_line_in_the_zone_of_the_environment() -> None:
    with program("-", "sshd", "--now", str(NOON), "--json") as running:
        assert running.stdin is not None
        assert running.stdout is not None
        for number in (1, 2):
            running.stdin.write(LINE + "\n")
            running.stdin.flush()
            row = json.loads(running.stdout.readline())
            assert (row["line"], row["time"]) == (number, NOON - 3600)
        running.stdin.close()
        assert running.wait(20) == 0


def test_who_reads_our_output_may_stop() -> None:
    with program("-", "sshd", "--json") as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        running.stdin.write(LINE + "\n")
        running.stdin.close()
        assert running.wait(20) == 141
        assert running.stderr.read() == ""
