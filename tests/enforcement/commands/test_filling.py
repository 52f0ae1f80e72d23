"""Text from a log stays text: real shells, and the worst that anybody could be called."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from banish.enforcement.commands.filling import VALUE_BYTES, fill, tags

HOSTILE = [
    "$(touch owned)",
    "`touch owned`",
    "'; touch owned; '",
    '"; touch owned; "',
    "x; touch owned",
    "x\ntouch owned\n",
    "x & touch owned",
    "x | touch owned",
    "1 touch owned",
    "a\0b",
    "\ud800\udfff",
    "é ü",
    "${IFS}touch${IFS}owned",
    "\\'; touch owned; \\'",
    "-n",
    "--help",
    "*",
    "~root",
    "<ip>",
    "${f2bV_ip}",
    "",
    " ",
    "\r\n",
    "\x1b[2J",
    "EOF\ntouch owned\nEOF",
]
"""Each would make a file called ``owned`` if it were obeyed."""

PLACES = [
    'printf "%s\\n" "<F-USER>"',
    "printf '%s\\n' '<F-USER>'",
    "printf '%s\\n' <F-USER>",
    "X=<F-USER> true",
    "X='<F-USER>' true",
    'X="<F-USER>"; printf "%s" "$X"',
    'printf "%s" "$(printf "%s" "<F-USER>")"',
    "printf '%s' \"$(printf '%s' '<F-USER>')\"",
    "printf '%s' \"`printf '%s' '<F-USER>'`\"",
    'true # don\'t <F-USER>\nprintf "%s" "<F-USER>"',
    "true # don't\nX=<F-USER> true",
    "cat <<END\ndon't <F-USER>\nEND\nX=<F-USER> true",
    "case x in y) true;; esac; X=<F-USER> true",
    "(true; printf %s <F-USER>) | cat; X=<F-USER> true",
    'printf %s "it\'s"; X=<F-USER> true',
    "printf %s \\'; X=<F-USER> true",
]

TEXT = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(exclude_categories=[]), max_size=30),
    st.text("'\"`$();&|<> \n\\#*-=!{}[]~ax", max_size=30),
    st.lists(st.sampled_from(HOSTILE), max_size=3).map("".join),
)


def said(text: str) -> str:
    """What a shell can be told of *text*."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def sh(template: str, value: str, directory: Path) -> subprocess.CompletedProcess[bytes]:
    script = fill(template, {"F-USER": value, "ip": "192.0.2.7"}.get)
    return subprocess.run(
        ["/bin/sh", "-c", script.text, "sh", *script.arguments],
        cwd=directory,
        capture_output=True,
        timeout=20,
        check=False,
        env={"PATH": "/usr/bin:/bin"},
    )


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", HOSTILE)
def test_no_name_is_obeyed_wherever_it_stands(place: str, value: str, tmp_path: Path) -> None:
    sh(place, value, tmp_path)
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=150, deadline=None)
@given(value=TEXT)
@example(value="$(touch owned)")
@example(value="'\"`")
def test_between_double_quotes_every_text_arrives_as_it_is(
    value: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("shell")
    done = sh('printf "%s|" "<F-USER>" "a <F-USER> b" "<ip>"', value, directory)
    assert done.stderr == b""
    assert done.stdout.decode() == f"{said(value)}|a {said(value)} b|192.0.2.7|"
    assert list(directory.iterdir()) == []


@settings(max_examples=150, deadline=None)
@given(value=TEXT, place=st.sampled_from(PLACES))
def test_no_text_is_obeyed(value: str, place: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("shell")
    sh(place, value, directory)
    assert list(directory.iterdir()) == []


def test_the_names_are_those_of_fail2ban() -> None:
    script = fill('tell "<F-USER>" <ip> "<matches>"', {"F-USER": "a'b", "ip": "::1", "matches": "x\ny"}.get)
    assert script.text == ('f2bV_F_user=${1} f2bV_matches=${2}\ntell "${f2bV_F_user}" ::1 "${f2bV_matches}"')
    assert script.arguments == ("a'b", "x\ny")


def test_more_than_nine_values() -> None:
    template = " ".join(f'"<F-N{number}>"' for number in range(12))
    script = fill(f"printf %s {template}", lambda tag: f"({tag})")
    done = subprocess.run(["/bin/sh", "-c", script.text, "sh", *script.arguments], capture_output=True, check=True)
    assert done.stdout.decode() == "".join(f"(F-N{number})" for number in range(12))


def test_names_that_come_to_the_same_are_kept_apart(tmp_path: Path) -> None:
    script = fill('printf "%s," "<F-A-B>" "<F-A_B>"', {"F-A-B": "$1", "F-A_B": "$2"}.get)
    done = subprocess.run(["/bin/sh", "-c", script.text, "sh", *script.arguments], capture_output=True, check=True)
    assert done.stdout == b"$1,$2,"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("echo '<F-USER>'", "echo 'john smith'"),
        ("echo \"$(echo '<F-USER>')\"", "echo \"$(echo 'john smith')\""),
        ('echo "<F-USER>"', 'echo "${f2bV_F_user}"'),
        ("echo <F-USER>", "echo ${f2bV_F_user}"),
        ("echo it\\'s '<F-USER>'", "echo it\\'s 'john smith'"),
        ("echo \"it's\" '<F-USER>'", "echo \"it's\" 'john smith'"),
        ("echo # it's\necho '<F-USER>'", "echo # it's\necho 'john smith'"),
        ("echo <<E\n'<F-USER>'\nE", "echo <<E\n'${f2bV_F_user}'\nE"),
    ],
)
def test_single_quotes_take_what_is_no_worse_than_words(template: str, text: str) -> None:
    assert fill(template, {"F-USER": "john smith"}.get).text.removeprefix("f2bV_F_user=${1}\n") == text


def test_what_is_unknown_stays_and_what_is_fixed_is_fixed() -> None:
    assert (
        fill("a<br>b<sp>c <nosuch> <F-NONE> cat <file >out", {"F-NONE": ""}.get).text
        == "a\nb c <nosuch>  cat <file >out"
    )
    assert tags("<ip> <a/b> < c>") == {"ip", "a/b"}


def test_a_tag_is_asked_for_once_and_only_when_it_is_there() -> None:
    asked: list[str] = []

    def lookup(tag: str) -> str:
        asked.append(tag)
        return "<ip>"

    fill("<matches> <matches>", lookup)
    assert asked == ["matches"]


def test_huge_values_are_cut_and_the_shell_still_starts(tmp_path: Path) -> None:
    template = "printf %s " + " ".join(f'"<F-N{number}>"' for number in range(30)) + " | wc -c"
    script = fill(template, lambda tag: "é'" * 1_000_000)
    assert max(len(value.encode()) for value in script.arguments) <= VALUE_BYTES
    done = subprocess.run(["/bin/sh", "-c", script.text, "sh", *script.arguments], capture_output=True, check=True)
    assert int(done.stdout) >= VALUE_BYTES
