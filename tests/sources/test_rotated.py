"""Names that logrotate gives, and their order in time."""

from __future__ import annotations

import pytest

from banish.sources import globs
from banish.sources.rotated import originals, rotated_name


@pytest.mark.parametrize(
    "oldest_first",
    [
        ["auth.log.10.gz", "auth.log.2.xz", "auth.log.1", "auth.log.0"],
        ["auth.log-20251231.gz", "auth.log-20260131", "auth.log-20260201-1769900000"],
        ["auth.log.2025-12-31", "auth.log.2026-01-01.bz2"],
        ["auth-20251231.log", "auth-20260131.log.gz"],
        ["auth.2.log", "auth.1.log"],
    ],
)
def test_the_files_of_one_way_of_rotating_sort_from_old_to_new(oldest_first: list[str]) -> None:
    places = [rotated_name("auth.log", name) for name in oldest_first]
    known = [place for place in places if place is not None]
    assert len(known) == len(oldest_first)
    assert known == sorted(known)
    assert len({place[0] for place in known}) == 1
    assert all("auth.log" in originals(name) for name in oldest_first)


@pytest.mark.parametrize(
    "name", ["auth.log", "auth.err", "auth.log.swp", "auth.log.old", "auth2.log", "authority.log.1", "x"]
)
def test_other_names_are_no_rotation_of_it(name: str) -> None:
    assert rotated_name("auth.log", name) is None
    assert "auth.log" not in originals(name)


@pytest.mark.parametrize(
    ("pattern", "path", "hit"),
    [
        ("/var/log/*.log", "/var/log/auth.log", True),
        ("/var/log/*.log", "/var/log/auth.err", False),
        ("/var/log/*.log", "/var/log/a/b.log", False),
        ("/v*/log/*.log", "/var", True),
        ("/v*/log/*.log", "/var/lib", False),
    ],
)
def test_a_new_name_may_make_a_pattern_hit_more(pattern: str, path: str, hit: bool) -> None:
    assert globs.may_hit(pattern, path) == hit
