"""What journalmatch means, and who gets an entry."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from banish.errors import ConfigError
from banish.sources.matches import Match, Router


class Entry:
    def __init__(self, *fields: str) -> None:
        self._fields = [field.encode().partition(b"=") for field in fields]

    def get(self, field: bytes) -> bytes | None:
        return next(iter(self.every(field)), None)

    def every(self, field: bytes) -> Sequence[bytes]:
        return [value for name, _, value in self._fields if name == field]


def routed(entry: Entry, **matches: str) -> set[str]:
    return set(Router((name, Match(text.split("\n"))) for name, text in matches.items()).routes(entry))


def test_a_match_is_shown_as_fail2ban_shows_it() -> None:
    match = Match(("_SYSTEMD_UNIT=ssh.service + _COMM=sshd", "A='b c' D=e"))
    assert match.text == "_SYSTEMD_UNIT=ssh.service + _COMM=sshd + A=b c D=e"
    assert match.groups == ((b"_SYSTEMD_UNIT=ssh.service",), (b"_COMM=sshd",), (b"A=b c", b"D=e"))
    assert Match(()).text == ""


@pytest.mark.parametrize("text", ["A=1 +", "+ A=1", "A=1 + + B=2", "a=1", "A", "A='1"])
def test_what_is_no_match_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="journalmatch"):
        Match((text,))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (("_COMM=sshd",), {"either"}),
        (("_SYSTEMD_UNIT=ssh.service",), {"either"}),
        (("_COMM=sshd", "_SYSTEMD_UNIT=ssh.service"), {"either", "both"}),
        (("PRIORITY=3",), {"values"}),
        (("PRIORITY=4",), {"values"}),
        (("PRIORITY=3", "_COMM=sshd"), {"values", "either"}),
        (("PRIORITY=6", "_COMM=cron"), set()),
        (("TAG=x", "TAG=y"), {"first", "second"}),
    ],
)
def test_terms_of_one_field_are_or_of_several_and(fields: tuple[str, ...], expected: set[str]) -> None:
    found = routed(
        Entry(*fields),
        either="_SYSTEMD_UNIT=ssh.service + _COMM=sshd",
        both="_SYSTEMD_UNIT=ssh.service _COMM=sshd",
        values="PRIORITY=3 PRIORITY=4",
        first="TAG=x",
        second="TAG=y",
    )
    assert found == expected


def test_lines_of_a_match_are_alternatives_and_no_match_takes_all() -> None:
    assert routed(Entry("B=2"), one="A=1\nB=2", all="", none="A=1 B=2") == {"one", "all"}


def test_a_match_alone_has_been_looked_at_by_the_journal() -> None:
    assert routed(Entry(), alone="A=1") == {"alone"}


def test_values_met_before_are_remembered_rightly() -> None:
    router = Router([("a", Match(("X=1",))), ("b", Match(("X=2",)))])
    for _ in range(2):
        assert [router.routes(Entry(f"X={number}")) for number in (1, 2)] == [("a",), ("b",)]
