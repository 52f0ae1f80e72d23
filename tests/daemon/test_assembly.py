"""Configuration to running jails, at the start and at a reload."""

from __future__ import annotations

from pathlib import Path

import pytest

from banish.config.jails import Configuration, load
from banish.daemon.assembly import Assembly, Running, assemble
from banish.decisions.ledger import Ledger
from banish.model import Decision, Event, Line

DATA = Path(__file__).resolve().parents[2] / "src" / "banish" / "data"
NOW = 1_800_000_000.0


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "jail.local").write_text("")
    return tmp_path


def read(tree: Path, text: str) -> Configuration:
    (tree / "jail.local").write_text("[sshd]\nenabled = false\n" + text)
    return load(tree, DATA)


def jail(name: str = "web", **options: str) -> str:
    settings = {
        "enabled": "true",
        "filter": "",
        "failregex": "^ refused <HOST>$",
        "logpath": "/var/log/web.log",
        **options,
    }
    return f"[{name}]\n" + "".join(f"{option} = {value}\n" for option, value in settings.items())


def refused(*hosts: str) -> list[Line]:
    return [Line(f" refused {host}", f" refused {host}", NOW) for host in hosts]


def decided(events: list[Event]) -> list[str]:
    return [event.id for event in events if isinstance(event, Decision)]


def texts(made: Assembly) -> list[str]:
    return [str(problem) for problem in made.problems]


def test_a_jail_runs_with_its_settings(tree: Path) -> None:
    made = assemble(read(tree, jail(maxretry="2")), {}, Ledger())
    assert decided(made.running["web"].jail.feed(refused("192.0.2.7", "192.0.2.7"), NOW)) == ["192.0.2.7"]
    assert (made.broken, made.problems) == ({}, [])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"failregex": "^ok <HOST>$\n            ^(<HOST>$"},
            "jail.local:7 [web] failregex = ^(<HOST>$: does not compile: missing )",
        ),
        ({"failregex": "^no one here$"}, "[web] failregex = ^no one here$: "),
        ({"ignoreregex": "["}, "[web] ignoreregex = [: "),
        ({"datepattern": "%%Y-("}, "[web] datepattern = "),
        ({"port": "nosuchservice"}, "[web] port = nosuchservice: "),
        ({"protocol": "carrier-pigeon"}, "[web] protocol = carrier-pigeon: "),
        ({"filter": "nosuchfilter", "failregex": ""}, "[web] filter = nosuchfilter: "),
        ({"logtimezone": "Nowhere/Land"}, "[web] logtimezone = Nowhere/Land: "),
    ],
)
def test_what_cannot_be_used_is_left_out_and_said_with_its_place(
    tree: Path, options: dict[str, str], said: str
) -> None:
    made = assemble(read(tree, jail(**options) + jail("other")), {}, Ledger())
    assert list(made.running) == ["other"]
    assert said in str(made.broken["web"])
    assert "(" in str(made.broken["web"]), "a remedy"
    assert f"{tree / 'jail.local'}:" in str(made.broken["web"]), "a file and line"


def test_a_jail_on_the_journal_needs_a_match_that_is_one(tree: Path) -> None:
    made = assemble(read(tree, jail(backend="systemd", journalmatch="_COMM=web", logpath="")), {}, Ledger())
    assert made.running["web"].config.reads == "journal"
    made = assemble(read(tree, jail(backend="systemd", journalmatch="comm=web", logpath="")), {}, Ledger())
    assert "'comm=web' is no term of the journal" in str(made.broken["web"])
    made = assemble(read(tree, jail(backend="systemd")), {}, Ledger())
    assert made.running["web"].config.reads == "journal", "whatever logpath says"
    assert any("every line of the journal is judged" in text for text in texts(made))


def test_an_unchanged_jail_goes_on_as_it_is_and_a_changed_one_goes_on_counting(tree: Path) -> None:
    before = assemble(read(tree, jail("kept") + jail("changed", maxretry="3")), {}, Ledger()).running
    before["changed"].jail.feed(refused("192.0.2.7", "192.0.2.7"), NOW)
    after = assemble(read(tree, jail("kept") + jail("changed", maxretry="3", bantime="60")), before, Ledger()).running
    assert after["kept"].jail is before["kept"].jail
    assert after["changed"].jail is not before["changed"].jail
    assert decided(after["changed"].jail.feed(refused("192.0.2.7"), NOW)) == ["192.0.2.7"]


def test_a_jail_that_is_broken_by_a_reload_goes_on_as_it_was(tree: Path) -> None:
    before: dict[str, Running] = assemble(read(tree, jail() + jail("gone")), {}, Ledger()).running
    for broken in (jail(failregex="("), jail(filter="nosuchfilter", failregex="")):
        after = assemble(read(tree, broken), before, Ledger())
        assert after.running == {"web": before["web"]}
        assert any("goes on as it was before the reload" in text for text in texts(after))
