"""From an administrator's jail.local to what the daemon runs."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from banish.config.jails import load
from banish.errors import Origin
from banish.sources.paths import LogPath
from tests.config.conftest import Trees

ENABLED = "[sshd]\nenabled = true\n"


def test_nothing_is_enabled_as_packaged(trees: Trees) -> None:
    configuration = load(None, trees.packaged)
    assert configuration.jails == ()
    assert configuration.problems == ()


def test_a_jail_is_enabled_with_two_lines(trees: Trees) -> None:
    jail = trees.jail(ENABLED)
    assert jail.name == "sshd"
    assert jail.filter_name == "sshd"
    assert jail.settings.filter.failregex == ("^Failed password for <F-USER>\\S+</F-USER> from <HOST>$",)
    assert jail.settings.lines.datepattern == ("{^LN-BEG}",)
    assert jail.journalmatch == ("_SYSTEMD_UNIT=ssh.service + _COMM=sshd",)
    assert jail.logpaths == (LogPath("/var/log/auth.log"),)
    assert jail.backend == "auto"
    (action,) = jail.actions
    assert (action.name, action.actname, action.enforcer) == ("nftables", "nftables", "nftables")
    assert action.options == {
        "type": "multiport",
        "port": "ssh",
        "protocol": "tcp",
        "chain": "input",
        "blocktype": "reject",
        "name": "sshd",
        "actname": "nftables",
    }


def test_the_mode_selects_the_expressions(trees: Trees) -> None:
    jail = trees.jail(ENABLED + "mode = aggressive\n")
    assert jail.settings.filter.failregex == (
        "^Failed password for <F-USER>\\S+</F-USER> from <HOST>$",
        "^Connection closed by <HOST>$",
    )


@pytest.mark.parametrize(
    ("line", "path", "expected"),
    [
        ("maxretry = 3", "window.maxretry", 3),
        ("maxmatches = 0", "window.maxmatches", 0),
        ("findtime = 1h 30m", "window.findtime", 5400.0),
        ("window = exact", "window.window", "exact"),
        ("window = compat", "window.window", "estimate"),
        ("bantime = 1d", "bantime.bantime", 86400.0),
        ("bantime = -1", "bantime.bantime", math.inf),
        (
            "ignoreip = 192.0.2.1, 198.51.100.0/24\n  2001:db8::1",
            "ignore.ignoreip",
            ("192.0.2.1", "198.51.100.0/24", "2001:db8::1"),
        ),
        ("ignoreself = no", "ignore.ignoreself", False),
        ("usedns = RAW", "filter.usedns", "raw"),
        ("maxlines = 4", "filter.maxlines", 4),
        ("prefregex = ^a <F-CONTENT>.+</F-CONTENT>$", "filter.prefregex", "^a <F-CONTENT>.+</F-CONTENT>$"),
        ("failregex = ^a <HOST>\n\n  ^b <HOST>", "filter.failregex", ("^a <HOST>", "^b <HOST>")),
        (
            "failregex = %(known/failregex)s\n  ^b <HOST>",
            "filter.failregex",
            ("^Failed password for <F-USER>\\S+</F-USER> from <HOST>$", "^b <HOST>"),
        ),
        ("ignoreregex = ^x <HOST>", "filter.ignoreregex", ("^x <HOST>",)),
        ("datepattern = %%Y-%%m-%%d\n  EPOCH", "lines.datepattern", ("%Y-%m-%d", "EPOCH")),
        ("logencoding = latin-1", "lines.encoding", "latin-1"),
        ("logtimezone = UTC+02:00", "lines.timezone", "UTC+02:00"),
    ],
)
def test_an_option_reaches_the_room_it_governs(trees: Trees, line: str, path: str, expected: object) -> None:
    found: Any = trees.jail(f"{ENABLED}{line}\n").settings
    for name in path.split("."):
        found = getattr(found, name)
    assert found == expected


@pytest.mark.parametrize(
    ("written", "paths"),
    [
        ("/a", [LogPath("/a")]),
        ("/a tail", [LogPath("/a", "tail")]),
        ("/a head\n  /b*.log TAIL\n\n  /c", [LogPath("/a"), LogPath("/b*.log", "tail"), LogPath("/c")]),
        ("/with space.log", [LogPath("/with space.log")]),
        ("/with space.log tail", [LogPath("/with space.log", "tail")]),
    ],
)
def test_log_paths_say_where_reading_begins(trees: Trees, written: str, paths: list[LogPath]) -> None:
    assert list(trees.jail(f"{ENABLED}logpath = {written}\n").logpaths) == paths


def test_a_file_that_does_not_exist_is_no_fault_of_the_configuration(trees: Trees) -> None:
    assert trees.jail(f"{ENABLED}logpath = /nosuch/file.log\n").logpaths == (LogPath("/nosuch/file.log"),)


def test_the_journal_needs_no_path_and_has_its_own_prefix(trees: Trees) -> None:
    trees.package(
        "filter.d/x.conf",
        "[Definition]\nfailregex = ^<prefix-<logtype>> <HOST>$\nprefix-file = f\nprefix-journal = j\n",
    )
    section = "[x]\nenabled = true\n"
    jail = trees.jail(section + "backend = Systemd[journalflags=1]\njournalmatch = A=1\n  B=2\n", "x")
    assert jail.settings.filter.failregex == ("^j <HOST>$",)
    assert jail.backend == "systemd[journalflags=1]"
    assert jail.journalmatch == ("A=1", "B=2")
    assert trees.jail(section + "journalmatch = A=1\n", "x").settings.filter.failregex == ("^j <HOST>$",)
    assert trees.jail(section + "logpath = /l\n", "x").settings.filter.failregex == ("^f <HOST>$",)
    assert trees.jail(section + "logpath = /l\nfilter = x[logtype=journal]\n", "x").settings.filter.failregex == (
        "^j <HOST>$",
    )


def test_a_filter_takes_options_extends_its_own_and_yields_to_the_jail(trees: Trees) -> None:
    trees.package(
        "filter.d/bots.conf",
        "[DEFAULT]\na = default\n[Definition]\na = definition\nfailregex = ^<agents> %(a)s <HOST>\n"
        "[Init]\nagents = curl\na = init\nmaxlines = 3\n",
    )
    section = "[bots]\nenabled = true\nlogpath = /l\n"
    jail = trees.jail(section + 'filter = bots[agents="wget|<known/agents>", maxlines=7]\n', "bots")
    assert jail.settings.filter.failregex == ("^wget|curl init <HOST>",)
    assert jail.settings.filter.maxlines == 7
    jail = trees.jail(section + "filter = bots[maxlines=7]\nmaxlines = 9\n", "bots")
    assert jail.settings.filter.maxlines == 9


def test_percent_signs_survive_the_way_into_a_filter_doubled_once_or_twice(trees: Trees) -> None:
    trees.package("filter.d/x.conf", "[Definition]\nfailregex = ^<HOST>\ndatepattern = <p>\n")
    for percent in ("%%", "%%%%"):
        jail = trees.jail(f'[x]\nenabled = true\nlogpath = /l\nfilter = x[p="{percent}Y"]\n', "x")
        assert jail.settings.lines.datepattern == ("%Y",)


def test_extensions_of_a_filter_in_two_overlays_add_up(trees: Trees) -> None:
    extend = "[Definition]\nfailregex = %(known/failregex)s\n  ^{} <HOST>\n"
    trees.write("filter.d/sshd.local", extend.format("local"))
    trees.write("filter.d/sshd.d/z.local", extend.format("last"))
    assert trees.jail(ENABLED).settings.filter.failregex[1:] == ("^local <HOST>", "^last <HOST>")


def test_every_expression_knows_the_line_it_was_written_on(trees: Trees) -> None:
    jail = trees.jail(f"{ENABLED}mode = aggressive\nfailregex = %(known/failregex)s\n  # mine\n  ^mine <HOST>\n")
    sshd, local = str(trees.packaged / "filter.d/sshd.conf"), str(trees.user / "jail.local")
    assert jail.failregex_origins == (Origin(sshd, 4), Origin(sshd, 6), Origin(local, 6))


def test_effective_values_have_their_origins(trees: Trees) -> None:
    jail = trees.jail(f"{ENABLED}findtime = 1h\n")
    local, stock = str(trees.user / "jail.local"), str(trees.packaged / "jail.conf")
    assert (jail.values["findtime"], jail.origins["findtime"]) == ("1h", Origin(local, 3))
    assert (jail.values["logpath"], jail.origins["logpath"]) == ("/var/log/auth.log", Origin(stock, 15))
    assert jail.origins["datepattern"] == Origin(str(trees.packaged / "filter.d/sshd.conf"), 8)
    assert "maxretry" not in jail.values


def test_two_instances_of_one_action_have_names_of_their_own(trees: Trees) -> None:
    both = "action = %(banaction)s[name=%(__name__)s-tcp, protocol=tcp]\n  %(banaction)s[name=%(__name__)s-udp, protocol=udp]\n"
    jail = trees.jail(ENABLED + both)
    assert [(action.actname, action.options["protocol"]) for action in jail.actions] == [
        ("nftables-tcp", "tcp"),
        ("nftables-udp", "udp"),
    ]


def test_an_empty_action_counts_only(trees: Trees) -> None:
    assert trees.jail(f"{ENABLED}action =\n").actions == ()


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            "maxretry = 3 # three",
            "maxretry = 3 # three: cannot be used; the default 5 is (write a whole number, 1 or more)",
        ),
        ("maxretry = 0", "maxretry = 0: is too small; 1 is used (write 1 or more)"),
        (
            "bantime = soon",
            "bantime = soon: cannot be used; the default 10m is (write seconds, or 10m, 1h 30m, 1d; longer than 0)",
        ),
        (
            "bantime = 0",
            "bantime = 0: cannot be used; the default 10m is (write seconds, or 10m, 1h 30m, 1d; longer than 0)",
        ),
        (
            "findtime = -1",
            "findtime = -1: cannot be used; the default 10m is (write seconds, or 10m, 1h 30m, 1d; longer than 0 and not for ever)",
        ),
        (
            "usedns = maybe",
            "usedns = maybe: is not known; no is used (one of yes, true, on, 1, warn, no, false, off, 0, raw)",
        ),
        ("ignoreself = perhaps", "ignoreself = perhaps: is neither yes nor no; no is used (write true or false)"),
        (
            "logencoding = klingon",
            "logencoding = klingon: is no encoding; auto is used (a codec's name such as utf-8 or latin-1)",
        ),
        (
            "logencoding = base64",
            "logencoding = base64: is no encoding; auto is used (a codec's name such as utf-8 or latin-1)",
        ),
        (
            "backend = inotify",
            "backend = inotify: is not known; auto is used (one of auto, pyinotify, polling, systemd)",
        ),
        ("window = big", "window = big: is not known; estimate is used (one of estimate, compat, exact, strict)"),
        ("failregex =", "failregex: there is none, so nothing will be found (set filter or failregex)"),
        (
            "action = nftables nftables",
            "action = nftables nftables: nftables is there twice; the second is left out (give it another name=)",
        ),
    ],
)
def test_what_is_odd_is_told_and_the_jail_runs(trees: Trees, lines: str, told: str) -> None:
    (problem,) = trees.problems(f"{ENABLED}{lines}\n")
    assert problem.severity == "warning"
    assert str(problem) == f"{trees.user}/jail.local:3 [sshd] {told}"
    assert [jail.name for jail in trees.load().jails] == ["sshd"]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            "filter = shd",
            "filter = shd: there is no filter shd: filter.d/shd.conf is nowhere in {user} (did you mean sshd?)",
        ),
        ("filter = sshd[mode]", "filter = sshd[mode]: unexpected 'mode]' at character 6 (key=value is expected)"),
        (
            "action = iptabels",
            "action = iptabels: there is no action iptabels: action.d/iptabels.conf is nowhere in {user} (did you mean nftables?)",
        ),
        ("action = nftables[", "action = nftables[: ends too early: ] is missing (key=value is expected)"),
        ("logpath =", "logpath: the jail has nothing to read (set logpath, or backend = systemd and journalmatch)"),
        ("logpath = %(nosuch)s", "logpath = %(nosuch)s: %(nosuch)s names no option (check the spelling, or define it)"),
        ("maxretry = 5%", "maxretry = 5%: a stray % before '' (write %% for a percent sign)"),
        ("enabled = %(maybe)s", "enabled = %(maybe)s: %(maybe)s names no option (check the spelling, or define it)"),
    ],
)
def test_a_bad_jail_is_left_out_and_the_others_run(trees: Trees, lines: str, told: str) -> None:
    trees.package("filter.d/plain.conf", "[Definition]\nfailregex = ^from <HOST>$\n")
    option = lines.partition(" ")[0]
    bad = [line for line in ("enabled = true", "filter = plain", "logpath = /l") if not line.startswith(option)]
    other = "[other]\nenabled = true\nfilter = plain\nlogpath = /l\n"
    problems = trees.problems("\n".join(["[bad]", *bad, lines, other]))
    problem = next(problem for problem in problems if problem.severity == "error")
    assert str(problem).partition("[bad] ")[2] == told.format(user=trees.user)
    assert problem.section == "bad"
    assert [jail.name for jail in trees.load().jails] == ["other"]


def test_a_fault_in_a_filter_names_the_filters_line_and_the_jail(trees: Trees) -> None:
    trees.write("filter.d/mine.conf", "[Definition]\n\nfailregex = ^50% of <HOST>\n")
    problems = trees.problems("[web]\nenabled = true\nlogpath = /l\nfilter = mine\n")
    told = "[web] failregex = ^50% of <HOST>: a stray % before ' of <HOST>' (write %% for a percent sign)"
    assert [str(problem) for problem in problems] == [f"{trees.user}/filter.d/mine.conf:3 {told}"]


def test_a_jail_without_any_action_setting_counts_and_says_so(trees: Trees) -> None:
    trees.write("jail.conf", "[sshd]\nenabled = true\nfilter = sshd\nlogpath = /l\n")
    configuration = trees.load()
    assert [jail.actions for jail in configuration.jails] == [()]
    assert [str(problem) for problem in configuration.problems] == [
        "[sshd] action: there is none: failures are counted, nothing is blocked (action = %(action_)s)"
    ]


def test_no_configuration_at_all_is_told(trees: Trees) -> None:
    (trees.packaged / "jail.conf").unlink()
    configuration = trees.load()
    assert configuration.jails == ()
    assert [str(problem) for problem in configuration.problems] == [
        f"{trees.user}: there is no jail.conf or jail.local"
    ]


LINE = st.sampled_from(
    [
        "[sshd]",
        "[DEFAULT]",
        "[x?y]",
        "enabled = true",
        "filter = sshd[mode=<known/mode>]",
        "filter = x[",
        "port = %(port)s",
        "bantime = 9" * 99,
        "failregex = %(known/failregex)s",
        "  ^<HOST> %%",
        "mode = <mode>",
        "action = nftables[name=%(__name__)s]",
        "logpath = \x00",
        "maxretry = ٣",
        "backend = systemd[",
        "action =",
        "banaction = nosuch",
        "ignoreip = %(ignoreip)s",
        "garbage",
        "findtime = 1" + "0" * 400,
        "= x",
    ]
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINE, max_size=12))
def test_no_jail_local_is_fatal(trees: Trees, lines: list[str]) -> None:
    trees.write("jail.local", "\n".join(["[sshd]", "enabled = true", *lines]))
    configuration = trees.load()
    for jail in configuration.jails:
        assert jail.settings.window.findtime > 0
        assert jail.settings.bantime.bantime > 0
        assert len(jail.failregex_origins) == len(jail.settings.filter.failregex)


def test_a_jail_of_a_stream_reads_no_journal_and_needs_no_file(trees: Trees) -> None:
    jail = trees.jail(ENABLED + "logpath = command:podman logs -f web tail\n  syslog:unix:/run/log\n")
    assert jail.logpaths == (LogPath("command:podman logs -f web tail"), LogPath("syslog:unix:/run/log"))
    assert (jail.reads, jail.other) == ("files", None)


def test_a_listener_for_everybody_is_refused(trees: Trees) -> None:
    trees.write("jail.local", ENABLED + "logpath = syslog:udp:192.0.2.1:514\n")
    configuration = load(trees.user, trees.packaged)
    assert configuration.left_out == ("sshd",)
    (problem,) = [problem for problem in configuration.problems if problem.option == "logpath"]
    assert "anybody could have anybody banned: allow=" in str(problem)
