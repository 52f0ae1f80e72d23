"""Networks for tests, by what people write."""

from __future__ import annotations

from banish import addresses
from banish.addresses import Network, network_of


def net(text: str) -> Network:
    """Return the network that *text* names."""
    network = addresses.parse(text)
    assert network is not None
    return network


def hosts(first: str, count: int) -> list[Network]:
    """Return *count* hosts, the one called *first* and those after it."""
    begin = net(first)
    width = len(begin.packed)
    return [network_of((begin.value + number).to_bytes(width, "big")) for number in range(count)]
