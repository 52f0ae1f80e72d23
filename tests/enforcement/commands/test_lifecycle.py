"""Which command runs when: real shells that write down what they are asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from banish.enforcement.actions import ActionSettings
from banish.enforcement.commands import post as posts
from tests.enforcement.commands.rig import NOW, Rig, action, decision

Make = Callable[..., ActionSettings]


@pytest.fixture
def say(tmp_path: Path) -> Make:
    """Make an action whose commands write down their own words."""

    def make(name: str = "x", inet6: dict[str, str] | None = None, /, **words: str) -> ActionSettings:
        def command(option: str, text: str) -> str:
            # A text that ends in "!" fails, "!!" as long as the file "ok" is not there.
            if not option.startswith("action") or option in ("actionstart_on_demand", "actionrepair_on_unban"):
                return text
            end = "; test -e ok" if text.endswith("!!") else "; exit 3" if text.endswith("!") else ""
            return f'cd {tmp_path}; printf "%s\\n" "{text.rstrip("!")}" >> out{end}'

        made = {option: command(option, text) for option, text in words.items()}
        six = {option: command(option, text) for option, text in (inet6 or {}).items()}
        return action(name, six or None, **made)

    return make


def test_start_comes_first_and_stop_last(say: Make, tmp_path: Path) -> None:
    rig = Rig(
        tmp_path, say(actionstart="start <name>", actionban="ban <ip>", actionunban="unban <ip>", actionstop="stop")
    )

    async def story() -> None:
        await rig.lines("start sshd")
        rig.ban("192.0.2.7")
        await rig.lines("start sshd", "ban 192.0.2.7")
        rig.unban("192.0.2.7")
        await rig.lines("start sshd", "ban 192.0.2.7", "unban 192.0.2.7")
        rig.ban("2001:db8::1")
        await rig.lines("start sshd", "ban 192.0.2.7", "unban 192.0.2.7", "ban 2001:db8::1")

    rig.play(story)
    assert rig.said[4:] == ["unban 2001:db8::1", "stop"]
    assert rig.levels("ERROR") == []


def test_families_that_differ_are_started_on_demand(say: Make, tmp_path: Path) -> None:
    six = {
        "actionstart": "start six <family>",
        "actionban": "ban six",
        "actionflush": "flush six",
        "actionstop": "stop six",
    }
    four = {
        "actionstart": "start four <family>",
        "actionban": "ban four",
        "actionflush": "flush four",
        "actionstop": "stop four",
    }
    rig = Rig(tmp_path, say("x", six, **four))

    async def story() -> None:
        rig.ban("2001:db8::1")
        await rig.lines("start six inet6", "ban six")
        rig.ban("2001:db8::2")
        await rig.lines("start six inet6", "ban six", "ban six")

    rig.play(story)
    assert rig.said[3:] == ["flush six", "stop six"]


def test_nothing_is_started_on_demand_that_nobody_demands(say: Make, tmp_path: Path) -> None:
    words = {"actionstart": "start", "actionban": "ban", "actionstop": "stop", "actionflush": "flush"}
    rig = Rig(tmp_path, say(**words, actionstart_on_demand="true"))
    rig.play(lambda: asyncio.sleep(0.1))
    assert rig.said == []


def test_families_may_differ_and_yet_start_with_the_jail(say: Make, tmp_path: Path) -> None:
    words = {"actionstart": "start four", "actionban": "ban four", "actionstop": "stop four"}
    rig = Rig(tmp_path, say("x", {"actionban": "ban six"}, **words, actionstart_on_demand="false"))

    async def story() -> None:
        await rig.lines("start four")
        rig.ban("2001:db8::1")
        await rig.lines("start four", "ban six")

    rig.play(story)
    assert rig.said[2:] == ["stop four"]


def test_an_id_that_is_no_address(say: Make, tmp_path: Path) -> None:
    rig = Rig(tmp_path, say(actionban="ban <ip> <fid> <family>"))

    async def story() -> None:
        rig.ban("session;4711")
        await rig.lines("ban session;4711 session;4711 None")

    rig.play(story)


def test_all_tags_of_a_ban(say: Make, tmp_path: Path) -> None:
    names = (
        "ip family ip-rev ip-host fid failures time bantime bancount restored F-USER F-NONE ipfailures ipjailfailures "
        "jail.name jail.banned jail.banned_total jail.found jail.found_total timeout unknown"
    )
    rig = Rig(tmp_path, say(actionban=" ".join(f"{name}=<{name}>" for name in names.split()), timeout="90"))
    rig.names = {"192.0.2.7": "evil.example;x"}
    rig.history = [decision(jail="other", failures=4), decision(jail="sshd", failures=99)]

    async def story() -> None:
        rig.ban("192.0.2.7", fields={"user": "a b'c"}, matches=("one", "two"))
        await rig.lines(
            "ip=192.0.2.7 family=inet4 ip-rev=7.2.0.192. ip-host=evil.example;x fid=192.0.2.7 failures=3 time=1800000000.0 "
            "bantime=600 bancount=1 restored=0 F-USER=a b'c F-NONE= ipfailures=7 ipjailfailures=3 jail.name=sshd "
            "jail.banned=1 jail.banned_total=2 jail.found=3 jail.found_total=4 timeout=90 unknown=<unknown>"
        )

    rig.play(story)


def test_what_led_to_a_ban_that_stands_comes_from_the_database(say: Make, tmp_path: Path) -> None:
    """The ledger does not keep it; and the database forgets it when a ban is found to be mistaken."""
    told = "<ip> <F-USER> <matches>"
    rig = Rig(tmp_path, say(actionban=f"ban {told}", actionunban=f"unban {told}"))
    rig.ledger.apply(decision("192.0.2.1", origin="restored"), NOW)
    for id_ in ("192.0.2.1", "192.0.2.7"):
        rig.database[id_] = decision(id_, fields={"user": "root"}, matches=(f"line of {id_}",))

    async def story() -> None:
        await rig.lines("ban 192.0.2.1 root line of 192.0.2.1")
        rig.ban("192.0.2.7", fields={"user": "alice"}, matches=("its own",))
        await rig.lines("ban 192.0.2.1 root line of 192.0.2.1", "ban 192.0.2.7 alice its own")
        rig.out.write_text("")
        rig.unban("192.0.2.1")
        rig.database.clear()
        await rig.lines("unban 192.0.2.1 root line of 192.0.2.1")

    rig.play(story)
    assert rig.said[1:] == ["unban 192.0.2.7  "], "nothing is known, and nothing fails"


def test_matches_of_this_jail_and_of_all(say: Make, tmp_path: Path) -> None:
    rig = Rig(tmp_path, say(actionban="<matches>/<ipjailmatches>/<ipmatches>"))
    rig.history = [decision(jail="other", matches=("from another",))]

    async def story() -> None:
        rig.ban("192.0.2.7", matches=("one", 'two "$(x)"'))
        await rig.lines("one", 'two "$(x)"/one', 'two "$(x)"/from another', "one", 'two "$(x)"')

    rig.play(story)


def test_what_costs_is_asked_only_where_a_command_wants_it(say: Make, tmp_path: Path) -> None:
    rig = Rig(tmp_path, say(actionban="<ip> <bantime>"))

    async def story() -> None:
        rig.ban("192.0.2.7", expires_at=float("inf"))
        await rig.lines("192.0.2.7 -1")

    rig.play(story)
    assert rig.asked == []


def test_an_unban_without_a_ban_does_nothing(say: Make, tmp_path: Path) -> None:
    rig = Rig(tmp_path, say(actionban="ban <ip>", actionunban="unban <ip>", norestored="1"))
    rig.ledger.apply(decision("192.0.2.1", origin="restored"), NOW)

    async def story() -> None:
        rig.ban("192.0.2.7")
        await rig.lines("ban 192.0.2.7")
        rig.unban("192.0.2.1")
        rig.unban("192.0.2.7")
        await rig.lines("ban 192.0.2.7", "unban 192.0.2.7")

    rig.play(story)
    assert rig.said == ["ban 192.0.2.7", "unban 192.0.2.7"]


def test_restored_bans_are_put_in_force_and_say_so(say: Make, tmp_path: Path) -> None:
    rig = Rig(tmp_path, say(actionban="ban <ip> <restored>"))
    rig.ledger.apply(decision("192.0.2.1", origin="restored"), NOW)
    rig.play(lambda: rig.lines("ban 192.0.2.1 1"))


def test_an_end_that_moved_is_told_where_the_action_wants_it(say: Make, tmp_path: Path) -> None:
    rig = Rig(
        tmp_path,
        say("x", None, actionban="ban", actionprolong="prolong <ip> <bantime>"),
        say("y", None, actionban="ban"),
    )

    async def story() -> None:
        rig.ban("192.0.2.7")
        await rig.lines("ban", "ban")
        rig.prolong("192.0.2.7", NOW + 6000)
        await rig.lines("ban", "ban", "prolong 192.0.2.7 6000")

    rig.play(story)


def test_a_failing_ban_is_checked_and_tried_once_more(say: Make, tmp_path: Path) -> None:
    (tmp_path / "ok").touch()
    rig = Rig(tmp_path, say(actionban="ban!", actioncheck="check!!"))

    async def story() -> None:
        rig.ban("192.0.2.7")
        await rig.until(lambda: len(rig.said) >= 3)
        assert rig.said[:3] == ["ban", "check", "ban"]

    rig.play(story)
    errors = rig.levels("ERROR")
    assert any(text.endswith(" -- returned 3") for text in errors)
    assert any(
        "Failed to execute ban jail 'sshd' action 'x' info 'ActionInfo({'ip': '192.0.2.7'" in text for text in errors
    )
    assert any("Error banning 192.0.2.7: returned 3; trying again in 1 s" in text for text in errors)


def test_a_failing_check_is_mended_by_stop_and_start_and_nobody_is_lost(say: Make, tmp_path: Path) -> None:
    made = say(
        actionstart="start",
        actionstop="stop",
        actionban="ban <ip>!!",
        actionreban="reban <ip>!!",
        actioncheck="check!!",
    )
    mended = f"cd {tmp_path}; echo start >> out; touch ok"
    families = {name: {**options, "actionstart": mended} for name, options in made.families.items()}
    rig = Rig(tmp_path, ActionSettings("x", "x", "", made.options, families))

    async def story() -> None:
        rig.ban("192.0.2.1")
        await rig.lines("start", "ban 192.0.2.1")
        (tmp_path / "ok").unlink()
        rig.ban("192.0.2.2")
        await rig.until(lambda: "reban 192.0.2.1" in rig.said)
        await rig.until(lambda: rig.said.count("ban 192.0.2.2") == 2)
        assert rig.said[2:7] == ["ban 192.0.2.2", "check", "stop", "start", "check"]

    rig.play(story)
    assert sorted(rig.said[7:9]) == ["ban 192.0.2.2", "reban 192.0.2.1"]
    assert ("CommandAction", "ERROR", "Invariant check failed. Trying to restore a sane environment") in rig.log
    assert ("actions", "NOTICE", "[sshd] Reban 192.0.2.1, action 'x'") in rig.log
    assert rig.runner.problems() == []


def test_actionrepair_takes_the_place_of_stop_and_start_and_may_not_help(say: Make, tmp_path: Path) -> None:
    rig = Rig(
        tmp_path,
        say(actionstart="start", actionstop="stop", actionban="ban!", actioncheck="check!", actionrepair="repair"),
    )

    async def story() -> None:
        rig.ban("192.0.2.7")
        await rig.until(lambda: len(rig.said) >= 5)
        assert rig.said[:5] == ["start", "ban", "check", "repair", "check"]

    rig.play(story)
    assert ("CommandAction", "CRITICAL", "Unable to restore environment") in rig.log


@pytest.mark.parametrize("wanted", [True, False])
def test_a_failing_unban_is_mended_where_that_is_wanted(say: Make, tmp_path: Path, wanted: bool) -> None:
    words = {"actionban": "ban", "actionunban": "unban!", "actioncheck": "check!", "actionrepair": "repair"}
    rig = Rig(tmp_path, say(**words, actionrepair_on_unban="true" if wanted else ""))

    async def story() -> None:
        rig.ban("192.0.2.7")
        await rig.lines("ban")
        rig.unban("192.0.2.7")
        await rig.until(lambda: len(rig.said) >= (5 if wanted else 3))

    rig.play(story)
    assert ("repair" in rig.said) is wanted


def test_who_is_banned_and_fails_all_the_same_has_the_ground_looked_at(say: Make, tmp_path: Path) -> None:
    rig = Rig(tmp_path, say(actionban="ban <ip>", actioncheck="check!!", actionrepair="repair; touch ok"))

    async def story() -> None:
        rig.ban("192.0.2.7")
        await rig.lines("ban 192.0.2.7")
        rig.again("192.0.2.7")
        await rig.lines("ban 192.0.2.7", "check", "repair; touch ok", "check")
        (tmp_path / "ok").touch()
        rig.again("192.0.2.7")  # so soon after the last look nobody looks again
        await asyncio.sleep(0.1)

    rig.play(story)
    assert rig.said.count("check") >= 2


def test_a_start_that_fails_on_demand_keeps_the_ban_waiting(say: Make, tmp_path: Path) -> None:
    rig = Rig(tmp_path, say(actionstart="start!!", actionban="ban <ip>", actionstart_on_demand="true"))

    async def story() -> None:
        rig.ban("192.0.2.7")
        await rig.lines("start")
        await rig.until(lambda: bool(rig.runner.problems()))
        assert "Error starting action sshd/x: returned 1" in rig.runner.problems()[0].text
        (tmp_path / "ok").touch()
        await rig.lines("start", "start", "ban 192.0.2.7")
        assert rig.runner.problems() == []

    rig.play(story)
    assert any(text.startswith("Failed to start jail 'sshd' action 'x': ") for text in rig.levels("ERROR"))


def test_a_start_that_fails_with_the_jail_does_not_keep_bans_from_being_tried(say: Make, tmp_path: Path) -> None:
    rig = Rig(tmp_path, say(actionstart="start!", actionban="ban <ip>", actionstop="stop"))

    async def story() -> None:
        rig.ban("192.0.2.7")
        await rig.until(lambda: "ban 192.0.2.7" in rig.said)

    rig.play(story)
    assert rig.said[0] == "start"
    assert rig.said[-1] == "stop"


def test_what_fails_for_good_is_given_up_told_and_tried_again_after_a_reload(
    say: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posts, "ATTEMPTS", 2)
    failing = say(actionban="ban <ip>!!")
    rig = Rig(tmp_path, failing)

    async def story() -> None:
        rig.ban("192.0.2.7")
        await rig.until(lambda: bool(rig.runner.problems()))
        assert rig.said == ["ban 192.0.2.7"] * 2
        (problem,) = rig.runner.problems()
        assert str(problem).startswith(
            "[sshd] action = x: 1 bans are not carried out: Error banning 192.0.2.7: returned 1"
        )
        (tmp_path / "ok").touch()
        rig.configure(failing)
        await rig.lines(*["ban 192.0.2.7"] * 3)
        await rig.until(lambda: not rig.runner.problems())

    rig.play(story)
    assert any("given up after 2 attempts" in text for text in rig.levels("ERROR"))


def test_a_failing_action_does_not_stop_the_next(say: Make, tmp_path: Path) -> None:
    rig = Rig(tmp_path, say("x", None, actionban="bad!"), say("y", None, actionban="good"))

    async def story() -> None:
        rig.ban("192.0.2.7")
        await rig.until(lambda: "good" in rig.said)

    rig.play(story)


def test_a_command_that_is_not_there_is_hinted_at(say: Make, tmp_path: Path) -> None:
    rig = Rig(tmp_path, action(actionban="/nosuch/program"))

    async def story() -> None:
        rig.ban("192.0.2.7")
        await rig.until(lambda: bool(rig.levels("ERROR")))

    rig.play(story)
    assert any(
        "returned 127: a command was not found; programs are looked for in PATH=" in text
        for text in rig.levels("ERROR")
    )


def test_success_is_told_at_debug_and_failure_with_what_was_said(say: Make, tmp_path: Path) -> None:
    rig = Rig(tmp_path, action(actionban="echo fine", actionunban="echo oh dear >&2; exit 4"))

    async def story() -> None:
        rig.ban("192.0.2.7")
        await rig.until(lambda: any("stdout: 'fine\\n'" in text for text in rig.levels("DEBUG")))
        assert rig.levels("ERROR") == []
        rig.unban("192.0.2.7")
        await rig.until(lambda: any("stderr: 'oh dear\\n'" in text for text in rig.levels("ERROR")))

    rig.play(story)
    assert any(text.endswith("exec: echo oh dear >&2; exit 4") for text in rig.levels("ERROR"))


def test_time_is_up(say: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posts, "ATTEMPTS", 1)
    rig = Rig(tmp_path, action(actionban="sleep 60", timeout="1s"))

    async def story() -> None:
        rig.ban("192.0.2.7")
        await rig.until(lambda: bool(rig.runner.problems()))

    rig.play(story)
    assert any(text.endswith(" -- timed out after 1 seconds.") for text in rig.levels("ERROR"))
    assert any(text.endswith(" -- killed with SIGTERM (return code: -15)") for text in rig.levels("ERROR"))
