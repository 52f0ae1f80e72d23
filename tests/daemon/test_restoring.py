"""What earlier runs banned, and who of them stays free."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from banish import addresses
from banish.daemon.logbook import Logbook
from banish.daemon.protection import Protection
from banish.daemon.restoring import Restoring
from banish.decisions.bantime import BanTimeSettings
from banish.decisions.ledger import Ledger
from banish.model import Decision
from banish.store.database import Store

NOW = 1_800_000_000.0


class Fence:
    """Admits nobody of 192.0.2.0/28 who was not forced."""

    def admits(self, decision: Decision, now: float) -> bool:
        network = addresses.parse("192.0.2.0/28")
        assert network is not None
        return decision.forced or decision.network is None or not addresses.within(decision.network, network)

    def admitted(self, jail: str, bans: Iterable[Decision], now: float) -> Iterator[Decision]:
        return (ban for ban in bans if self.admits(ban, now))


class House:
    def __init__(self, directory: Path) -> None:
        self.log = directory / "log"
        self.logbook = Logbook()
        self.logbook.configure(f"{self.log}[datetime=off]", "INFO")
        self.ledger = Ledger()
        self.store = Store.open(":memory:", NOW)
        self.restoring = Restoring(self.ledger, self.store, cast(Protection, Fence()))

    def restore(self, *jails: str, running: tuple[str, ...] = ("sshd", "web")) -> list[str]:
        jail = SimpleNamespace(settings=SimpleNamespace(bantime=BanTimeSettings(bantime=600.0)))
        known: Any = {name: SimpleNamespace(jail=jail) for name in running}
        return sorted(f"{ban.jail} {ban.id}" for ban in self.restoring.restore(known, jails, NOW + 60))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.logbook.close()


def ban(id_: str, jail: str = "sshd", *, forced: bool = False) -> Decision:
    return Decision(jail, id_, addresses.parse(id_), NOW, NOW + 6000, forced=forced)


def test_who_may_not_be_banned_is_not_banned_again_unless_that_was_forced(house: House) -> None:
    house.store.save([ban("192.0.2.1"), ban("192.0.2.2", forced=True), ban("192.0.2.77"), ban("alice")], now=NOW)
    assert house.restore("sshd") == ["sshd 192.0.2.2", "sshd 192.0.2.77", "sshd alice"]
    assert {each.id for each in house.ledger if each.forced} == {"192.0.2.2"}


def test_no_ban_is_longer_than_bantime_allows_today(house: House) -> None:
    house.store.save([ban("192.0.2.77")._replace(basis="bantime"), ban("192.0.2.78")], now=NOW)
    house.restore("sshd")
    assert {each.id: each.expires_at for each in house.ledger} == {"192.0.2.77": NOW + 600, "192.0.2.78": NOW + 6000}


def test_bans_of_a_jail_that_does_not_run_wait_for_it_and_can_be_forgotten(house: House) -> None:
    house.store.save([ban("192.0.2.77"), ban("192.0.2.78", "web"), ban("192.0.2.79", "web")], now=NOW)
    assert house.restore("sshd", running=("sshd",)) == ["sshd 192.0.2.77"]
    assert [each.id for each in house.restoring.forget_dormant(lambda each: each.id.endswith("8"), NOW)] == [
        "192.0.2.78"
    ]
    assert house.restore("web") == ["web 192.0.2.79"], "those of the jail that ran all the time are left alone"
    assert house.restoring.forget_dormant(lambda each: True, NOW) == []
    house.restoring.sleep("web")
    assert [each.id for each in house.restoring.forget_dormant(lambda each: True, NOW)] == ["192.0.2.79"]
