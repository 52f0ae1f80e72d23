"""Options that keep bans from doing harm."""

from __future__ import annotations

from pathlib import Path

import pytest

import banish
from banish.config.jails import load
from banish.config.settings import load_settings
from banish.safety.breaker import BreakerSettings
from banish.safety.guard import RULES, SpareSettings

DATA = Path(banish.__file__).parent / "data"


def breaker(tree: Path, lines: str) -> tuple[BreakerSettings, list[str]]:
    (tree / "jail.local").write_text(f"[sshd]\n{lines}\n")
    configuration = load(tree, DATA)
    [jail] = configuration.jails
    return jail.breaker, [str(problem) for problem in configuration.problems]


def test_the_packaged_files_say_what_the_defaults_are(tmp_path: Path) -> None:
    assert breaker(tmp_path, "") == (BreakerSettings(), [])
    assert load_settings(None, DATA)[0].spare == SpareSettings()


def test_the_limits_of_a_jail(tmp_path: Path) -> None:
    lines = "breaker.bans = 50\nbreaker.peers = 0\nbreaker.leastpeers = 3"
    assert breaker(tmp_path, lines) == (BreakerSettings(50, 0, 3), [])


@pytest.mark.parametrize(
    ("line", "told", "used"),
    [
        ("breaker.bans = many", "breaker.bans = many: cannot be used", BreakerSettings()),
        ("breaker.bans = -1", "breaker.bans = -1: is too small; 0 is used", BreakerSettings(bans=0)),
        ("breaker.peers = 120", "breaker.peers = 120: is more than 100 per cent", BreakerSettings(peers=100)),
        ("breaker.peer = 10", "unknown option (did you mean breaker.peers?)", BreakerSettings()),
    ],
)
def test_what_is_odd_is_told(tmp_path: Path, line: str, told: str, used: BreakerSettings) -> None:
    found, problems = breaker(tmp_path, line)
    assert found == used
    assert len(problems) == 1
    assert told in problems[0]


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_has_its_switch(tmp_path: Path, rule: str) -> None:
    (tmp_path / "banish.local").write_text(f"[Definition]\n{rule} = no\n")
    settings, problems = load_settings(tmp_path, DATA)
    assert problems == ()
    assert settings.spare == SpareSettings(**{rule: False})


def test_a_switch_that_is_neither_yes_nor_no_is_told(tmp_path: Path) -> None:
    (tmp_path / "banish.local").write_text("[Definition]\nspare_own = maybe\nhistoryage = 2w\n")
    settings, problems = load_settings(tmp_path, DATA)
    assert [problem.option for problem in problems] == ["spare_own"]
    assert (settings.spare.spare_own, settings.historyage) == (True, 1209600.0)
