"""A live canary: is somebody who is banned really kept out, by this kernel, with the rules of these jails?

Two network namespaces of its own, joined by a wire: in the one stands the firewall that banishd uses, with the scopes of the jails, and
listens on their ports; from the other somebody connects for each jail, before he is banned and after. Nothing of the host is touched.

It runs as a program of its own (a namespace belongs to a process): scopes and ports come in on standard input as JSON, what came of
it goes out on standard output. Needs root, or CAP_SYS_ADMIN and CAP_NET_ADMIN, and ip(8).
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from banish.addresses import parse
from banish.enforcement.nftables import NftablesFirewall
from banish.enforcement.scopes import Record, Scope

MOST = 60
"""Jails that are tried at once."""
_CLONE_NEWNET = 0x40000000  # linux/sched.h
_WAIT = 0.5
"""Seconds in which a connection over the wire must stand, if nothing keeps it out."""
_TRIES = 4
_TIMEOUT = 60.0
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_GUARD = "192.0.2.1", "2001:db8::1"


@dataclass(frozen=True, slots=True)
class Trial:
    """A jail to try: what it closes, and the TCP port at which its service is."""

    jail: str
    scopes: tuple[Scope, ...]
    port: int


class CanaryError(Exception):
    """It could not be tried; the text says why."""


def fly(trials: Sequence[Trial]) -> dict[str, list[str]]:
    """Return the families (``IPv4``, ``IPv6``) by which somebody came in whom a jail bans, by jail. Raises CanaryError."""
    request = json.dumps([_plain(trial) for trial in trials[:MOST]])
    try:
        done = subprocess.run(
            [sys.executable, "-m", "banish.doctor.canary"],
            input=request,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CanaryError(str(error)) from error
    try:
        said = json.loads(done.stdout)
    except ValueError:
        raise CanaryError((done.stderr.strip() or "it said nothing").splitlines()[-1]) from None
    if isinstance(said, str):
        raise CanaryError(said)
    return {str(jail): list(map(str, families)) for jail, families in said.items()}


def _plain(trial: Trial) -> dict[str, Any]:
    scopes = [[scope.protocols, scope.ports, scope.verdict] for scope in trial.scopes]
    return {"jail": trial.jail, "scopes": scopes, "port": trial.port}


def _trial(jail: str, scopes: list[Any], port: int) -> Trial:
    read = tuple(
        Scope(jail, tuple(protocols), tuple((low, high) for low, high in ports), verdict)
        for protocols, ports, verdict in scopes
    )
    return Trial(jail, read, port)


def main() -> int:
    """Do it: see above."""
    trials = [_trial(**each) for each in json.load(sys.stdin)]
    try:
        found: object = _fly(trials)
    except CanaryError as error:
        found = str(error)
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


def _fly(trials: Sequence[Trial]) -> dict[str, list[str]]:
    _unshare()
    told, tell = os.pipe()
    begin, begun = os.pipe()
    child = os.fork()
    if child == 0:
        _outside(trials, begin, tell)
    os.close(tell)
    with ExitStack() as stack:
        stack.callback(os.waitpid, child, 0)
        stack.callback(os.close, begun)
        if _read(told) != b"1":
            raise CanaryError("no second network namespace can be made")
        _ip("link", "add", "canary0", "type", "veth", "peer", "name", "canary1", "netns", str(child))
        _up("canary0", [f"{_GUARD[0]}/24", f"{_GUARD[1]}/64"])
        ports = {trial.port for trial in trials}
        for address in _GUARD:
            for port in ports:
                stack.enter_context(_listener(address, port))
        os.write(begun, b"1")
        if (said := _read(told)) != b"2":
            raise CanaryError(json.loads(said or b'"the canary died"'))
        firewall = NftablesFirewall()
        stack.callback(_stop, firewall)
        now = time.time()
        banned = [
            Record("ban", trial.jail, network, now + 600)
            for number, trial in enumerate(trials)
            for address in _attacker(number)
            if (network := parse(address)) is not None
        ]
        try:
            firewall.replace([scope for trial in trials for scope in trial.scopes], banned, now)
        except Exception as error:
            raise CanaryError(f"the firewall refused: {error}") from error
        os.write(begun, b"2")
        said = b""
        while part := _read(told):
            said += part
    found: dict[str, list[str]] | str = json.loads(said or b'"the canary died"')
    if isinstance(found, str):
        raise CanaryError(found)
    return found


def _read(pipe: int) -> bytes:
    return os.read(pipe, 65536)


def _outside(trials: Sequence[Trial], begin: int, tell: int) -> None:
    """The other end of the wire; never returns."""
    try:
        _unshare()
        os.write(tell, b"1")
        if os.read(begin, 1) != b"1":
            os._exit(1)
        others = [address for number in range(len(trials)) for address in _attacker(number)]
        _up("canary1", [_with_prefix(address) for address in others])
        said: object = _knock(trials, begin, tell)
    except CanaryError as error:
        said = str(error)
    except OSError as error:
        said = f"cannot knock: {error}"
    with suppress(OSError):
        os.write(tell, json.dumps(said).encode())
    os._exit(0)


def _knock(trials: Sequence[Trial], begin: int, tell: int) -> dict[str, list[str]]:
    """Knock while nobody is banned, and again when all are; return who came in both times."""
    knocks = {
        (_attacker(number)[place], _GUARD[place], trial.port): (trial.jail, place)
        for number, trial in enumerate(trials)
        for place in (0, 1)
    }
    before: set[tuple[str, str, int]] = set()
    for _ in range(_TRIES):  # an address may take a moment until it can be used
        before |= _connected([knock for knock in knocks if knock not in before])
        if len(before) == len(knocks):
            break
    if not before:
        raise CanaryError("nobody comes through, banned or not: the wire does not work here")
    os.write(tell, b"2")
    os.read(begin, 1)
    found: dict[str, list[str]] = {}
    for knock in _connected(list(before)):
        jail, place = knocks[knock]
        found.setdefault(jail, []).append(("IPv4", "IPv6")[place])
    return {jail: sorted(families) for jail, families in found.items()}


def _connected(knocks: Sequence[tuple[str, str, int]]) -> set[tuple[str, str, int]]:
    """Connect from each source to its target, all at once; return those that stood in time."""
    waiting: dict[socket.socket, tuple[str, str, int]] = {}
    for source, target, port in knocks:
        family = socket.AF_INET6 if ":" in target else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        connection.bind((source, 0))
        connection.connect_ex((target, port))
        waiting[connection] = source, target, port
    found: set[tuple[str, str, int]] = set()
    deadline = time.monotonic() + _WAIT
    while time.monotonic() < deadline and len(found) < len(waiting):
        time.sleep(0.02)
        for connection, knock in waiting.items():
            if knock not in found:
                with suppress(OSError):
                    connection.getpeername()
                    found.add(knock)
    for connection in waiting:
        connection.close()
    return found


def _attacker(number: int) -> tuple[str, str]:
    return f"192.0.2.{100 + number}", f"2001:db8::{100 + number:x}"


def _with_prefix(address: str) -> str:
    return f"{address}/64" if ":" in address else f"{address}/24"


def _listener(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family, backlog=MOST * 2)


def _up(device: str, addresses: Sequence[str]) -> None:
    for address in addresses:
        _ip("address", "add", address, "dev", device, *(["nodad"] if ":" in address else []))
    _ip("link", "set", device, "up")
    _ip("link", "set", "lo", "up")


def _ip(*words: str) -> None:
    program = shutil.which("ip", path=_PATH)
    if program is None:
        raise CanaryError("ip(8) is not there (package iproute2)")
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CanaryError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def _unshare() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        raise CanaryError(f"no network namespace can be made: {os.strerror(ctypes.get_errno())}")


def _stop(firewall: NftablesFirewall) -> None:
    with suppress(Exception):
        firewall.stop()


if __name__ == "__main__":
    sys.exit(main())
