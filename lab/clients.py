"""Those who knock: the real ssh client without a person at it, and bare TCP connections, each from an address of one's choice.

Every function takes the host to start from and the *source* address on it, so that one host can play an attacker and a
bystander behind the same wire.
"""

from __future__ import annotations

import ast
import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from lab.namespaces import Host, LabError

_HERE = Path(__file__).resolve().parent

Outcome = Literal["open", "refused", "timeout", "unreachable", "reset"]
"""What a TCP connection came to; a ban shows as ``timeout`` (drop) or ``refused`` (reject)."""


@dataclass(frozen=True, slots=True)
class Login:
    """What ssh(1) made of a login: *accepted* when the remote command ran; *said* is what it wrote on standard error."""

    accepted: bool
    said: str


def password(
    host: Host,
    source: str,
    target: str,
    user: str,
    secret: str,
    *,
    port: int = 22,
    prompts: int = 1,
    options: Sequence[str] = (),
    timeout: float = 20.0,
) -> Login:
    """Log in to *target* with a password, offering it *prompts* times in one connection.

    *options* are ssh_config(5) settings (``KexAlgorithms=…``); ssh takes the first it reads of each keyword, and these come first,
    so that they can replace what makes this a login by password alone. A server that does not answer is given up after 3 seconds.
    """
    askpass = _askpass(host)
    return _ssh(
        host,
        source,
        target,
        user,
        port=port,
        settings=[
            *options,
            "PreferredAuthentications=password,keyboard-interactive",
            "PubkeyAuthentication=no",
            f"NumberOfPasswordPrompts={prompts}",
        ],
        environment={"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force", "LAB_PASSWORD": secret},
        timeout=timeout,
    )


def key(
    host: Host,
    source: str,
    target: str,
    user: str,
    identity: Path,
    *,
    port: int = 22,
    options: Sequence[str] = (),
    timeout: float = 20.0,
) -> Login:
    """Log in to *target* with the private key in the file *identity* (its path inside), and with nothing else."""
    settings = ["PreferredAuthentications=publickey", f"IdentityFile={identity}", "BatchMode=yes", *options]
    return _ssh(host, source, target, user, port=port, settings=settings, environment={}, timeout=timeout)


class Session:
    """A login by key that stays; a context manager that holds it while the block runs. *words* are further ones for ssh(1)."""

    def __init__(
        self,
        host: Host,
        source: str,
        target: str,
        user: str,
        identity: Path,
        *,
        port: int = 22,
        words: Sequence[str] = (),
    ) -> None:
        settings = ["PreferredAuthentications=publickey", f"IdentityFile={identity}", "BatchMode=yes"]
        self._host = host
        self._command = [*_command(source, settings), *words, "-p", str(port), "-l", user, target, "cat"]
        self._process: subprocess.Popen[bytes] | None = None

    def works(self, *, timeout: float = 5.0) -> bool:
        """Return whether what is said there comes back."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(b"still there?\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return False
        ready, _, _ = select.select([self._process.stdout], [], [], timeout)
        return bool(ready) and b"still there?" in os.read(self._process.stdout.fileno(), 1000)

    def __enter__(self) -> Self:
        self._process = self._host.popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if not self.works(timeout=20.0):
            self._host.end(self._process)
            raise LabError("the login failed; ssh said why on standard error")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._host.end(self._process)


@contextlib.contextmanager
def at_the_prompt(host: Host, source: str, target: str, user: str, *, port: int = 22) -> Iterator[None]:
    """Sit at sshd's question for a password, connected and not answering, while the block runs."""
    asked = host.lab.directory / f"asked-{source}"
    askpass = host.lab.directory / f"ponder-{source}"
    host.lab.path(askpass).write_text(f"#!/bin/sh\n: > {asked}\nexec sleep 60\n")
    host.lab.path(askpass).chmod(0o755)
    settings = ["PreferredAuthentications=password", "PubkeyAuthentication=no"]
    process = host.popen(
        [*_command(source, settings), "-p", str(port), "-l", user, target],
        environment={"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"},
    )
    try:
        for _ in range(500):
            if host.lab.path(asked).exists():
                break
            time.sleep(0.02)
        else:
            raise LabError("sshd did not ask for a password")
        yield
    finally:
        host.end(process)


def make_key(host: Host, name: str, kind: str = "ed25519") -> tuple[Path, str]:
    """Return a new key pair: the path of its private half (inside), and the line of its public half."""
    path = host.lab.directory / name
    host.lab.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", name, "-f", path])
    return path, host.lab.path(path.with_name(f"{name}.pub")).read_text()


def probe(host: Host, source: str, target: str, port: int = 22, *, timeout: float = 1.0) -> Outcome:
    """Return what a TCP connection from *source* to *target* comes to within *timeout* seconds; nothing is sent."""
    return _connect(host, source, target, port, timeout=timeout)[0]


def raw(
    host: Host,
    source: str,
    target: str,
    payload: bytes,
    *,
    port: int = 22,
    wait: float = 0.3,
    end: Literal["close", "reset"] = "close",
) -> bytes:
    """Connect, send *payload*, listen *wait* seconds at most, and hang up politely or not; return what the server said.

    Raises LabError when no connection came about.
    """
    more = ["--send", payload.hex(), "--wait", str(wait), "--end", end]
    outcome, said = _connect(host, source, target, port, timeout=3.0, more=more)
    if outcome != "open":
        raise LabError(f"no connection from {source} to {target} port {port}: {outcome}")
    return said


def _connect(
    host: Host, source: str, target: str, port: int, *, timeout: float, more: Sequence[str] = ()
) -> tuple[Outcome, bytes]:
    words = ["--from", source, "--to", target, "--port", str(port), "--timeout", str(timeout), *more]
    printed = host.run([sys.executable, "-IS", _HERE / "connect.py", *words], timeout=timeout + 30).stdout.splitlines()
    said: bytes = ast.literal_eval(printed[1]) if len(printed) > 1 else b""
    for outcome in ("open", "refused", "timeout", "unreachable", "reset"):
        if printed[:1] == [outcome]:
            return outcome, said
    raise LabError(f"connecting from {source} to {target} port {port}: {printed}")


def _ssh(
    host: Host,
    source: str,
    target: str,
    user: str,
    *,
    port: int,
    settings: Sequence[str],
    environment: dict[str, str],
    timeout: float,
) -> Login:
    done = host.run(
        [*_command(source, settings), "-p", str(port), "-l", user, target, "echo", "welcome"],
        check=False,
        environment=environment,
        timeout=timeout,
    )
    return Login("welcome" in done.stdout, done.stderr.strip())


def _command(source: str, settings: Sequence[str]) -> list[str]:
    known = ["UserKnownHostsFile=/dev/null", "GlobalKnownHostsFile=/dev/null", "StrictHostKeyChecking=no"]
    alone = ["IdentityAgent=none", "IdentitiesOnly=yes", "ConnectTimeout=3", "LogLevel=ERROR", f"BindAddress={source}"]
    return ["ssh", "-F", "none", *(word for setting in (*settings, *known, *alone) for word in ("-o", setting))]


def _askpass(host: Host) -> Path:
    """Return a program that answers ssh's question; the password travels in its environment, never on a command line."""
    inside = host.lab.directory / "askpass"
    outside = host.lab.path(inside)
    if not outside.exists():
        outside.write_text("#!/bin/sh\nprintf '%s\\n' \"$LAB_PASSWORD\"\n")
        outside.chmod(0o755)
    return inside
