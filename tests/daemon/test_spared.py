"""What the ignore rules are taught about the world."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from banish import addresses
from banish.daemon.spared import FRESH, Spared
from banish.failures.ignore import IgnoreSettings
from banish.jail import Jail, JailSettings
from banish.lookups.names import Names
from banish.matching.filter import FilterSettings

NOW = 1_800_000_000.0


class World:
    """A name server that can be changed, a jail, and what is known."""

    def __init__(self, *ignoreip: str) -> None:
        self.names: dict[str, list[str]] = {}
        self.jail = self.new_jail(*ignoreip)
        # An answer is not remembered, so that every question reaches the name server.
        self._resolver = Names(lambda name: self.names.get(name, []), lifetime=0.0)
        self._spared = Spared(self._resolver)

    @staticmethod
    def new_jail(*ignoreip: str) -> Jail:
        return Jail(
            JailSettings(
                "sshd",
                filter=FilterSettings(failregex=("^ <HOST>$",)),
                ignore=IgnoreSettings(ignoreip, ignoreself=True),
            )
        )

    def refresh(self, now: float = NOW) -> bool:
        return asyncio.run(self._spared.refresh([self.jail], now))

    def look(self) -> None:
        self._spared.look([self.jail], NOW)

    def unknown(self) -> list[str]:
        return [item for item, *_ in self._spared.unknown(self.jail)]

    def close(self) -> None:
        self._resolver.close()

    def rule(self, text: str) -> str | None:
        return self.jail.ignore.rule(text, addresses.parse(text))


@pytest.fixture
def world() -> Iterator[Callable[..., World]]:
    with ExitStack() as made:
        yield lambda *ignoreip: made.enter_context(closing(World(*ignoreip)))


def test_our_own_addresses_are_spared_from_the_first_look_on(world: Callable[..., World]) -> None:
    town = world()
    assert town.refresh()
    assert town.rule("127.0.0.1") == "ignoreself rule"
    assert town.rule("::1") == "ignoreself rule"


def test_names_are_resolved_and_looked_at_again_later(world: Callable[..., World]) -> None:
    town = world("office.example.org")
    town.names["office.example.org"] = ["198.51.100.4"]
    assert town.refresh()
    assert town.unknown() == []
    assert town.rule("198.51.100.4") == "dns"
    town.names["office.example.org"] = ["198.51.100.5"]
    assert not town.refresh(NOW + 1)
    assert town.refresh(NOW + FRESH)
    assert (town.rule("198.51.100.4"), town.rule("198.51.100.5")) == (None, "dns")


def test_a_name_server_that_is_down_locks_nobody_out(world: Callable[..., World]) -> None:
    town = world("office.example.org")
    town.names["office.example.org"] = ["198.51.100.4"]
    town.refresh()
    del town.names["office.example.org"]
    assert not town.refresh(NOW + FRESH)
    assert town.rule("198.51.100.4") == "dns"
    assert town.unknown() == [], "what it stood for is still in force"


def test_a_file_is_taken_up_whenever_it_changes(world: Callable[..., World], tmp_path: Path) -> None:
    path = tmp_path / "friends"
    path.write_text("198.51.100.0/28, office.example.org # ours\n")
    town = world(f"file:{path}")
    town.names["office.example.org"] = ["203.0.113.4"]
    town.refresh()
    assert town.rule("198.51.100.4") == town.rule("203.0.113.4") == f"file:{path}"
    path.write_text("198.51.100.99\n")
    assert town.refresh(NOW + 2)
    assert (town.rule("198.51.100.4"), town.rule("198.51.100.99")) == (None, f"file:{path}")


def test_what_spares_nobody_is_known(world: Callable[..., World], tmp_path: Path) -> None:
    path = tmp_path / "nowhere"
    town = world("nobody.example.org", "192.0.2.0/33", f"file:{path}")
    town.refresh()
    assert town.unknown() == ["nobody.example.org", "192.0.2.0/33", f"file:{path}"]
    path.write_text("198.51.100.1\n")
    town.names["nobody.example.org"] = ["198.51.100.4"]
    assert town.refresh(NOW + FRESH)
    assert town.unknown() == ["192.0.2.0/33"]


def test_what_needs_no_waiting_is_known_before_names_are(world: Callable[..., World], tmp_path: Path) -> None:
    path = tmp_path / "friends"
    path.write_text("198.51.100.0/28\n")
    town = world("slow.example.org", f"file:{path}")
    town.look()
    assert town.rule("127.0.0.1") == "ignoreself rule"
    assert town.rule("198.51.100.4") == f"file:{path}"


def test_a_jail_that_a_reload_has_made_learns_what_is_known(world: Callable[..., World]) -> None:
    town = world("office.example.org")
    town.names["office.example.org"] = ["198.51.100.4"]
    assert town.refresh()
    town.jail = town.new_jail("office.example.org")
    assert town.rule("198.51.100.4") is None
    assert not town.refresh(NOW + 1)
    assert town.rule("198.51.100.4") == "dns"


@pytest.mark.parametrize("name", ["", "a" * 300, "no\0name", "-"])
def test_odd_names_never_raise(world: Callable[..., World], name: str) -> None:
    world(name).refresh()
