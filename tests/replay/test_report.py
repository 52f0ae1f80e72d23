"""What a person is told."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from banish.control.render import plain
from banish.replay.log import Log
from banish.replay.replay import Replay
from banish.replay.report import Report
from banish.replay.rules import Rules
from tests.replay.conftest import Load

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()

LOG = """\
Oct  5 10:00:00 h gate: denied root from 192.0.2.7
Oct  5 10:00:01 h gate: denied alice from 192.0.2.8
Oct  5 10:00:02 h gate: denied alice from 192.0.2.99
# a comment
Oct  5 10:00:03 h gate: denied alice by 192.0.2.7
h gate: hello\x1b[2J
"""


def report(rules: Rules, text: str, width: int | None = None, **options: bool) -> list[str]:
    with Report(rules, Log("a line"), plain, width, **options) as made:
        for judged in Replay(rules, NOW, lambda _: ()).judge(text.encode()):
            made.add(judged)
        return "".join(made.render()).splitlines()


def test_the_whole_of_it(rules: Load, packaged: Path) -> None:
    assert (
        report(rules("gate[mode=strict]"), LOG)
        == f"""\
Log:     a line (a line)
Filter:  gate[mode=strict]
         {packaged}/filter.d/common.conf
         {packaged}/filter.d/gate.conf

Failregex: 3 total
|-  #) [# of hits] regular expression
|   0) [3] ^\\s*\\S+ gate: denied <F-USER>\\S*</F-USER> from <HOST>$
`- 1 without a hit

Ignoreregex: 1 total
|-  #) [# of hits] regular expression
|   0) [1] from 192\\.0\\.2\\.99$
`-

Date template hits:
|- [# of hits] date format
|  [4] {{^LN-BEG}}(?:%a )?%b %d %k:%M:%S(?:\\.%f)?(?: %ExY)?
`- 1 without a date

Lines: 5 lines, 1 ignored, 2 matched, 2 missed
       ignored: 0 information (nofail), 1 by ignoreregex
       matched: 2 failures

Missed line(s):
|  5: Oct  5 10:00:03 h gate: denied alice by 192.0.2.7
|     failregex 0 fits as far as:  h gate: denied{" "}
|     and then does not: <F-USER>\\S*</F-USER> from <HOST>$
|  6: h gate: hello\\x1b[2J
|     failregex 0 fits as far as: h gate:{" "}
|     and then does not: denied <F-USER>\\S*</F-USER> from <HOST>$
`-""".splitlines()
    )


def test_matched_lines_are_listed_when_asked_for(rules: Load) -> None:
    lines = report(rules("gate"), LOG, all_matched=True)

    assert lines[lines.index("Matched line(s):") :][:6] == [
        "Matched line(s):",
        "|  1: Oct  5 10:00:00 h gate: denied root from 192.0.2.7",
        "|     host 192.0.2.7, user root, time 2026-10-05 10:00:00, failregex 0",
        "|  2: Oct  5 10:00:01 h gate: denied alice from 192.0.2.8",
        "|     host 192.0.2.8, user alice, time 2026-10-05 10:00:01, failregex 0",
        "`-",
    ]


def test_twenty_missed_lines_are_enough_unless_all_are_asked_for(rules: Load) -> None:
    text = "".join(f"Oct  5 10:00:00 h gate: line {number}\n" for number in range(23))

    lines = report(rules("gate"), text)
    assert sum(": Oct" in line for line in lines) == 20
    assert lines[-1] == "`- 3 more: --print-all-missed"

    lines = report(rules("gate"), text, all_missed=True)
    assert sum(": Oct" in line for line in lines) == 23
    assert lines[-1] == "`-"


def test_what_a_missed_line_lacks_is_told(rules: Load) -> None:
    text = "Oct  5 10:00:00 h gate: denied x from attacker.example\nOct  5 10:00:00 nothing like it\n"
    assert report(rules("gate"), text)[-6:] == [
        "Missed line(s):",
        "|  1: Oct  5 10:00:00 h gate: denied x from attacker.example",
        "|     failregex 0 fits, but attacker.example stands for no address",
        "|  2: Oct  5 10:00:00 nothing like it",
        "|     no expression begins to fit",
        "`-",
    ]


def test_a_prefregex_has_its_hits(rules: Load, tmp_path: Path) -> None:
    path = tmp_path / "x.conf"
    path.write_text(
        "[Definition]\nprefregex = ^\\s*x: <F-CONTENT>.+</F-CONTENT>$\nfailregex = ^bad <HOST>$\nignoreregex = ^bad 192\n"
    )
    lines = report(rules(str(path)), "x: bad 192.0.2.7\nx: bad 198.51.100.7\nx: good\ny: bad 192.0.2.7\n")

    assert "Prefregex: 3 total" in lines
    assert "Failregex: 2 total" in lines
    assert "Ignoreregex: 1 total" in lines
    assert "|     no expression begins to fit" in lines


def test_a_session_that_waits_is_told(rules: Load) -> None:
    session = "^d\\[<F-MLFID>\\d+</F-MLFID>\\]: (?:<F-NOFAIL>from</F-NOFAIL> <ADDR>|wrong)$"
    lines = report(rules(session), "d[1]: wrong\nd[2]: from 192.0.2.7\n", all_matched=True)

    assert "Lines: 2 lines, 1 ignored, 1 matched, 0 missed" in lines
    assert "       ignored: 1 information (nofail), 0 by ignoreregex" in lines
    assert "       matched: 0 failures, 1 pending" in lines
    assert "|     pending: whose it is will be told by a later line of the session" in lines


@pytest.mark.parametrize("width", [20, 40, 60])
def test_expressions_and_lines_are_cut_to_the_terminal(rules: Load, width: int) -> None:
    lines = report(rules("gate"), LOG + f"Oct  5 10:00:00 h gate: denied {'x' * 300} by 192.0.2.7\n", width)

    listed = [line for line in lines if line.startswith("|")]
    assert max(map(len, [line for line in listed if "# of hits" not in line])) == width
    assert any(line.endswith("…") for line in listed)
