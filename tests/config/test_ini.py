"""The syntax of one file, and that nothing in a file is fatal."""

from __future__ import annotations

import configparser
import os
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


def test_bytes_that_are_not_utf8_cost_no_more_than_their_line() -> None:
    content = b"[DEFAULT]\nignoreip = 192.0.2.1\n  gr\xfcn.example\n  192.0.2.2\n[sshd]\nport = 22\nfailregex = \xe4\n"
    file = ini.parse(content, "jail.local")
    assert file.sections["DEFAULT"]["ignoreip"].text == "192.0.2.1\ngr\N{REPLACEMENT CHARACTER}n.example\n192.0.2.2"
    assert file.sections["sshd"]["port"].text == "22"
    assert [(problem.section, problem.severity, problem.fatal) for problem in file.problems] == [
        ("", "error", False),
        ("sshd", "error", False),
    ]
    assert [str(problem) for problem in file.problems] == [
        "jail.local:3 ignoreip = gr\N{REPLACEMENT CHARACTER}n.example: is not UTF-8 (convert the file with iconv(1))",
        "jail.local:7 [sshd] failregex = \N{REPLACEMENT CHARACTER}: is not UTF-8 (convert the file with iconv(1))",
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"[DEF\xc4ULT]\nignoreip = 192.0.2.1\n",
        b"[DEFAULT]\n\xefgnoreip = 192.0.2.1\n",
        b"[DEFAULT]\n\xe4\n",
        b"[INCLUDES]\nbefore = gr\xfcn.conf\n",
        "[DEFAULT]\nignoreip = 192.0.2.1\n".encode("utf-16"),
    ],
)
def test_where_a_name_cannot_be_read_the_file_cannot_be_trusted(content: bytes) -> None:
    assert ini.parse(content, "jail.local").problems[0].fatal


def test_a_replacement_character_that_was_written_is_text() -> None:
    assert values("[sshd]\nfailregex = \N{REPLACEMENT CHARACTER}") == {
        "sshd": {"failregex": "\N{REPLACEMENT CHARACTER}"}
    }


@pytest.mark.parametrize("header", ["[sshd", "[]", "[sshd = x", "[ sshd"])
def test_a_header_that_is_none_is_no_continuation_of_what_stands_above(header: str) -> None:
    content = f"[DEFAULT]\nignoreip = 192.0.2.1\n{header}\nenabled = false\n  more\nnonsense\n[nginx]\nport = 80\n"
    file = ini.parse(content.encode(), "jail.local")
    assert {name: list(options) for name, options in file.sections.items()} == {
        "DEFAULT": ["ignoreip"],
        "nginx": ["port"],
    }
    assert file.sections["DEFAULT"]["ignoreip"].text == "192.0.2.1"
    (problem,) = file.problems
    assert problem.fatal
    assert str(problem) == (
        f"jail.local:3: {header!r} is not a section header: what follows cannot be assigned (close it with ])"
    )


def test_an_indented_bracket_is_part_of_the_value_above() -> None:
    assert values("[sshd]\nfailregex = a\n  [b") == {"sshd": {"failregex": "a\n[b"}}


def test_a_comment_that_is_not_utf8_costs_nothing() -> None:
    file = ini.parse(b"[sshd]\n  # gru\xdfe\nport = 22\n", "jail.local")
    assert file.sections["sshd"]["port"].text == "22"
    assert [problem.severity for problem in file.problems] == ["warning"]


def test_a_byte_order_mark_is_no_text() -> None:
    assert ini.parse(b"\xef\xbb\xbf[sshd]\nport = 22", "f").sections["sshd"]["port"].text == "22"


def test_a_file_that_cannot_be_read_is_fatal(tmp_path: Path) -> None:
    link, directory, pipe = tmp_path / "link.conf", tmp_path / "dir.conf", tmp_path / "pipe.conf"
    link.symlink_to("nowhere")
    directory.mkdir()
    os.mkfifo(pipe)
    for path, words in (
        (tmp_path / "nosuch.conf", "cannot be read: No such file or directory"),
        (link, "is a link to nothing"),
        (directory, "is a directory"),
        (pipe, "is not a regular file"),
    ):
        file = ini.read(path)
        assert file.sections == {}
        assert [(problem.text, problem.severity, problem.fatal) for problem in file.problems] == [
            (words, "error", True)
        ]


def test_a_link_to_dev_null_is_an_empty_file(tmp_path: Path) -> None:
    masked = tmp_path / "masked.conf"
    masked.symlink_to("/dev/null")
    assert ini.read(masked) == ini.IniFile(str(masked), {})


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
    if any(problem.fatal for problem in ini.parse(content.encode(), "f").problems):
        # configparser takes "[a = b" for an option called "[a"; here it is a header that was not closed.
        assert any(line.strip().startswith("[") for line in content.replace("\r", "\n").split("\n"))
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
