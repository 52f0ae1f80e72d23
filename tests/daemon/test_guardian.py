"""The guardian: what it refuses, tells, keeps, pauses and undoes, with a world made by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from banish import addresses
from banish.addresses import Network
from banish.daemon.guardian import TELL_EVERY, Facts, Guardian
from banish.decisions.ledger import Ledger
from banish.lookups.sessions import Session
from banish.model import Decision, Incident, Notice
from banish.safety.breaker import BreakerSettings
from banish.safety.guard import SpareSettings

NOW = 1_800_000_000.0
ADMIN = "203.0.113.7"


def net(text: str) -> Network:
    network = addresses.parse(text)
    assert network is not None
    return network


def ban(id_: str, at: float = NOW, jail: str = "web") -> Decision:
    return Decision(jail, id_, addresses.parse(id_), at, at + 600)


class World(Facts):
    """Facts that a test sets."""

    def __init__(self) -> None:
        super().__init__()
        super().close()
        self.news = False
        self.ours = {net("192.0.2.1")}
        self.routers: set[Network] = set()
        self.servers: set[Network] = set()
        self.logged_in: tuple[Session, ...] = ()
        self.connected: set[bytes] = set()
        self.trouble: Notice | None = None

    def changed(self) -> bool:
        news, self.news = self.news, False
        return news

    def own(self) -> tuple[frozenset[Network], Notice | None]:
        return frozenset(self.ours), None

    def gateways(self) -> tuple[frozenset[Network], Notice | None]:
        return frozenset(self.routers), self.trouble

    def resolvers(self) -> frozenset[Network]:
        return frozenset(self.servers)

    def sessions_now(self, now: float) -> tuple[tuple[Session, ...], Notice | None]:
        return self.logged_in, None

    def peers(self) -> set[bytes]:
        return self.connected


class Watch:
    """The guardian of one jail, its world, and what it said."""

    def __init__(self, breaker: BreakerSettings | None = None, spare: SpareSettings | None = None) -> None:
        self.world = World()
        self.said: list[str] = []
        self.kept: list[Incident] = []
        self.guardian = Guardian(self._tell, self.kept.append, self.world)
        self.spare = spare or SpareSettings()
        self.configure(breaker or BreakerSettings())
        self.guardian.look(NOW)

    def configure(self, breaker: BreakerSettings) -> None:
        self.guardian.configure(self.spare, {"web": breaker}, NOW)

    def _tell(self, notices: Iterable[Notice]) -> None:
        self.said += [f"{notice.level} {notice.text}" for notice in notices]

    def log_in(self, peer: str = ADMIN, since: float = NOW - 60) -> None:
        self.world.logged_in = (*self.world.logged_in, Session(net(peer), since, 4711))

    def outcome(self, decision: Decision, now: float = NOW) -> str:
        self.guardian.attend(now)
        entry = self.guardian.admit(decision, now)
        return entry.outcome if entry else "passed"

    def refresh(self, now: float) -> None:
        asyncio.run(self.guardian.refresh(now))


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_who_logs_in_is_spared_from_that_moment_on(watch: Watch) -> None:
    assert watch.outcome(ban(ADMIN)) == "passed"
    watch.log_in()
    assert watch.outcome(ban(ADMIN)) == "refused"
    assert watch.outcome(ban("203.0.113.0/24")) == "refused"
    assert watch.outcome(ban("203.0.113.8")) == "passed"
    assert watch.outcome(ban(ADMIN)._replace(forced=True)) == "passed"
    assert watch.outcome(Decision("web", ADMIN, None, NOW, NOW + 600)) == "passed", "a text is nobody's address"
    watch.world.logged_in = ()
    assert watch.outcome(ban(ADMIN)) == "passed"


def test_a_refusal_is_told_and_kept_once_in_a_while(watch: Watch) -> None:
    watch.log_in()
    for second in range(int(TELL_EVERY)):
        watch.outcome(ban(ADMIN), NOW + second)
    reason = "the peer of an ssh session that is logged in (spare_sessions = no in banish.local allows it)"
    assert watch.said == [f"WARNING [web] Refuse to ban {ADMIN}: {reason}"]
    assert watch.kept == [Incident(NOW, "web", "refused", ADMIN, reason)]
    watch.outcome(ban(ADMIN), NOW + TELL_EVERY)
    assert len(watch.said) == len(watch.kept) == 2


def test_the_row_for_an_administrator_says_why(watch: Watch) -> None:
    entry = watch.guardian.admit(ban("192.0.2.1")._replace(origin="admin"), NOW)
    assert entry is not None
    assert entry.decision.reason.startswith("an address of this machine (spare_own")
    assert watch.kept[0].origin == "admin"


def test_changes_are_followed(watch: Watch) -> None:
    watch.world.routers.add(net("192.0.2.254"))
    watch.refresh(NOW + 1)
    watch.world.news = True
    watch.world.ours.add(net("192.0.2.2"))
    watch.world.servers.add(net("192.0.2.53"))
    watch.refresh(NOW + 5)
    for spared in ("192.0.2.254", "192.0.2.2", "192.0.2.53", "192.0.2.1"):
        assert watch.outcome(ban(spared)) == "refused"


def test_what_cannot_be_asked_for_any_more_stays_protected_and_is_a_problem(watch: Watch) -> None:
    watch.world.routers = {net("192.0.2.254")}
    watch.guardian.look(NOW)
    watch.world.routers, watch.world.trouble = set(), Notice("WARNING", "filter", "cannot ask the kernel")
    watch.guardian.look(NOW)
    assert watch.outcome(ban("192.0.2.254")) == "refused"
    assert [str(problem) for problem in watch.guardian.problems()] == ["spare_gateways: cannot ask the kernel"]


def test_bans_that_hit_what_is_protected_only_now_are_unjust(watch: Watch) -> None:
    ledger = Ledger()
    for decision in (
        ban("192.0.2.254"),
        ban("192.0.2.128/25"),
        ban("192.0.2.254", jail="ssh")._replace(forced=True),
        ban("192.0.2.9"),
    ):
        ledger.apply(decision, NOW)
    assert watch.guardian.unjust(ledger) == []
    watch.world.routers = {net("192.0.2.254")}
    watch.guardian.look(NOW)
    assert [decision.id for decision, _ in watch.guardian.unjust(ledger)] == ["192.0.2.254", "192.0.2.128/25"]
    assert watch.guardian.unjust(ledger) == [], "told once"


def test_a_ban_is_unjust_to_a_session_that_is_older_only(watch: Watch) -> None:
    ledger = Ledger()
    ledger.apply(ban(ADMIN), NOW)
    ledger.apply(ban("203.0.113.8"), NOW)
    watch.log_in(ADMIN, since=NOW - 60)
    watch.log_in("203.0.113.8", since=NOW + 60)
    watch.guardian.look(NOW + 61)
    [(decision, why)] = watch.guardian.unjust(ledger)
    assert decision.id == ADMIN
    assert "ssh session" in why


def test_a_rule_that_is_switched_on_protects_at_once() -> None:
    watch = Watch(spare=SpareSettings(spare_own=False))
    assert watch.outcome(ban("192.0.2.1")) == "passed"
    ledger = Ledger()
    ledger.apply(ban("192.0.2.1"), NOW)
    watch.spare = SpareSettings()
    watch.configure(BreakerSettings())
    watch.guardian.look(NOW)
    assert [decision.id for decision, _ in watch.guardian.unjust(ledger)] == ["192.0.2.1"]


def test_too_many_bans_pause_the_jail_for_what_it_decides_itself() -> None:
    watch = Watch(BreakerSettings(bans=2))
    for number in range(3):
        watch.guardian.banned(ban(f"198.51.100.{number}"), NOW)
    assert watch.said == [
        "ERROR [web] Bans are paused: 3 bans within a minute (breaker.bans = 2); look into it, then: banish resume web"
    ]
    assert watch.outcome(ban("198.51.100.9")) == watch.outcome(ban("192.0.2.1")) == "withheld"
    assert watch.outcome(ban("198.51.100.9")._replace(origin="admin")) == "passed"
    assert watch.outcome(ban("198.51.100.9")._replace(origin="restored")) == "passed"
    assert watch.outcome(ban("198.51.100.9", jail="ssh")) == "passed"
    [problem] = watch.guardian.problems()
    assert (problem.section, problem.severity) == ("web", "error")
    assert problem.text == "bans are paused: 3 bans within a minute (breaker.bans = 2); 2 withheld so far"
    assert watch.guardian.resume("web", NOW) == 2
    assert watch.guardian.resume("web", NOW) is None
    assert (watch.outcome(ban("198.51.100.9")), watch.guardian.problems()) == ("passed", [])
    assert [incident.kind for incident in watch.kept] == ["paused", "resumed"]


def test_what_others_ban_does_not_count() -> None:
    watch = Watch(BreakerSettings(bans=1))
    for origin in ("admin", "restored", "fleet"):
        for number in range(5):
            watch.guardian.banned(ban(f"198.51.100.{number}")._replace(origin=origin), NOW)
    watch.guardian.banned(ban("198.51.100.1", jail="gone"), NOW)
    assert watch.said == []


@pytest.mark.parametrize(("limit", "paused"), [(1, True), (2, True), (3, False), (0, False)])
def test_only_a_higher_limit_ends_the_pause(limit: int, paused: bool) -> None:
    watch = Watch(BreakerSettings(bans=2))
    for number in range(3):
        watch.guardian.banned(ban(f"198.51.100.{number}"), NOW)
    watch.configure(BreakerSettings(bans=limit))
    assert (watch.outcome(ban("198.51.100.9")) == "withheld") is paused


def test_a_jail_that_has_gone_is_not_paused_when_it_comes_back() -> None:
    watch = Watch(BreakerSettings(bans=1))
    for number in range(2):
        watch.guardian.banned(ban(f"198.51.100.{number}"), NOW)
    watch.guardian.configure(SpareSettings(), {}, NOW)
    watch.configure(BreakerSettings(bans=1))
    assert watch.outcome(ban("198.51.100.9")) == "passed"


def test_who_is_connected_counts_but_loopback_and_ourselves(watch: Watch) -> None:
    friends = [f"198.51.100.{number}" for number in range(9)]
    watch.world.connected = {net(friend).network_address.packed for friend in [*friends, "127.0.0.1", "192.0.2.1"]}
    watch.log_in()
    watch.guardian.look(NOW)
    watch.refresh(NOW)
    for friend in friends[:5]:
        assert watch.guardian.problems() == []
        watch.guardian.banned(ban(friend), NOW)
    [problem] = watch.guardian.problems()
    assert "5 of 10 peers that were connected are banned (breaker.peers = 50)" in problem.text
