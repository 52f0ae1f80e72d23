"""The daemon's own settings."""

from __future__ import annotations

from pathlib import Path

import banish
from banish.config.settings import DaemonSettings, load_settings

DATA = Path(banish.__file__).parent / "data"


def test_the_packaged_file_says_what_the_defaults_are() -> None:
    assert load_settings(None, DATA) == (DaemonSettings(), ())


def test_a_user_overrides_what_differs(tmp_path: Path) -> None:
    (tmp_path / "banish.local").write_text("[Definition]\nloglevel = debug\nlogtarget = STDOUT\ndbpurgeage = 2w\n")
    settings, problems = load_settings(tmp_path, DATA)
    assert settings == DaemonSettings(loglevel="DEBUG", logtarget="STDOUT", dbpurgeage=1209600.0)
    assert problems == ()


def test_the_default_section_counts_as_well(tmp_path: Path) -> None:
    (tmp_path / "banish.conf").write_text(
        "[DEFAULT]\nloglevel = NOTICE\n[Definition]\nlogtarget = /var/log/%(loglevel)s.log\n"
    )
    settings, problems = load_settings(tmp_path, DATA)
    assert (settings.loglevel, settings.logtarget) == ("NOTICE", "/var/log/NOTICE.log")
    assert problems == ()


def test_what_cannot_be_used_is_told_and_the_default_counts(tmp_path: Path) -> None:
    (tmp_path / "banish.local").write_text(
        "[Definition]\nloglevel = loud\ndbpurgeage = never\nlogtaget = %(x)s\nlogtarget = %(x)s\n"
    )
    settings, problems = load_settings(tmp_path, DATA)
    assert settings == DaemonSettings()
    assert [problem.option for problem in problems] == ["loglevel", "logtarget", "dbpurgeage", "logtaget"]


def test_without_any_file_the_defaults_count(tmp_path: Path) -> None:
    assert load_settings(None, tmp_path) == (DaemonSettings(), ())
