"""Slips of the pen are told, variables are not."""

from __future__ import annotations

import pytest

from tests.config.conftest import Trees


def test_a_misspelt_option_is_told_with_its_place_and_what_was_meant(trees: Trees) -> None:
    (problem,) = trees.problems("[sshd]\nenabled = true\n\n\n\n\nmaxrety = 3\n")
    assert str(problem) == f"{trees.user}/jail.local:7 [sshd] maxrety = 3: unknown option (did you mean maxretry?)"
    assert problem.severity == "warning"


@pytest.mark.parametrize(
    ("option", "meant"),
    [
        ("enable", "enabled"),
        ("ban_time", "bantime"),
        ("ignoreips", "ignoreip"),
        ("logpaths", "logpath"),
        ("colour", ""),
    ],
)
def test_a_jail_that_is_not_enabled_is_judged_too(trees: Trees, option: str, meant: str) -> None:
    (problem,) = trees.problems(f"[sshd]\n{option} = x\n")
    assert problem.remedy == (f"did you mean {meant}?" if meant else "")


@pytest.mark.parametrize(
    "content",
    [
        "[DEFAULT]\nmy_net = 192.0.2.0/24\nignoreip = %(my_net)s\n",
        "[DEFAULT]\nmy_net = 192.0.2.0/24\n[sshd]\nignoreip = %(my_net)s\n",
        "[sshd]\nextra = ssh,2222\nport = %(extra)s\n",
        "[vars]\nports = 1\n[sshd]\nport = %(vars/ports)s\n",
        "[DEFAULT]\ndestemail = root@example.org\naction_mine = %(banaction)s\nbanaction_allports = nftables\n",
        "[sshd]\nfilter = sshd[publickey=any]\npublickey = any\nenabled = true\n",
        "[sshd]\nbantime.increment = false\nbantime.maxtime = 5w\nignorecache =\n",
    ],
)
def test_variables_and_options_are_not_told(trees: Trees, content: str) -> None:
    assert trees.problems(content) == []


def test_files_that_are_included_may_hold_any_variable(trees: Trees) -> None:
    trees.write("paths-mine.conf", "[DEFAULT]\nunused_log = /l\n")
    trees.write("jail.d/x.conf", "[DEFAULT]\nunused = 1\n")
    (problem,) = trees.problems("[INCLUDES]\nbefore = paths-mine.conf\n")
    assert problem.option == "unused"


def test_what_is_packaged_is_not_judged(trees: Trees) -> None:
    trees.package("jail.d/x.conf", "[DEFAULT]\nunused = 1\n")
    assert trees.problems("[sshd]\n") == []
