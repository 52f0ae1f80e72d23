"""No ban is lost: what an enforcer refuses waits, what somebody removes is put back."""

from __future__ import annotations

import errno
import math
import select
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence

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
from tests.enforcement.listing import elements, plain
from tests.networks import hosts, net

NOW = 1_700_000_000.0


class Moody(DryRun):
    """A dry run that can be told to refuse, and that counts how often it is spoken to."""

    def __init__(self) -> None:
        super().__init__()
        self.mood: Exception | None = None
        self.removed: set[str] = set()
        self.searches = 0
        self.touched = False
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

    def disturbed(self) -> bool:
        return self.touched

    def missing(self, records: Sequence[Record], now: float) -> list[Record]:
        self.searches += 1
        return [record for record in records if str(record.network) in self.removed]

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
        decision = Decision(jail, text, network or net(text), NOW, NOW + left)
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
    one = Dispatch(SSHD, ledger, load=lambda name: moody, roster_names=())
    one.start(NOW)
    return one


def held(enforcer: DryRun | NftablesFirewall) -> set[str]:
    return {str(network) for _, network in enforcer.holds(NOW)}


def levels(notices: Sequence[Notice]) -> list[str]:
    return [notice.level for notice in notices]


def test_start_puts_in_force_what_stands(ledger: Ledger, moody: Moody) -> None:
    ledger.ban("192.0.2.1")
    ledger.ban("192.0.2.2", jail="elsewhere")
    notices = Dispatch(SSHD, ledger, load=lambda name: moody, roster_names=()).start(NOW)
    assert held(moody) == {"192.0.2.1/32"}
    assert notices == [Notice("INFO", "actions", "nftables: bans put in force: 1")]


def test_a_batch_is_one_transaction(dispatch: Dispatch, ledger: Ledger, moody: Moody) -> None:
    assert dispatch.apply([ledger.ban("192.0.2.1"), ledger.ban("192.0.2.2"), ledger.unban("192.0.2.1")], NOW) == []
    assert held(moody) == {"192.0.2.2/32"}
    assert dispatch.apply([ledger.ban("192.0.2.2", 6000)], NOW) == []
    assert moody.holds(NOW) == {("sshd", net("192.0.2.2")): NOW + 6000}
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
    dispatch = Dispatch(SSHD, ledger, load=lambda name: moody, roster_names=())
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
    dispatch = Dispatch({"asterisk": [tcp, udp, tcp]}, ledger, load=lambda name: moody, roster_names=())
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
    assert dispatch.problems() == [], "its action is made of commands, which others run"


def test_a_bad_action_is_a_problem_and_the_others_work(ledger: Ledger, moody: Moody) -> None:
    jails = {"sshd": [action(port="ssh"), action(port="htpp")], "web": [action("iptables", port="http")]}
    ledger.ban("192.0.2.1")

    dispatch = Dispatch(jails, ledger)
    assert [str(problem).split(":")[0] for problem in dispatch.problems()] == [
        "[sshd] port = htpp",
        "[web] enforcer = iptables",
        "[web] action",
    ]

    dispatch = Dispatch({"sshd": jails["sshd"]}, ledger, load=lambda name: moody, roster_names=())
    dispatch.start(NOW)
    assert held(moody) == {"192.0.2.1/32"}


def test_stop_says_what_could_not_be_undone(dispatch: Dispatch, moody: Moody) -> None:
    moody.mood = FirewallError("busy", errno.EBUSY)
    assert [notice.text for notice in dispatch.stop()] == ["nftables: bans may still be in force: busy"]
    assert dispatch.stop() == []


def test_a_bug_in_an_enforcer_is_a_failure_like_any_other(dispatch: Dispatch, ledger: Ledger, moody: Moody) -> None:
    moody.mood = ValueError("a netlink attribute holds 65531 bytes, not 90000")
    (notice,) = dispatch.apply([ledger.ban("192.0.2.1")], NOW)
    assert notice.level == "ERROR"
    assert "ValueError('a netlink attribute holds 65531 bytes, not 90000') at " in notice.text
    assert notice.text.endswith("; trying again in 1 s")
    assert "ValueError" in str(dispatch.problems()[0])
    assert dispatch.tick(NOW + 0.5) == []
    assert levels(dispatch.tick(NOW + 1)) == ["ERROR"]
    moody.mood = None
    # After a bug nobody knows what was done of it, so all is done anew.
    assert levels(dispatch.tick(NOW + 3)) == ["INFO", "NOTICE"]
    assert held(moody) == {"192.0.2.1/32"}

    moody.mood = KeyError("x")
    assert levels(dispatch.tick(NOW + 100)) == ["ERROR"]
    assert "KeyError('x')" in dispatch.stop()[0].text


def test_a_bug_at_start_or_in_the_making_of_an_enforcer_is_told(ledger: Ledger, moody: Moody) -> None:
    moody.mood = RuntimeError("boom")
    dispatch = Dispatch(SSHD, ledger, load=lambda name: moody, roster_names=())
    assert levels(dispatch.start(NOW)) == ["ERROR"]

    def broken(name: str) -> Moody:
        raise ImportError(name)

    dispatch = Dispatch(SSHD, ledger, load=broken, roster_names=("dryrun",))
    assert dispatch.problems()[0].text.startswith("the enforcer cannot be used: a bug in banish")
    assert levels(dispatch.start(NOW)) == ["WARNING"]


def test_bans_removed_one_by_one_are_put_back_and_nothing_is_rebuilt(
    dispatch: Dispatch, ledger: Ledger, moody: Moody
) -> None:
    dispatch.apply([ledger.ban("192.0.2.1"), ledger.ban("192.0.2.2")], NOW)
    moody.removed, moody.touched = {"192.0.2.2/32"}, True
    (notice,) = dispatch.tick(NOW + 10)
    assert notice.text == "nftables: another program has removed or changed 1 ban; putting them back"
    assert (moody.applied, len(moody.replaced)) == ([2, 1], 1)


def test_bans_are_looked_up_the_more_seldom_the_more_there_are(
    dispatch: Dispatch, ledger: Ledger, moody: Moody
) -> None:
    for second in range(60):
        dispatch.tick(NOW + second)
    assert moody.searches == 0  # nobody else has changed anything
    moody.touched = True
    for second in range(60, 120):
        dispatch.tick(NOW + second)
    assert moody.searches == 12
    network = net("192.0.2.1")
    for number in range(30_000):
        ledger.ban(f"number {number}", network=network)
    for second in range(120, 240):
        dispatch.tick(NOW + second)
    assert moody.searches == 12 + 4


def test_what_an_earlier_run_left_with_an_enforcer_nobody_uses_is_removed(ledger: Ledger, moody: Moody) -> None:
    unused = Moody()
    there = {"nftables": unused, "dryrun": moody}
    dispatch = Dispatch({"sshd": [action("dryrun")]}, ledger, load=there.__getitem__, roster_names=there)
    dispatch.start(NOW)
    assert (unused.stopped, moody.stopped) == (1, 0)
    unused.mood = FirewallError("no CAP_NET_ADMIN", errno.EPERM)
    assert levels(dispatch.start(NOW)) == ["DEBUG", "INFO"]
    unused.mood = FirewallError("busy", errno.EBUSY)
    assert levels(dispatch.start(NOW)) == ["WARNING", "INFO"]


@pytest.mark.netns
def test_in_the_kernel_the_table_of_an_earlier_run_goes_when_no_jail_needs_it(ledger: Ledger, nft: Nft) -> None:
    earlier = NftablesFirewall()
    earlier.replace([Scope("old", (), ())], [], NOW)
    earlier.close()
    Dispatch({}, ledger).start(NOW)
    assert nft("list", "ruleset") == ""


@pytest.mark.netns
@pytest.mark.parametrize(
    "damage",
    [
        "flush set inet banish sshd-ip4",
        "delete element inet banish sshd-ip4 { 192.0.2.1 }",
        "delete element inet banish sshd-ip4-24 { 198.51.100.0 }",
        "delete element inet banish sshd-ip4 { 192.0.2.1 }; add element inet banish sshd-ip4 { 192.0.2.1 timeout 90s }",
        "flush ruleset",
    ],
)
def test_in_the_kernel_what_was_removed_by_hand_is_back_within_seconds(ledger: Ledger, nft: Nft, damage: str) -> None:
    dispatch = Dispatch(SSHD, ledger)
    dispatch.start(NOW)
    dispatch.apply([ledger.ban(text) for text in ("192.0.2.1", "192.0.2.2", "198.51.100.0/24", "2001:db8::1")], NOW)
    before = plain(nft("-j", "list", "ruleset"))
    assert dispatch.tick(NOW + 6) == []
    nft(damage)
    assert plain(nft("-j", "list", "ruleset")) != before
    assert levels(dispatch.tick(NOW))[:1] == ["WARNING"]
    assert elements(nft("-j", "list", "ruleset"), "sshd-ip4") == {"192.0.2.1": 600, "192.0.2.2": 600}
    assert elements(nft("-j", "list", "ruleset"), "sshd-ip4-24") == {"198.51.100.0": 600}
    # And as it is all well again, nothing more is said or done.
    assert [dispatch.tick(NOW + step) for step in (6, 12)] == [[], []]
    dispatch.stop()


@pytest.mark.netns
def test_in_the_kernel_a_clock_that_was_set_is_made_up_for_by_another_start(ledger: Ledger, nft: Nft) -> None:
    dispatch = Dispatch(SSHD, ledger)
    dispatch.start(NOW)
    dispatch.apply([ledger.ban("192.0.2.1"), ledger.ban("192.0.2.2", math.inf)], NOW)
    for step, left in ((-3600, 4200), (500, 100)):
        dispatch.start(NOW + step)
        assert elements(nft("-j", "list", "ruleset"), "sshd-ip4") == {"192.0.2.1": left, "192.0.2.2": None}
    dispatch.start(NOW + 601)
    assert elements(nft("-j", "list", "ruleset"), "sshd-ip4") == {"192.0.2.2": None}
    dispatch.stop()


@pytest.mark.netns
def test_in_the_kernel_a_table_deleted_by_hand_comes_back_with_the_next_ban(ledger: Ledger, nft: Nft) -> None:
    firewall = NftablesFirewall()
    dispatch = Dispatch(SSHD, ledger, load=lambda name: firewall, roster_names=())
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
    dispatch = Dispatch(SSHD, ledger, load=lambda name: firewall, roster_names=())
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
    assert held(firewall) == {str(net(text)) for _, text in ledger.bans}
    dispatch.stop()


@pytest.mark.netns
def test_in_the_kernel_what_is_heard_is_put_back_without_waiting_for_the_next_look(ledger: Ledger, nft: Nft) -> None:
    firewall = NftablesFirewall()
    dispatch = Dispatch(SSHD, ledger, load=lambda name: firewall, roster_names=())
    now = time.time()
    for number in range(100):
        ledger.ban(f"192.0.2.{number}", left=now - NOW + 600)
    dispatch.start(now)
    assert list(dispatch.listeners()) == ["nftables"]
    assert dispatch.hear(now) == []
    dispatch.tick(now + 6)
    nft("delete", "element", "inet", "banish", "sshd-ip4", "{ 192.0.2.1, 192.0.2.2 }")
    [notice] = dispatch.hear(now + 6.1)
    assert notice.text.startswith("nftables: nft (process ")
    assert notice.text.endswith("has removed or changed 2 bans; putting them back")
    assert len(firewall.holds(now)) == 100
    nft("flush", "ruleset")
    lost, restored = dispatch.tick(now + 6.2)
    assert "have been changed by nft (process " in lost.text
    assert restored.text == "nftables: bans put in force: 100"
    nft("flush", "ruleset")
    [put_off] = dispatch.hear(now + 6.3)
    assert "rebuilding in 1 s" in put_off.text
    assert dispatch.hear(now + 6.4) == []
    assert dispatch.tick(now + 8)[-1].text == "nftables: all bans are in force again"
    assert len(firewall.holds(now)) == 100
    dispatch.stop()


@pytest.mark.netns
def test_in_the_kernel_our_own_bans_leave_nothing_to_be_heard(ledger: Ledger, nft: Nft) -> None:
    firewall = NftablesFirewall()
    dispatch = Dispatch(SSHD, ledger, load=lambda name: firewall, roster_names=())
    dispatch.start(NOW)
    listening = list(dispatch.listeners().values())
    assert dispatch.hear(NOW) == []
    dispatch.apply([ledger.ban("192.0.2.1"), ledger.ban("192.0.2.2")], NOW)
    assert select.select(listening, [], [], 0.0)[0] == []
    nft("delete", "element", "inet", "banish", "sshd-ip4", "{ 192.0.2.1 }")
    assert select.select(listening, [], [], 0.0)[0] == listening
    notices = dispatch.apply([ledger.ban("192.0.2.3")], NOW)
    assert [notice.text for notice in notices if "putting them back" in notice.text]
    assert held(firewall) == {"192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32"}
    dispatch.stop()


def test_when_most_bans_end_at_once_what_is_left_is_put_in_place_of_everything(
    dispatch: Dispatch, ledger: Ledger, moody: Moody
) -> None:
    networks = hosts("198.18.0.0", 3000)
    dispatch.apply([ledger.ban(str(network), network=network) for network in networks], NOW)
    moody.applied.clear()
    assert dispatch.apply([ledger.unban(str(network)) for network in networks[:1200]], NOW) == []
    assert moody.applied == [1200]
    moody.applied.clear()
    assert {
        notice.level for notice in dispatch.apply([ledger.unban(str(one)) for one in networks[1200:2990]], NOW)
    } == {"INFO"}
    assert moody.applied == []
    assert held(moody) == {str(network) for network in networks[2990:]}
