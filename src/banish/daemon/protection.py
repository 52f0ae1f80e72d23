"""Who must not be banned: the ignore rules of the jails and the guardian, supplied with what they must know and heeded.

What they say of a decision that is to be taken is asked by the pipeline; here are the bans that stand, or are to stand again: whoever
is spared now is let in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from banish.addresses import Network
from banish.daemon.assembly import Running
from banish.daemon.guardian import Guardian
from banish.daemon.pipeline import Pipeline
from banish.daemon.spared import Spared
from banish.failures.ignore import NetworkSet
from banish.jail import Jail
from banish.lookups.names import Names
from banish.model import Decision, Notice
from banish.safety.guard import SpareSettings


class Protection:
    """*tell* takes what a person should know."""

    def __init__(self, names: Names, pipeline: Pipeline, tell: Callable[[Iterable[Notice]], None]) -> None:
        self.spared = Spared(names)
        self.guardian = Guardian(tell, pipeline.keep)
        self._pipeline = pipeline
        self._tell = tell
        self._running: Mapping[str, Running] = {}
        pipeline.guardian = self.guardian

    def configure(self, running: Mapping[str, Running], spare: SpareSettings, now: float) -> None:
        """Go by these jails and settings, and find out whom they protect, as far as that can be known without waiting."""
        self._running = running
        self.spared.look(self._jails(), now)
        breakers = {name: each.config.breaker for name, each in running.items()}
        self.guardian.configure(spare, breakers, now)
        self.guardian.look(now)

    def close(self) -> None:
        self.guardian.close()

    def must_look(self) -> bool:
        """True when it may change any moment whom ``ignoreip`` spares."""
        return self.spared.must_look(self._jails())

    async def refresh(self, now: float) -> None:
        """Learn whom to spare now, and let in whoever that is."""
        if await self.spared.refresh(self._jails(), now):
            self._lift_ignored(now)
        await self.guardian.refresh(now)
        self._lift_unjust(now)

    def heed(self, now: float) -> None:
        """Let in whoever is spared, as is known now."""
        self._lift_ignored(now)
        self._lift_unjust(now)

    def admits(self, decision: Decision, now: float) -> bool:
        """Return whether *decision*, of an earlier run, is to stand again."""
        return self._may_stand(decision) and self.guardian.admit(decision, now) is None

    def admitted(self, jail: str, bans: Iterable[Decision], now: float) -> Iterator[Decision]:
        """Yield those of *bans*, all of *jail* and of an earlier run, that `admits`; made for very many, most of which nothing spares."""
        running = self._running.get(jail)
        networks, texts = (frozenset[Network](), frozenset[str]()) if running is None else running.jail.ignore.reach
        touches = NetworkSet(networks | self.guardian.reach()).touches
        for ban in bans:
            network = ban.network
            spared = ban.id in texts if network is None else touches(network) or ban.id in texts
            if not spared or self.admits(ban, now):
                yield ban

    def _may_stand(self, decision: Decision) -> bool:
        """Return whether the jail of *decision* does not ignore its id."""
        if decision.forced:
            return True
        running = self._running.get(decision.jail)
        return running is None or running.jail.ignore.find(decision.id, decision.network) is None

    def _lift_ignored(self, now: float) -> None:
        ignored = [decision for decision in self._pipeline.ledger if not self._may_stand(decision)]
        self._pipeline.lift(ignored, now, "is ignored now")

    def _lift_unjust(self, now: float) -> None:
        for decision, why in self.guardian.unjust(self._pipeline.ledger):
            text = f"[{decision.jail}] The ban of {decision.id} is lifted: {why}"
            self._tell([Notice("WARNING", "actions", text)])
            self._pipeline.lift([decision], now, why)

    def _jails(self) -> list[Jail]:
        return [running.jail for running in self._running.values()]
