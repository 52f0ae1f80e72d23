"""A daemon with a few jails and no logs: `Control` from memory, behind the real server on a real socket.

`running` serves it from a thread of the test; as a program (``python -m tests.control.fake SOCKET``) it is a process of its own.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from banish import addresses
from banish.control import options
from banish.control.handler import (
    BannedRow,
    ChangeRow,
    Changes,
    Echo,
    Figures,
    Flushed,
    Got,
    Imported,
    JailDone,
    JailStatus,
    LogRow,
    Outcome,
    Pong,
    Reloaded,
    Resumed,
    Slept,
    StatsRow,
    Status,
    Stopping,
    Unbanned,
    Version,
    Why,
    WhyJail,
    WhyLine,
)
from banish.control.server import ControlServer
from banish.errors import ControlError, UnknownJailError

NOW = 1795351852.0
HOSTILE = "root\x1b[2J\u202egnp.exe\x9b31m\udce9"
"""A user name of the kind that turns up in logs: it clears the screen, turns the line round and is not UTF-8."""


class FakeControl:
    def __init__(self) -> None:
        self.bans: dict[tuple[str, str], BannedRow] = {}
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.problem: str | None = None
        self.reload_problems: Reloaded = {"jails": ["postfix", "sshd"], "problems": []}
        self.stopping = asyncio.Event()
        self.gate: threading.Event | None = None
        self.values: dict[str, Any] = {}
        self.config = "/etc/banish"
        self.changed: list[ChangeRow] = []
        self.server: ControlServer

    def status(self, jail: str | None, flavor: str | None = None, everything: bool = False) -> Status:
        jails = [self._jail(name) for name in ("sshd", "postfix") if jail in (None, name)]
        if not jails:
            raise UnknownJailError(f"no such jail: {jail}", str(jail), 5, "banish status lists them")
        if jail is not None and flavor != "short":
            jails[0]["banned"] = [
                addresses.show(net) for row in self.bans.values() if (net := addresses.parse(row["network"]))
            ]
        if self.problem and jail is None:
            jails.append({**self._jail("apache"), "enabled": False, "problem": self.problem})
        return {"version": "0.1.0", "uptime": 12.5, "jails": jails}

    def _jail(self, name: str) -> JailStatus:
        banned = sum(1 for jail, _ in self.bans if jail == name)
        return {
            "name": name,
            "failed_now": 4,
            "failed_total": 10,
            "banned_now": banned,
            "banned_total": banned + 4,
            "sources": [
                {"name": f"/var/log/{log}.log", "lines": 100, "bytes": 9000, "lag_bytes": 0, "every_line": None}
                for log in ("auth", "secure")
            ],
            "enabled": True,
            "problem": None,
        }

    async def banned(self, network: str | None) -> list[BannedRow]:
        self.calls.append(("banned", (network,)))
        if self.gate is not None:
            await asyncio.to_thread(self.gate.wait, 10)
        if network is None:
            return list(self.bans.values())
        asked = addresses.parse(network)
        if asked is None:
            raise ControlError(f"{network} is neither an address nor a network", 2)
        found = ((row, addresses.parse(row["network"])) for row in self.bans.values())
        return [row for row, net in found if net and (addresses.within(asked, net) or addresses.within(net, asked))]

    def ban(
        self, jail: str, addresses: list[str], seconds: float | None, reason: str | None, force: bool = False
    ) -> list[Outcome]:
        self.calls.append(("ban", (jail, addresses, seconds, reason, force)))
        self.status(jail)
        return [self._ban(jail, word, seconds, reason or "") for word in addresses]

    def _ban(self, jail: str, word: str, seconds: float | None, reason: str) -> Outcome:
        network = addresses.parse(word)
        if network is None:
            return {"address": word, "jail": jail, "outcome": "invalid", "reason": "neither an address nor a network"}
        shown = addresses.show(network)
        if shown.startswith("127."):
            return {"address": shown, "jail": jail, "outcome": "refused", "reason": "ignored (ip)"}
        end = NOW + (600.0 if seconds is None else seconds)
        expires_at = None if end == float("inf") else end
        known = (jail, shown) in self.bans
        self.bans[jail, shown] = {
            "jail": jail,
            "network": str(network),
            "banned_at": NOW,
            "expires_at": expires_at,
            "ban_count": 1,
            "origin": "admin",
            "reason": reason,
        }
        outcome: Outcome = {
            "address": shown,
            "jail": jail,
            "outcome": "already banned" if known else "banned",
            "reason": "",
            "expires_at": expires_at,
        }
        return outcome

    def unban(self, jail: str | None, addresses: list[str], everything: bool) -> list[Outcome] | list[Unbanned]:
        self.calls.append(("unban", (jail, addresses, everything)))
        if everything:
            ended = [key for key in self.bans if jail in (None, key[0])]
            for key in ended:
                del self.bans[key]
            counts = Counter(name for name, _ in ended)
            ends: list[Unbanned] = [{"jail": name, "unbanned": count} for name, count in sorted(counts.items())]
            return ends
        rows: list[Outcome] = []
        for word in addresses:
            found = [key for key in self.bans if key[1] == word and jail in (None, key[0])]
            for key in found:
                del self.bans[key]
                rows.append({"address": word, "jail": key[0], "outcome": "unbanned", "reason": ""})
            if not found:
                rows.append({"address": word, "jail": jail or "", "outcome": "not banned", "reason": ""})
        return rows

    def resume(self, jail: str) -> Resumed:
        self.status(jail)
        return {"jail": jail, "withheld": 7 if jail == "sshd" else None}

    def import_(self, file: str) -> Imported:
        self.calls.append(("import", (file,)))
        counts = {"banned": 12, "prolonged": 1, "already_banned": 0, "refused": 2, "over": 30, "events": 44}
        return {"file": file, "waiting": {"postfix": 3}, **counts}  # type: ignore[typeddict-item]

    def why(self, address: str, jail: str | None) -> Why:
        self.calls.append(("why", (address, jail)))
        line: WhyLine = {
            "line": f"Failed password for {HOSTILE} from {address}", "source": "/var/log/auth.log", "offset": 20480,
            "exact": True, "regex": 3, "expression": "^Failed <HOST>", "origin": "filter.d/sshd.conf:7",
        }  # fmt: skip
        row: WhyJail = {
            "jail": "sshd", "state": "banned", "filter": "sshd", "maxretry": 3, "findtime": 600.0, "bantime": 600.0,
            "ban": {
                "network": address, "banned_at": NOW, "expires_at": NOW + 600, "origin": "jail", "restored": False,
                "reason": f"3 failures in 12s {HOSTILE}", "failures": 3, "ban_count": 2, "basis": "increased", "forced": False,
            },
            "kernel": [{"enforcer": "nftables", "stands": True, "left": 590.0}],
            "dropped_packets": 14, "dropped_bytes": 840, "actions": [{"name": "nftables", "served": "natively"}],
            "count": None, "ignored": None, "paused": None, "evidence": [line, {**line, "regex": None, "offset": None}],
        }  # fmt: skip
        return {
            "address": address, "banned": True, "protected": None, "jails": [row], "nothing": ["web"], "now": NOW + 10,
            "events": self.log(None, None, until=None, jail=None, network=None, user=None, most=None),
        }  # fmt: skip

    def figures(self) -> Figures:
        self.calls.append(("figures", ()))
        jail = {
            "name": "sshd", "matches": 9, "failures": 8, "failed_now": 1, "bans": 2, "banned": 1, "ignored": 1, "refused": 0,
            "filter_seconds": 0.1, "problem": False,
        }  # fmt: skip
        return {
            "at": NOW, "uptime": 90.0, "version": "0.1.0", "lines": 100, "bytes": 9000, "lag_bytes": 2048, "matches": 9,
            "failures": 8, "bans": 2, "banned": 1, "read_to_ban": 0.004, "cpu_seconds": 1.5, "problems": [HOSTILE], "jails": [jail],
            "sources": [{"name": "/var/log/auth.log", "lines": 100, "bytes": 9000, "lag_bytes": 2048}],
            "networks": [{"address": "192.0.2.7", "jail": "sshd", "failures": 2, "maxretry": 3, "last_at": NOW - 5}],
            "neighbours": [{"network": "192.0.2.0/24", "addresses": 3, "failures": 5}],
            "users": [{"user": HOSTILE, "addresses": 1, "failures": 2}],
        }  # fmt: skip

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
        self.calls.append(("log", (subject, since, until, jail, network, user, most)))
        reason = f"the peer of {HOSTILE}"
        rows: list[LogRow] = [
            {"at": NOW, "jail": "sshd", "kind": "refused", "address": "192.0.2.7", "reason": reason, "origin": "jail"},
            {"at": NOW + 1, "jail": "sshd", "kind": "paused", "address": "", "reason": "too many", "origin": "jail"},
        ]
        return [row for row in rows if subject in (None, row["jail"], row["address"])]

    async def reload(
        self,
        jail: str | None,
        restart: bool = False,
        unban: bool = False,
        if_exists: bool = False,
        everything: bool = False,
    ) -> Reloaded:
        self.calls.append(("reload", (jail, restart, unban, if_exists, everything)))
        return self.reload_problems

    async def restart(self, jail: str | None, unban: bool, if_exists: bool) -> Reloaded:
        return await self.reload(jail, True, unban, if_exists)

    def stats(self) -> list[StatsRow]:
        return [
            {"name": name, "backend": "auto", "failed_now": 4, "failed_total": 10, "banned_now": 1, "banned_total": 5}
            for name in ("postfix", "sshd")
        ]

    def get(self, words: list[str]) -> Got:
        self.calls.append(("get", tuple(words)))
        of_jail = options.find("get", words)[1]
        option = words[1 if of_jail else 0]
        return {"jail": words[0] if of_jail else None, "option": option, "value": self.values.get(option, HOSTILE)}

    def set(self, words: list[str]) -> Got:
        self.calls.append(("set", tuple(words)))
        of_jail = options.find("set", words)[1]
        option = words[1 if of_jail else 0]
        return {"jail": words[0] if of_jail else None, "option": option, "value": self.values.get(option, words[-1])}

    def changes(self, jail: str | None) -> Changes:
        return {"config": self.config, "changes": [row for row in self.changed if jail in (None, row["jail"])]}

    def start(self, jail: str) -> JailDone:
        self.status(jail)
        return {"jails": [jail]}

    def add(self, jail: str, backend: str | None) -> JailDone:
        self.calls.append(("add", (jail, backend)))
        return {"jails": [jail]}

    def flushlogs(self) -> Flushed:
        return {"logs": "rolled over"}

    def version(self) -> Version:
        return {"version": "0.1.0", "json": 1}

    def echo(self, words: list[str]) -> Echo:
        return {"words": words}

    async def sleep(self, seconds: float) -> Slept:
        return {"slept": seconds}

    def ping(self) -> Pong:
        return {"reply": "pong", "version": "0.1.0"}

    def stop(self, jail: str | None = None, everything: bool = False) -> Stopping | JailDone:
        if jail is not None or everything:
            return {"jails": [jail] if jail else ["postfix", "sshd"]}
        self.stopping.set()
        return {"stopping": True}


@contextmanager
def running(path: Path, **settings: Any) -> Iterator[FakeControl]:
    """Serve a `FakeControl` on *path* from a thread, for the time of the block."""
    control = FakeControl()
    ready = threading.Event()
    failed: list[BaseException] = []
    leave: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        left = asyncio.Event()
        leave.append((asyncio.get_running_loop(), left))
        groups = settings.pop("groups", ("", ""))
        server = control.server = ControlServer(control, path, **settings)
        server.admit(*groups)
        try:
            await server.start()
        except ControlError as error:
            failed.append(error)
            return
        finally:
            ready.set()
        await left.wait()
        await server.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(10)
        if failed:
            raise failed[0]
        yield control
    finally:
        if not failed:
            loop, left = leave[0]
            loop.call_soon_threadsafe(left.set)
        thread.join(20)
        assert not thread.is_alive()


async def _main(path: Path) -> None:
    control = FakeControl()
    server = ControlServer(control, path)
    await server.start()
    print("ready", flush=True)
    await control.stopping.wait()
    await server.close()
    # A daemon takes its time to leave; the client must wait for all of it.
    await asyncio.sleep(0.3)
    path.with_suffix(".left").touch()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
