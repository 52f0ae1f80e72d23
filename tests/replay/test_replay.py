"""Lines in, verdicts out: times, sessions, names, and the document that is printed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from banish.addresses import Network, parse
from banish.replay.replay import Judged, Replay, document
from tests.replay.conftest import Load

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
OCTOBER = datetime(2026, 10, 5, 10, tzinfo=UTC).timestamp()
SESSION = "^ h d\\[<F-MLFID>\\d+</F-MLFID>\\]: (?:<F-NOFAIL>from</F-NOFAIL> <ADDR>|wrong <F-USER>\\S+</F-USER>)$"


def nobody(_: str) -> tuple[Network, ...]:
    return ()


def judged(rules: Any, *lines: str, now: float = NOW) -> list[Judged]:
    replay = Replay(rules, now, nobody)
    return list(replay.judge("\n".join(lines).encode()))


def outcomes(rules: Any, *lines: str) -> list[str]:
    return [each.outcome for each in judged(rules, *lines)]


def test_a_failure_tells_who_and_when(rules: Load) -> None:
    (line,) = judged(rules("gate"), "Oct  5 10:00:00 h gate: denied root from 192.0.2.7")

    assert document(line) == {
        "line": 1,
        "outcome": "failure",
        "time": OCTOBER,
        "failures": [
            {
                "regex": 0,
                "id": "192.0.2.7",
                "host": "192.0.2.7",
                "time": OCTOBER,
                "fields": {"user": "root", "ip4": "192.0.2.7"},
            }
        ],
    }


def test_a_line_that_matches_nothing_has_its_time(rules: Load) -> None:
    (line,) = judged(rules("gate"), "Oct  5 10:00:00 h gate: welcome")

    assert document(line) == {"line": 1, "outcome": "none", "time": OCTOBER, "failures": []}


def test_an_ignoreregex_ignores(rules: Load) -> None:
    assert outcomes(rules("gate"), "Oct  5 10:00:00 h gate: denied root from 192.0.2.99") == ["ignored"]


def test_comments_and_empty_lines_are_numbered_but_not_judged(rules: Load) -> None:
    lines = judged(
        rules("denied from <HOST>"),
        "# denied from 192.0.2.1, on 2001-01-01 00:00:00",
        "",
        " ",
        "denied from 192.0.2.2",
    )

    assert [(line.number, line.outcome, line.passed_over) for line in lines] == [
        (1, "none", True),
        (2, "none", True),
        (3, "none", True),
        (4, "failure", False),
    ]
    assert lines[0].at is None


def test_a_comment_tells_nothing_about_the_format_of_dates(rules: Load) -> None:
    dayfirst, dayfirst_again = "13/01/2026 10:00:00 192.0.2.1", "05/10/2026 10:00:00 192.0.2.1"
    monthfirst = "# 10-31-2026 10:00:00.1 192.0.2.1"

    lines = judged(rules("<HOST>"), dayfirst, monthfirst, dayfirst_again)

    assert lines[2].at == OCTOBER
    assert lines[2].template is lines[0].template


def test_sessions_do_not_age_while_an_old_log_is_read(rules: Load) -> None:
    assert outcomes(rules(SESSION), "Oct  5 10:00:00 h d[1]: wrong root", "Oct  6 10:00:00 h d[1]: from 192.0.2.7") == [
        "pending",
        "failure",
    ]


def test_the_line_that_completes_a_failure_reports_it(rules: Load) -> None:
    lines = judged(rules(SESSION), "Oct  5 10:00:00 h d[1]: from 192.0.2.7", "Oct  5 10:00:01 h d[1]: wrong root")

    assert [document(line)["failures"] for line in lines] == [
        [],
        [
            {
                "regex": 0,
                "id": "192.0.2.7",
                "host": "192.0.2.7",
                "time": OCTOBER + 1,
                "fields": {"mlfid": "1", "user": "root", "users": ["root"], "ip4": "192.0.2.7"},
            }
        ],
    ]


def test_no_line_is_too_old_and_none_is_too_new(rules: Load) -> None:
    lines = judged(rules("<HOST>"), "1999-01-01 00:00:00 192.0.2.1", "2037-01-01 00:00:00 192.0.2.1")

    assert [datetime.fromtimestamp(line.at or 0, UTC).year for line in lines] == [1999, 2037]
    assert [line.matches[0].at for line in lines] == [line.at for line in lines]


def test_a_date_without_year_is_completed_by_the_clock_that_is_given(rules: Load) -> None:
    (line,) = judged(rules("<HOST>"), "Oct  5 10:00:00 192.0.2.1", now=datetime(2005, 8, 14, tzinfo=UTC).timestamp())

    assert line.at == datetime(2004, 10, 5, 10, tzinfo=UTC).timestamp()


def test_a_line_without_a_date_has_the_last_one_for_a_minute(rules: Load) -> None:
    lines = judged(
        rules("<HOST>"),
        "192.0.2.1 before all dates",
        "2026-11-22 11:59:30 x",
        "192.0.2.2 half a minute old",
        "2026-11-22 11:58:59 x",
        "192.0.2.3 older than a minute",
    )

    assert [line.at for line in lines] == [None, NOW - 30, NOW - 30, NOW - 61, None]
    assert [document(line)["failures"][0]["time"] for line in (lines[0], lines[2], lines[4])] == [NOW, NOW - 30, NOW]


def test_lines_together(rules: Load, tmp_path: Any) -> None:
    path = tmp_path / "two.conf"
    path.write_text("[Definition]\nfailregex = ^ h d: error$<SKIPLINES>^ h d: by <HOST>$\nmaxlines = 5\n")

    assert outcomes(
        rules(str(path)), "Oct  5 10:00:00 h d: error", "Oct  5 10:00:00 h x", "Oct  5 10:00:00 h d: by 192.0.2.7"
    ) == ["none", "none", "failure"]


def test_a_name_is_one_failure_for_each_of_its_addresses(rules: Load) -> None:
    def resolve(name: str) -> list[Network]:
        assert name == "attacker.example"
        return [network for text in ("192.0.2.7", "2001:db8::7") if (network := parse(text))]

    line = Replay(rules("gate"), NOW, resolve).judge_text("Oct  5 10:00:00 h gate: denied x from attacker.example")

    failures = document(line)["failures"]
    assert [failure["id"] for failure in failures] == ["192.0.2.7", "2001:db8::7"]
    assert {failure["fields"]["dns"] for failure in failures} == {"attacker.example"}


def test_a_name_without_address_is_nobody(rules: Load) -> None:
    (line,) = judged(rules("gate"), "Oct  5 10:00:00 h gate: denied x from attacker.example")

    assert (line.outcome, line.unresolved, line.matches) == ("none", "attacker.example", ())


def test_a_raw_name_is_the_id(rules: Load) -> None:
    (line,) = judged(rules("gate", raw_host=True), "Oct  5 10:00:00 h gate: denied x from attacker.example")

    assert document(line)["failures"][0]["id"] == "attacker.example"


def test_an_id_that_is_no_address_stands_beside_its_host(rules: Load) -> None:
    (line,) = judged(rules("user <F-ID/> <F-TUPLE_ID>\\w+</F-TUPLE_ID> at <ADDR>"), "user root sshd at 192.0.2.7")

    (failure,) = document(line)["failures"]
    assert (failure["id"], failure["host"]) == ("('root', 'sshd')", "192.0.2.7")
    assert failure["fields"]["fid"] == ["root", "sshd"]


@pytest.mark.parametrize("bytes_", [b"\xff\xfe from 192.0.2.7\n", b"\0\x1b[2J from 192.0.2.7\r\n"])
def test_bytes_that_are_no_text_are_judged_all_the_same(rules: Load, bytes_: bytes) -> None:
    (line,) = Replay(rules(" from <HOST>$"), NOW, nobody).judge(bytes_)

    assert line.outcome == "failure"
