"""The laboratory works: hosts that reach each other, a server that logs what is done to it, and nothing that stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab import Host, Lab, LabError, clients
from lab.sshd import Sshd
from lab.syslog import line

REPOSITORY = Path(__file__).resolve().parents[2]


SERVER, ATTACKER, BYSTANDER = "192.0.2.1", "192.0.2.66", "192.0.2.10"
SECRET = "correct horse battery staple"


@pytest.fixture
def hosts() -> Generator[tuple[Host, Host]]:
    with Lab.hold() as laboratory:
        server, client = laboratory.host("server"), laboratory.host("client")
        laboratory.connect(
            server,
            [f"{SERVER}/24", "2001:db8::1/64"],
            client,
            [f"{ATTACKER}/24", f"{BYSTANDER}/24", "2001:db8::66/64"],
        )
        yield server, client


def _until(condition: Callable[[], object], *, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False


@pytest.mark.netns
def test_hosts_reach_each_other_from_every_address_at_once(hosts: tuple[Host, Host]) -> None:
    server, client = hosts

    assert clients.probe(client, ATTACKER, SERVER, 7) == "refused"
    assert clients.probe(client, BYSTANDER, SERVER, 7) == "refused"
    assert clients.probe(client, "2001:db8::66", "2001:db8::1", 7) == "refused"
    assert clients.probe(client, ATTACKER, "198.51.100.1", 7) == "unreachable"
    assert server.run(["ip", "-o", "link"]).stdout.count("\n") == 2, "loopback and one cable"


@pytest.mark.netns
def test_a_dropped_packet_is_a_timeout_and_other_addresses_go_on(hosts: tuple[Host, Host]) -> None:
    server, client = hosts
    rules = (
        f"add table t; add chain t c {{ type filter hook input priority 0; }}; add rule t c ip saddr {ATTACKER} drop"
    )
    server.run(["nft", "-f", "-"], input=rules)

    assert clients.probe(client, ATTACKER, SERVER, 7, timeout=0.2) == "timeout"
    assert clients.probe(client, BYSTANDER, SERVER, 7) == "refused"


@pytest.mark.netns
def test_a_command_that_fails_says_so(hosts: tuple[Host, Host]) -> None:
    server, _ = hosts

    with pytest.raises(LabError, match=r"ip link show nothing.*exit status 1.*does not exist"):
        server.run(["ip", "link", "show", "nothing"])
    with pytest.raises(LabError, match=r"no end within 0\.1 s"):
        server.run(["sleep", "10"], timeout=0.1)


@pytest.mark.netns
def test_nothing_is_left_when_the_laboratory_ends() -> None:
    before = (Path("/etc/passwd").stat().st_ino, Path("/run").stat().st_dev, Path("/dev").stat().st_dev)
    with Lab.hold() as laboratory:
        server = laboratory.host("server")
        process = server.popen(["sleep", "600"])
        namespace = server.run(["readlink", "/proc/self/ns/pid"]).stdout.strip()
        assert namespace != os.readlink("/proc/self/ns/pid")
        laboratory.path(laboratory.directory / "file").write_text("x")

        assert not Path("/run/lab/file").exists()
    process.wait(timeout=5)

    assert _until(lambda: not _in_namespace(namespace))
    assert before == (Path("/etc/passwd").stat().st_ino, Path("/run").stat().st_dev, Path("/dev").stat().st_dev)


SCRIPT = """
import os, sys
import lab
lab.enter()
laboratory = lab.Lab.inside()
server, client = laboratory.host("server"), laboratory.host("client")
laboratory.connect(server, ["192.0.2.1/24"], client, ["192.0.2.66/24"])
sleeper = server.popen(["sleep", "600"])
print(os.getpid(), os.readlink("/proc/self/ns/pid"), flush=True)
if sys.argv[1] == "wait":
    sleeper.wait()
sys.exit(7)
"""


def _script(tmp_path: Path, argument: str) -> subprocess.Popen[str]:
    (tmp_path / "script.py").write_text(SCRIPT)
    return subprocess.Popen(
        [sys.executable, tmp_path / "script.py", argument],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


@pytest.mark.netns
def test_a_script_enters_and_its_exit_status_comes_out(tmp_path: Path) -> None:
    said, _ = (process := _script(tmp_path, "leave")).communicate(timeout=20)

    assert said.startswith("1 pid:[")
    assert process.returncode == 7


@pytest.mark.netns
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_ending_the_script_from_outside_ends_everything_inside(tmp_path: Path, number: signal.Signals) -> None:
    with _script(tmp_path, "wait") as process:
        assert process.stdout is not None
        namespace = process.stdout.readline().split()[1]
        assert _in_namespace(namespace)
        process.send_signal(number)
        process.wait(timeout=10)

    assert _until(lambda: not _in_namespace(namespace))


def _in_namespace(namespace: str) -> list[str]:
    """Return the processes whose pid namespace is *namespace*."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(entry / "ns" / "pid") == namespace:
                found.append(entry.name)
        except OSError:
            continue
    return found


@pytest.mark.sshd
def test_a_wrong_password_is_logged_with_its_address_and_the_right_one_gets_in(hosts: tuple[Host, Host]) -> None:
    server, client = hosts
    with Sshd(server, users={"alice": SECRET}) as service:
        assert not clients.password(client, ATTACKER, SERVER, "alice", "guess", prompts=2).accepted
        assert clients.password(client, BYSTANDER, SERVER, "alice", SECRET).accepted
        assert not clients.password(client, "2001:db8::66", "2001:db8::1", "nobody-here", SECRET).accepted

        log = service.wait_for("Accepted password for alice from 192.0.2.10")
        assert sum("Failed password for alice from 192.0.2.66 port " in each for each in log) == 2
        service.wait_for("Invalid user nobody-here from 2001:db8::66 port ")


@pytest.mark.sshd
def test_a_key_gets_in_once_it_is_authorized(hosts: tuple[Host, Host]) -> None:
    server, client = hosts
    with Sshd(server, users={"alice": None}) as service:
        identity, public = clients.make_key(client, "id")

        assert not clients.key(client, BYSTANDER, SERVER, "alice", identity).accepted
        service.authorize("alice", public)
        assert clients.key(client, BYSTANDER, SERVER, "alice", identity).accepted


@pytest.mark.sshd
def test_with_pam_it_is_pam_that_refuses(hosts: tuple[Host, Host]) -> None:
    server, client = hosts
    with Sshd(server, users={"alice": SECRET}, pam=True) as service:
        clients.password(client, ATTACKER, SERVER, "alice", "guess")

        service.wait_for("pam_unix(sshd:auth): authentication failure;")
        assert clients.password(client, ATTACKER, SERVER, "alice", SECRET).accepted


@pytest.mark.sshd
def test_who_does_not_speak_ssh_gets_an_answer_and_a_line_in_the_log(hosts: tuple[Host, Host]) -> None:
    server, client = hosts
    with Sshd(server, users={}) as service:
        assert clients.raw(client, ATTACKER, SERVER, b"GET / HTTP/1.1\r\n\r\n").startswith(b"SSH-2.0-")

        service.wait_for("192.0.2.66 port ")


@pytest.mark.sshd
def test_a_stopped_server_is_gone_and_can_be_started_again(hosts: tuple[Host, Host]) -> None:
    server, client = hosts
    service = Sshd(server, users={"alice": SECRET})
    with service:
        assert clients.probe(client, ATTACKER, SERVER) == "open"
    assert clients.probe(client, ATTACKER, SERVER) == "refused"
    with service:
        assert clients.password(client, ATTACKER, SERVER, "alice", SECRET).accepted


NOON = datetime(2026, 11, 2, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("style", "datagram", "written"),
    [
        ("traditional", b"<38>Nov  2 11:59:59 sshd[7]: hello", "Nov  2 12:00:00 host sshd[7]: hello"),
        ("traditional", b"<38>Nov  2 11:59:59 sshd[7]: a\tb\x1b[31m\n", "Nov  2 12:00:00 host sshd[7]: a#011b#033[31m"),
        ("traditional", b"no priority", "Nov  2 12:00:00 host no priority"),
        ("iso", b"<38>Nov  2 11:59:59 sshd[7]: hello", "2026-11-02T12:00:00.123456+00:00 host sshd[7]: hello"),
        (
            "protocol",
            b"<38>Nov  2 11:59:59 sshd[7]: hello",
            "<38>1 2026-11-02T12:00:00.123456+00:00 host sshd 7 - - hello",
        ),
        (
            "protocol",
            b"<38>Nov  2 11:59:59 cron: hello",
            "<38>1 2026-11-02T12:00:00.123456+00:00 host cron - - - hello",
        ),
    ],
)
def test_the_log_daemon_writes_as_rsyslog_does(style: str, datagram: bytes, written: str) -> None:
    assert line(datagram, style=style, hostname="host", now=NOON) == written
