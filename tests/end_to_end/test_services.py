"""Postfix, Dovecot and vsftpd as Debian packages them, attacked by real clients: the kernel drops the attacker, others are served."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from lab import Host, Lab, clients
from lab.daemon import Daemon

SERVER, ATTACKERS, BYSTANDER = "192.0.2.1", ("192.0.2.66", "192.0.2.67", "192.0.2.68"), "192.0.2.7"
PASSWORD = "correct-horse"
HERE = Path(__file__).resolve().parent
LOG = Path("/run/lab/mail.log")
SYSTEM = "/usr/sbin:/usr/bin:/sbin:/bin"

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.skipif(os.geteuid() != 0, reason="the services have user ids of their own: only root can start them"),
    pytest.mark.skipif(
        any(shutil.which(name, path=SYSTEM) is None for name in ("postfix", "dovecot", "vsftpd")),
        reason="needs postfix, dovecot-imapd and vsftpd",
    ),
]

POSTFIX = """\
compatibility_level = 3.6
queue_directory = /run/lab/postfix/queue
data_directory = /run/lab/postfix/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
meta_directory = /etc/postfix
shlib_directory = /usr/lib/postfix
myhostname = mail.example.org
mydestination = example.org
mynetworks = 127.0.0.0/8
inet_protocols = ipv4
alias_maps =
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = /run/lab/sasl
smtpd_peername_lookup = no
smtpd_error_sleep_time = 0
"""

DOVECOT = """\
protocols = imap
base_dir = /run/lab/dovecot
listen = 192.0.2.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
mail_location = maildir:/run/lab/%u
syslog_facility = mail
passdb {
  driver = static
  args = user=alice password=PASSWORD
}
userdb {
  driver = static
  args = uid=alice gid=nogroup home=/run/lab/alice
}
service auth {
  unix_listener /run/lab/sasl {
    mode = 0666
  }
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
""".replace("PASSWORD", PASSWORD)

VSFTPD = """\
listen=YES
background=NO
anonymous_enable=NO
local_enable=YES
dual_log_enable=YES
xferlog_enable=YES
vsftpd_log_file=/run/lab/vsftpd.log
xferlog_file=/run/lab/xferlog
pam_service_name=vsftpd
secure_chroot_dir=/run/lab/empty
delay_failed_login=0
max_login_fails=1
seccomp_sandbox=NO
"""

PAM = "auth required pam_unix.so nodelay\naccount required pam_unix.so\nsession required pam_unix.so\n"

JAILS = """\
[DEFAULT]
maxretry = 3
logpath = /run/lab/mail.log tail

[sshd]
enabled = false

[postfix-sasl]
enabled = true
logpath = /run/lab/mail.log tail

[dovecot]
enabled = true
logpath = /run/lab/mail.log tail

[vsftpd]
enabled = true
logpath = /run/lab/vsftpd.log tail
"""

LOGIN = {
    25: "import smtplib; c = smtplib.SMTP({server!r}, 25, timeout=9, source_address=({source!r}, 0)); c.login('alice', {password!r})",
    143: """
import imaplib, socket
class Client(imaplib.IMAP4):
    def _create_socket(self, timeout):
        return socket.create_connection(({server!r}, 143), 9, source_address=({source!r}, 0))
Client().login('alice', {password!r})
""",
    21: "import ftplib; ftplib.FTP({server!r}, 'alice', {password!r}, timeout=9, source_address=({source!r}, 0))",
}
"""A client for each port, that ends with 0 when it has logged in."""


class Town(NamedTuple):
    server: Host
    outside: Host


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with Lab.hold() as lab:
        server, outside = lab.host("server"), lab.host("outside")
        lab.connect(server, [f"{SERVER}/24"], outside, [f"{address}/24" for address in (*ATTACKERS, BYSTANDER)])
        _accounts(lab)
        home = lab.path(lab.directory)
        for name in ("postfix/queue", "postfix/data", "dovecot", "empty", "alice"):
            (home / name).mkdir(parents=True)
        (home / "mail.log").touch()
        (home / "vsftpd.log").touch()
        (home / "postfix" / "main.cf").write_text(POSTFIX)
        master = Path("/usr/share/postfix/master.cf.dist").read_text().splitlines()
        (home / "postfix" / "master.cf").write_text("\n".join(_without_chroot(line) for line in master) + "\n")
        (home / "dovecot.conf").write_text(DOVECOT)
        (home / "vsftpd.conf").write_text(VSFTPD)
        lab.run(["chown", "postfix", lab.directory / "postfix" / "data"])
        lab.run(["chown", "alice", lab.directory / "alice"])

        with contextlib.ExitStack() as services:

            def start(*words: str | Path, stdout: int | None = None) -> subprocess.Popen[bytes]:
                process = server.popen(words, stdout=stdout)
                services.callback(server.end, process)
                return process

            syslog = HERE.parents[1] / "lab" / "syslog.py"
            log = start(sys.executable, syslog, "--file", LOG, stdout=subprocess.PIPE)
            assert log.stdout is not None
            assert log.stdout.readline() == b"ready\n"
            start("dovecot", "-F", "-c", lab.directory / "dovecot.conf")
            start("vsftpd", lab.directory / "vsftpd.conf")
            start("postfix", "-c", lab.directory / "postfix", "start-fg")
            for port in LOGIN:
                _wait_for(outside, port)
            yield Town(server, outside)


def _accounts(lab: Lab) -> None:
    """The machine's accounts and one more, alice, for the laboratory alone."""
    hashed = subprocess.run(
        ["openssl", "passwd", "-6", PASSWORD], check=True, stdout=subprocess.PIPE, text=True, timeout=10
    ).stdout.strip()
    lines = {
        "passwd": "alice:x:61000:65534::/run/lab/alice:/bin/sh\n",
        "shadow": f"alice:{hashed}:19000:0:99999:7:::\n",
    }
    for name, line in lines.items():
        inside = lab.directory / name
        lab.path(inside).write_text((Path("/etc") / name).read_text() + line)
        lab.path(inside).chmod(0o640 if name == "shadow" else 0o644)
        lab.bind(inside, Path("/etc") / name)
    inside = lab.directory / "pam"
    lab.path(inside).write_text(PAM)
    lab.bind(inside, Path("/etc/pam.d/vsftpd"))


def _without_chroot(line: str) -> str:
    words = line.split()
    if line[:1].isalpha() and len(words) > 7 and words[4] in "yn-":
        words[4] = "n"
        return " ".join(words)
    return line


def _wait_for(outside: Host, port: int) -> None:
    for _ in range(200):
        if clients.probe(outside, BYSTANDER, SERVER, port) == "open":
            return
        time.sleep(0.05)
    log = outside.lab.path(LOG).read_text()
    raise AssertionError(f"nobody answers on port {port}; the log:\n{log}")


def login(town: Town, source: str, port: int, password: str) -> bool:
    code = LOGIN[port].format(server=SERVER, source=source, password=password)
    return town.outside.run([sys.executable, "-I", "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("port", "jail", "attacker", "guesses"),
    [
        (25, "postfix-sasl", ATTACKERS[0], 2),  # smtplib tries each with two mechanisms
        (143, "dovecot", ATTACKERS[1], 3),
        (21, "vsftpd", ATTACKERS[2], 3),
    ],
)
def test_who_guesses_passwords_is_dropped_and_a_bystander_is_served(
    town: Town, port: int, jail: str, attacker: str, guesses: int
) -> None:
    with Daemon(town.server, JAILS) as daemon:
        assert login(town, BYSTANDER, port, PASSWORD)
        assert clients.probe(town.outside, attacker, SERVER, port) == "open"
        for number in range(guesses):
            assert not login(town, attacker, port, f"guess{number}")
        daemon.wait_for_log(f"NOTICE  [{jail}] Ban {attacker}")
        assert clients.probe(town.outside, attacker, SERVER, port) == "timeout", "the kernel drops him"
        assert login(town, BYSTANDER, port, PASSWORD), "and serves others"
        assert [row["network"] for row in daemon.ask("banned")] == [f"{attacker}/32"]
