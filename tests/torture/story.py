"""Attackers of every kind, and the jails that watch for them: a stream of lines in several logs that goes on as long as wanted.

Each attacker has an address of its own and a plan: some lines, one after the other, in one log. Others write in between. Lines
carry the time at which they are written, so that they mean the same whenever they are read.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

FILTERS = {
    # Two lines of one connection: the address in the one, the failure in the other.
    "filter.d/session.conf": r"""
[Definition]
failregex = ^ \S+ app\[<F-MLFID>\d+</F-MLFID>\]: <F-NOFAIL>connection</F-NOFAIL> from <HOST>$
            ^ \S+ app\[<F-MLFID>\d+</F-MLFID>\]: <F-MLFFORGET>refused</F-MLFFORGET> <F-USER>\S+</F-USER>$
""",
    # Two lines that are searched together.
    "filter.d/pair.conf": r"""
[Init]
maxlines = 3
[Definition]
failregex = ^ \S+ door: knock (\d+) from <HOST>\n(?:.*\n)?.* door: knock \1 is not answered$
""",
    # The second line has no date, and happened when the first did.
    "filter.d/undated.conf": r"""
[Definition]
failregex = ^\s+refused <HOST>$
""",
    "filter.d/plain.conf": r"""
[Definition]
failregex = ^ \S+ web: <F-USER>\S+</F-USER> failed from <HOST>$
""",
}
JAILS = """
[DEFAULT]
banaction = nftables[type=allports]
bantime = 1h
findtime = 10m
maxmatches = 6
backend = auto
[sshd]
enabled = true
logpath = {logs}/auth.log
maxretry = 4
[session]
enabled = true
logpath = {logs}/app.log
maxretry = 3
bantime.increment = true
bantime.rndtime = 0
[pair]
enabled = true
logpath = {logs}/door.log
maxretry = 3
[undated]
enabled = true
logpath = {logs}/undated.log
maxretry = 3
[plain]
enabled = true
logpath = {logs}/web.log
maxretry = 3
bantime = 20
[exact]
enabled = true
filter = plain
logpath = {logs}/web.log
maxretry = 5
window = exact
[asked]
enabled = true
filter = plain
logpath = {logs}/asked.log
maxretry = 3
ignorecommand = sleep 0.02; case <ip> in *[13579]) exit 0;; esac; exit 1
ignorecache = key="<ip>", max-count=1000, max-time=1s
"""
LOGS = ("auth.log", "app.log", "door.log", "undated.log", "web.log", "asked.log")

Line = tuple[str, str]
"""The log, and what to write; ``{at}`` is the time."""


class Story:
    """Writes into the directory *logs*; the same *seed* brings the same attackers."""

    def __init__(self, logs: Path, seed: int) -> None:
        self._dice = random.Random(seed)
        self._files = {name: (logs / name).open("ab", buffering=0) for name in LOGS}
        self._number = 0
        self._acting: list[Iterator[Line]] = []
        self._kinds: tuple[Callable[[str, int], Iterator[Line]], ...] = (
            self._ssh,
            self._ssh,
            self._session,
            self._pair,
            self._undated,
            self._web,
            self._asked,
        )
        self.lines = 0

    def go_on(self, lines: int, crowd: int = 30) -> None:
        """Write so many *lines*, of *crowd* attackers in turn."""
        for _ in range(lines):
            while len(self._acting) < crowd:
                self._acting.append(self._attacker())
            self._act(self._dice.choice(self._acting))

    def end(self) -> None:
        """Let everybody come to the end of his plan."""
        while self._acting:
            self._act(self._dice.choice(self._acting))
        for file in self._files.values():
            file.close()

    def _act(self, plan: Iterator[Line]) -> None:
        line = next(plan, None)
        if line is None:
            self._acting.remove(plan)
            return
        log, text = line
        at = datetime.fromtimestamp(time.time(), UTC).isoformat()
        self._files[log].write(text.format(at=at).encode() + b"\n")
        self.lines += text.count("\n") + 1

    def _attacker(self) -> Iterator[Line]:
        self._number += 1
        number = self._number
        kind = self._dice.choice(self._kinds)
        if self._dice.random() < 0.5:
            return kind(str(IPv4Address("198.18.0.0") + number), self._dice.randrange(1, 8))
        return kind(str(IPv6Address("2001:db8:77::") + (number << 16) + number % 10), self._dice.randrange(1, 8))

    def _ssh(self, address: str, tries: int) -> Iterator[Line]:
        for _ in range(tries):
            pid, port = self._dice.randrange(1000, 60000), self._dice.randrange(1024, 65536)
            head = f"{{at}} host sshd[{pid}]: "
            user = self._dice.choice(("root", "admin", "oracle", "git"))
            if self._dice.random() < 0.5:
                yield "auth.log", f"{head}Invalid user {user} from {address} port {port}"
                yield "auth.log", f"{head}Failed password for invalid user {user} from {address} port {port} ssh2"
                yield "auth.log", f"{head}Connection closed by invalid user {user} {address} port {port} [preauth]"
            else:
                yield "auth.log", f"{head}Connection from {address} port {port} on 192.0.2.1 port 22"
                yield "auth.log", f"{head}Failed password for {user} from {address} port {port} ssh2"
                yield "auth.log", f"{head}Failed password for {user} from {address} port {port} ssh2"
                yield "auth.log", f"{head}Received disconnect from {address} port {port}:11: bye [preauth]"
                yield "auth.log", f"{head}Disconnected from authenticating user {user} {address} port {port} [preauth]"

    def _session(self, address: str, tries: int) -> Iterator[Line]:
        for _ in range(tries):
            head = f"{{at}} host app[{self._dice.randrange(1000, 999999)}]: "
            yield "app.log", f"{head}connection from {address}"
            if self._dice.random() < 0.9:
                yield "app.log", f"{head}refused {self._dice.choice(('root', 'admin'))}"

    def _pair(self, address: str, tries: int) -> Iterator[Line]:
        for _ in range(tries):
            number = self._dice.randrange(1_000_000)
            yield "door.log", f"{{at}} host door: knock {number} from {address}"
            yield "door.log", f"{{at}} host door: knock {number} is not answered"

    def _undated(self, address: str, tries: int) -> Iterator[Line]:
        for _ in range(tries):
            yield "undated.log", f"{{at}} request {self._dice.randrange(1000)}"
            yield "undated.log", f"  refused {address}"

    def _web(self, address: str, tries: int) -> Iterator[Line]:
        for _ in range(tries):
            yield "web.log", f"{{at}} host web: {self._dice.choice(('root', 'admin'))} failed from {address}"

    def _asked(self, address: str, tries: int) -> Iterator[Line]:
        for _ in range(tries):
            yield "asked.log", f"{{at}} host web: bob failed from {address}"
