"""What banishd reads: of a log that was long before it came, the end."""

from __future__ import annotations

from bench.sources import start_on_a_long_log
from tests.end_to_end.conftest import Town


def test_a_first_start_on_a_long_log_judges_from_findtime_on(town: Town) -> None:
    watching, banned = start_on_a_long_log(town.server, 30_000_000)  # it asks what was read and who is banned
    assert 0 < watching < banned
