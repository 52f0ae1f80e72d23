"""The syntax of one file, and that nothing in a file is fatal."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banish.config import ini
from banish.errors import Origin


def values(content: str) -> dict[str, dict[str, str]]:
    file = ini.parse(content.encode(), "jail.local")
    assert file.problems == ()
    return {section: {name: text.text for name, text in options.items()} for section, options in file.sections.items()}


def told(content: str | bytes) -> list[str]:
    file = ini.parse(content if isinstance(content, bytes) else content.encode(), "jail.local")
    return [str(problem) for problem in file.problems]


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("maxretry = 3", "maxretry", "3"),
        ("maxretry: 3", "maxretry", "3"),
        ("MaxRetry=3", "maxretry", "3"),
        ("maxretry = 3 # x", "maxretry", "3 # x"),
        ("maxretry = 3 ; x", "maxretry", "3"),
        ("maxretry = 3;x", "maxretry", "3;x"),
        ("empty =", "empty", ""),
        ("a = b = c", "a", "b = c"),
        ("a = b:c", "a", "b:c"),
        ("a:b = c", "a", "b = c"),
        ("two words = c", "two words", "c"),
        ("list = a\n  b\n\n  c\n\n\n", "list", "a\nb\n\nc"),
        ("list =\n  a\n# comment\n  ; another\n  b", "list", "\na\nb"),
        ("list = a\n  b ; comment\n  c", "list", "a\nb\nc"),
        ("  indented = 1\n  # comment\n", "indented", "1"),
        ("blocktype?family=inet6 = x", "blocktype?family", "inet6 = x"),
        ("windows = yes\r\n", "windows", "yes"),
        ("word = Ünïcode\x85not a line end", "word", "Ünïcode\x85not a line end"),
    ],
)
def test_a_line_is_read_as_jail_conf_means_it(line: str, name: str, value: str) -> None:
    assert values(f"[sshd]\n{line}") == {"sshd": {name: value}}


def test_every_line_of_a_value_knows_where_it_was_written() -> None:
    file = ini.parse(b"# jails\n[sshd]\n\nlogpath = /a\n  # and\n  /b\n", "jail.local")
    logpath = file.sections["sshd"]["logpath"]
    assert list(logpath.entries()) == [("/a", Origin("jail.local", 4)), ("/b", Origin("jail.local", 6))]


def test_of_two_equal_options_the_later_counts_and_both_lines_are_told() -> None:
    content = "[sshd]\nport = 22\nport = 2222\n"
    assert told(content) == [
        "jail.local:3 [sshd] port: option repeated, first in line 2; this one counts (remove one of the two)"
    ]
    assert ini.parse(content.encode(), "jail.local").sections["sshd"]["port"].text == "2222"


def test_a_repeated_section_is_joined_and_told() -> None:
    content = "[sshd]\nport = 22\n[nginx]\n[sshd]\nenabled = true\n"
    assert told(content) == ["jail.local:4 [sshd]: section repeated, first in line 1 (join the two)"]
    assert list(ini.parse(content.encode(), "f").sections["sshd"]) == ["port", "enabled"]


def test_default_may_be_opened_again() -> None:
    assert values("[DEFAULT]\na = 1\n[DEFAULT]\nb = 2") == {"DEFAULT": {"a": "1", "b": "2"}}


def test_a_forgotten_indentation_does_not_shorten_the_ignore_list() -> None:
    content = "[DEFAULT]\nignoreip = 127.0.0.1/8\n192.0.2.7\nmaxretry = 3\n"
    file = ini.parse(content.encode(), "jail.local")
    assert file.sections["DEFAULT"]["ignoreip"].text == "127.0.0.1/8\n192.0.2.7"
    (problem,) = file.problems
    assert problem.severity == "warning"
    assert str(problem) == (
        "jail.local:3 [DEFAULT]: '192.0.2.7' is neither an option nor indented: read as a continuation of ignoreip "
        "(indent the line)"
    )


def test_lines_that_cannot_be_read_are_told_and_the_rest_is_kept() -> None:
    content = "port = 22\n[sshd]\nenabled\n= 5\nmaxretry = 3\n"
    assert told(content) == [
        "jail.local:1: 'port = 22' stands before the first [section]: the line is left out (write a header above)",
        "jail.local:3 [sshd]: 'enabled' is not an option: the line is left out (write option = value)",
        "jail.local:4 [sshd]: '= 5' is not an option: the line is left out (write option = value)",
    ]
    assert ini.parse(content.encode(), "f").sections["sshd"]["maxretry"].text == "3"


def test_a_file_that_is_not_utf8_is_left_out() -> None:
    file = ini.parse(b"[sshd]\nport = 22\nfailregex = \xe4\n", "jail.local")
    assert file.sections == {}
    assert [str(problem) for problem in file.problems] == [
        "jail.local:3: is not UTF-8 (the file is left out; convert it with iconv(1))"
    ]


def test_a_comment_that_is_not_utf8_costs_nothing() -> None:
    file = ini.parse(b"[sshd]\n  # gru\xdfe\nport = 22\n", "jail.local")
    assert file.sections["sshd"]["port"].text == "22"
    assert [problem.severity for problem in file.problems] == ["warning"]


def test_a_byte_order_mark_is_no_text() -> None:
    assert ini.parse(b"\xef\xbb\xbf[sshd]\nport = 22", "f").sections["sshd"]["port"].text == "22"


def test_a_file_that_cannot_be_opened_is_a_problem(tmp_path: Path) -> None:
    file = ini.read(tmp_path / "nosuch.conf")
    assert file.sections == {}
    assert "No such file or directory" in str(file.problems[0])


CONTENT = st.text(st.sampled_from(" \t\n\r[]=:;#%ab\x00é?"), max_size=60)


@settings(max_examples=200)
@given(st.one_of(st.binary(max_size=60), CONTENT.map(str.encode)))
def test_no_content_is_fatal(content: bytes) -> None:
    file = ini.parse(content, "f")
    for options in file.sections.values():
        for text in options.values():
            assert len(text.origins) == text.text.count("\n") + 1
            assert all(1 <= origin.line <= content.count(b"\n") + content.count(b"\r") + 1 for origin in text.origins)


@settings(max_examples=200)
@given(CONTENT)
def test_whatever_configparser_accepts_means_the_same_here(content: str) -> None:
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";",), strict=True)
    try:
        parser.read_string(content.replace("\r\n", "\n").replace("\r", "\n"))
    except configparser.Error:
        return
    theirs = {section: dict(parser.items(section)) for section in parser.sections()}
    for options in theirs.values():
        for name in parser.defaults():
            options.pop(name, None)
    ours = {
        section: {name: text.text for name, text in options.items()}
        for section, options in ini.parse(content.encode(), "f").sections.items()
    }
    defaults = ours.pop("DEFAULT", {})
    assert defaults == dict(parser.defaults())
    for options in ours.values():
        for name in defaults:
            options.pop(name, None)
    assert ours == theirs


NAMES = st.from_regex(r"[a-z][a-z0-9_.-]{0,8}", fullmatch=True)
LINES = st.lists(
    st.from_regex(r"[^\s;#\x00-\x1f\x7f-\xa0][^\s;\x00-\x1f\x7f-\xa0]{0,8}", fullmatch=True), min_size=1, max_size=3
)


@settings(max_examples=100)
@given(st.dictionaries(NAMES, st.dictionaries(NAMES, LINES, max_size=3), max_size=3))
def test_what_is_written_is_read_again(sections: dict[str, dict[str, list[str]]]) -> None:
    content = "".join(
        f"[{section}]\n" + "".join(f"{name} = " + "\n  ".join(lines) + "\n" for name, lines in options.items())
        for section, options in sections.items()
    )
    assert values(content) == {
        section: {name: "\n".join(lines) for name, lines in options.items()} for section, options in sections.items()
    }
