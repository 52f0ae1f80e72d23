import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from banish import addresses
from banish.decisions.ledger import Past
from banish.model import Decision, Place, Position
from banish.store import bans as bans_table
from banish.store import rows
from banish.store.database import Store
from tests.networks import net

TEXT = st.text(st.characters(), max_size=12)
"""Every str there is, lone surrogates and NUL included: a log may hold any bytes."""

TIMES = st.floats(min_value=-1e12, max_value=1e12)
ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(lambda address: addresses.parse(str(address)))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT, lambda inner: st.lists(inner, max_size=3), max_leaves=4
)

PLACES = st.builds(
    Place,
    source=TEXT,
    start=st.none() | st.integers(0, 2**63 - 1),
    stop=st.none() | st.integers(0, 2**63 - 1),
    regex=st.none() | st.integers(0, 100),
)


def _placed(ban: Decision, places: list[Place | None]) -> Decision:
    """*ban* with a place, known or not, for each of its lines."""
    found = tuple(places[: len(ban.matches)])
    return ban._replace(places=found if len(found) == len(ban.matches) and any(found) else ())


DECISIONS = st.builds(
    Decision,
    jail=TEXT,
    id=TEXT,
    network=st.none() | ADDRESSES,
    at=TIMES,
    expires_at=TIMES | st.just(math.inf),
    origin=st.sampled_from(["jail", "admin", "restored", "fleet"]),
    reason=TEXT,
    ban_count=st.integers(0, 2**63 - 1),
    failures=st.integers(0, 2**63 - 1),
    matches=st.lists(TEXT, max_size=3).map(tuple),
    fields=st.dictionaries(TEXT, JSON, max_size=3),
    increase=st.none(),  # told once, not kept
    basis=st.sampled_from(["bantime", "increased", "said"]),
    set_at=st.none() | TIMES,
    forced=st.booleans(),
    places=st.just(()),
).flatmap(lambda ban: st.lists(st.none() | PLACES, max_size=3).map(lambda places: _placed(ban, places)))

UNSIGNED = st.integers(0, 2**64 - 1)
POSITIONS = st.builds(
    Position,
    device=UNSIGNED,
    inode=UNSIGNED,
    offset=UNSIGNED,
    head=st.binary(max_size=20),
    anchor=st.binary(max_size=20),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(DECISIONS, max_size=4, unique_by=lambda ban: (ban.jail, ban.id)),
    st.dictionaries(TEXT, POSITIONS, max_size=3),
)
def test_what_is_saved_is_what_is_read(bans: list[Decision], positions: dict[str, Position]) -> None:
    store = Store.open(":memory:", now=0.0)
    store.save(bans, positions=positions, now=0.0)
    read = [ban.bare()._replace(origin="restored", set_at=None if ban.set_at == ban.at else ban.set_at) for ban in bans]
    assert sorted(store.standing(-math.inf), key=repr) == sorted(read, key=repr)
    assert store.positions() == positions
    assert dict(store.past(1e13)) == {
        (ban.jail, ban.id): Past(ban.ban_count, ban.at, ban.expires_at) for ban in bans if ban.expires_at < math.inf
    }
    whole = [ban._replace(set_at=None if ban.set_at == ban.at else ban.set_at) for ban in bans]
    assert [store.latest(ban.jail, ban.id) for ban in bans] == whole
    store.close()


def test_sets_tuples_and_bytes_come_back_as_json_knows_them() -> None:
    store = Store.open(":memory:", now=0.0)
    fields = {"users": {"root", "admin"}, "pair": ("a", 1), "raw": b"caf\xe9", "where": net("192.0.2.0/24")}
    store.save([Decision("sshd", "192.0.2.7", None, 0.0, math.inf, fields=fields)], now=0.0)
    ban = store.latest("sshd", "192.0.2.7")
    assert ban is not None
    assert ban.fields == {
        "users": ["admin", "root"],
        "pair": ["a", 1],
        "raw": "caf\udce9",
        "where": "192.0.2.0/24",
    }
    store.close()


def _odd(*usual: Any) -> st.SearchStrategy[Any]:
    """One of the *usual* values as a rule; else anything that somebody may have written into the column."""
    odd = [None, "", "x", b"", b"\xff", b"\x7f\0\0\1 ", 0, 7, 1.5, -math.inf]
    return st.sampled_from(list(usual) * 8 + odd)


ROWS = st.tuples(
    _odd("sshd", "web"),
    _odd("192.0.2.7", "2001:db8::1", "name"),
    _odd(net("192.0.2.7"), net("2001:db8::1"), net("192.0.2.0/24"), None),
    _odd(1000.0, 2000.0),
    _odd(3000.0, None),
    _odd("bantime", "increased", "said"),
    _odd(1000.0, 2500.0),
    _odd("5 failures in 4 s"),
    _odd(1, 2),
    _odd(5),
)


@given(st.lists(ROWS, min_size=1, max_size=4))
def test_decisions_made_by_whole_columns_are_those_made_one_by_one(found: list[tuple[Any, ...]]) -> None:
    one_by_one, by_columns = list(rows.decisions(found)), list(rows.page(found, {}))
    assert by_columns == one_by_one
    assert [[type(each) for each in ban] for ban in by_columns] == [[type(each) for each in ban] for ban in one_by_one]


def test_a_text_that_is_not_utf8_costs_no_other_ban(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bans_table, "PAGE", 2)
    store = Store.open(":memory:", now=0.0)
    ids = [f"id {number}" if number != 4 else "id \udcff" for number in range(8)]
    store.save([Decision("sshd", id_, None, 0.0, 100.0) for id_ in ids], now=0.0)
    assert [ban.id for ban in store.standing(1.0)] == sorted(ids)
