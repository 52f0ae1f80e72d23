"""One laboratory for all end-to-end tests: a server, a host across the wire, and the real sshd."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from lab import Host, Lab
from lab.sshd import Sshd

PASSWORD = "correct horse battery staple"
ATTACKERS = tuple(f"192.0.2.{number}" for number in range(20, 250))
BYSTANDER = "192.0.2.7"
SERVER = "192.0.2.1"


class Town(NamedTuple):
    """The two hosts, and the sshd on the server whose one user is alice."""

    server: Host
    outside: Host
    sshd: Sshd


@pytest.fixture(scope="session")
def town() -> Iterator[Town]:
    with Lab.hold() as lab:
        server, outside = lab.host("server"), lab.host("outside")
        addresses = [f"{address}/24" for address in (*ATTACKERS, BYSTANDER)]
        lab.connect(
            server, [f"{SERVER}/24", "2001:db8::1/64"], outside, [*addresses, "2001:db8::66/64", "2001:db8::7/64"]
        )
        with Sshd(server, users={"alice": PASSWORD}, log_format="iso") as sshd:
            yield Town(server, outside, sshd)


@pytest.fixture
def attacker(_attackers: Iterator[str]) -> str:
    """An address that no other test has used."""
    return next(_attackers)


@pytest.fixture(scope="session")
def _attackers() -> Iterator[str]:
    return iter(ATTACKERS)
