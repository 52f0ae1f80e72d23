"""The desk for questions: ``why`` and ``log``."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from banish import addresses
from banish.addresses import Network
from banish.control import commands
from banish.daemon import places
from banish.daemon.assembly import Running
from banish.daemon.desks.desk import Desk
from banish.errors import ControlError, StoreError
from banish.model import Decision, Incident, Place
from banish.store.inquiry import MOST, Wanted

if TYPE_CHECKING:
    from banish.control.handler import LogRow, Why, WhyBan, WhyCount, WhyJail, WhyKernel, WhyLine

BANS = 50
"""Bans that are told of at once, when a wide network is asked for."""
EVENTS = 20
"""Events that are told of with an address."""
_MOST = 100_000


class Inquiry(Desk):
    """Says what happened, and why."""

    def log(
        self,
        subject: str | None,
        since: float | None,
        *,
        until: float | None,
        jail: str | None,
        network: str | None,
        user: str | None,
        most: int | None,
    ) -> list[LogRow]:
        """Return the last events that fit."""
        self.at_work()
        wanted = None if network is None else addresses.parse(network)
        if network is not None and wanted is None:
            raise ControlError(f"{network!r} is neither an address nor a network", commands.USAGE)
        if most is not None and not 0 < most <= _MOST:
            raise ControlError(f"so many events cannot be shown: {most}", commands.USAGE, f"1 to {_MOST}")
        return self._events(Wanted(subject, since, until, jail, wanted, user, most or MOST))

    def why(self, address: str, jail: str | None) -> Why:
        """Return everything that is known of *address*."""
        self.at_work()
        network = addresses.parse(address)
        shown = address if network is None else addresses.show(network)
        names = sorted(self.daemon.running)
        if jail is not None:
            self.running(jail)
            names = [jail]
        now = self.clock()
        guardian = self.daemon.protection.guardian
        refusal = None if network is None else guardian.refusal(network, now)
        dropped = self.daemon.dispatch.dropped()
        rows: list[WhyJail] = []
        nothing: list[str] = []
        for name in names:
            found = self._story(name, shown, network, now, dropped)
            rows += found
            if not found:
                nothing.append(name)
        order = {"banned": 0, "paused": 1, "counting": 2, "ignored": 3, "expired": 4, "nothing": 5}
        rows.sort(key=lambda row: order[row["state"]])
        return {
            "address": shown,
            "banned": any(row["state"] == "banned" for row in rows),
            "protected": None if refusal is None or network is None else refusal.reason(network),
            "jails": rows,
            "nothing": nothing,
            "events": self._events(Wanted(shown, jail=jail, most=EVENTS)),
            "now": now,
        }

    def _story(
        self, name: str, shown: str, network: Network | None, now: float, dropped: dict[str, tuple[int, int]]
    ) -> list[WhyJail]:
        running = self.daemon.running[name]
        settings = running.config.settings
        known = running.jail.window.known(shown)
        count: WhyCount | None = None
        if known is not None and known[0].last_at + settings.window.findtime > now:
            trace = known[0]
            count = {
                "failures": trace.retries,
                "attempts": trace.attempts,
                "since": trace.since,
                "last_at": trace.last_at,
                "forgotten_at": trace.last_at + settings.window.findtime,
            }
        rule = running.jail.ignore.find(shown, network)
        paused = self.daemon.protection.guardian.pause(name)
        packets, size = dropped.get(name, (None, None))
        row: WhyJail = {
            "jail": name,
            "state": "nothing",
            "filter": running.config.filter_name,
            "maxretry": settings.window.maxretry,
            "findtime": settings.window.findtime,
            "bantime": _end(settings.bantime.bantime),
            "ban": None,
            "kernel": [],
            "dropped_packets": packets,
            "dropped_bytes": size,
            "actions": [{"name": action.actname, "served": action.served} for action in running.config.actions],
            "count": count,
            "ignored": None if rule is None else self._ignored(running, rule, shown, network),
            "paused": paused or None,
            "evidence": [],
        }
        standing = self._standing(name, shown, network)
        if standing:
            return [self._banned(row, running, ban) for ban in standing[:BANS]]
        if count is not None and known is not None:
            read = self.daemon.pipeline.places.of(name, shown, known[1])
            row["evidence"] = [_line(running, line, place) for line, place in zip(known[1], read, strict=True)]
        last = self._last(name, shown)
        if last is not None and last.expires_at <= now:
            row["ban"] = _ban(last, last)
            if count is None:
                row["evidence"] = _lines(running, last)
        if count is not None:
            row["state"] = "paused" if paused else "counting"
        elif rule is not None:
            row["state"] = "ignored"
        elif row["ban"] is not None:
            row["state"] = "expired"
        elif paused:
            row["state"] = "paused"
        return [] if row["state"] == "nothing" else [row]

    def _standing(self, jail: str, shown: str, network: Network | None) -> list[Decision]:
        if network is not None:
            return self.daemon.ledger.find(network, jail)
        return [ban for ban in self.daemon.ledger.of_jail(jail) if ban.id == shown]

    def _banned(self, row: WhyJail, running: Running, ban: Decision) -> WhyJail:
        saved = self._last(ban.jail, ban.id)
        kernel: list[WhyKernel] = []
        if ban.network is not None:
            held = self.daemon.dispatch.find(ban.jail, ban.network)
            kernel = [
                {"enforcer": name, "stands": left is not None, "left": None if left is None else _end(left)}
                for name, left in held.items()
            ]
        return {
            **row,
            "state": "banned",
            "ban": _ban(ban, saved or ban),
            "kernel": kernel,
            "evidence": [] if saved is None else _lines(running, saved),
        }

    def _last(self, jail: str, id_: str) -> Decision | None:
        try:
            return self.daemon.store.latest(jail, id_)
        except StoreError:
            return (
                None  # the rest of the story is worth telling; that the database is in trouble is a problem of its own
            )

    @staticmethod
    def _ignored(running: Running, rule: str, shown: str, network: Network | None) -> str:
        if rule == "ignoreself rule":
            return "ignoreself: it is an address of this machine"
        item = running.jail.ignore.item(shown, network)
        origin = running.config.origins.get("ignoreip")
        return f"ignoreip: {item}" + (f" ({origin})" if origin else "")

    def _events(self, wanted: Wanted) -> list[LogRow]:
        self.daemon.pipeline.save(now=self.clock())
        try:
            return list(map(_log_row, self.daemon.store.events(wanted)))
        except StoreError as error:
            raise ControlError(str(error), commands.FAILED) from error


def _log_row(incident: Incident) -> LogRow:
    return {
        "at": incident.at,
        "jail": incident.jail,
        "kind": incident.kind,
        "address": incident.id,
        "reason": incident.reason,
        "origin": incident.origin,
    }


def _ban(ban: Decision, saved: Decision) -> WhyBan:
    return {
        "network": ban.id if ban.network is None else addresses.show(ban.network),
        "banned_at": ban.at,
        "expires_at": _end(ban.expires_at),
        "origin": saved.origin if saved.at == ban.at else ban.origin,
        "restored": ban.origin == "restored",
        "reason": ban.reason,
        "failures": ban.failures,
        "ban_count": ban.ban_count,
        "basis": ban.basis,
        "forced": ban.forced,
    }


def _lines(running: Running, ban: Decision) -> list[WhyLine]:
    known: Iterable[Place | None] = ban.places or [None] * len(ban.matches)
    return [_line(running, line, place) for line, place in zip(ban.matches, known, strict=False)]


def _line(running: Running, line: str, place: Place | None) -> WhyLine:
    if place is None:
        return {
            "line": line, "source": None, "offset": None, "exact": False,
            "regex": None, "expression": None, "origin": None,
        }  # fmt: skip
    expressions, origins = running.config.settings.filter.failregex, running.config.failregex_origins
    regex = place.regex
    offset, exact = place.start, place.stop is None
    if offset is not None and place.stop is not None:
        found = places.find(place.source, line, offset, place.stop)
        offset, exact = (offset, False) if found is None else (found, True)
    return {
        "line": line,
        "source": place.source,
        "offset": offset,
        "exact": exact and offset is not None,
        "regex": regex,
        "expression": expressions[regex] if regex is not None and 0 <= regex < len(expressions) else None,
        "origin": str(origins[regex]) if regex is not None and 0 <= regex < len(origins) else None,
    }


def _end(at: float) -> float | None:
    return None if math.isinf(at) else at
