"""A server as people have them: ssh, web, mail and files at once, set up by ``banish setup``, attacked on every door.

The services are the real ones, and log where their packages let them; the jails are those that ship, as they ship.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from lab import Host, Lab, clients
from lab.daemon import Daemon
from lab.namespaces import LabError, program

HERE = Path(__file__).parent
SERVER, BYSTANDER = "192.0.2.1", "192.0.2.7"
SECRET = "correct-horse"
TRIES = 3
NEEDED = ("sshd", "nginx", "postfix", "dovecot", "vsftpd")

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.skipif(any(program(name) is None for name in NEEDED), reason=f"needs {', '.join(NEEDED)}"),
]

NGINX = """
daemon off;
user root;
pid {home}/nginx.pid;
error_log /var/log/nginx/error.log;
events {{}}
http {{
    access_log /var/log/nginx/access.log;
    server {{
        listen 80;
        root {home}/www;
        auth_basic "members";
        auth_basic_user_file {home}/htpasswd;
    }}
}}
"""
VSFTPD = """
listen=YES
background=NO
anonymous_enable=YES
local_enable=YES
xferlog_enable=YES
vsftpd_log_file=/var/log/vsftpd.log
pam_service_name=vsftpd
secure_chroot_dir={home}/empty
delay_failed_login=0
seccomp_sandbox=NO
"""
DOVECOT = """
protocols = imap
ssl = no
disable_plaintext_auth = no
auth_failure_delay = 0
auth_mechanisms = plain login
syslog_facility = mail
base_dir = /run/dovecot
mail_location = maildir:{home}/mail
passdb {{
  driver = static
  args = user=alice password={secret}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={home}/mail
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  unix_listener {home}/queue/private/auth {{
    mode = 0666
  }}
}}
"""
POSTFIX = """
compatibility_level = 3.6
meta_directory = /etc/postfix
queue_directory = {home}/queue
data_directory = {home}/postfix-data
inet_interfaces = all
inet_protocols = ipv4
mynetworks_style = host
myhostname = mail.example.org
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_error_sleep_time = 0
smtpd_peername_lookup = no
alias_maps =
"""


class Door(NamedTuple):
    """A service: who attacks it from where, and how a client that fails, and one with a right to be there, go about it."""

    jail: str
    attacker: str
    port: int
    fails: tuple[str, ...]
    works: tuple[str, ...]
    welcome: str
    """What the one who is welcome gets to read."""


def _basic(secret: str) -> str:
    return b64encode(f"alice:{secret}".encode()).decode()


def _plain(secret: str) -> str:
    return b64encode(f"\0alice\0{secret}".encode()).decode()


DOORS = (
    Door(
        "nginx-http-auth",
        "192.0.2.31",
        80,
        (f"GET / HTTP/1.0\r\nAuthorization: Basic {_basic('guess')}\r\n",),
        (f"GET / HTTP/1.0\r\nAuthorization: Basic {_basic(SECRET)}\r\n",),
        "members only",
    ),
    Door("vsftpd", "192.0.2.32", 21, ("USER root", "PASS guess"), ("USER anonymous", "PASS x@example.org", "QUIT"), "230 "),
    Door("dovecot", "192.0.2.33", 143, ("a LOGIN alice guess", "b LOGOUT"), (f"a LOGIN alice {SECRET}", "b LOGOUT"), "a OK"),
    Door(
        "postfix-sasl",
        "192.0.2.34",
        25,
        ("EHLO x.example.com", f"AUTH PLAIN {_plain('guess')}", "QUIT"),
        ("EHLO x.example.com", f"AUTH PLAIN {_plain(SECRET)}", "QUIT"),
        "235 ",
    ),
)  # fmt: skip
SSH_ATTACKER = "192.0.2.30"

TALK = """
import json, socket, sys
source, target, port, lines = json.loads(sys.argv[1])
said = b""
with socket.create_connection((target, port), 5, (source, 0)) as door:
    for line in [None, *lines] if port != 80 else lines:
        if line is not None:
            door.sendall(line.encode() + b"\\r\\n")
        while True:
            part = door.recv(4096)
            said += part
            # An answer has ended with a line that is none of several: "250 ok", "a OK", not "250-SIZE" or "* CAPABILITY".
            last = said.rstrip().rpartition(b"\\n")[2]
            if not part or (port != 80 and said.endswith(b"\\n") and last[3:4] != b"-" and (line is None or last[:1] != b"*")):
                break
        if not part:
            break
print(said.decode(errors="replace"))
"""


class Place(NamedTuple):
    server: Host
    outside: Host

    def talk(self, source: str, port: int, *lines: str) -> str:
        words = json.dumps([source, SERVER, port, lines])
        return self.outside.run([sys.executable, "-c", TALK, words], check=False).stdout


@pytest.fixture
def place() -> Iterator[Place]:
    with Lab.hold() as lab, contextlib.ExitStack() as stack:
        server, outside = lab.host("server"), lab.host("outside")
        sources = [f"{source}/24" for source in (BYSTANDER, SSH_ATTACKER, *(door.attacker for door in DOORS))]
        lab.connect(server, [f"{SERVER}/24"], outside, sources)
        lab.run(["mount", "-t", "tmpfs", "lab", "/var/log"])
        home, inside = lab.path(lab.directory), str(lab.directory)
        for directory in ("queue/private", "postfix", "postfix-data", "empty", "mail", "www"):
            (home / directory).mkdir(parents=True)
        lab.path(Path("/var/log/nginx")).mkdir()
        lab.run(["chown", "nobody", f"{inside}/mail"])
        lab.run(["chown", "postfix", f"{inside}/postfix-data", f"{inside}/queue/private"])
        files = {"nginx.conf": NGINX, "vsftpd.conf": VSFTPD, "dovecot.conf": DOVECOT, "postfix/main.cf": POSTFIX}
        for name, text in files.items():
            (home / name).write_text(text.format(home=inside, secret=SECRET))
        (home / "www" / "index.html").write_text("members only")
        (home / "htpasswd").write_text(f"alice:{{PLAIN}}{SECRET}\n")
        shutil.copy("/usr/share/postfix/master.cf.dist", home / "postfix" / "master.cf")
        lab.run(["postconf", "-c", f"{inside}/postfix", "-F", "*/*/chroot = n"])
        lab.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{inside}/host_key"])
        for log in ("auth.log", "mail.log"):
            lab.path(Path("/var/log", log)).symlink_to("syslog")
        syslog = [
            sys.executable,
            str(HERE.parents[1] / "lab" / "syslog.py"),
            "--file",
            "/var/log/syslog",
            "--format",
            "iso",
        ]
        sshd = ["-o", "PidFile=none", "-o", "UsePAM=no", "-o", "UseDNS=no", "-h", f"{inside}/host_key"]
        for command in (
            syslog,
            ["/usr/sbin/sshd", "-D", "-f", "/dev/null", *sshd],
            ["nginx", "-c", f"{inside}/nginx.conf"],
            ["vsftpd", f"{inside}/vsftpd.conf"],
            ["dovecot", "-F", "-c", f"{inside}/dovecot.conf"],
            ["postfix", "-c", f"{inside}/postfix", "start-fg"],
        ):
            stack.callback(server.end, server.popen(command))
        deadline = time.monotonic() + 30
        for port in (22, *(door.port for door in DOORS)):
            while clients.probe(outside, BYSTANDER, SERVER, port) != "open":
                assert time.monotonic() < deadline, f"nobody listens on port {port}"
                time.sleep(0.05)
        yield Place(server, outside)


def test_each_attacker_is_cut_off_and_each_bystander_served(place: Place) -> None:
    server = place.server
    setup = [sys.executable, "-m", "banish.cli.banish", "setup", "--dry-run", "--json", "--config", "/run/lab/none"]
    proposal = json.loads(server.run(setup).stdout)
    assert [row["service"] for row in proposal["found"]] == ["OpenSSH", "Postfix", "Dovecot", "vsftpd", "nginx"]
    local = proposal["text"].replace("#maxretry = 5", f"maxretry = {TRIES}")
    with Daemon(server, local) as daemon:
        with ThreadPoolExecutor() as attackers:
            answers = [
                attackers.submit(place.talk, door.attacker, door.port, *door.fails)
                for _ in range(TRIES)
                for door in DOORS
            ]
            for door in DOORS:
                assert door.welcome in place.talk(BYSTANDER, door.port, *door.works), door.jail
        assert not [answer for answer in answers if any(door.welcome in answer.result() for door in DOORS)]
        for number in range(TRIES):
            with contextlib.suppress(LabError):  # the ban may be there before the answer
                clients.password(place.outside, SSH_ATTACKER, SERVER, "root", f"guess{number}", timeout=5)
        for jail, attacker in (("sshd", SSH_ATTACKER), *((door.jail, door.attacker) for door in DOORS)):
            daemon.wait_for_log(f"NOTICE  [{jail}] Ban {attacker}")
        assert clients.probe(place.outside, SSH_ATTACKER, SERVER, 22) == "timeout"
        for door in DOORS:
            assert clients.probe(place.outside, door.attacker, SERVER, door.port) == "timeout", door.jail
            assert door.welcome in place.talk(BYSTANDER, door.port, *door.works), door.jail
        assert clients.probe(place.outside, BYSTANDER, SERVER, 22) == "open"
        banned = {row["network"].removesuffix("/32") for row in daemon.ask("banned")}
        assert banned == {SSH_ATTACKER, *(door.attacker for door in DOORS)}
