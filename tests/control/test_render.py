import os
import time
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banish.control import render, render_figures, render_why
from banish.control.render import coloured, painter, plain, visible
from tests.control.fake import HOSTILE, NOW, FakeControl


@pytest.fixture(autouse=True)
def utc() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    yield
    os.environ.pop("TZ")
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


def jail(name: str, **changes: Any) -> dict[str, Any]:
    source = {"name": "/var/log/auth.log", "lines": 1, "bytes": 80, "lag_bytes": 0, "every_line": None}
    whole = {
        "failed_now": 4,
        "failed_total": 10,
        "banned_now": 1,
        "banned_total": 5,
        "sources": [source],
        "enabled": True,
    }
    return {"name": name, **whole, "problem": None, **changes}


def status(*jails: dict[str, Any], asked: str | None = None, **more: Any) -> str:
    return render.status({"version": "", "uptime": 1.0, "jails": list(jails), **more}, {"jail": asked}, plain, NOW)


# The expected texts are what fail2ban-client 1.0.2 printed for the same state.
def test_status_is_the_tree_of_fail2ban_client() -> None:
    assert status(jail("sshd"), jail("postfix")) == "Status\n|- Number of jail:\t2\n`- Jail list:\tpostfix, sshd\n"


def test_status_without_jails() -> None:
    assert status() == "Status\n|- Number of jail:\t0\n`- Jail list:\t\n"


def test_status_of_a_jail_is_the_tree_of_fail2ban_client() -> None:
    files = [{"name": "/var/log/b.log"}, {"name": "/var/log/a.log"}]
    banned = ["192.0.2.9", "192.0.2.7", "2001:db8::1", "198.51.100.0/24"]
    shown = status(jail("zeta", sources=files, banned=banned, banned_now=4, banned_total=4), asked="zeta")
    assert shown == (
        "Status for the jail: zeta\n"
        "|- Filter\n"
        "|  |- Currently failed:\t4\n"
        "|  |- Total failed:\t10\n"
        "|  `- File list:\t/var/log/b.log /var/log/a.log\n"
        "`- Actions\n"
        "   |- Currently banned:\t4\n"
        "   |- Total banned:\t4\n"
        "   `- Banned IP list:\t192.0.2.9 192.0.2.7 2001:db8::1 198.51.100.0/24\n"
    )


def test_a_jail_without_files_or_bans_still_has_its_tabs() -> None:
    shown = status(jail("zeta", sources=[], banned=[]), asked="zeta")
    assert "|  `- File list:\t\n" in shown
    assert shown.endswith("   `- Banned IP list:\t\n")


def test_a_jail_that_reads_the_journal_shows_its_matches() -> None:
    shown = status(
        jail("sshd", sources=[], journalmatches=["_SYSTEMD_UNIT=ssh.service", "+", "_COMM=sshd"]), asked="sshd"
    )
    assert "|  `- Journal matches:\t_SYSTEMD_UNIT=ssh.service + _COMM=sshd\n" in shown


def test_what_needs_mending_comes_after_the_tree() -> None:
    lost = jail("apache", enabled=False, problem="jail.local:7: no such filter")
    database = {"text": "the database was damaged", "severity": "warning", "jail": ""}
    assert status(jail("sshd"), lost, problems=[database]) == (
        "Status\n"
        "|- Number of jail:\t1\n"
        "`- Jail list:\tsshd\n"
        "Problems\n"
        "|- the database was damaged\n"
        "`- jail.local:7: no such filter\n"
    )


def row(**changes: Any) -> dict[str, Any]:
    whole = {"jail": "sshd", "network": "192.0.2.7/32", "banned_at": NOW, "expires_at": NOW + 600, "ban_count": 1}
    return {**whole, "origin": "jail", "reason": "5 failures in 20 s", **changes}


def test_banned_is_a_table() -> None:
    rows = [
        row(),
        row(jail="postfix", network="2001:db8::/64", expires_at=None, ban_count=12, origin="admin", reason=""),
    ]
    assert render.banned(rows, {}, plain, NOW + 100) == (
        "jail     network        since                until                left    count  origin  reason\n"
        "sshd     192.0.2.7      2026-11-22 12:50:52  2026-11-22 13:00:52  8m 20s  1      jail    5 failures in 20 s\n"
        "postfix  2001:db8::/64  2026-11-22 12:50:52  for ever                     12     admin\n"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0s"), (0.4, "0s"), (59.6, "1m 0s"), (3600, "1h 0m"), (90061, "1d 1h"), (1e9, "11574d 1h")],
)
def test_what_is_left_is_told_in_two_units(seconds: float, words: str) -> None:
    assert f"  {words}  " in render.banned([row(expires_at=NOW + seconds)], {}, plain, NOW)


def test_a_time_that_no_calendar_has_is_shown_as_a_number() -> None:
    assert "  100000000000000000000  " in render.banned([row(expires_at=1e20)], {}, plain, NOW)


def test_nothing_banned_is_said() -> None:
    assert render.banned([], {"network": None}, plain, NOW) == "no bans\n"
    assert render.banned([], {"network": "192.0.2.7"}, plain, NOW) == "192.0.2.7 is not banned\n"
    assert render.unban([], {"everything": True}, plain, NOW) == "no bans\n"
    rows = [{"jail": "sshd\x1b", "unbanned": 500_000}, {"jail": "web", "unbanned": 1}]
    assert render.unban(rows, {"everything": True}, plain, NOW) == "unbanned 500000 in sshd\\x1b\nunbanned 1 in web\n"
    assert render.unban([], {"everything": False}, plain, NOW) == ""


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (
            {"address": "192.0.2.7", "jail": "sshd", "outcome": "banned", "reason": "", "expires_at": NOW},
            "banned 192.0.2.7 in sshd until 2026-11-22 12:50:52\n",
        ),
        (
            {"address": "192.0.2.7", "jail": "sshd", "outcome": "already banned", "reason": "", "expires_at": None},
            "already banned 192.0.2.7 in sshd for ever\n",
        ),
        (
            {"address": "127.0.0.1", "jail": "sshd", "outcome": "refused", "reason": "ignored (ip)"},
            "refused 127.0.0.1 in sshd: ignored (ip)\n",
        ),
        ({"address": "192.0.2.8", "jail": "", "outcome": "not banned", "reason": ""}, "not banned 192.0.2.8\n"),
    ],
)
def test_an_outcome_is_a_line(outcome: dict[str, Any], text: str) -> None:
    assert render.ban([outcome], {}, plain, NOW) == text


def test_reload_tells_its_problems() -> None:
    assert render.reload({"jails": [], "problems": []}, {}, plain, NOW) == "OK\n"
    problem = {"text": "no such filter", "severity": "error", "jail": "apache"}
    assert render.reload({"jails": [], "problems": [problem]}, {}, plain, NOW) == ("OK\nProblems\n`- no such filter\n")


def test_log_text_cannot_command_the_terminal() -> None:
    hostile = row(reason=HOSTILE, jail=HOSTILE, network=HOSTILE, origin=HOSTILE)
    texts = [
        render.banned([hostile], {}, plain, NOW),
        status(jail(HOSTILE, problem=HOSTILE)),
        status(jail(HOSTILE, sources=[{"name": HOSTILE}], banned=[HOSTILE], problem=HOSTILE), asked=HOSTILE),
        status(jail("sshd", journalmatches=[HOSTILE]), asked="sshd"),
        render.ban([{"address": HOSTILE, "jail": HOSTILE, "outcome": HOSTILE, "reason": HOSTILE}], {}, plain, NOW),
        render.error(HOSTILE, HOSTILE, plain),
        render.resume({"jail": HOSTILE, "withheld": 3}, {}, plain, NOW),
        render.log([{"at": NOW, "jail": "a", "kind": "refused", "address": "", "reason": HOSTILE}], {}, plain, NOW),
        render.log([{"at": NOW, "jail": HOSTILE, "kind": "b", "address": HOSTILE, "reason": ""}], {}, plain, NOW),
    ]
    for text in texts:
        assert r"root\x1b[2J\u202egnp.exe\x9b31m\udce9" in text
        assert text.replace("\n", "").replace("\t", "").isprintable()


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=30).map(lambda raw: raw.decode("utf-8", "surrogateescape")))
def test_visible_leaves_nothing_to_obey(text: str) -> None:
    assert visible(text).isprintable()
    assert visible(visible(text)) == visible(text)


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_is_for_terminals_that_want_it() -> None:
    assert painter(Terminal(), {"TERM": "xterm"}) is coloured
    for stream, environment in (
        (StringIO(), {"TERM": "xterm"}),
        (Terminal(), {"TERM": "dumb"}),
        (Terminal(), {}),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}),
    ):
        assert painter(stream, environment) is plain
    assert coloured("banned", "green") == "\x1b[32mbanned\x1b[0m"


WHY: Any = FakeControl().why("192.0.2.7", None)
FIGURES: Any = FakeControl().figures()


def test_the_story_of_a_ban_from_its_lines_to_the_firewall() -> None:
    text = render_why.why(WHY, {}, plain, NOW)
    assert visible(text.replace("\n", "")) == text.replace("\n", ""), "nothing that a terminal would obey"
    said = text.splitlines()
    assert said[0] == "192.0.2.7 is banned in sshd."
    for line in (
        "  banned    192.0.2.7 since 2026-11-22 12:50:52, until 2026-11-22 13:00:52 (9m 50s left)",
        "  by        the jail's own counting",
        "  before    it is the 2nd ban of it in this jail; that is why it lasts longer",
        "  firewall  nftables: blocked for 9m 50s more",
        "  dropped   14 packets (840 bytes) of all that this jail bans, since its rules were made",
        "  rule      filter sshd: 3 failures within 10m (findtime) ban for 10m (bantime)",
        "    /var/log/auth.log at byte 20480, failregex 3",
        "    /var/log/auth.log, a line of the same session",
        "  failregex 3: ^Failed <HOST> (filter.d/sshd.conf:7)",
        "Nothing is known of it in: web",
    ):
        assert line in said
    assert r"root\x1b[2J" in text


def why_not(**changes: Any) -> str:
    row = {**WHY["jails"][0], "ban": None, "kernel": [], "evidence": [], **changes}
    return render_why.why({**WHY, "banned": False, "jails": [row], "events": [], "nothing": []}, {}, plain, NOW)


def test_why_somebody_is_not_banned() -> None:
    count = {"failures": 2, "attempts": 2, "since": NOW - 90, "last_at": NOW - 60, "forgotten_at": NOW + 540}
    text = why_not(state="counting", count=count)
    assert "192.0.2.7 is not banned." in text
    assert "counting  2 of 3 failures, the last 1m 10s ago: below the limit, so it is not banned" in text
    assert "until     2026-11-22 12:59:52 (8m 50s), when they are forgotten unless another one follows" in text
    text = why_not(state="ignored", ignored="ignoreip: 192.0.2.0/24 (jail.local:4)")
    assert "ignored   ignoreip: 192.0.2.0/24 (jail.local:4): its failures are not counted" in text
    assert "banish resume" in why_not(state="paused", paused="100 bans in 10s; 3 withheld so far")
    ban = {**WHY["jails"][0]["ban"], "expires_at": NOW - 3590}
    text = why_not(state="expired", ban=ban)
    assert "expired   its last ban, from 2026-11-22 12:50:52, ended 2026-11-22 11:51:02 (1h 0m ago)" in text
    gone = why_not(state="banned", ban=ban, kernel=[{"enforcer": "nftables", "stands": False, "left": None}])
    assert "firewall  nftables: the ban is NOT in force" in gone


def test_figures_at_once_and_as_rates() -> None:
    text = render_figures.figures(FIGURES, {}, plain, NOW)
    assert "lines 100  matches 9  failures 8  bans 2  read 8.8 KiB  ban after 4.0 ms" in text
    assert "192.0.2.7  sshd  2 of 3    5s ago" in text
    assert all(visible(line) == line for line in text.splitlines())
    later = {**FIGURES, "at": NOW + 2, "lines": 300, "jails": [{**FIGURES["jails"][0], "failures": 48}]}
    moving = "\n".join(render_figures.view(later, FIGURES, plain))
    assert "lines 100/s  matches 0.0/s" in moving
    assert next(line.split()[:3] for line in moving.splitlines() if line.startswith("sshd")) == ["sshd", "20.0", "0.0"]
