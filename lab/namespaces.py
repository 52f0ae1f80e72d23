"""Hosts that exist for the length of a test: network namespaces on one machine, wired together by veth pairs.

The whole laboratory is one process tree in mount, pid and network namespaces of its own. Its first process is the anchor: when
that ends, however it ends, the kernel kills every process in the pid namespace, and with the last of them go the interfaces,
the mounts and the files. There is no clean-up code, because there is nothing that clean-up code would have to remember.

Two ways to stand to it:

* *inside*: a script calls `enter` and goes on as the first process of the laboratory (the demo);
* *outside*: `Lab.hold` starts a first process that does nothing but wait for the end of its standard input, and every command
  is sent in with nsenter(1) (tests). Should the tests die, the pipe closes, and the laboratory is gone.

Inside, these are private: /run (a tmpfs; so are named namespaces in /run/netns and all the laboratory's own files), /dev (the
few devices that programs expect, and room for a /dev/log), and whatever a service bind-mounts afterwards. The rest of the file
system is the machine's own.

Without root the same is done in a user namespace. One user id is then enough for plain clients and for nftables; sshd needs
several (its unprivileged child has its own), which takes newuidmap from the package uidmap and a range in /etc/subuid.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NoReturn

_INSIDE = "BANISH_LAB"
_JOIN_PIDS = "--pid"
_PR_SET_PDEATHSIG = 1

_PREPARE = """
set -e
umask 022
ip link set lo up
mount -t tmpfs -o mode=0755 lab /run
mkdir -p /run/netns /run/sshd /run/lab /run/dev
mount -t tmpfs -o mode=0755 lab /run/dev
for name in null zero full random urandom tty; do
    : > /run/dev/$name
    mount --bind /dev/$name /run/dev/$name
done
mkdir /run/dev/pts /run/dev/shm
mount --rbind /dev/pts /run/dev/pts
ln -s pts/ptmx /run/dev/ptmx
ln -s /proc/self/fd /run/dev/fd
ln -s /proc/self/fd/0 /run/dev/stdin
ln -s /proc/self/fd/1 /run/dev/stdout
ln -s /proc/self/fd/2 /run/dev/stderr
mount --move /run/dev /dev
"""

_WAIT = """
trap '' CHLD
echo ready
exec cat
"""  # children that end without a parent are buried by the kernel: cat would not do it, and an ignored signal stays ignored


class LabError(Exception):
    """A command of the laboratory failed, or it cannot be built here; the text carries what the command said."""


@dataclass(frozen=True, slots=True)
class Host:
    """One machine of the laboratory: a network namespace in /run/netns."""

    lab: Lab = field(repr=False)
    name: str

    def popen(
        self,
        argv: Sequence[str | Path],
        *,
        stdin: int | IO[bytes] | None = subprocess.DEVNULL,
        stdout: int | IO[bytes] | None = None,
        stderr: int | IO[bytes] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start *argv* on this host and return at once. *environment* is added to the one this process has."""
        return subprocess.Popen(
            self._command(argv),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        check: bool = True,
        input: str = "",  # noqa: A002  (the name subprocess.run has for it)
        timeout: float = 30.0,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run *argv* on this host to its end; LabError when it fails (unless *check* is off) or takes over *timeout* seconds."""
        return _run(self._command(argv), check=check, text_in=input, timeout=timeout, environment=environment)

    def end(self, process: subprocess.Popen[bytes], *, timeout: float = 5.0) -> None:
        """End what `popen` started, by force after *timeout* seconds, and close its pipes."""
        for number, patience in ((signal.SIGTERM, timeout), (signal.SIGKILL, None)):
            with contextlib.suppress(ProcessLookupError):
                self.signal(process, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience)
                break
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()

    def pid(self, process: subprocess.Popen[bytes]) -> int:
        """Return the process id, as the machine counts, of what `popen` started; ProcessLookupError when it has ended."""
        return _inner(process)

    def signal(self, process: subprocess.Popen[bytes], number: signal.Signals) -> None:
        """Send a signal to what `popen` started; ProcessLookupError when it has ended."""
        os.kill(self.pid(process), number)

    def address(self, address: str, interface: str) -> None:
        """Give *interface* one more *address* (with its prefix length), usable at once."""
        words = ["ip", "address", "add", address, "dev", interface]
        self.run([*words, "nodad"] if ":" in address else words)

    def _command(self, argv: Sequence[str | Path]) -> list[str]:
        return self.lab.command(["nsenter", f"--net=/run/netns/{self.name}", "--", *argv])


class Lab:
    """The laboratory, seen from inside or outside; made by `Lab.inside` or `Lab.hold`."""

    directory = Path("/run/lab")
    """Where services keep their files: the path as processes *inside* see it. It goes when the laboratory goes."""

    def __init__(self, prefix: Sequence[str] = (), root: Path = Path("/")) -> None:
        self._prefix = tuple(prefix)
        self._root = root
        self._links = 0

    @classmethod
    def inside(cls) -> Lab:
        """Return the laboratory that this process lives in, after `enter`."""
        if os.environ.get(_INSIDE) != "inside":
            raise LabError("not inside a laboratory: call lab.enter() first")
        return cls()

    @classmethod
    @contextlib.contextmanager
    def hold(cls) -> Generator[Lab]:
        """Build a laboratory beside this process and yield it; it ends with the block, or with this process."""
        anchor = subprocess.Popen(
            [*_unshare(), "--", "sh", "-c", f"{_PREPARE}\n{_WAIT}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert anchor.stdin is not None
        assert anchor.stdout is not None
        try:
            if anchor.stdout.readline() != b"ready\n":
                raise LabError("the laboratory could not be built; its first process said why on standard error")
            first = _only_child(anchor.pid)
            entry = ["nsenter", f"--target={first}", "--mount", "--net", _JOIN_PIDS]
            if os.geteuid() != 0:
                entry += ["--user", "--preserve-credentials"]
            yield cls([*entry, "--"], Path(f"/proc/{first}/root"))
        finally:
            anchor.stdin.close()
            try:
                anchor.wait(timeout=10)
            except subprocess.TimeoutExpired:
                anchor.kill()  # unshare(1) takes its child along (--kill-child)
                anchor.wait()
            anchor.stdout.close()

    def command(self, argv: Sequence[str | Path]) -> list[str]:
        """Return *argv* as this process must start it to have it run inside."""
        return [*self._prefix, *map(str, argv)]

    def run(
        self, argv: Sequence[str | Path], *, check: bool = True, timeout: float = 30.0
    ) -> subprocess.CompletedProcess[str]:
        """Run *argv* inside, on no host in particular."""
        return _run(self.command(argv), check=check, text_in="", timeout=timeout, environment=None)

    def path(self, inside: Path) -> Path:
        """Return the path by which this process reaches the file that processes inside call *inside*."""
        return self._root / inside.relative_to("/")

    def host(self, name: str) -> Host:
        """Set up a new host called *name*, with nothing but its loopback interface."""
        self.run(["ip", "netns", "add", name])
        host = Host(self, name)
        host.run(["ip", "link", "set", "lo", "up"])
        return host

    def connect(self, one: Host, ones: Sequence[str], other: Host, others: Sequence[str]) -> tuple[str, str]:
        """Run a cable from *one* to *other*, each end with its addresses (with prefix length; the first is the main one).

        Returns the two interface names. Neighbours reach each other when their prefixes say so; there are no routes beyond.
        """
        self._links += 1
        names = (f"to-{other.name}"[:12] + f"{self._links}", f"to-{one.name}"[:12] + f"{self._links}")
        self.run(
            ["ip", "link", "add", names[0], "netns", one.name, "type", "veth", "peer", names[1], "netns", other.name]
        )
        for host, interface, addresses in ((one, names[0], ones), (other, names[1], others)):
            for address in addresses:
                host.address(address, interface)
            host.run(["ip", "link", "set", interface, "up"])
        return names

    def bind(self, source: Path, target: Path) -> None:
        """Let *source* appear at *target*, for the laboratory's processes alone. Both paths as seen inside."""
        self.run(["mount", "--bind", source, target])


def enter() -> None:
    """Move the running script into a laboratory: start it again inside and return there; the first process never returns.

    The script must not have done anything yet that it would not want to do twice. The process that was started stays behind as
    the guard: it hands on the exit status, and ends the laboratory when it is told to end itself.
    """
    if os.environ.get(_INSIDE) == "inside":
        return
    if os.environ.get(_INSIDE) == "entering":
        os.environ[_INSIDE] = "inside"
        _run(["sh", "-c", _PREPARE], check=True, text_in="", timeout=30, environment=None)
        return
    reason = can_run(sshd=False)
    if reason is not None:
        raise LabError(reason)
    child = os.fork()
    if child == 0:
        _die_with_parent()
        os.environ[_INSIDE] = "entering"
        arguments = [*_unshare(), "--", sys.executable, *sys.orig_argv[1:]]
        os.execvp(arguments[0], arguments)  # noqa: S606  (no shell is wanted)
    _guard(child)


def can_run(*, sshd: bool = True) -> str | None:
    """Return None when a laboratory can be built here, else the reason in plain words.

    With *sshd* the question includes the OpenSSH server and client and the several user ids that the server needs.
    """
    if sys.platform != "linux":
        return "network namespaces exist on Linux only"
    programs = {"unshare": "util-linux", "nsenter": "util-linux", "mount": "mount", "ip": "iproute2", "nft": "nftables"}
    if sshd:
        programs |= {
            "sshd": "openssh-server",
            "ssh": "openssh-client",
            "ssh-keygen": "openssh-client",
            "openssl": "openssl",
        }
    missing = [f"{name} (package {package})" for name, package in programs.items() if program(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    if os.geteuid() != 0 and sshd and shutil.which("newuidmap") is None:
        return "sshd needs several user ids: run as root, or install uidmap and have a range in /etc/subuid"
    attempt = subprocess.run(
        [*_unshare(), "--", "sh", "-c", _PREPARE], check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if attempt.returncode != 0:
        who = "root" if os.geteuid() == 0 else "not root, and user namespaces"
        return f"{who} may not build network namespaces here: {attempt.stderr.strip() or attempt.returncode}"
    return None


def program(name: str) -> str | None:
    """Return the path of *name*, looked for in the system directories too: they are not on everybody's PATH."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin")


def _unshare() -> list[str]:
    words = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        words += ["--user", "--map-root-user"]
        if shutil.which("newuidmap") is not None and _has_range():
            words.append("--map-auto")
    return words


def _has_range() -> bool:
    user = os.environ.get("USER", str(os.geteuid()))
    try:
        ranges = Path("/etc/subuid").read_text()
    except OSError:
        return False
    return any(line.split(":")[0] in (user, str(os.geteuid())) for line in ranges.splitlines())


def _run(
    argv: Sequence[str], *, check: bool, text_in: str, timeout: float, environment: Mapping[str, str] | None
) -> subprocess.CompletedProcess[str]:
    # Into a file, not a pipe: a daemon that the command leaves behind may keep the descriptor, and must not keep us waiting.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=out, stderr=err, env={**os.environ, **(environment or {})}
        )
        try:
            process.communicate(text_in.encode(), timeout=timeout)
        except subprocess.TimeoutExpired as late:
            with contextlib.suppress(ProcessLookupError):
                os.kill(_inner(process), signal.SIGKILL)
            process.communicate()
            raise LabError(f"{' '.join(argv)}: no end within {timeout:g} s") from late
        out.seek(0)
        err.seek(0)
        result = subprocess.CompletedProcess(
            list(argv), process.returncode, out.read().decode(errors="replace"), err.read().decode(errors="replace")
        )
    if check and result.returncode != 0:
        raise LabError(f"{' '.join(argv)}: exit status {result.returncode}: {(result.stderr or result.stdout).strip()}")
    return result


def _inner(process: subprocess.Popen[bytes]) -> int:
    """Return the id of what *process* was started for: the one to send signals to; ProcessLookupError when it has ended.

    From outside that is the child of an nsenter(1), which hands no signals on. It must not be killed itself either: its orphan
    would wait for the machine's init to bury it, and the laboratory's end would wait for that.
    """
    if process.poll() is not None:
        raise ProcessLookupError(f"process {process.pid} has ended")
    words = process.args
    return _only_child(process.pid) if isinstance(words, list) and _JOIN_PIDS in words else process.pid


def _only_child(pid: int) -> int:
    """Return the child of *pid*, which is just being started or there already; ProcessLookupError when none comes."""
    for _ in range(100):
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except FileNotFoundError:
            break
        if children:
            return int(children[0])
        time.sleep(0.01)
    raise ProcessLookupError(f"process {pid} has no child")


def _die_with_parent() -> None:
    # prctl(2); the setting survives exec, so that the laboratory ends even when its guard is killed outright.
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        os._exit(127)


def _guard(child: int) -> NoReturn:
    """Wait for the laboratory and end as it ended. Ctrl-C reaches the script inside by itself; other ends are passed on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: os.kill(child, signal.SIGKILL))  # unshare(1) itself holds SIGTERM back
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    sys.stdout.flush()
    os._exit(code if code >= 0 else 128 - code)
