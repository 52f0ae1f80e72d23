"""The daemon's own settings."""

from __future__ import annotations

from pathlib import Path

import banish
from banish.config.settings import DaemonSettings, load_settings

DATA = Path(banish.__file__).parent / "data"


def test_the_packaged_file_says_what_the_defaults_are() -> None:
    assert load_settings(None, DATA) == (DaemonSettings(), ())


def test_a_user_overrides_what_differs(tmp_path: Path) -> None:
    (tmp_path / "banish.local").write_text(
        "[Definition]\nloglevel = debug\nlogtarget = STDOUT\ndbpurgeage = 2w\nnative_actions = no\nkeepbans = yes\n"
    )
    settings, problems = load_settings(tmp_path, DATA)
    assert settings == DaemonSettings(
        loglevel="DEBUG", logtarget="STDOUT", dbpurgeage=1209600.0, native_actions=False, keepbans=True
    )
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


def test_a_tree_that_served_fail2ban_means_the_same(tmp_path: Path) -> None:
    (tmp_path / "fail2ban.conf").write_text(
        "[DEFAULT]\nloglevel = NOTICE\n[Definition]\nlogtarget = /var/log/fail2ban.log\ndbpurgeage = 1d\nsocket = /x\n"
        "[Thread]\nstacksize = 0\n"
    )
    (tmp_path / "fail2ban.local").write_text("[Definition]\ndbpurgeage = 1w\n")
    settings, problems = load_settings(tmp_path, DATA)
    assert settings == DaemonSettings(loglevel="NOTICE", dbpurgeage=604800.0)
    assert problems == ()


def test_what_is_written_for_us_overrides_what_is_written_for_fail2ban(tmp_path: Path) -> None:
    (tmp_path / "fail2ban.local").write_text("[Definition]\nloglevel = DEBUG\ndbpurgeage = 1w\n")
    (tmp_path / "banish.local").write_text("[Definition]\nloglevel = ERROR\n")
    settings, problems = load_settings(tmp_path, DATA)
    assert settings == DaemonSettings(loglevel="ERROR", dbpurgeage=604800.0)
    assert problems == ()


def test_a_log_target_chosen_for_fail2ban_is_not_taken_over_but_answered(tmp_path: Path) -> None:
    (tmp_path / "fail2ban.local").write_text("[Definition]\nlogtarget = SYSLOG\n")
    settings, [problem] = load_settings(tmp_path, DATA)
    assert settings == DaemonSettings()
    assert str(problem) == (
        f"{tmp_path}/fail2ban.local:2 logtarget = SYSLOG: is fail2ban's own; this log goes to /var/log/banish.log "
        "(name a target in banish.local: [Definition] logtarget = ...)"
    )
    assert (problem.severity, problem.section) == ("warning", "")
    (tmp_path / "banish.local").write_text("[Definition]\nlogtarget = SYSLOG\n")
    assert load_settings(tmp_path, DATA) == (DaemonSettings(logtarget="SYSLOG"), ())


def test_fail2bans_settings_count_without_any_of_ours(tmp_path: Path) -> None:
    (tmp_path / "fail2ban.conf").write_text("[Definition]\nloglevel = HEAVYDEBUG\nlogtarget = STDOUT\n")
    settings, problems = load_settings(tmp_path, tmp_path / "none")
    assert settings == DaemonSettings(loglevel="HEAVYDEBUG")
    assert problems == ()


def test_problems_name_the_line_but_no_section_because_those_are_jails(tmp_path: Path) -> None:
    (tmp_path / "banish.local").write_text(
        "[DEFAULT]\nlogtaget = x\n[Definition]\nloglevel = loud\nlogtarget = %(x)s\nnonsense\n"
    )
    (tmp_path / "fail2ban.local").write_text("[Definition]\ndbpurgeage = never\n")
    _, problems = load_settings(tmp_path, DATA)
    assert {problem.section for problem in problems} == {""}
    assert {str(problem.origin) for problem in problems} == {
        f"{tmp_path}/banish.local:2",
        f"{tmp_path}/banish.local:4",
        f"{tmp_path}/banish.local:5",
        f"{tmp_path}/banish.local:6",
        f"{tmp_path}/fail2ban.local:2",
    }
