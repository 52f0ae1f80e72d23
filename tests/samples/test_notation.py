"""The notation of sample logs is read as README.md says."""

from __future__ import annotations

from pathlib import Path

import pytest

from banish.model import Line, Match
from banish.replay.replay import Judged
from tests.samples.notation import Sample, differences, read


def written(tmp_path: Path, text: str, name: str = "mine.log") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_note_speaks_of_the_next_line_and_of_no_other(tmp_path: Path) -> None:
    path = written(tmp_path, '# failJSON: {"match": true, "host": "192.0.2.1"}\none\n\n# a remark\ntwo\n')

    assert read(path) == [
        (
            {},
            [
                Sample("mine.log", 2, "one", {"match": True, "host": "192.0.2.1"}),
                Sample("mine.log", 5, "two", {"match": False}),
            ],
        )
    ]


def test_equal_options_mean_the_same_filter_in_all_of_the_file(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '# filterOptions: [{"mode": "a"}, {"mode": "b"}]\n1\n# filterOptions: {"mode": "b"}\n2\n# filterOptions: [{}]\n3\n',
    )

    assert [(options, [sample.text for sample in samples]) for options, samples in read(path)] == [
        ({"mode": "a"}, ["1"]),
        ({"mode": "b"}, ["1", "2"]),
        ({}, ["3"]),
    ]


def test_a_file_can_bring_in_another_with_options_of_its_own(tmp_path: Path) -> None:
    written(tmp_path, '# fileOptions: {"logtype": "journal"}\n1\n# filterOptions: {"mode": "b"}\n2\n', "other")
    path = written(tmp_path, '0\n# addFILE: "other"\n3\n')

    assert [(options, [(s.file, s.text) for s in samples]) for options, samples in read(path)] == [
        ({}, [("mine.log", "0"), ("mine.log", "3")]),
        ({"logtype": "journal"}, [("other", "1")]),
        ({"logtype": "journal", "mode": "b"}, [("other", "2")]),
    ]


def test_conditions_leave_lines_out(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """\
# filterOptions: [{"test.condition": "name=='other'"}, {"test.condition": "name!='other'", "test.prefix-line": "at "}]
1
# failJSON: {"match": true, "constraint": "opts.get('mode') == 'x'"}
2
""",
    )

    assert [(options, [sample.text for sample in samples]) for options, samples in read(path)] == [({}, ["at 1"])]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("# failJSON: {match\nline\n", "mine.log:1: not JSON"),
        ('line\n# failJSON: {"match": true}\n', "mine.log:3: the last note"),
        ('# failJSON: {"match": true, "constraint": "exit()"}\nline\n', "another form: exit"),
    ],
)
def test_a_note_that_cannot_be_used_is_told(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read(written(tmp_path, text))


MATCH = Match(0, "2001:db8::1", None, 1000.5, {"user": "root", "users": frozenset({"root"})}, ("one", "two"))
JUDGED = Judged(1, Line("two", "two", 1000.5), 1000.5, "failure", 0, (MATCH,))


@pytest.mark.parametrize(
    ("note", "found"),
    [
        ({"host": "2001:DB8:0::1", "user": "root", "users": ["root"], "attempts": 2, "desc": "as it is"}, []),
        ({"host": "192.0.2.1"}, ["host must be 192.0.2.1, is 2001:db8::1"]),
        ({"user": "alice", "port": "22"}, ["user must be alice, is root", "port must be 22, is None"]),
        ({"users": ["root", "alice"]}, ["users must be"]),
        ({"attempts": 3}, ["attempts must be 3, is 2"]),
        ({"time": None}, ["time must be None"]),
        ({"time": "2000-01-01T00:00:00"}, ["time must be 2000-01-01 00:00:00"]),
        ({"match": False}, ["must not match, is failure"]),
    ],
)
def test_every_difference_is_told(note: dict[str, object], found: list[str]) -> None:
    told = differences(Sample("mine.log", 1, "two", {"match": True, **note}), JUDGED)

    assert len(told) == len(found)
    assert all(each.startswith(start) for each, start in zip(told, found, strict=True))


def test_a_line_that_matches_nothing_is_told_by_its_outcome() -> None:
    silent = Judged(1, Line("x", "x", None), None, "pending")

    assert differences(Sample("mine.log", 1, "x", {"match": True}), silent) == ["must match, is pending"]
    assert differences(Sample("mine.log", 1, "x", {"match": False}), silent) == []
