"""The desk for numbers: ``figures``, from which ``banish top`` makes its view."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from heapq import nlargest
from itertools import islice
from typing import TYPE_CHECKING, Any

import banish
from banish.addresses import parse, show
from banish.daemon.desks.desk import Desk

if TYPE_CHECKING:
    from banish.control.handler import Figures

TOP = 50
"""Addresses of each jail that are looked at, and rows of each list."""
LOOKED_AT = 20_000
"""Addresses of each jail of which the networks are counted."""


class FiguresDesk(Desk):
    """Counts; whoever asks twice can tell rates."""

    def figures(self) -> Figures:
        """Return all of it. Costs time for each id that has failures, not for each ban."""
        self.at_work()
        daemon, now = self.daemon, self.clock()
        measures, ledger = daemon.pipeline.measures, daemon.ledger
        problems = daemon.problems()
        blind = {problem.section for problem in problems}
        jails: list[dict[str, Any]] = []
        sources: dict[str, int] = {}
        networks: list[dict[str, Any]] = []
        users: Counter[str] = Counter()
        addresses_of: defaultdict[str, set[str]] = defaultdict(set)
        neighbours: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for name, running in sorted(daemon.running.items()):
            sources.update({row.path: row.lag_bytes for row in daemon.sources_of(name)})
            jails.append(
                {
                    "name": name,
                    "matches": running.jail.failed_total + measures.ignored[name],
                    "failures": running.jail.failed_total,
                    "failed_now": running.jail.failed_now,
                    "bans": ledger.banned_total(name),
                    "banned": ledger.banned(name),
                    "ignored": measures.ignored[name],
                    "refused": measures.refused[name],
                    "filter_seconds": round(measures.filter_seconds.get(name, 0.0), 6),
                    "problem": name in blind,
                }
            )
            maxretry = running.config.settings.window.maxretry
            for id_, retries, last_at, fields in running.jail.window.busiest(TOP):
                row = {"address": id_, "jail": name, "failures": retries, "maxretry": maxretry, "last_at": last_at}
                networks.append(row)
                for user in _users(fields):
                    users[user] += retries
                    addresses_of[user].add(id_)
            for id_, retries in islice(running.jail.window.ids(), LOOKED_AT):
                if around := _around(id_):
                    neighbours[around][id_] = neighbours[around].get(id_, 0) + retries
        networks.sort(key=lambda row: (-row["failures"], -row["last_at"]))
        judged = {name: daemon.pipeline.judged[name] for name in sorted(sources)}
        took = measures.read_to_ban
        return {
            "at": now,
            "uptime": round(now - daemon.started_at, 3),
            "version": banish.__version__,
            "lines": sum(one.lines for one in daemon.pipeline.judged.values()),
            "bytes": sum(one.bytes for one in daemon.pipeline.judged.values()),
            "lag_bytes": sum(sources.values()),
            "matches": sum(row["matches"] for row in jails),
            "failures": sum(row["failures"] for row in jails),
            "bans": sum(row["bans"] for row in jails),
            "banned": len(ledger),
            "read_to_ban": took.sum / took.count if took.count else None,
            "cpu_seconds": round(time.process_time(), 3),
            "problems": [str(problem) for problem in problems],
            "jails": jails,
            "sources": [
                {"name": name, "lines": one.lines, "bytes": one.bytes, "lag_bytes": sources[name]}
                for name, one in judged.items()
            ],
            "networks": networks[:TOP],
            "neighbours": _busiest(neighbours),
            "users": [
                {"user": user, "addresses": len(addresses_of[user]), "failures": count}
                for user, count in users.most_common(TOP)
            ],
        }


def _around(id_: str) -> str:
    """Return the network that an address is counted with: /24 of IPv4, /64 of IPv6; empty for what is no address."""
    network = parse(f"{id_}/{64 if ':' in id_ else 24}")
    return "" if network is None else show(network)


def _busiest(neighbours: Mapping[str, Mapping[str, int]]) -> list[dict[str, Any]]:
    """Return the networks from which more than one address fails, those with the most failures first."""
    rows: list[dict[str, Any]] = [
        {"network": network, "addresses": len(failures), "failures": sum(failures.values())}
        for network, failures in neighbours.items()
        if len(failures) > 1
    ]
    return nlargest(TOP, rows, key=lambda row: (row["failures"], row["addresses"]))


def _users(fields: Mapping[str, Any]) -> list[str]:
    users = fields.get("users")
    if users:
        return [str(user) for user in users]
    user = fields.get("user")
    return [str(user)] if user else []
