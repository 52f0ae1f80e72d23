"""What the ignore rules are taught about the world."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from banish import addresses
from banish.daemon.spared import FRESH, Spared
from banish.failures.ignore import IgnoreSettings
from banish.jail import Jail, JailSettings
from banish.lookups.names import Names
from banish.matching.filter import FilterSettings
from banish.model import Notice

NOW = 1_800_000_000.0


class World:
    """A name server that can be changed, a jail, and what is known."""

    def __init__(self, *ignoreip: str) -> None:
        self.names: dict[str, list[str]] = {}
        self.jail = Jail(
            JailSettings(
                "sshd",
                filter=FilterSettings(failregex=("^ <HOST>$",)),
                ignore=IgnoreSettings(ignoreip, ignoreself=True),
            )
        )
        # An answer is not remembered, so that every question reaches the name server.
        self._spared = Spared(Names(lambda name: self.names.get(name, []), lifetime=0.0))

    def refresh(self, now: float = NOW) -> tuple[bool, list[Notice]]:
        return asyncio.run(self._spared.refresh([self.jail], now))

    def rule(self, text: str) -> str | None:
        return self.jail.ignore.rule(text, addresses.parse(text))


def test_our_own_addresses_are_spared_from_the_first_look_on() -> None:
    world = World()
    assert world.refresh()[0]
    assert world.rule("127.0.0.1") == "ignoreself rule"
    assert world.rule("::1") == "ignoreself rule"


def test_names_are_resolved_and_looked_at_again_later() -> None:
    world = World("office.example.org")
    world.names["office.example.org"] = ["198.51.100.4"]
    assert world.refresh() == (True, [])
    assert world.rule("198.51.100.4") == "dns"
    world.names["office.example.org"] = ["198.51.100.5"]
    assert world.refresh(NOW + 1) == (False, [])
    assert world.refresh(NOW + FRESH) == (True, [])
    assert (world.rule("198.51.100.4"), world.rule("198.51.100.5")) == (None, "dns")


def test_a_name_server_that_is_down_locks_nobody_out() -> None:
    world = World("office.example.org")
    world.names["office.example.org"] = ["198.51.100.4"]
    world.refresh()
    del world.names["office.example.org"]
    changed, notices = world.refresh(NOW + FRESH)
    assert (changed, world.rule("198.51.100.4")) == (False, "dns")
    assert ["office.example.org" in notice.text for notice in notices] == [True]
    assert world.refresh(NOW + 2 * FRESH)[1] == [], "said once"


def test_a_file_is_taken_up_whenever_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "friends"
    path.write_text("198.51.100.0/28, office.example.org # ours\n")
    world = World(f"file:{path}")
    world.names["office.example.org"] = ["203.0.113.4"]
    world.refresh()
    assert world.rule("198.51.100.4") == world.rule("203.0.113.4") == f"file:{path}"
    path.write_text("198.51.100.99\n")
    assert world.refresh(NOW + 2)[0]
    assert (world.rule("198.51.100.4"), world.rule("198.51.100.99")) == (None, f"file:{path}")


def test_a_file_that_cannot_be_read_is_said_once(tmp_path: Path) -> None:
    world = World(f"file:{tmp_path / 'nowhere'}")
    assert ["nowhere" in notice.text for notice in world.refresh()[1]] == [True]
    assert world.refresh(NOW + 2)[1] == []


@pytest.mark.parametrize("name", ["", "a" * 300, "no\0name", "-"])
def test_odd_names_never_raise(name: str) -> None:
    World(name).refresh()
