"""``banish setup`` on a server with the real sshd, nginx and Postfix: it names exactly those."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import Host, Lab

SYSTEM = "/usr/sbin:/sbin:/usr/bin:/bin"
MASTER = Path("/usr/lib/postfix/sbin/master")

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.skipif(
        shutil.which("nginx", path=SYSTEM) is None or not MASTER.exists(), reason="needs nginx and postfix"
    ),
]

NGINX = """
daemon off;
pid {0}/nginx.pid;
error_log {0}/error.log;
events {{}}
http {{ access_log off; server {{ listen 80; listen [::]:80; }} }}
"""
POSTFIX = """
compatibility_level = 3.6
queue_directory = {0}/queue
data_directory = {0}/data
meta_directory = /etc/postfix
inet_interfaces = all
mynetworks_style = host
myhostname = host.example
"""


@pytest.fixture
def server() -> Iterator[Host]:
    """A server with nothing but a sshd, a web server and a mail server. It has the machine's own accounts."""
    with Lab.hold() as lab, contextlib.ExitStack() as stack:
        host = lab.host("server")
        home = lab.path(lab.directory)
        (home / "postfix" / "queue").mkdir(parents=True)
        (home / "nginx.conf").write_text(NGINX.format(lab.directory))
        (home / "postfix" / "main.cf").write_text(POSTFIX.format(lab.directory / "postfix"))
        shutil.copy("/usr/share/postfix/master.cf.dist", home / "postfix" / "master.cf")
        lab.run(["install", "-d", "-o", "postfix", lab.directory / "postfix" / "data"])
        lab.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", lab.directory / "host_key"])
        home_inside = str(lab.directory)
        commands: list[list[str]] = [
            ["/usr/sbin/sshd", "-D", "-f", "/dev/null", "-o", "PidFile=none", "-h", f"{home_inside}/host_key"],
            ["nginx", "-c", f"{home_inside}/nginx.conf"],
            ["postfix", "-c", f"{home_inside}/postfix", "start-fg"],
        ]
        for command in commands:
            stack.callback(host.end, host.popen(command))
        deadline = time.monotonic() + 20
        while missing := [port for port in (":22 ", ":25 ", ":80 ") if port not in host.run(["ss", "-tln"]).stdout]:
            assert time.monotonic() < deadline, f"nobody listens on {missing}"
            time.sleep(0.05)
        yield host


def test_it_names_exactly_what_runs(server: Host) -> None:
    command = [sys.executable, "-m", "banish.cli.banish", "setup", "--dry-run", "--config", "/run/lab/nothing"]
    document = json.loads(server.run([*command, "--json"]).stdout)
    assert [row["service"] for row in document["found"]] == ["OpenSSH", "Postfix", "nginx"]
    assert document["unknown"] == document["containers"] == []
    states = {jail["name"]: jail["state"] for row in document["found"] for jail in row["jails"]}
    assert states.pop("sshd") == "on"
    assert {"postfix", "nginx-http-auth"} <= states.keys()
    assert set(states.values()) == {"proposed"}
    assert not server.lab.path(Path("/run/lab/nothing")).exists()
    assert "OpenSSH       listens on port 22\n" in server.run(command).stdout
