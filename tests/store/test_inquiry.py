"""Questions to the history: by time, jail, network and user, and all of it together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from banish.model import Decision, Incident
from banish.store.database import Store
from banish.store.inquiry import Wanted
from tests.networks import net

EVENTS = (
    Incident(100.0, "sshd", "banned", "192.0.2.7", "3 failures"),
    Incident(200.0, "sshd", "banned", "192.0.2.0/24", "by hand", "admin"),
    Incident(300.0, "web", "banned", "192.0.2.7", "5 failures"),
    Incident(400.0, "web", "paused", "", "too many"),
    Incident(500.0, "sshd", "expired", "192.0.2.7"),
    Incident(600.0, "sshd", "banned", "2001:db8::7"),
    Incident(700.0, "web", "banned", "bob"),
)


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store.open(":memory:", 0.0)
    bans = [
        Decision(
            "sshd", "192.0.2.7", net("192.0.2.7"), 100.0, 500.0, fields={"user": "root"}, matches=("Failed for root",)
        ),
        Decision("web", "192.0.2.7", net("192.0.2.7"), 300.0, math.inf, fields={"users": {"a", 'o"dd\udce9'}}),
        Decision("sshd", "2001:db8::7", net("2001:db8::7"), 600.0, math.inf, matches=("Failed for rooty", "for toor.")),
    ]
    store.save(bans, incidents=EVENTS, now=700.0)
    yield store
    store.close()


@pytest.mark.parametrize(
    ("wanted", "times"),
    [
        ({}, [100, 200, 300, 400, 500, 600, 700]),
        ({"most": 2}, [600, 700]),
        ({"since": 300.0, "until": 500.0}, [300, 400, 500]),
        ({"jail": "web"}, [300, 400, 700]),
        ({"subject": "sshd"}, [100, 200, 500, 600]),
        ({"subject": "bob"}, [700]),
        ({"subject": "192.0.2.7"}, [100, 200, 300, 500]),
        ({"network": net("192.0.2.7")}, [100, 200, 300, 500]),
        ({"network": net("192.0.2.128/25")}, [200]),
        ({"network": net("2001:db8::/32")}, [600]),
        ({"subject": "192.0.2.7", "jail": "web", "until": 350.0}, [300]),
        ({"user": "root"}, [100, 500]),
        ({"user": 'o"dd\udce9'}, [300]),
        ({"user": "toor"}, [600]),
        ({"user": "oo"}, []),
        ({"user": "nobody"}, []),
        ({"user": "root", "since": 200.0}, [500]),
        ({"network": net("0.0.0.0/0"), "most": 1}, [500]),
    ],
)
def test_what_fits(store: Store, wanted: dict[str, Any], times: list[float]) -> None:
    assert [incident.at for incident in store.events(Wanted(**wanted))] == times
