"""Numbers for a live view: networks in which several addresses fail."""

from __future__ import annotations

import pytest

from banish.control.render import plain
from banish.control.render_figures import view
from banish.daemon.desks.figures import _around, _busiest
from tests.control.fake import FakeControl


@pytest.mark.parametrize(
    ("id_", "network"),
    [
        ("198.51.100.7", "198.51.100.0/24"),
        ("2001:db8::7", "2001:db8::/64"),
        ("2001:db8:0:1::", "2001:db8:0:1::/64"),
        ("198.51.100.0/24", ""),
        ("root", ""),
        ("", ""),
    ],
)
def test_an_address_is_counted_with_its_neighbours(id_: str, network: str) -> None:
    assert _around(id_) == network


def test_networks_are_those_of_several_addresses_the_busiest_first() -> None:
    failures = {
        "192.0.2.0/24": {"192.0.2.1": 9},
        "198.51.100.0/24": {"198.51.100.1": 2, "198.51.100.2": 1},
        "2001:db8::/64": {"2001:db8::1": 3, "2001:db8::2": 4},
    }
    assert [(row["network"], row["addresses"], row["failures"]) for row in _busiest(failures)] == [
        ("2001:db8::/64", 2, 7),
        ("198.51.100.0/24", 2, 3),
    ]


def test_the_view_shows_them() -> None:
    shown = list(view(dict(FakeControl().figures()), None, plain))
    (at,) = (number for number, line in enumerate(shown) if line.split() == ["network", "failures", "addresses"])
    assert shown[at + 1].split() == ["192.0.2.0/24", "5", "3"]
