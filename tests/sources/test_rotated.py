"""Names that logrotate gives, and their order in time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from banish.sources import globs
from banish.sources.follower import Follower
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


def test_files_that_are_renamed_while_their_directory_is_listed_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "auth.log"
    log.write_bytes(b"first\n")
    follower = Follower(str(log))
    assert follower.read() is not None
    follower.close()
    with log.open("ab") as file:
        file.write(b"rest\n")
    log.rename(tmp_path / "auth.log.2")
    (tmp_path / "auth.log.1").write_bytes(b"between\n")
    log.write_bytes(b"present\n")
    disturbed = 3

    @contextmanager
    def listing(directory: str) -> Iterator[Iterator[os.DirEntry[str]]]:
        """Leave out what is renamed meanwhile; each time something else."""
        nonlocal disturbed
        with os_scandir(directory) as entries:
            disturbed -= 1
            yield (entry for entry in entries if disturbed < 0 or not entry.name.endswith(f".{1 + disturbed % 2}"))

    os_scandir = os.scandir
    monkeypatch.setattr(os, "scandir", listing)
    resumed = Follower(str(log), resume=follower.position)
    read = b""
    while (batch := resumed.read()) is not None:
        read += batch.data
    resumed.close()
    assert read == b"rest\nbetween\npresent\n"
