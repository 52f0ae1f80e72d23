"""A minute of rotations; ``python -m tests.torture.rotations`` for longer."""

from __future__ import annotations

import pytest

import lab
from lab.journald import can_run
from tests.torture import rotations

LACKING = lab.can_run(sshd=False) or can_run()
SECONDS = 60.0


@pytest.mark.skipif(bool(LACKING), reason=str(LACKING))
def test_no_line_is_lost_and_none_comes_twice_while_logs_and_journal_are_rotated() -> None:
    with rotations.place() as (directory, journald):
        logs, troubles = rotations.run(directory, journald, SECONDS, seed=11)
    assert troubles == []
    ways = {way for log in logs for way in log.rotations}
    assert ways >= {
        "renamed", "renamed and compressed", "copied and truncated", "copied, truncated, grown", "removed", "symlink turned",
        "new file", "journal rotated", "journal files removed", "journald started again",
    }  # fmt: skip
    assert all(len(log.written) > 1000 for log in logs)
