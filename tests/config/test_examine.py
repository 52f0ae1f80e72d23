"""What is wrong with a jail that could be put together but not made."""

from __future__ import annotations

import pytest

from banish.config.examine import examine
from banish.errors import Problem
from tests.config.conftest import Trees

ENABLED = "[sshd]\nenabled = true\n"


def found(trees: Trees, content: str) -> list[Problem]:
    path = trees.write("jail.local", ENABLED + content)
    (jail,) = trees.load().jails
    problems = examine(jail)
    for problem in problems:
        assert problem.section == "sshd"
        assert problem.origin is not None
        assert problem.origin.file in {str(path), str(trees.packaged / "jail.conf")}
    return problems


def test_a_sound_jail_has_nothing_to_tell(trees: Trees) -> None:
    assert found(trees, "maxretry = 3\n") == []


def test_every_expression_is_told_with_its_line(trees: Trees) -> None:
    problems = found(trees, "failregex = ^a( <HOST>\n  ^b <HOST>\n  ^c\nignoreregex = [\n")
    assert [(problem.option, problem.origin and problem.origin.line) for problem in problems] == [
        ("failregex", 3),
        ("failregex", 5),
        ("ignoreregex", 6),
    ]
    assert {problem.severity for problem in problems} == {"error"}
    assert "no failure-id group" in problems[1].text


def test_a_broken_prefix_is_told_once_and_not_for_each_expression_that_leans_on_it(trees: Trees) -> None:
    (problem,) = found(trees, "prefregex = ^(<F-ID>x\\S</F-ID> <F-CONTENT>.+</F-CONTENT>$\nfailregex = ^a\n  ^b\n")
    assert (problem.option, problem.origin and problem.origin.line) == ("prefregex", 3)


def test_every_date_pattern_and_a_zone_are_tried(trees: Trees) -> None:
    problems = found(trees, "datepattern = %%Y-%%Q\n  %%d\n  [\n")
    assert [problem.value for problem in problems] == ["%Y-%Q", "["]
    (problem,) = found(trees, "logtimezone = Atlantis\n")
    assert problem.option == "logtimezone"


@pytest.mark.parametrize(
    ("match", "text"),
    [
        ("_COMM=sshd + ", "a + must stand between two terms"),
        ("A=1 + + B=2", "a + must stand between two terms"),
        ("comm=sshd", "'comm=sshd' is no term of the journal"),
        ("A='1", "cannot be taken apart: no closing quotation"),
    ],
)
def test_a_journalmatch_is_read(trees: Trees, match: str, text: str) -> None:
    (problem,) = found(trees, f"journalmatch = {match}\n")
    assert (problem.severity, problem.text) == ("warning", text)


def test_a_port_nobody_knows_is_told_where_the_action_is_chosen(trees: Trees) -> None:
    (problem,) = found(trees, "port = nosuchport\n")
    assert problem.severity == "error"
    assert "no such service" in problem.text
