"""What every test may ask for: a network of its own, nft as an oracle; and an honest account of what could not run.

``@pytest.mark.netns``: the test runs in a fresh network namespace, empty but for loopback, which is up. Processes it starts
are in there as well. ``@pytest.mark.sshd``: the test needs a real sshd and several mapped user ids.

A test whose needs are not met here is skipped, and named at the end of the run. With REQUIRE_NETNS=1 in the environment it is
an error instead, for both marks: that is for machines where these tests are the point.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

CLONE_NEWNET = 0x40000000  # linux/sched.h
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1  # linux/sockios.h, linux/if.h
NAMED_MARKS = ("netns", "sshd")
ALONE = {
    "bench", "capture", "control", "daemon", "doctor", "end_to_end", "enforcement", "lab", "reporting", "safety", "sources", "torture",
}  # fmt: skip
"""Rooms of tests that need the machine for themselves: their daemons and clocks would wait for other tests."""

Nft = Callable[..., str]
"""``nft("list", "ruleset")``, ``nft("-f", "-", script="…")``: runs nft(8), returns what it prints, fails on an error."""

_libc = ctypes.CDLL(None, use_errno=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the rooms in `ALONE`."""
    for item in items:
        if ALONE.intersection(item.path.relative_to(Path(__file__).parent).parts):
            item.add_marker("alone")


@pytest.fixture(autouse=True)
def _marked_needs(request: pytest.FixtureRequest) -> None:
    """Give a test with a mark what the mark stands for."""
    if request.node.get_closest_marker("sshd") is not None:
        lacking = _lacking_for_sshd()
        if lacking:
            _give_up(lacking)
    if request.node.get_closest_marker("netns") is not None:
        request.getfixturevalue("network_namespace")


@pytest.fixture
def network_namespace() -> Iterator[None]:
    """A fresh network namespace around the test; use the mark ``netns`` to ask for it."""
    # Not /proc/self: a namespace belongs to a thread.
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.unshare(CLONE_NEWNET) != 0:
            _give_up(f"no network namespace can be made: {os.strerror(ctypes.get_errno())}")
        try:
            loopback_up()
            yield
        finally:
            if _libc.setns(outside, CLONE_NEWNET) != 0:
                # Whatever ran next would run in the wrong network: the whole run is void.
                pytest.exit(f"cannot leave the network namespace: {os.strerror(ctypes.get_errno())}", returncode=3)
    finally:
        os.close(outside)


@pytest.fixture
def nft() -> Nft:
    """nft(8), the oracle for what the kernel holds."""
    program = shutil.which("nft", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        _give_up("nft is not installed")

    def run(*arguments: str, script: str | None = None) -> str:
        done = subprocess.run([program, *arguments], input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"nft {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    return run


def loopback_up() -> None:
    """Bring up ``lo`` in the current network namespace (a new one begins with it down)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh22x", b"lo", 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(control, SIOCGIFFLAGS, request), 16)
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | IFF_UP))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count and name what was skipped for want of privileges: a green run must not hide it."""
    skipped = terminalreporter.stats.get("skipped", [])
    for mark in NAMED_MARKS:
        named = sorted({report.nodeid for report in skipped if mark in getattr(report, "keywords", ())})
        if named:
            terminalreporter.section(f"{len(named)} tests marked {mark} did not run", yellow=True)
            for name in named:
                terminalreporter.line(name)
            terminalreporter.line("(REQUIRE_NETNS=1 makes this an error)")


def _give_up(why: str) -> NoReturn:
    if os.environ.get("REQUIRE_NETNS") == "1":
        pytest.fail(f"REQUIRE_NETNS=1, but {why}", pytrace=False)
    pytest.skip(why)


def _lacking_for_sshd() -> str:
    if shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
        return "sshd is not installed"
    mapped = sum(int(line.split()[2]) for line in Path("/proc/self/uid_map").read_text().splitlines())
    # sshd changes to the user that logs in, and to its own for what comes before: with one id alone it cannot.
    if os.geteuid() != 0 or mapped < 65536:
        return "sshd needs root, or a user namespace with a range of mapped user ids"
    return ""
