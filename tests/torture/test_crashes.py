"""A daemon that is killed again and again has done what one has that was left alone.

A few times here; ``python -m tests.torture.crashes --kills 200`` does it often, and says how soon the bans are in the kernel.
"""

from __future__ import annotations

import pytest

from tests.torture.crashes import run

pytestmark = pytest.mark.sshd


def test_nothing_is_lost_and_nothing_counted_twice_when_the_daemon_is_killed() -> None:
    outcome = run(kills=3)
    assert outcome.differences == []
    assert outcome.bans > 20
    assert outcome.events["banned"] >= outcome.bans
