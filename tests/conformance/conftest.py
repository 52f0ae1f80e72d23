"""The oracle, started once for all tests that ask it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.oracle import Oracle, available


@pytest.fixture(scope="session")
def oracle() -> Iterator[Oracle]:
    if not available():
        pytest.skip("fail2ban is not installed for the system's Python (Debian: apt-get install fail2ban)")
    with Oracle() as oracle:
        yield oracle
