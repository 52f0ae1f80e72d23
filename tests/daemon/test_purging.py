"""What is forgotten, and when."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from banish.config.settings import DaemonSettings
from banish.daemon.logbook import Logbook
from banish.daemon.purging import PURGE_EVERY, Purging
from banish.decisions.ledger import Ledger
from banish.model import Decision
from banish.store.database import Store

NOW = 1_800_000_000.0


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store.open(":memory:", NOW)
    yield made
    made.close()


def test_evidence_of_pardoned_jails_is_kept_while_an_action_may_ask_for_it(store: Store) -> None:
    wanted = True
    purging = Purging(store, Ledger(), Logbook(), NOW, evidence_wanted=lambda: wanted)
    ban = Decision("sshd", "192.0.2.7", None, NOW, NOW + 600, matches=("line",))
    store.save([ban], now=NOW)
    store.save(pardoned_jails=["sshd"], now=NOW + 1)
    later = NOW + PURGE_EVERY + 1
    for second in range(5):
        purging.tick(DaemonSettings(), later + second)
    assert store.evidence(ban.bare()).matches == ("line",)
    wanted = False
    later += PURGE_EVERY + 1
    for second in range(5):
        purging.tick(DaemonSettings(), later + second)
    assert store.evidence(ban.bare()).matches == ()
