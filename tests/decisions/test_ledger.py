"""The ledger: which bans are in force."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from banish import addresses
from banish.decisions import ledger as ledger_module
from banish.decisions.bantime import History
from banish.decisions.ledger import Ledger, Past
from banish.model import Decision
from tests.networks import net


def ban(id_: str = "192.0.2.7", at: float = 100, end: float = 700, jail: str = "sshd") -> Decision:
    return Decision(jail, id_, addresses.parse(id_), at, end, reason="5 failures in 20s")


def test_a_ban_is_one_change_and_ends_in_one() -> None:
    ledger = Ledger()
    entry = ledger.apply(ban(), now=100)
    assert (entry.outcome, entry.change and entry.change.op) == ("banned", "ban")
    assert ledger.next_end() == 700
    assert ledger.expire(699) == []
    assert [(change.op, change.decision.id) for change in ledger.expire(700)] == [("unban", "192.0.2.7")]
    assert (len(ledger), ledger.next_end()) == (0, math.inf)


def test_a_later_end_prolongs_and_an_earlier_one_changes_nothing() -> None:
    ledger = Ledger()
    ledger.apply(ban(end=700), now=100)
    entry = ledger.apply(ban(at=200, end=800), now=200)
    assert (entry.outcome, entry.change and entry.change.op) == ("prolonged", "prolong")
    assert (entry.decision.at, entry.decision.expires_at, entry.decision.ban_count) == (100, 800, 1)
    assert ledger.apply(ban(at=300, end=750), now=300).outcome == "already banned"
    assert ledger.expire(700) == [], "the first end no longer counts"
    assert len(ledger.expire(800)) == 1


def test_a_ban_that_is_over_already_is_not_entered() -> None:
    ledger = Ledger()
    assert ledger.apply(ban(end=700), now=700).outcome == "expired"
    assert len(ledger) == 0


def test_for_ever_has_no_end() -> None:
    ledger = Ledger()
    ledger.apply(ban(end=math.inf), now=100)
    assert ledger.expire(1e12) == []
    assert ledger.next_end() == math.inf


def test_bans_are_counted_for_each_jail_across_runs() -> None:
    ledger = Ledger()
    ledger.remember("sshd", "192.0.2.7", Past(4))
    assert ledger.apply(ban(), now=100).decision.ban_count == 5
    assert ledger.apply(ban(jail="postfix"), now=100).decision.ban_count == 1


def test_a_restored_ban_is_not_counted_again() -> None:
    ledger = Ledger()
    restored = ban()._replace(origin="restored", ban_count=3)
    assert ledger.apply(restored, now=100).decision.ban_count == 3
    assert ledger.ban_count("sshd", "192.0.2.7") == 3


def test_counts_are_bounded_and_the_oldest_are_forgotten_first() -> None:
    ledger = Ledger()
    ledger_module.COUNTS, before = 3, ledger_module.COUNTS
    try:
        for number in (1, 2, 3, 1, 4):
            ledger.remember("sshd", f"192.0.2.{number}", Past(number))
    finally:
        ledger_module.COUNTS = before
    assert [ledger.ban_count("sshd", f"192.0.2.{number}") for number in (1, 2, 3, 4)] == [1, 0, 3, 4]


def test_lifting_and_asking_what_hits_a_network() -> None:
    ledger = Ledger()
    for id_ in ("192.0.2.7", "192.0.2.0/24", "198.51.100.1", "2001:db8::1"):
        ledger.apply(ban(id_), now=100)
    ledger.apply(ban("192.0.2.7", jail="postfix"), now=100)
    assert [(d.jail, d.id) for d in ledger.find(net("192.0.2.7"))] == [
        ("sshd", "192.0.2.7"),
        ("sshd", "192.0.2.0/24"),
        ("postfix", "192.0.2.7"),
    ]
    assert [d.jail for d in ledger.find(net("192.0.2.7"), "postfix")] == ["postfix"]
    change = ledger.lift("sshd", "192.0.2.7")
    assert change is not None
    assert change.op == "unban"
    assert ledger.lift("sshd", "192.0.2.7") is None
    assert [change.decision.id for change in ledger.lift_jail("sshd")] == [
        "192.0.2.0/24",
        "198.51.100.1",
        "2001:db8::1",
    ]
    assert [decision.jail for decision in ledger] == ["postfix"]


def test_what_is_remembered_of_an_id() -> None:
    ledger = Ledger()
    assert ledger.history("sshd", "192.0.2.7") == History()
    ledger.apply(ban(at=100, end=700), now=100)
    assert ledger.history("sshd", "192.0.2.7") == History(1, 100, standing=True)
    ledger.expire(700)
    assert ledger.history("sshd", "192.0.2.7") == History(1, 100, standing=False)
    assert ledger.history("postfix", "192.0.2.7") == History()


def test_the_bans_of_all_jails_add_up_but_only_the_own_one_stands() -> None:
    ledger = Ledger()
    ledger.apply(ban(at=100), now=100)
    ledger.remember("postfix", "192.0.2.7", Past(3, at=50, until=60))
    assert ledger.history_everywhere("postfix", "192.0.2.7") == History(4, 100, standing=False)
    assert ledger.history_everywhere("sshd", "192.0.2.7") == History(4, 100, standing=True)
    assert ledger.history_everywhere("dovecot", "192.0.2.8") == History()


def test_a_ban_that_ended_long_ago_is_forgotten_and_one_that_was_prolonged_is_not() -> None:
    ledger = Ledger()
    ledger.apply(ban("192.0.2.1", end=700), now=100)
    ledger.apply(ban("192.0.2.2", end=700), now=100)
    ledger.apply(ban("192.0.2.2", at=200, end=900), now=200)
    ledger.apply(ban("192.0.2.3", end=math.inf), now=100)
    ledger.expire(900)
    ledger.forget_before(899)
    assert [ledger.ban_count("sshd", f"192.0.2.{number}") for number in (1, 2, 3)] == [0, 1, 1]


def test_a_pardon_ends_the_ban_and_forgets_those_before() -> None:
    ledger = Ledger()
    ledger.remember("sshd", "192.0.2.7", Past(4))
    ledger.apply(ban(), now=100)
    change = ledger.pardon("sshd", "192.0.2.7")
    assert (change and change.op, ledger.ban_count("sshd", "192.0.2.7")) == ("unban", 0)
    assert ledger.pardon("sshd", "192.0.2.7") is None


def test_a_ban_that_stands_is_kept_without_what_led_to_it() -> None:
    ledger = Ledger()
    told = ban()._replace(matches=("line",), fields={"user": "root"})
    entry = ledger.apply(told, now=100)
    assert entry.change is not None
    assert (entry.decision.matches, entry.change.decision.fields) == (("line",), {"user": "root"})
    assert list(ledger) == [told._replace(matches=(), fields={})]


def test_a_prolonged_ban_knows_since_when_its_end_holds() -> None:
    ledger = Ledger()
    ledger.apply(ban(end=700)._replace(basis="bantime"), now=100)
    decision = ledger.apply(ban(at=650, end=86_400), now=650).decision
    assert (decision.at, decision.set_at, decision.basis) == (100, 650, "said")


def test_restoring_is_applying_each() -> None:
    found = [
        ban(id_, end=end, jail=jail)._replace(origin="restored", ban_count=3)
        for jail in ("sshd", "postfix")
        for id_, end in (("192.0.2.7", 900.0), ("192.0.2.0/24", 800.0), ("192.0.2.8", math.inf), ("192.0.2.9", 100.0))
    ]
    one, other = Ledger(), Ledger()
    for ledger in (one, other):
        ledger.remember("sshd", "192.0.2.7", Past(2))
        ledger.apply(ban("192.0.2.7", end=2000, jail="postfix"), now=200)
    entered = [entry.decision for decision in found if (entry := one.apply(decision, 200)).outcome == "banned"]
    assert other.restore(found, 200) == entered
    assert list(one) == list(other)
    assert one.find(net("192.0.2.1")) == other.find(net("192.0.2.1"))
    for jail in ("sshd", "postfix"):
        assert (one.banned(jail), one.banned_total(jail)) == (other.banned(jail), other.banned_total(jail))
        assert one.history(jail, "192.0.2.7") == other.history(jail, "192.0.2.7")
    for now in (300, 850, 950, 3000):
        assert one.expire(now) == other.expire(now)
        assert one.next_end() == other.next_end()


def test_the_bans_of_a_jail_can_be_pardoned_together() -> None:
    ledger = Ledger()
    for jail in ("sshd", "postfix"):
        for id_ in ("192.0.2.7", "192.0.2.0/24"):
            ledger.apply(ban(id_, jail=jail), now=100)
    assert [(one.jail, one.id) for one in ledger.pardon_jail("sshd")] == [
        ("sshd", "192.0.2.7"),
        ("sshd", "192.0.2.0/24"),
    ]
    assert ledger.ban_count("sshd", "192.0.2.7") == 0
    assert [one.jail for one in ledger.find(net("192.0.2.7"))] == ["postfix", "postfix"]
    assert [change.decision.jail for change in ledger.expire(700)] == ["postfix", "postfix"]
    assert ledger.next_end() == math.inf


steps = st.lists(
    st.tuples(st.sampled_from(["ban", "lift", "expire"]), st.integers(0, 4), st.integers(1, 50)),
    min_size=1,
    max_size=60,
)


@given(steps)
def test_changes_replayed_on_an_empty_firewall_give_the_ledger(history: list[tuple[str, int, int]]) -> None:
    ledger, firewall, now = Ledger(), dict[str, float](), 0.0
    for step, number, span in history:
        now += 1
        id_ = f"192.0.2.{number}"
        if step == "ban":
            change = ledger.apply(ban(id_, at=now, end=now + span), now).change
            changes = [change] if change else []
        elif step == "lift":
            lifted = ledger.lift("sshd", id_)
            changes = [lifted] if lifted else []
        else:
            changes = ledger.expire(now)
        for change in changes:
            if change.op == "unban":
                del firewall[change.decision.id]
            else:
                assert (change.op == "prolong") == (change.decision.id in firewall)
                firewall[change.decision.id] = change.decision.expires_at
    assert firewall == {decision.id: decision.expires_at for decision in ledger}


@given(
    st.lists(
        st.sampled_from(["192.0.2.7", "192.0.2.8", "192.0.2.0/24", "192.0.2.0/29", "2001:db8::1", "2001:db8::/64"]),
        unique=True,
    )
)
def test_finding_what_hits_a_network_agrees_with_looking_at_every_ban(ids: list[str]) -> None:
    ledger = Ledger()
    for id_ in ids:
        ledger.apply(ban(id_), now=100)
    for asked in ("192.0.2.7", "192.0.2.200", "192.0.2.0/28", "0.0.0.0/0", "2001:db8::1", "2001:db8::/48"):
        plain = [id_ for id_ in ids if addresses.within(net(id_), net(asked)) or addresses.within(net(asked), net(id_))]
        assert sorted(decision.id for decision in ledger.find(net(asked))) == sorted(plain)
