"""In which order, how many at a time, and what is not done at all."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banish.enforcement.commands import runner as runners
from banish.enforcement.commands.performer import NameOf
from banish.enforcement.commands.post import Post
from banish.enforcement.commands.runner import Runner
from banish.enforcement.commands.shellaction import AT_ONCE
from banish.enforcement.commands.ticket import Ticket, World
from banish.model import Change, Decision
from tests.enforcement.commands.rig import NOW, Rig, action, decision

IDS = [f"192.0.2.{number}" for number in range(1, 41)]


class Gate:
    """A performer that holds everybody up until it is told otherwise, and counts."""

    def __init__(self, at_once: int = 8) -> None:
        self.at_once = at_once
        self.editing = self.norestored = self.lasting = self.can_flush = self.can_prolong = False
        self.repaired = lambda families: None
        self.trouble = ""
        self.story: list[str] = []
        self.inside: dict[str, int] = {}
        self.most = 0
        self.open = asyncio.Event()

    async def _pass(self, what: str, ticket: Ticket) -> None:
        id_ = ticket.decision.id
        self.inside[id_] = self.inside.get(id_, 0) + 1
        assert self.inside[id_] == 1, "two things at a time for one id"
        self.most = max(self.most, sum(self.inside.values()))
        await self.open.wait()
        await asyncio.sleep(0)
        self.inside[id_] -= 1
        self.story.append(f"{what} {id_}")

    async def start(self) -> None:
        await asyncio.sleep(0)
        self.story.append("start")

    async def ban(self, ticket: Ticket, *, again: bool = False) -> None:
        await self._pass("ban", ticket)

    async def unban(self, ticket: Ticket) -> None:
        await self._pass("unban", ticket)

    async def prolong(self, ticket: Ticket) -> None:
        await self._pass("prolong", ticket)

    async def check(self, ticket: Ticket) -> None:
        await self._pass("check", ticket)

    async def flush(self) -> None:
        self.story.append("flush")

    async def reload(self) -> None:
        self.story.append("reload")

    async def stop(self) -> None:
        self.story.append("stop")


def post(gate: Gate, slots: int = 32) -> Post:
    say = lambda logger, level, text: None  # noqa: E731
    return Post("sshd", action(), gate, world=World(), say=say, slots=asyncio.Semaphore(slots))


async def idle(gate: Gate, turns: int = 50) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


@pytest.mark.parametrize(("at_once", "slots", "most"), [(8, 32, 8), (1, 32, 1), (8, 3, 3), (100, 100, 40)])
def test_different_ids_are_served_beside_each_other_so_many_at_a_time(at_once: int, slots: int, most: int) -> None:
    async def story() -> None:
        gate = Gate(at_once)
        one = post(gate, slots)
        one.begin()
        for id_ in IDS:
            one.ban(decision(id_))
        await idle(gate)
        assert (gate.story, gate.most) == (["start"], most)
        gate.open.set()
        await one.stop(asyncio.get_running_loop().time() + 30)
        assert gate.most == most
        assert gate.story[-1] == "stop"

    asyncio.run(story())


def test_a_ban_that_has_not_begun_when_it_is_over_is_never_done() -> None:
    async def story() -> None:
        gate = Gate(1)
        one = post(gate)
        one.begin()
        for id_ in IDS:
            one.ban(decision(id_))
        await idle(gate)
        for id_ in IDS:
            one.unban(decision(id_))
        gate.open.set()
        await idle(gate)
        assert gate.story == ["start", f"ban {IDS[0]}", f"unban {IDS[0]}"]

    asyncio.run(story())


def test_a_ban_that_follows_an_unban_is_not_taken_for_the_first_one() -> None:
    """The action may have told the kernel when the ban ends, so it must be told of the new one."""

    async def story() -> None:
        gate = Gate()
        one = post(gate)
        one.begin()
        gate.open.set()
        one.ban(decision())
        await idle(gate)
        one.unban(decision())
        one.ban(decision(at=NOW + 5))
        await idle(gate)
        assert gate.story == ["start", "ban 192.0.2.7", "unban 192.0.2.7", "ban 192.0.2.7"]
        one.unban(decision())
        one.ban(decision(at=NOW + 7))
        one.unban(decision())
        await idle(gate)
        assert gate.story[4:] == ["unban 192.0.2.7"]

    asyncio.run(story())


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["change", "change", "turn", "shut"]), st.sampled_from(IDS[:3])), max_size=40)
)
def test_whatever_comes_in_whatever_order_what_is_in_force_is_right_in_the_end(steps: list[tuple[str, str]]) -> None:
    async def story() -> None:
        gate = Gate(2)
        gate.open.set()
        one = post(gate)
        one.begin()
        banned: dict[str, Decision] = {}
        for step, id_ in steps:
            if step == "turn":
                gate.open.set()
                await idle(gate, 3)
            elif step == "shut":
                gate.open.clear()
            elif id_ in banned:
                one.unban(banned.pop(id_))
            else:
                banned[id_] = decision(id_)
                one.ban(banned[id_])
        gate.open.set()
        await idle(gate, 200)
        in_force: set[str] = set()
        for line in gate.story[1:]:
            what, id_ = line.split()
            assert (id_ in in_force) is (what == "unban"), f"{line} out of order in {gate.story}"
            in_force ^= {id_}
        assert in_force == set(banned)
        assert one.problems() == []

    asyncio.run(story())


def test_shells_run_beside_each_other(tmp_path: Path) -> None:
    """Each waits until as many as may run at a time have begun: one after the other would never end."""
    meet = f"cd {tmp_path}; touch here-<ip>; until [ $(ls | grep -c here-) -ge {AT_ONCE} ]; do sleep 0.02; done; echo <ip> >> out"
    rig = Rig(tmp_path, action(actionban=meet, timeout="20"))

    async def story() -> None:
        rig.ban(*IDS[:AT_ONCE])
        await rig.until(lambda: len(rig.said) == AT_ONCE)

    rig.play(story)


@pytest.mark.parametrize(
    "unban",
    [
        "sed -i /^<ip>$/d {out}",
        "grep -vx <ip> {out} > {out}.<ip>; mv {out}.<ip> {out}",
    ],
)
def test_who_edits_a_file_has_it_to_himself(unban: str, tmp_path: Path) -> None:
    rig = Rig(
        tmp_path, action(actionban=f"echo <ip> >> {tmp_path}/out", actionunban=unban.format(out=f"{tmp_path}/out"))
    )

    async def story() -> None:
        rig.ban(*IDS)
        await rig.until(lambda: len(rig.said) == len(IDS))
        rig.unban(*IDS[:-1])
        await rig.until(lambda: len(rig.said) == 1)
        assert rig.said == IDS[-1:]

    rig.play(story)


def test_an_action_says_how_many_at_a_time(tmp_path: Path) -> None:
    count = f"cd {tmp_path}; mkdir alone || echo not alone >> out; sleep 0.01; rmdir alone; echo <ip> >> out"
    rig = Rig(tmp_path, action(actionban=count, at_once="1"))

    async def story() -> None:
        rig.ban(*IDS[:10])
        await rig.lines(*IDS[:10])

    rig.play(story)


def test_everything_that_ends_together_is_flushed(tmp_path: Path) -> None:
    words = {kind: f"echo {kind} >> {tmp_path}/out" for kind in ("actionunban", "actionflush", "actionstop")}
    rig = Rig(tmp_path, action(actionban=f"echo ban >> {tmp_path}/out", **words))

    async def story() -> None:
        rig.ban(*IDS[:3])
        await rig.lines("ban", "ban", "ban")
        rig.unban(IDS[0])
        await rig.lines("ban", "ban", "ban", "actionunban")
        await asyncio.sleep(0.05)
        rig.unban(*IDS[1:3])
        await rig.lines("ban", "ban", "ban", "actionunban", "actionflush")
        rig.ban(IDS[5])
        await rig.lines("ban", "ban", "ban", "actionunban", "actionflush", "ban")

    rig.play(story)
    assert rig.said[6:] == ["actionflush", "actionstop"]
    assert ("actions", "NOTICE", "[sshd] Flush ticket(s) with x") in rig.log


def test_a_flush_that_fails_leaves_it_to_unbans(tmp_path: Path) -> None:
    rig = Rig(
        tmp_path,
        action(
            actionban=f"echo ban >> {tmp_path}/out", actionunban=f"echo unban >> {tmp_path}/out", actionflush="exit 1"
        ),
    )

    async def story() -> None:
        rig.ban(*IDS[:2])
        await rig.lines("ban", "ban")
        await asyncio.sleep(0.05)
        rig.unban(*IDS[:2])
        await rig.lines("ban", "ban", "unban", "unban")

    rig.play(story)


def test_a_reload_leaves_alone_what_is_the_same(tmp_path: Path) -> None:
    def made(word: str) -> dict[str, str]:
        kinds = ("start", "ban", "unban", "reload", "stop")
        return {f"action{kind}": f"echo {word} {kind} >> {tmp_path}/out" for kind in kinds}

    same, old, new = action("same", **made("same")), action("x", **made("old")), action("x", **made("new"))
    rig = Rig(tmp_path, same, old)

    async def story() -> None:
        rig.ban("192.0.2.7")
        await rig.until(lambda: len(rig.said) == 4)
        rig.out.write_text("")
        rig.configure(same, new)
        await rig.until(lambda: len(rig.said) == 5)
        assert [line for line in rig.said if not line.startswith("same")] == [
            "old unban",
            "old stop",
            "new start",
            "new ban",
        ]
        assert "same reload" in rig.said
        rig.out.write_text("")
        rig.configure(new)
        await rig.until(lambda: len(rig.said) == 3)
        assert sorted(rig.said) == ["new reload", "same stop", "same unban"]

    rig.play(story)


def test_a_stop_is_over_in_time_whatever_commands_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from banish.enforcement.commands import post as posts  # noqa: PLC0415

    monkeypatch.setattr(posts, "LAST_WORD", 0.5)
    rig = Rig(tmp_path, action(actionban="true", actionunban="sleep 600", actionstop=f"echo stop >> {tmp_path}/out"))

    async def story() -> None:
        rig.configure(*rig.actions)
        rig.ban("192.0.2.7")
        await rig.until(lambda: any("returned 0" in text for text in rig.levels("DEBUG")))
        async with asyncio.timeout(30):
            await rig.runner.stop(1.0)

    asyncio.run(story())
    assert rig.said == ["stop"]
    assert "[sshd] there was no time to end 1 bans with x" in rig.levels("WARNING")


def test_who_did_not_mean_to_stop_leaves_everything_in_force(tmp_path: Path) -> None:
    rig = Rig(tmp_path, action(actionban=f"echo ban >> {tmp_path}/out", actionunban=f"echo unban >> {tmp_path}/out"))

    async def story() -> None:
        rig.configure(*rig.actions)
        rig.ban("192.0.2.7")
        await rig.lines("ban")
        await rig.runner.abandon()

    asyncio.run(story())
    assert rig.said == ["ban"]


def test_hundreds_of_thousands_may_wait_and_end_without_a_command(tmp_path: Path) -> None:
    async def story() -> None:
        gate = Gate(1)
        one = post(gate)
        one.begin()
        await idle(gate)
        many = [decision().__class__("sshd", str(number), None, NOW, NOW + 1) for number in range(50_000)]
        for each in many:
            one.ban(each)
        for each in many:
            one.unban(each)
        gate.open.set()
        await idle(gate)
        assert gate.story == ["start"]

    asyncio.run(story())
    assert runners.ALTOGETHER >= AT_ONCE


class Crowd:
    """Very many bans in force with one action (a gate), and what is asked of the database."""

    def __init__(self, count: int) -> None:
        self.gate = Gate(4)
        self.gate.open.set()
        self.asked: list[str] = []
        self.told: list[tuple[str, ...]] = []
        self.bans = [decision(f"2001:db8::{number:x}") for number in range(count)]
        world = World(evidence=self._evidence)
        self.runner = Runner(lambda: (), world, lambda logger, level, text: None, cast(NameOf, None))
        unban = self.gate.unban

        async def tell(ticket: Ticket) -> None:
            self.told.append(ticket.told.matches)
            await unban(ticket)

        self.gate.unban = tell  # type: ignore[method-assign]
        self.post = Post("sshd", action(), self.gate, world=world, say=lambda *words: None, slots=asyncio.Semaphore(4))
        self.runner._posts = {"sshd": {action().actname: self.post}}
        self.post._standing = {ban.id: ban for ban in self.bans}
        self.post._open = True

    def _evidence(self, ban: Decision) -> Decision:
        self.asked.append(ban.id)
        return ban._replace(matches=(f"line of {ban.id}",))

    def lift(self, *, forgotten: bool = False) -> None:
        self.runner.apply([Change("unban", ban) for ban in self.bans], forgotten)

    async def turns(self) -> list[int]:
        """Let everything be done, and return how many changes were noted from one turn of the loop to the next."""
        noted = []
        while self.runner.waiting():
            before = sum(len(each.changes) for each in self.runner._slices)
            await asyncio.sleep(0)
            noted.append(before - sum(len(each.changes) for each in self.runner._slices))
        return noted


MANY = 3 * runners.SLICE + 5


def test_very_many_ends_are_noted_beside_other_work_and_what_led_to_them_is_asked_when_it_is_needed() -> None:
    async def story() -> None:
        crowd = Crowd(MANY)
        crowd.lift()
        assert crowd.runner.waiting()
        noted = await crowd.turns()
        assert (sum(noted), max(noted)) == (MANY, runners.SLICE)
        assert crowd.asked == [ban.id for ban in crowd.bans]
        assert crowd.told == [(f"line of {ban.id}",) for ban in crowd.bans]
        assert sorted(crowd.gate.story) == sorted(f"unban {ban.id}" for ban in crowd.bans)
        assert not crowd.post._standing

    asyncio.run(story())


def test_what_comes_behind_very_many_ends_stays_behind_them() -> None:
    async def story() -> None:
        crowd = Crowd(MANY)
        last = crowd.bans[-1]
        crowd.lift()
        crowd.runner.apply([Change("ban", last)])
        assert crowd.post._is_begun(last.id)
        await crowd.turns()
        assert [line for line in crowd.gate.story if line.endswith(f" {last.id}")] == [
            f"unban {last.id}",
            f"ban {last.id}",
        ]
        assert list(crowd.post._standing) == [last.id]

    asyncio.run(story())


def test_of_what_the_database_forgets_behind_very_many_ends_the_lines_are_known() -> None:
    async def story() -> None:
        crowd = Crowd(MANY)
        *others, last = crowd.bans
        crowd.bans = others
        crowd.lift()
        crowd.runner.apply([Change("unban", last)])
        assert crowd.asked == [last.id], "at once, because it will not be there later"
        await crowd.turns()
        assert (f"line of {last.id}",) in crowd.told
        assert crowd.asked.count(last.id) == 1

    asyncio.run(story())


def test_few_ends_are_noted_at_once_with_what_led_to_them() -> None:
    async def story() -> None:
        crowd = Crowd(2)
        crowd.lift()
        assert len(crowd.asked) == 2
        await crowd.turns()

    asyncio.run(story())


@pytest.mark.parametrize("one_more", [False, True])
def test_very_many_ends_at_once_are_one_flush_where_the_action_can(one_more: bool) -> None:
    async def story() -> None:
        crowd = Crowd(MANY)
        crowd.gate.can_flush = True
        if one_more:
            crowd.post._standing["one more"] = decision("one more")
        crowd.lift()
        await crowd.turns()
        await idle(crowd.gate)
        assert (crowd.gate.story == ["flush"]) == (not one_more)
        assert len(crowd.gate.story) == (MANY if one_more else 1)

    asyncio.run(story())


def test_a_reload_finds_very_many_ends_noted() -> None:
    async def story() -> None:
        crowd = Crowd(MANY)
        crowd.lift()
        await asyncio.sleep(0)
        crowd.post.reload = lambda: None  # type: ignore[method-assign]
        crowd.runner.configure({"sshd": [crowd.post.settings]})
        assert not crowd.runner._slices
        await crowd.turns()
        assert not crowd.post._standing

    asyncio.run(story())
