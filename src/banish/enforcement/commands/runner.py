"""All actions of all jails that are made of commands or are Python classes: who is told what.

Changes come here after the firewall has them, and ``apply`` only takes note: what takes time is done in tasks beside the daemon's
own work, ALTOGETHER commands at a time. What stands in the ledger is put in force when the daemon starts (as restored bans, since
an earlier run has done it before), and when a reload brings an action that is new or has changed; one that has not is left alone.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from banish import addresses
from banish.enforcement.actions import ActionSettings
from banish.enforcement.commands.performer import NameOf, Performer, Say
from banish.enforcement.commands.ticket import World
from banish.errors import ControlError, Problem
from banish.model import Change, Decision

if TYPE_CHECKING:
    from banish.enforcement.commands.post import Post

ALTOGETHER = 32
STOP_WITHIN = 60.0
"""Seconds until a stop is over, whatever commands do; a third of what systemd waits is left for the rest."""


SLICE = 1000
"""Changes that are noted in one go."""

_ABOUT_NO_BAN = ("start", "stop", "flush", "reload")


class _Slice(NamedTuple):
    changes: Sequence[Change]
    many: bool
    """It is one of many changes that came together."""
    last: bool
    """It is the last of those that came together."""


class Runner:
    """To be used from one event loop. *standing* yields every ban in force."""

    def __init__(self, standing: Callable[[], Iterable[Decision]], world: World, say: Say, name_of: NameOf) -> None:
        self._standing = standing
        self._world = world
        self._say = say
        self._name_of = name_of
        self._posts: dict[str, dict[str, Post]] = {}
        self._slots = asyncio.Semaphore(ALTOGETHER)
        self._lanes: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._retiring: set[asyncio.Task[None]] = set()
        self._slices: deque[_Slice] = deque()
        """Changes that have not been noted yet."""
        self._gathered: dict[Post, None] = {}
        """To whom the slices so far belong together with others to come."""
        self._noting: asyncio.Task[None] | None = None

    def configure(self, jails: Mapping[str, Sequence[ActionSettings]]) -> None:
        """Have exactly the actions of *jails* at work that no enforcer carries out; those that stay the same stay at work."""
        while self._slices:  # what is new begins with what stands now
            self._note_slice()
        before, self._posts = self._posts, {}
        new: list[Post] = []
        for jail, actions in jails.items():
            for settings in actions:
                if settings.enforcer:
                    continue
                known = before.get(jail, {}).get(settings.actname)
                if known is not None and known.settings == settings:
                    post = before[jail].pop(settings.actname)
                    post.reload()
                else:
                    post = self._make(jail, settings)
                    new.append(post)
                self._posts.setdefault(jail, {})[settings.actname] = post
        deadline = time.monotonic() + STOP_WITHIN
        for posts in before.values():
            for post in posts.values():
                self._retire(post, deadline)
        self._restore(new)
        for post in new:
            # Two actions may stand on the same ground: what is to go, goes first.
            post.begin(self._retiring)

    def apply(self, changes: Sequence[Change], forgotten: bool = True) -> None:
        """Take note of *changes*, to carry them out in their order for each id; of very many a slice at a time, beside other work.

        *forgotten*: the database may forget right after this what led to the bans that end.
        """
        if not self._posts:
            return
        if self._slices or (len(changes) > SLICE and not forgotten):
            self._put_off(changes, forgotten)
            return
        self._note(changes)
        if len(changes) > 1:
            self._flush_if_all_end(changes)

    def waiting(self) -> bool:
        """Return whether anything is still to be done for which the database may be asked."""
        return bool(self._slices) or any(post.waiting() for posts in self._posts.values() for post in posts.values())

    def _note(self, changes: Iterable[Change], *, forgotten: bool = True) -> None:
        for op, decision in changes:
            for post in self._posts.get(decision.jail, {}).values():
                if op == "ban":
                    post.ban(decision)
                elif op == "unban":
                    post.unban(decision, forgotten=forgotten)
                else:
                    post.prolong(decision)

    def _flush_if_all_end(self, changes: Iterable[Change]) -> None:
        for jail in {decision.jail for op, decision in changes if op == "unban"}:
            for post in self._posts.get(jail, {}).values():
                post.flush_if_all_end()

    def _put_off(self, changes: Sequence[Change], forgotten: bool) -> None:
        """Have *changes* noted behind all that waits."""
        if forgotten:
            told = self._world.told
            ours = [change for change in changes if change.decision.jail in self._posts]
            changes = [change._replace(decision=told(change.decision)) for change in ours]
        many = len(changes) > 1
        for start in range(0, len(changes), SLICE):
            self._slices.append(_Slice(changes[start : start + SLICE], many, start + SLICE >= len(changes)))
        if self._noting is None or self._noting.done():
            self._noting = asyncio.create_task(self._note_slices())

    async def _note_slices(self) -> None:
        while self._slices:
            gc.freeze()  # what waits is no garbage, and to look through all of it takes as long as hundreds of slices
            self._note_slice()
            await asyncio.sleep(0)

    def _note_slice(self) -> None:
        """Note the first slice; what belongs together is not begun before all of it has been noted, for it may be done at once."""
        changes, many, last = self._slices.popleft()
        posts = [
            post for jail in {each.decision.jail for each in changes} for post in self._posts.get(jail, {}).values()
        ]
        self._gathered.update(dict.fromkeys(posts))
        for post in posts:
            post.gather()
        self._note(changes, forgotten=False)
        if last:
            gathered, self._gathered = self._gathered, {}
            for post in gathered:
                if many:
                    post.flush_if_all_end()
                post.go_on()

    async def call(self, jail: str, actname: str, method: str, given: str, now: float) -> None:
        """Have one action do by hand what *method* says; *given* is a JSON object with ``ip`` where it concerns a ban.

        Raises ControlError when it does not run or *given* makes no sense, and NotDone when it could not do it.
        """
        post = self._posts.get(jail, {}).get(actname)
        if post is None:
            raise ControlError(f"the action {actname} of {jail} does not run")
        await post.call(method, None if method in _ABOUT_NO_BAN else _decision(jail, given, now))

    def problems(self) -> list[Problem]:
        """Return what keeps actions from being carried out, for a person to read."""
        return [problem for posts in self._posts.values() for post in posts.values() for problem in post.problems()]

    async def stop(self, within: float = STOP_WITHIN) -> None:
        """End every ban and stop every action, in *within* seconds."""
        deadline = time.monotonic() + within
        self._slices.clear()
        for posts in self._posts.values():
            for post in posts.values():
                self._retire(post, deadline)
        self._posts = {}
        if self._retiring:
            await asyncio.wait(self._retiring, timeout=within + 5.0)
        for task in self._retiring:
            task.cancel()

    async def abandon(self) -> None:
        """Let go of everything at once, and leave in force what is: the daemon did not mean to stop."""
        self._slices.clear()
        for posts in self._posts.values():
            for post in posts.values():
                await post.abandon()

    def _make(self, jail: str, settings: ActionSettings) -> Post:
        # Most daemons have none of these, and bans are not in force before all is imported.
        from banish.enforcement.commands.post import Post  # noqa: PLC0415
        from banish.enforcement.commands.pythonaction import PythonAction  # noqa: PLC0415
        from banish.enforcement.commands.shellaction import ShellAction  # noqa: PLC0415

        performer: Performer
        if settings.python or settings.reporter:
            performer = PythonAction(jail, settings, self._say)
        else:
            performer = ShellAction(jail, settings, self._world, self._say, self._name_of)
        lane = self._lanes[settings.name] if performer.editing else None
        return Post(jail, settings, performer, world=self._world, say=self._say, slots=self._slots, lane=lane)

    def _restore(self, posts: Iterable[Post]) -> None:
        wanted: defaultdict[str, list[Post]] = defaultdict(list)
        for post in posts:
            wanted[post.jail].append(post)
        if not wanted:
            return
        for decision in self._standing():
            for post in wanted.get(decision.jail, ()):
                post.ban(decision, restored=True)

    def _retire(self, post: Post, deadline: float) -> None:
        task = asyncio.get_running_loop().create_task(post.stop(deadline))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)


def _decision(jail: str, given: str, now: float) -> Decision:
    """Return the ban that *given* describes, for an action that is told of it by hand."""
    try:
        words = json.loads(given or "{}")
    except ValueError:
        raise ControlError(f"{given!r:.200} is no JSON object") from None
    id_ = words.get("ip") if isinstance(words, dict) else None
    if not isinstance(id_, str):
        raise ControlError('whom? say it as JSON: {"ip": "192.0.2.7"}')
    network = addresses.parse(id_)
    return Decision(jail, id_ if network is None else addresses.show(network), network, now, now, "admin", "by hand")
