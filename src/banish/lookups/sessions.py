"""Who is logged in over ssh right now: the peers of connections that OpenSSH's server has *authenticated*.

Only what the kernel (and systemd-logind, where it runs) knows counts; never the text of a log, which anybody can forge, nor the title
a process gives itself. sshd keeps one process for each connection that runs as root (its name is ``sshd``, or ``sshd-session`` since 9.8;
here: the *monitor*) and holds the connection's socket. While a client is still being authenticated, a child of the monitor talks to it,
locked away: in an empty root directory, under an id of its own, and behind a seccomp filter more. A login is authenticated when nobody
is locked away like that, and one of these holds:

* the monitor is in an audit session of its own, other than its parent's: pam_loginuid(8) did that when the login was accepted;
* systemd-logind has a session that the monitor leads;
* a child of the monitor that is sshd too runs as an ordinary user, in the monitor's own root directory;
* the monitor holds the master of a terminal (/dev/ptmx), given only to those who are in;
* the monitor has children, and none of them is sshd: root's own session, without PAM.

So a client at the password prompt, or one that has only connected, is nobody's session. The peer is that of the monitor's own connection,
not of what it forwards.

Cost: processes are looked for every SEARCH seconds, otherwise only the children of the known servers are looked at, and a look is
good for some time, however many bans are decided (LEAST to MOST seconds). The list of connections is asked for only when somebody
has just logged in.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from banish.addresses import Network, network_of
from banish.lookups import connections, logins, processes
from banish.lookups.connections import Connection
from banish.lookups.logins import Login
from banish.lookups.processes import PROC, Process
from banish.model import Notice

LEAST, MOST, SHARE = 0.02, 1.0, 20.0
"""Seconds that a look is good for: SHARE times what it took, from LEAST to MOST; so no more than a twentieth of the time is spent so."""
SEARCH = 5.0
PORT = 22
NAMES = frozenset({"sshd", "sshd-session", "sshd-auth"})
_TERMINALS = frozenset({"/dev/ptmx", "/dev/pts/ptmx"})
_SOCKET = "socket:["


class Session(NamedTuple):
    """Somebody who is logged in."""

    peer: Network
    since: float
    """When the connection came in, Unix seconds."""
    pid: int


class Sessions:
    """The sessions, followed. *clock* is a monotonic one."""

    def __init__(
        self,
        proc: str = PROC,
        *,
        established: Callable[[], list[Connection]] = connections.established,
        listening: Callable[[], list[Connection]] = connections.listening,
        records: Callable[[], list[Login]] = logins.logins,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.trouble: Notice | None = None
        """What keeps sessions from being seen; None when nothing does."""
        self._proc = proc
        self._established = established
        self._listening = listening
        self._records = records
        self._clock = clock
        self._looked_at: float | None = None
        self._pause = LEAST
        self._searched_at: float | None = None
        self._servers: set[int] = set()
        """Processes of sshd whose parents are none."""
        self._known: dict[tuple[int, int], Session] = {}
        """By pid and start: those whose login was found authenticated, which is for good."""
        self._mute: dict[tuple[int, int], float] = {}
        """Monitors without a connection that stands (a server that only listens is one), and when they were last looked at."""
        self._found: tuple[Session, ...] = ()

    def look(self, now: float) -> tuple[Session, ...]:
        """Return the sessions that stand, as they were MOST seconds ago at most; *now* is the time in Unix seconds."""
        moment = self._clock()
        if self._looked_at is not None and moment - self._looked_at < self._pause:
            return self._found
        try:
            self._found = self._look(moment, now)
            self.trouble = None
        except OSError as error:
            # What was known stands for whoever is still there: nobody is locked out because we cannot see.
            text = f"cannot see who is logged in over ssh: {error.strerror or error}"
            self.trouble = Notice(
                "WARNING", "actions", f"{text} (banishd needs CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH and proc)"
            )
            self._found = tuple(self._known.values()) + self._by_records(now)
        self._looked_at = self._clock()
        self._pause = min(max(LEAST, SHARE * (self._looked_at - moment)), MOST)
        return self._found

    def ports(self) -> set[int]:
        """Return the ports that sshd listens on; its own where that cannot be seen. Raises OSError when nothing can."""
        try:
            held = {word for pid in self._servers for word in processes.descriptors(pid, self._proc)}
        except PermissionError:
            return {PORT}
        return {listener.port for listener in self._listening() if f"{_SOCKET}{listener.inode}]" in held}

    def _look(self, moment: float, now: float) -> tuple[Session, ...]:
        family = self._family(moment)
        leaders = {record.leader for record in self._records()}
        known: dict[tuple[int, int], Session] = {}
        fresh: dict[int, tuple[int, set[int]]] = {}
        for monitor in family.values():
            start = processes.started(monitor.pid, self._proc) if monitor.root else None
            if start is None:
                continue
            if (session := self._known.get((monitor.pid, start))) is not None:
                known[monitor.pid, start] = session
                continue
            if moment - self._mute.get((monitor.pid, start), -SEARCH) < SEARCH:
                continue
            if self._is_authenticated(monitor, family, leaders):
                sockets = processes.descriptors(monitor.pid, self._proc)
                fresh[monitor.pid] = (
                    start,
                    {int(word[len(_SOCKET) : -1]) for word in sockets if word.startswith(_SOCKET)},
                )
        peers = self._peers({pid: inodes for pid, (_, inodes) in fresh.items()}) if fresh else {}
        for pid, (start, _) in fresh.items():
            if pid in peers:
                known[pid, start] = Session(peers[pid], now - self._age(start), pid)
            else:
                self._mute[pid, start] = moment
        self._known = known
        self._mute = {key: at for key, at in self._mute.items() if moment - at < SEARCH}
        return tuple(known.values())

    def _family(self, moment: float) -> dict[int, Process]:
        """Return the processes of sshd."""
        due = self._searched_at is None or moment - self._searched_at >= SEARCH
        found: dict[int, Process] = {}
        waiting = [] if due else list(self._servers)
        if not due:
            for pid in waiting:
                below = processes.children(pid, self._proc)
                if below is None:
                    due = True
                    break
                self._take(pid, found)
                waiting += self._take_all(below, found)
        if due:
            self._searched_at = moment
            found = {}
            self._take_all(
                (pid for pid in processes.pids(self._proc) if processes.name(pid, self._proc) in NAMES), found
            )
            self._servers = {pid for pid, process in found.items() if process.parent not in found}
        return found

    def _take_all(self, pids: Iterable[int], found: dict[int, Process]) -> list[int]:
        return [pid for pid in pids if self._take(pid, found)]

    def _take(self, pid: int, found: dict[int, Process]) -> bool:
        process = processes.process(pid, self._proc)
        if process is None or process.name not in NAMES:
            return False
        found[pid] = process
        return True

    def _is_authenticated(self, monitor: Process, family: dict[int, Process], leaders: set[int]) -> bool:
        children = [process for process in family.values() if process.parent == monitor.pid]
        if any(child.seccomp > monitor.seccomp for child in children):
            return False
        session = processes.audit_session(monitor.pid, self._proc)
        if session is not None and session != processes.audit_session(monitor.parent, self._proc):
            return True
        if monitor.pid in leaders:
            return True
        if any(child.ordinary and self._same_root(child, monitor) for child in children):
            return True
        below = processes.children(monitor.pid, self._proc)
        if below == []:
            return False
        if below and not children:
            # One that was forked since *family* was looked up, to be locked away in a moment, has sshd's name already.
            names = {processes.name(pid, self._proc) for pid in below}
            if names.isdisjoint(NAMES | {""}):
                return True
        return bool(_TERMINALS.intersection(processes.descriptors(monitor.pid, self._proc)))

    def _same_root(self, child: Process, monitor: Process) -> bool:
        theirs = processes.root_directory(child.pid, self._proc)
        return theirs is not None and theirs == processes.root_directory(monitor.pid, self._proc)

    def _peers(self, monitors: dict[int, set[int]]) -> dict[int, Network]:
        """Return the peer of each of *monitors*, which are pids with the inodes of their sockets."""
        all_of_them = set().union(*monitors.values())
        held = [connection for connection in self._established() if connection.inode in all_of_them]
        listeners = self._listening()
        found = {}
        for pid, inodes in monitors.items():
            forwards = {listener.port for listener in listeners if listener.inode in inodes}
            own = [each for each in held if each.inode in inodes and each.port not in forwards]
            # Of several, the one that came in: what it forwards to others leaves from a port that nobody listens on.
            ports = {listener.port for listener in listeners}
            incoming = [each for each in own if each.port in ports] or own
            if incoming:
                found[pid] = network_of(min(incoming).peer)
        return found

    def _by_records(self, now: float) -> tuple[Session, ...]:
        """Return what systemd-logind says, for want of better."""
        return tuple(
            Session(record.peer, now - self._age(start), record.leader)
            for record in self._records()
            if record.peer is not None and (start := processes.started(record.leader, self._proc)) is not None
        )

    def _age(self, start: int) -> float:
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - start / os.sysconf("SC_CLK_TCK"))
