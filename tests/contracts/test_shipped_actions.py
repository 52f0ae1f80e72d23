"""What every action that ships promises: it can be used as its own head says, it is documented, and `banish check` finds nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from banish.config.examine import examine
from banish.config.jails import load
from banish.config.lint import lint
from banish.enforcement.commands.pythonaction import JailView
from banish.reporting import roster

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "src" / "banish" / "data"
FILES = sorted((DATA / "action.d").glob("*.conf"))
INCLUDED = {"sendmail-common"}
NEEDED = {
    "abuseipdb": '[abuseipdb_apikey="k", abuseipdb_category="18"]',
    "blocklist_de": '[email="me@example.org", apikey="k", service="ssh"]',
    "cloudflare": '[cftoken="t"]',
    "cloudflare-token": '[cftoken="t", cfzone="z"]',
    "command": '[actionban="true"]',
    "webhook": '[url="https://example.org/"]',
}
ACTIONS = [file.stem for file in FILES if file.stem not in INCLUDED]


@pytest.mark.parametrize("name", ACTIONS)
def test_it_can_be_used_and_check_finds_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "auth.log").touch()
    action = f"{name}{NEEDED.get(name, '')}[name=%(__name__)s, port=ssh]"
    (tmp_path / "jail.local").write_text(f"[sshd]\naction = {action}\nlogpath = {tmp_path}/auth.log\n")
    linted = lint(tmp_path, DATA)
    assert [str(problem) for problem in linted.problems] == []
    (config,) = linted.usable
    (settings,) = config.actions
    if settings.reporter:
        options = {option: text for option, text in settings.options.items() if option not in ("name", "actname")}
        assert roster.load(settings.reporter)(JailView("sshd"), name, **options).trouble == ""


@pytest.mark.parametrize("name", sorted(NEEDED.keys() - {"command"}))
def test_what_is_missing_is_told_and_the_jail_bans_all_the_same(tmp_path: Path, name: str) -> None:
    (tmp_path / "jail.local").write_text(f"[sshd]\nlogpath = /dev/null\naction = %(action_)s\n  {name}\n")
    configuration = load(tmp_path, DATA)
    (config,) = configuration.jails
    found = examine(config)
    assert found
    assert {problem.severity for problem in found} == {"warning"}
    assert all("is missing" in str(problem) for problem in found)


@pytest.mark.parametrize(
    "shortcut", ["action_", "action_mw", "action_mwl", "action_cf_mwl", "action_blocklist_de", "action_abuseipdb"]
)
def test_the_shortcuts_of_jail_conf(tmp_path: Path, shortcut: str) -> None:
    given = "cfemail = me@example.org\ncfapikey = k\nblocklist_de_apikey = k\n"
    more = '[abuseipdb_apikey=k, abuseipdb_category="18,22"]' if shortcut == "action_abuseipdb" else ""
    jail = f"[DEFAULT]\n{given}[sshd]\nlogpath = /dev/null\naction = %({shortcut})s{more}\n"
    (tmp_path / "jail.local").write_text(jail)
    configuration = load(tmp_path, DATA)
    (config,) = configuration.jails
    assert [str(problem) for problem in (*configuration.problems, *examine(config))] == []
    assert [action.name for action in config.actions] == {
        "action_": ["nftables"],
        "action_mw": ["nftables", "sendmail-whois"],
        "action_mwl": ["nftables", "sendmail-whois-lines"],
        "action_cf_mwl": ["cloudflare", "sendmail-whois-lines"],
        "action_blocklist_de": ["blocklist_de"],
        "action_abuseipdb": ["abuseipdb"],
    }[shortcut]


def test_each_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "reference" / "actions.md").read_text()
    named = set(re.findall(r"`([\w-]+)(?:\[[^`]*)?`", text))
    assert {file.stem for file in FILES} <= named
