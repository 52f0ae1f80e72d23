"""Tags in commands: whatever a log says, it never becomes shell code."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banish import addresses
from banish.lookups import tags
from banish.model import Match


def match(id_: str = "192.0.2.7", **fields: Any) -> Match:
    return Match(0, id_, addresses.parse(id_), 1_800_000_000.25, fields, ("line one", "line two"))


def filled(template: str, of: Match) -> tags.Command:
    return tags.command(template, tags.values(of, "sshd", "host.example.org"), of.fields)


@pytest.mark.parametrize(
    ("template", "script"),
    [
        ("check <ip> <fid> <family>", "check 192.0.2.7 192.0.2.7 inet4"),
        ("check <ip-rev> <ip-host> <jail.name> <time>", "check 7.2.0.192. host.example.org sshd 1800000000.25"),
        ("check <F-USER>/<F-PORT>/<F-NOSUCH>", "check root/22/"),
        ("check <nosuch> < /dev/null <ip>", "check <nosuch> < /dev/null 192.0.2.7"),
        ('check "<matches>"', 'check "${f2bV_matches}"'),
    ],
)
def test_what_tags_stand_for(template: str, script: str) -> None:
    assert filled(template, match(user="root", fport="22")).script == script


def test_addresses_of_both_families_and_ids_that_are_none() -> None:
    assert filled("<ip> <family> <ip-rev>", match("2001:db8::7")).script == (
        "2001:db8::7 inet6 7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2."
    )
    assert filled("<ip>|<fid>|<family>|<ip-rev>", match("mallory")).script == "mallory|mallory||"
    assert filled("<ip>|<fid>", match("mallory", ip="192.0.2.9")).script == "192.0.2.9|mallory"


def test_a_value_with_anything_special_goes_through_the_environment() -> None:
    command = filled('test "<F-USER>" = root', match(user='x"; touch /tmp/y; "'))
    assert command == tags.Command('test "${f2bV_F_USER}" = root', {"f2bV_F_USER": 'x"; touch /tmp/y; "'})


def test_a_value_is_not_searched_for_tags_again() -> None:
    assert tags.text("<F-USER>@<ip>", {"ip": "192.0.2.7"}, {"user": "<ip>"}) == "<ip>@192.0.2.7"
    assert filled("<F-USER>", match(user="<ip>")).environment == {"f2bV_F_USER": "<ip>"}


def test_two_tags_never_share_a_variable() -> None:
    command = tags.command("<F-A-B> <F-A.B>", {}, {"a_b": "x y", "a.b": "y z"})
    assert command == tags.Command("${f2bV_F_A_B} ${f2bV_F_A_B_}", {"f2bV_F_A_B": "x y", "f2bV_F_A_B_": "y z"})


def test_huge_values_are_cut_so_that_the_command_can_still_be_started() -> None:
    command = filled("<F-USER>", match(user="é" * 200_000 + "\0"))
    assert len(os.fsencode(command.environment["f2bV_F_USER"])) <= tags.VALUE_BYTES
    assert filled("<F-USER>", match(user="a" * 5000)).script == "${f2bV_F_USER}"


def test_the_users_of_a_session_are_words() -> None:
    assert filled("<F-USERS>", match(users={"b", "a"})).environment == {"f2bV_F_USERS": "a b"}


NASTY = st.text(st.sampled_from("abc \t\n\r$`\"'\\;&|<>(){}[]*?~#!%^=-\0é\udcff\ud800"), max_size=20)


@settings(max_examples=40, deadline=None)
@given(NASTY)
def test_the_shell_sees_the_value_as_one_word_of_text(value: str) -> None:
    command = filled('printf %s "<F-USER>"', match(user=value))
    done = subprocess.run(
        ["/bin/sh", "-c", command.script], env={**os.environ, **command.environment}, capture_output=True, check=True
    )
    assert done.stdout == value.replace("\0", "").encode("utf-8", "replace")
    assert done.stderr == b""
