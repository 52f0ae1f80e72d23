"""What ``set`` makes of a jail's settings, and what it refuses."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from banish.config import amendments
from banish.config.amendments import AMENDMENTS, AT_RUN_TIME, amend, begun
from banish.config.jails import JailConfig
from banish.control import options
from banish.enforcement.actions import ActionSettings
from banish.errors import ConfigError
from banish.failures.ignore import CacheSettings
from banish.sources.paths import LogPath


@pytest.fixture
def jail() -> JailConfig:
    return begun("sshd")


def after(jail: JailConfig, *commands: str) -> JailConfig:
    for command in commands:
        jail = amend(jail, command.split(" ", maxsplit=3) if command.startswith("action") else command.split(" "))
    return jail


def test_every_option_of_the_table_that_is_a_setting_can_be_amended() -> None:
    acts = {"idle", "banip", "unbanip", "attempt"}
    assert set(AMENDMENTS) == set(options.SET_JAIL) - acts


@pytest.mark.parametrize(
    ("command", "where", "value"),
    [
        ("maxretry 7", "window.maxretry", 7),
        ("maxmatches 0", "window.maxmatches", 0),
        ("findtime 5m", "window.findtime", 300.0),
        ("maxlines 3", "filter.maxlines", 3),
        ("usedns RAW", "filter.usedns", "raw"),
        ("prefregex ^x", "filter.prefregex", "^x"),
        ("bantime -1", "bantime.bantime", math.inf),
        ("bantime 1y6mo", "bantime.bantime", 47336400.0),
        ("bantime.increment true", "bantime.increment", True),
        ("bantime.factor 2.0/4", "bantime.factor", 0.5),
        ("bantime.maxtime 1w", "bantime.maxtime", 604800.0),
        ("bantime.overalljails yes", "bantime.overalljails", True),
        ("ignoreself no", "ignore.ignoreself", False),
        ("addignoreip 192.0.2.1 198.51.100.0/24,host.example", "ignore.ignoreip", None),
        ("ignorecommand /bin/true", "ignore.command", "/bin/true"),
        ("logencoding latin-1", "lines.encoding", "latin-1"),
        ("logtimezone CET", "lines.timezone", "CET"),
        ("datepattern ^EPOCH", "lines.datepattern", ("^EPOCH",)),
    ],
)
def test_a_setting_is_set_for_files_and_for_the_journal(jail: JailConfig, command: str, where: str, value: Any) -> None:
    jail = replace(jail, other=jail.settings)
    changed = after(jail, command)
    option = command.partition(" ")[0].removeprefix("add")
    assert changed.origins[option] == AT_RUN_TIME
    assert changed.values[option]
    room, _, name = where.partition(".")
    for settings in (changed.settings, changed.other):
        found = getattr(getattr(settings, room), name)
        assert found == (("192.0.2.1", "198.51.100.0/24", "host.example") if value is None else value)


def test_multipliers_have_spaces_between_them(jail: JailConfig) -> None:
    changed = amend(jail, ["bantime.multipliers", "1 2 4"])
    assert changed.settings.bantime.multipliers == (1.0, 2.0, 4.0)


def test_a_cache_may_be_set_before_its_command(jail: JailConfig) -> None:
    changed = amend(jail, ["ignorecache", 'key="<ip>", max-count=10, max-time=5m'])
    changed = amend(changed, ["ignorecommand", "/bin/true"])
    assert changed.settings.ignore.cache == CacheSettings("<ip>", 10, 300.0)
    assert amend(changed, ["ignorecache", ""]).settings.ignore.cache is None


def test_lists_grow_and_shrink(jail: JailConfig) -> None:
    changed = after(jail, "addlogpath /a", "addlogpath /b tail", "addlogpath /a", "dellogpath /nosuch")
    assert changed.logpaths == (LogPath("/a"), LogPath("/b", "tail"))
    assert after(changed, "dellogpath /a").logpaths == (LogPath("/b", "tail"),)
    changed = after(jail, "addfailregex ^a", "addfailregex ^b", "addignoreregex ^c", "delfailregex 0")
    assert (changed.settings.filter.failregex, changed.failregex_origins) == (("^b",), (AT_RUN_TIME,))
    assert changed.settings.filter.ignoreregex == ("^c",)
    changed = after(jail, "addjournalmatch _COMM=a _PID=1", "addjournalmatch _COMM=b + _COMM=c")
    assert changed.journalmatch == ("_COMM=a _PID=1", "_COMM=b + _COMM=c")
    assert after(changed, "deljournalmatch _COMM=b").journalmatch == ("_COMM=a _PID=1", "_COMM=c")
    changed = after(jail, "addignoreip 192.0.2.1 192.0.2.2", "delignoreip 192.0.2.1")
    assert changed.settings.ignore.ignoreip == ("192.0.2.2",)


def test_actions_come_change_and_go(jail: JailConfig) -> None:
    changed = after(jail, "addaction ring", "action ring actionban echo ban <ip>")
    ring = changed.actions[0]
    assert ring.options["actionban"] == ring.families["inet6"]["actionban"] == "echo ban <ip>"
    assert (ring.actname, ring.options["name"], ring.enforcer) == ("ring", "sshd", "")
    assert after(changed, "delaction ring").actions == ()
    native = ActionSettings("nftables", "nftables", "nftables", options={"port": "22"})
    changed = amend(replace(jail, actions=(native,)), ["action", "nftables", "port", "ssh,2222"])
    assert changed.actions[0].options["port"] == "ssh,2222"


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("maxretry many", "maxretry = many: it is a whole number, 1 or more"),
        ("maxretry 0", "it is a whole number, 1 or more"),
        ("findtime -1", "it is longer than 0 and not for ever"),
        ("findtime soon", "it is a span"),
        ("bantime soon", "bantime = soon: cannot be used"),
        ("bantime.formula ban.Time*", "bantime.formula = ban.Time*: cannot be used"),
        ("bantime.multipliers 1,2", "are not numbers above 0"),
        ("ignoreself maybe", "it is true or false"),
        ("usedns sometimes", "it is one of yes, warn, no, raw"),
        ("delignoreip 192.0.2.9", "is not in ignoreip"),
        ("logencoding klingon", "is no encoding"),
        ("addlogpath /a middle", "a file is read from its head or its tail"),
        ("addjournalmatch nonsense", "is no term of the journal"),
        ("deljournalmatch _COMM=x", "is not in journalmatch"),
        ("delfailregex 0", "there is no such failregex (there are 0, from 0 on)"),
        ("addaction", "a value is missing"),
        ("delaction nosuch", "Invalid Action name: nosuch"),
        ("action nosuch actionban x", "Invalid Action name: nosuch"),
        ("maxretry", "a value is missing"),
        ("addjournalmatch", "a value is missing"),
        ("addfailregex", "a value is missing"),
        ("addignoreip", "a value is missing"),
    ],
)
def test_what_cannot_be_used_is_refused(jail: JailConfig, command: str, text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        after(jail, command)
    assert text in str(refused.value)


def test_an_unknown_word_is_nobodys(jail: JailConfig) -> None:
    with pytest.raises(KeyError):
        amendments.amend(jail, ["nosuch", "1"])
