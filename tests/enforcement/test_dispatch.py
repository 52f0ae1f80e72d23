"""No ban is lost: what an enforcer refuses waits, what somebody removes is put back."""

from __future__ import annotations

import errno
import math
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network

import pytest

from banish.addresses import Network
from banish.enforcement.actions import ActionSettings
from banish.enforcement.dispatch import Dispatch
from banish.enforcement.dryrun import DryRun
from banish.enforcement.layout import Refusal
from banish.enforcement.nftables import NftablesFirewall
from banish.enforcement.roster import TableLost
from banish.enforcement.scopes import Record, Scope
from banish.errors import FirewallError
from banish.model import Change, Decision, Notice
from tests.conftest import Nft

NOW = 1_700_000_000.0


class Moody(DryRun):
    """A dry run that can be told to refuse, and that counts how often it is spoken to."""

    def __init__(self) -> None:
        super().__init__()
        self.mood: FirewallError | None = None
        self.replaced: list[tuple[Sequence[Scope], int]] = []
        self.applied: list[int] = []
        self.stopped = 0
        self.whole = True

    def replace(self, scopes: Sequence[Scope], records: Sequence[Record], now: float) -> list[Refusal]:
        self.replaced.append((scopes, len(records)))
        self._complain(lost_matters=False)
        self.whole = True
        return super().replace(scopes, records, now)

    def apply(self, records: Sequence[Record], now: float) -> list[Refusal]:
        self.applied.append(len(records))
        self._complain()
        if not self.whole:
            raise TableLost("the table is not there", errno.ENOENT)
        return super().apply(records, now)

    def stop(self) -> None:
        self.stopped += 1
        self._complain()
        super().stop()

    def intact(self) -> bool:
        self._complain()
        return self.whole

    def _complain(self, lost_matters: bool = True) -> None:
        if self.mood is not None and (lost_matters or not isinstance(self.mood, TableLost)):
            raise self.mood


class Ledger:
    """Every ban in force, as the decisions room keeps them."""

    def __init__(self) -> None:
        self.bans: dict[tuple[str, str], Decision] = {}

    def __call__(self) -> Iterator[Decision]:
        return iter(self.bans.values())

    def ban(self, text: str, left: float = 600, jail: str = "sshd", network: Network | None = None) -> Change:
        decision = Decision(jail, text, network or ip_network(text), NOW, NOW + left)
        op: str = "prolong" if (jail, text) in self.bans else "ban"
        self.bans[jail, text] = decision
        return Change("prolong" if op == "prolong" else "ban", decision)

    def unban(self, text: str, jail: str = "sshd") -> Change:
        return Change("unban", self.bans.pop((jail, text)))


def action(enforcer: str = "nftables", actname: str = "nftables", **options: str) -> ActionSettings:
    return ActionSettings("nftables", actname, enforcer, options)


SSHD: Mapping[str, Sequence[ActionSettings]] = {"sshd": [action(port="ssh")]}


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def moody() -> Moody:
    return Moody()


@pytest.fixture
def dispatch(ledger: Ledger, moody: Moody) -> Dispatch:
    one = Dispatch(SSHD, ledger, load=lambda name: moody)
    one.start(NOW)
    return one


def held(enforcer: DryRun | NftablesFirewall) -> set[str]:
    return {str(network) for _, network in enforcer.holds(NOW)}


def levels(notices: Sequence[Notice]) -> list[str]:
    return [notice.level for notice in notices]


def test_start_puts_in_force_what_stands(ledger: Ledger, moody: Moody) -> None:
    ledger.ban("192.0.2.1")
    ledger.ban("192.0.2.2", jail="elsewhere")
    notices = Dispatch(SSHD, ledger, load=lambda name: moody).start(NOW)
    assert held(moody) == {"192.0.2.1/32"}
    assert notices == [Notice("INFO", "actions", "nftables: bans put in force: 1")]


def test_a_batch_is_one_transaction(dispatch: Dispatch, ledger: Ledger, moody: Moody) -> None:
    assert dispatch.apply([ledger.ban("192.0.2.1"), ledger.ban("192.0.2.2"), ledger.unban("192.0.2.1")], NOW) == []
    assert held(moody) == {"192.0.2.2/32"}
    assert dispatch.apply([ledger.ban("192.0.2.2", 6000)], NOW) == []
    assert moody.holds(NOW) == {("sshd", ip_network("192.0.2.2")): NOW + 6000}
    assert moody.applied == [2, 1]


def test_what_is_no_address_is_told_once_and_the_others_are_blocked(
    dispatch: Dispatch, ledger: Ledger, moody: Moody
) -> None:
    someone = Decision("sshd", "mallory{0}", None, NOW, NOW + 600)
    notices = dispatch.apply([Change("ban", someone), ledger.ban("192.0.2.1"), Change("unban", someone)], NOW)
    text = "[sshd] 'mallory{0}' is not an address: cannot be blocked by nftables"
    assert notices == [Notice("WARNING", "actions", text)]
    assert held(moody) == {"192.0.2.1/32"}


def test_a_refused_ban_waits_and_is_tried_again_with_growing_pauses(
    dispatch: Dispatch, ledger: Ledger, moody: Moody
) -> None:
    moody.mood = FirewallError("nf_tables: no memory", errno.ENOMEM)
    (notice,) = dispatch.apply([ledger.ban("192.0.2.1")], NOW)
    assert notice == Notice("ERROR", "actions", "nftables: nf_tables: no memory; trying again in 1 s")
    (problem,) = dispatch.problems()
    assert str(problem).startswith(
        "enforcer = nftables: bans are not in force: nf_tables: no memory (tried again every 1 s;"
    )

    attempts = []
    for second in range(1, 200):
        before = len(moody.applied) + len(moody.replaced)
        dispatch.tick(NOW + second)
        if len(moody.applied) + len(moody.replaced) > before:
            attempts.append(second)
    assert attempts == [1, 3, 7, 15, 31, 63, 123, 183]

    assert dispatch.apply([ledger.ban("192.0.2.2")], NOW + 200) == []  # waits with the others
    moody.mood = None
    notices = dispatch.tick(NOW + 243)
    assert levels(notices) == ["INFO", "NOTICE"]
    assert held(moody) == {"192.0.2.1/32", "192.0.2.2/32"}
    assert dispatch.problems() == []


def test_one_hiccup_costs_no_rebuild(dispatch: Dispatch, ledger: Ledger, moody: Moody) -> None:
    moody.mood = FirewallError("busy", errno.EBUSY)
    dispatch.apply([ledger.ban("192.0.2.1")], NOW)
    moody.mood = None
    assert levels(dispatch.tick(NOW + 1)) == ["NOTICE"]
    assert (held(moody), len(moody.replaced)) == ({"192.0.2.1/32"}, 1)


def test_a_queued_ban_is_kept_even_if_the_ledger_does_not_know_it(
    dispatch: Dispatch, ledger: Ledger, moody: Moody
) -> None:
    moody.mood = FirewallError("busy", errno.EBUSY)
    change = ledger.ban("192.0.2.1")
    ledger.bans.clear()
    dispatch.apply([change], NOW)
    dispatch.tick(NOW + 1)
    moody.mood = None
    dispatch.tick(NOW + 3)
    assert held(moody) == {"192.0.2.1/32"}


def test_what_is_unbanned_while_it_waits_is_not_banned_later(dispatch: Dispatch, ledger: Ledger, moody: Moody) -> None:
    moody.mood = FirewallError("busy", errno.EBUSY)
    dispatch.apply([ledger.ban("192.0.2.1"), ledger.ban("192.0.2.2")], NOW)
    dispatch.apply([ledger.unban("192.0.2.1")], NOW)
    moody.mood = None
    dispatch.tick(NOW + 1)
    assert held(moody) == {"192.0.2.2/32"}


def test_a_failing_start_is_made_up_for(ledger: Ledger, moody: Moody) -> None:
    ledger.ban("192.0.2.1")
    moody.mood = FirewallError("no CAP_NET_ADMIN", errno.EPERM)
    dispatch = Dispatch(SSHD, ledger, load=lambda name: moody)
    assert levels(dispatch.start(NOW)) == ["ERROR"]
    moody.mood = None
    assert levels(dispatch.tick(NOW + 1)) == ["INFO", "NOTICE"]
    assert held(moody) == {"192.0.2.1/32"}


def test_a_lost_table_is_put_back_at_once_with_everything(dispatch: Dispatch, ledger: Ledger, moody: Moody) -> None:
    dispatch.apply([ledger.ban("192.0.2.1")], NOW)
    moody.whole = False
    notices = dispatch.apply([ledger.ban("192.0.2.2")], NOW + 30)
    assert levels(notices) == ["WARNING", "INFO"]
    assert "bans are gone: the table is not there; rebuilding" in notices[0].text
    assert held(moody) == {"192.0.2.1/32", "192.0.2.2/32"}
    assert dispatch.problems() == []


def test_a_table_lost_again_and_again_is_put_back_with_pauses(dispatch: Dispatch, ledger: Ledger, moody: Moody) -> None:
    rebuilt = []
    for tenth in range(1200):
        moody.whole = False
        before = len(moody.replaced)
        dispatch.apply([ledger.ban("192.0.2.1")], NOW + tenth / 10)
        dispatch.tick(NOW + tenth / 10)
        rebuilt += [tenth / 10] * (len(moody.replaced) - before)
    assert rebuilt == pytest.approx([0, 1, 3, 7, 15, 31, 63], abs=0.2 * 7)
    assert "are gone" in str(dispatch.problems()[0]) or "not there" in str(dispatch.problems()[0])


def test_a_table_that_is_lost_while_nothing_happens_is_missed_within_seconds(
    dispatch: Dispatch, ledger: Ledger, moody: Moody
) -> None:
    dispatch.apply([ledger.ban("192.0.2.1")], NOW)
    dispatch.tick(NOW)
    moody.whole = False
    notices = [notice for second in range(1, 7) for notice in dispatch.tick(NOW + second)]
    assert levels(notices) == ["WARNING", "INFO"]
    assert moody.whole


def test_an_enforcer_that_cannot_be_asked_is_in_trouble(dispatch: Dispatch, moody: Moody) -> None:
    moody.mood = FirewallError("no CAP_NET_ADMIN", errno.EPERM)
    assert levels(dispatch.tick(NOW + 10)) == ["ERROR"]
    assert len(dispatch.problems()) == 1
    moody.mood = None
    assert levels(dispatch.tick(NOW + 11)) == ["INFO", "NOTICE"]
    assert dispatch.problems() == []


def test_a_clock_set_back_does_not_stop_the_retries(dispatch: Dispatch, ledger: Ledger, moody: Moody) -> None:
    moody.mood = FirewallError("busy", errno.EBUSY)
    dispatch.apply([ledger.ban("192.0.2.1")], NOW)
    moody.mood = None
    dispatch.tick(NOW - 86400)
    assert dispatch.problems() == []


def test_a_jail_may_have_two_actions_and_share_its_sets(ledger: Ledger, moody: Moody) -> None:
    tcp, udp = action(port="sip", protocol="tcp"), action(actname="nftables-udp", port="sip", protocol="udp")
    dispatch = Dispatch({"asterisk": [tcp, udp, tcp]}, ledger, load=lambda name: moody)
    dispatch.start(NOW)
    scopes = (Scope("asterisk", ("tcp",), ((5060, 5060),)), Scope("asterisk", ("udp",), ((5060, 5060),)))
    assert moody.replaced == [(scopes, 0)]
    dispatch.apply([ledger.ban("192.0.2.1", jail="asterisk")], NOW)
    assert moody.applied == [1]


def test_a_reload_keeps_what_stands_and_drops_what_is_gone(dispatch: Dispatch, ledger: Ledger, moody: Moody) -> None:
    dispatch.apply([ledger.ban("192.0.2.1")], NOW)
    ledger.ban("192.0.2.2", jail="web")
    dispatch.reconfigure({**SSHD, "web": [action(port="http")]}, NOW)
    assert held(moody) == {"192.0.2.1/32", "192.0.2.2/32"}
    dispatch.reconfigure({"web": [action(port="http")]}, NOW)
    assert held(moody) == {"192.0.2.2/32"}


def test_an_enforcer_nobody_uses_any_more_is_stopped_however_long_it_takes(dispatch: Dispatch, moody: Moody) -> None:
    moody.mood = FirewallError("busy", errno.EBUSY)
    assert levels(dispatch.reconfigure({"sshd": [action("")]}, NOW)) == ["ERROR"]
    moody.mood = None
    dispatch.tick(NOW + 1)
    assert moody.stopped == 2
    dispatch.tick(NOW + 100)
    assert moody.stopped == 2
    (problem,) = dispatch.problems()
    assert str(problem).startswith("[sshd] action: none of its actions can be carried out")


def test_a_bad_action_is_a_problem_and_the_others_work(ledger: Ledger, moody: Moody) -> None:
    jails = {"sshd": [action(port="ssh"), action(port="htpp")], "web": [action("iptables", port="http")]}
    ledger.ban("192.0.2.1")

    dispatch = Dispatch(jails, ledger)
    assert [str(problem).split(":")[0] for problem in dispatch.problems()] == [
        "[sshd] port = htpp",
        "[web] enforcer = iptables",
        "[web] action",
    ]

    dispatch = Dispatch({"sshd": jails["sshd"]}, ledger, load=lambda name: moody)
    dispatch.start(NOW)
    assert held(moody) == {"192.0.2.1/32"}


def test_stop_says_what_could_not_be_undone(dispatch: Dispatch, moody: Moody) -> None:
    moody.mood = FirewallError("busy", errno.EBUSY)
    assert [notice.text for notice in dispatch.stop()] == ["nftables: bans may still be in force: busy"]
    assert dispatch.stop() == []


@pytest.mark.netns
def test_in_the_kernel_a_table_deleted_by_hand_comes_back_with_the_next_ban(ledger: Ledger, nft: Nft) -> None:
    firewall = NftablesFirewall()
    dispatch = Dispatch(SSHD, ledger, load=lambda name: firewall)
    dispatch.start(NOW)
    dispatch.apply([ledger.ban("192.0.2.1"), ledger.ban("198.51.100.0/24")], NOW)
    nft("delete table inet banish")
    assert levels(dispatch.apply([ledger.ban("192.0.2.2")], NOW)) == ["WARNING", "INFO"]
    assert held(firewall) == {"192.0.2.1/32", "192.0.2.2/32", "198.51.100.0/24"}
    nft("flush ruleset")
    dispatch.tick(NOW + 100)
    assert held(firewall) == {"192.0.2.1/32", "192.0.2.2/32", "198.51.100.0/24"}
    dispatch.stop()
    assert nft("list", "ruleset") == ""


@pytest.mark.netns
def test_in_the_kernel_no_ban_is_lost_while_somebody_keeps_deleting_the_table(ledger: Ledger, nft: Nft) -> None:
    firewall = NftablesFirewall()
    dispatch = Dispatch(SSHD, ledger, load=lambda name: firewall)
    dispatch.start(NOW)
    loop = "for i in 1 2 3 4 5 6 7 8 9 10; do nft delete table inet banish 2>/dev/null; done"
    now, number = NOW, 0
    with subprocess.Popen(["sh", "-c", loop]) as vandal:
        while vandal.poll() is None:
            number += 1
            now += 0.01
            dispatch.apply([ledger.ban(f"198.18.{number // 256 % 256}.{number % 256}", math.inf)], now)
    dispatch.tick(now + 100)
    dispatch.tick(now + 200)
    assert dispatch.problems() == []
    assert held(firewall) == {str(ip_network(text)) for _, text in ledger.bans}
    dispatch.stop()
