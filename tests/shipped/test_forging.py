"""Nobody gets somebody else banned, nor stays unseen, by what he writes into the log of a service that we have a filter for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shipped.forging import SAMPLES, Finding, search
from tests.shipped.pens import write


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.log")), ids=lambda path: path.stem)
def test_nothing_can_be_forged_and_nobody_can_hide(path: Path) -> None:
    found = list(search(path))
    assert not found, f"{len(found)} findings; python -m tests.shipped.forging {path.stem}\n" + "\n".join(
        map(str, found[:6])
    )


HEAD = '# attacker: {"user": "raw"}\n# failJSON: {"match": true, "host": "192.0.2.7", "time": "2026-11-22T17:00:00"}\n'


def findings(tmp_path: Path, regex: str, line: str, *, head: str = HEAD, more: str = "") -> list[Finding]:
    (tmp_path / "filter.d").mkdir()
    (tmp_path / "filter.d" / "mutant.conf").write_text(f"[Definition]\nfailregex = {regex}\n{more}")
    samples = tmp_path / "mutant.log"
    samples.write_text(f"{head}2026-11-22 17:00:00 {line}\n")
    return list(search(samples, tmp_path))


GOOD = 'login of "bob" failed, client 192.0.2.7'


def test_a_filter_without_a_fault_passes(tmp_path: Path) -> None:
    assert findings(tmp_path, '^ login of "<F-USER>.*</F-USER>" failed, client <ADDR>$', GOOD) == []


@pytest.mark.parametrize(
    ("regex", "line", "what", "told"),
    [
        ('^ login of "<F-USER>.*?</F-USER>" failed, client <ADDR>', GOOD, "forged", "not anchored at its end"),
        ('^ login of "<F-USER>.*?</F-USER>"[^,]*, client <ADDR>', GOOD, "forged", "a gap in front of the address"),
        ('^ login of "<F-USER>[^"]*</F-USER>" failed, client <ADDR>$', GOOD, "hidden", "a quote in the name"),
        (r'^ login of "<F-USER>\S+</F-USER>" failed, client <ADDR>$', GOOD, "hidden", "a space in the name"),
        (
            r'^ login of "<F-USER>[^\x00-\x1f\x7f-\x9f]*</F-USER>" failed, client <ADDR>$',
            GOOD,
            "hidden",
            "a control character in the name",
        ),
        (
            "^ <ADDR>: no such user <F-USER>(?!root)[^ ]*|.* .*</F-USER>$",
            "192.0.2.7: no such user bob",
            "hidden",
            "a certain name",
        ),
        (
            "^.*<ADDR>: no such user <F-USER>.*</F-USER>$",
            "192.0.2.7: no such user bob",
            "forged",
            "the last address that is there",
        ),
    ],
)  # fmt: skip
def test_a_filter_with_a_fault_is_found(tmp_path: Path, regex: str, line: str, what: str, told: str) -> None:
    found = {finding.what for finding in findings(tmp_path, regex, line)}
    assert what in found, told


def test_a_date_of_the_attackers_is_found(tmp_path: Path) -> None:
    (tmp_path / "filter.d").mkdir()
    (tmp_path / "filter.d" / "mutant.conf").write_text(
        "[Definition]\nfailregex = ^<F-USER>.*</F-USER> at .*<ADDR> failed$\ndatepattern = {DATE}\n"
    )
    samples = tmp_path / "mutant.log"
    samples.write_text(f"{HEAD}bob at 2026-11-22 17:00:00 192.0.2.7 failed\n")
    assert "another time" in {finding.what for finding in search(samples, tmp_path)}


def test_a_name_that_was_told_earlier_in_the_session_is_tried(tmp_path: Path) -> None:
    regex = (
        "^ <F-MLFID>\\[\\d+\\]</F-MLFID> <F-NOFAIL>hello</F-NOFAIL> <F-HELO>.*?</F-HELO> from <ADDR>\n"
        "            ^ <F-MLFID>\\[\\d+\\]</F-MLFID> wrong password$"
    )
    head = "2026-11-22 17:00:00 [1] hello me from 192.0.2.7\n" + HEAD
    found = findings(tmp_path, regex, "[1] wrong password", head=head)
    assert {(finding.what, finding.part) for finding in found} >= {("forged", "helo")}


def test_a_line_that_must_not_match_names_nobody(tmp_path: Path) -> None:
    regex = 'bad <HOST>|^ <ADDR> "<F-USER>.*</F-USER>"$'.replace("|", "\n            ")
    head = '2026-11-22 16:00:00 welcome user="bob" of 192.0.2.9\n' + HEAD.replace('"user"', '"agent": "raw", "user"')
    found = findings(tmp_path, regex.replace("bad <HOST>", r"from <HOST>"), '192.0.2.7 "bob"', head=head)
    assert {finding.what for finding in found if finding.place.endswith(":1")} == {"forged"}


def test_a_filter_in_which_nothing_could_be_tried_is_found(tmp_path: Path) -> None:
    note = '# failJSON: {"match": true, "host": "192.0.2.7"}\n'
    assert [finding.what for finding in findings(tmp_path, "^ no <ADDR>$", "no 192.0.2.7", head=note)] == ["vacuous"]


def test_nothing_to_try_can_be_stated(tmp_path: Path) -> None:
    note = '# attacker: {}\n# failJSON: {"match": true, "host": "192.0.2.7"}\n'
    assert findings(tmp_path, "^ no <ADDR>$", "no 192.0.2.7", head=note) == []


@pytest.mark.parametrize(
    ("pen", "written"),
    [
        ("raw", 'a"\\\n\u00e9 b'),
        ("syslog", 'a"\\#012\u00e9 b'),
        ("header", 'a"\\\u00e9 b'),
        ("json", 'a\\"\\\\\\n\u00e9 b'),
        ("c", 'a\\"\\\\\\n\\xc3\\xa9 b'),
        ("vis", 'a"\\\\\\n\\303\\251 b'),
        ("nginx", "a\\x22\\x5C\\x0A\\xC3\\xA9 b"),
        ("word", 'a"\\\u00e9b'),
        ("url", "a%22%5C%0A%C3%A9%20b"),
        ("hostname", "a-b.example"),
        ("[a-z]", "a?????b"),
        ("[a-z\\n] c", "a??\\n??b"),
    ],
)
def test_pens(pen: str, written: str) -> None:
    assert write(pen, 'a"\\\n\u00e9 b') == written
