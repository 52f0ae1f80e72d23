"""Whoever is spared is let in."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from banish import addresses
from banish.addresses import Network
from banish.daemon.guardian import Facts, Guardian
from banish.daemon.pipeline import Pipeline
from banish.daemon.protection import Protection
from banish.failures.ignore import IgnoreRules, IgnoreSettings
from banish.lookups.names import Names
from banish.model import Decision, Notice
from tests.networks import net

NOW = 1_800_000_000.0


class World:
    """What `Facts` knows, of a machine with a gateway."""

    def changed(self) -> bool:
        return False

    def own(self) -> tuple[frozenset[Network], Notice | None]:
        return frozenset({net("198.51.100.1")}), None

    def gateways(self) -> tuple[frozenset[Network], Notice | None]:
        return frozenset({net("198.51.100.254")}), None

    def resolvers(self) -> frozenset[Network]:
        return frozenset()

    def sessions_now(self, now: float) -> tuple[tuple[Any, ...], Notice | None]:
        return (), None

    def peers(self) -> set[bytes]:
        return set()

    def close(self) -> None:
        pass


def protection(*ignoreip: str) -> Protection:
    pipeline = cast(Pipeline, SimpleNamespace(keep=lambda incident: None, guardian=None))
    made = Protection(cast(Names, None), pipeline, lambda notices: None)
    made.guardian.close()
    made.guardian = Guardian(lambda notices: None, lambda incident: None, cast(Facts, World()))
    made.guardian.look(NOW)
    rules = IgnoreRules(IgnoreSettings(ignoreip))
    rules.learn_own([net("198.51.100.1")])
    made._running = cast(Any, {"sshd": SimpleNamespace(jail=SimpleNamespace(ignore=rules))})
    return made


def bans(*ids: str, forced: bool = False) -> list[Decision]:
    return [Decision("sshd", id_, addresses.parse(id_), NOW - 60, NOW + 60, "restored", forced=forced) for id_ in ids]


IDS = (
    *("192.0.2.7", "192.0.2.0/24", "203.0.113.9", "203.0.113.0/28", "198.51.100.1", "198.51.100.254"),
    *("198.51.100.0/24", "2001:db8::1", "a name", "another name"),
)


def test_many_are_admitted_as_each_would_be() -> None:
    made = protection("192.0.2.0/25", "203.0.113.9", "a name")
    for forced in (False, True):
        found = bans(*IDS, forced=forced)
        admitted = [ban for ban in found if made.admits(ban, NOW)]
        assert list(made.admitted("sshd", found, NOW)) == admitted
        assert admitted
        assert (len(admitted) == len(found)) == forced


def test_in_a_jail_that_does_not_run_only_the_guardian_is_asked() -> None:
    made = protection("192.0.2.0/25")
    found = [ban._replace(jail="web") for ban in bans(*IDS)]
    assert list(made.admitted("web", found, NOW)) == [ban for ban in found if made.admits(ban, NOW)]
