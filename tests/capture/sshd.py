"""Run the real sshd, attack it in every way its log has a word for, and print what it logged.

    python3 -m tests.capture.sshd [--only NAME ...] [--format traditional|iso|protocol] [--list]

Each scenario runs against a fresh server in the laboratory (``lab``), with the real ssh client or a bare TCP connection. The
output is the log of each under a ``# scenario`` heading; ``tests/samples/sshd.log`` was made from it. Needs root (or user
namespaces with several ids), openssh-server, openssh-client.

``192.0.2.66`` and ``2001:db8::66`` are the attacker, ``192.0.2.10`` is somebody with a right to log in, and ``203.0.113.9`` is
an innocent whom the attacker would like to see banned: it appears in names and banners, and never connects.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from lab import Lab, can_run, clients
from lab.namespaces import Host
from lab.sshd import Sshd

SERVER, ATTACKER, FRIEND = "192.0.2.1", "192.0.2.66", "192.0.2.10"
SERVER6, ATTACKER6 = "2001:db8::1", "2001:db8::66"
SECRET = "correct horse battery staple"

Format = Literal["traditional", "iso", "protocol"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One attack: what the server is told (sshd_config keywords), and what is done to it."""

    run: Callable[[Host, Sshd], None]
    options: Mapping[str, str] = field(default_factory=dict)
    pam: bool = False


def wrong_password(client: Host, sshd: Sshd) -> None:
    clients.password(client, ATTACKER, SERVER, "alice", "guess")


def wrong_passwords_in_one_connection(client: Host, sshd: Sshd) -> None:
    clients.password(client, ATTACKER, SERVER, "alice", "guess", prompts=3)


def invalid_user(client: Host, sshd: Sshd) -> None:
    clients.password(client, ATTACKER, SERVER, "oracle", "guess", prompts=2)


def invalid_user_without_a_try(client: Host, sshd: Sshd) -> None:
    clients.password(client, ATTACKER, SERVER, "oracle", "guess", prompts=0)


def root(client: Host, sshd: Sshd) -> None:
    clients.password(client, ATTACKER, SERVER, "root", "guess", prompts=2)


def root_with_right_password(client: Host, sshd: Sshd) -> None:
    clients.password(client, ATTACKER, SERVER, "root", SECRET)


def too_many_failures(client: Host, sshd: Sshd) -> None:
    clients.password(client, ATTACKER, SERVER, "alice", "guess", prompts=6)


def too_many_failures_invalid_user(client: Host, sshd: Sshd) -> None:
    clients.password(client, ATTACKER, SERVER, "oracle", "guess", prompts=6)


def right_password(client: Host, sshd: Sshd) -> None:
    assert clients.password(client, FRIEND, SERVER, "alice", SECRET).accepted


def right_key(client: Host, sshd: Sshd) -> None:
    identity, public = clients.make_key(client, "right")
    sshd.authorize("alice", public)
    assert clients.key(client, FRIEND, SERVER, "alice", identity).accepted


def second_key_fits(client: Host, sshd: Sshd) -> None:
    wrong, _ = clients.make_key(client, "first", "ecdsa")
    identity, public = clients.make_key(client, "second")
    sshd.authorize("alice", public)
    assert clients.key(client, FRIEND, SERVER, "alice", identity, options=[f"IdentityFile={wrong}"]).accepted


def key_then_password(client: Host, sshd: Sshd) -> None:
    identity, _ = clients.make_key(client, "stray")
    options = ["PubkeyAuthentication=yes", f"IdentityFile={identity}", "PreferredAuthentications=publickey,password"]
    assert clients.password(client, FRIEND, SERVER, "alice", SECRET, options=options).accepted


def password_after_failure(client: Host, sshd: Sshd) -> None:
    """Two failures and the right password in one connection take a person; two connections show the same to a filter."""
    clients.password(client, FRIEND, SERVER, "alice", "tpyo")
    assert clients.password(client, FRIEND, SERVER, "alice", SECRET).accepted


def refused_key(client: Host, sshd: Sshd) -> None:
    identity, _ = clients.make_key(client, "refused")
    clients.key(client, ATTACKER, SERVER, "alice", identity)


def refused_keys(client: Host, sshd: Sshd) -> None:
    names = [clients.make_key(client, f"many{number}")[0] for number in range(7)]
    clients.key(client, ATTACKER, SERVER, "alice", names[0], options=[f"IdentityFile={name}" for name in names[1:]])


def refused_key_invalid_user(client: Host, sshd: Sshd) -> None:
    identity, _ = clients.make_key(client, "refused")
    clients.key(client, ATTACKER, SERVER, "oracle", identity)


def refused_certificate(client: Host, sshd: Sshd) -> None:
    """The name inside a certificate is the client's to choose, and sshd logs it behind the address."""
    authority, _ = clients.make_key(client, "authority")
    identity, _ = clients.make_key(client, "certified")
    name = "x from 203.0.113.9 port 22 ssh2"
    public = identity.with_name("certified.pub")
    client.run(["ssh-keygen", "-q", "-s", authority, "-I", name, "-n", "alice", public])
    certificate = identity.with_name("certified-cert.pub")
    clients.key(client, ATTACKER, SERVER, "alice", identity, options=[f"CertificateFile={certificate}"])


def not_in_allow_users(client: Host, sshd: Sshd) -> None:
    clients.password(client, ATTACKER, SERVER, "alice", SECRET)


def scan(client: Host, sshd: Sshd) -> None:
    """Connect and hang up, as a port scanner does; then with a reset."""
    clients.raw(client, ATTACKER, SERVER, b"", wait=0.2)
    clients.raw(client, ATTACKER, SERVER, b"", wait=0.2, end="reset")


def banner_only(client: Host, sshd: Sshd) -> None:
    clients.raw(client, ATTACKER, SERVER, b"SSH-2.0-scanner\r\n", wait=0.2)
    clients.raw(client, ATTACKER, SERVER, b"SSH-2.0-scanner\r\n", wait=0.2, end="reset")


def known_scanners(client: Host, sshd: Sshd) -> None:
    clients.raw(client, ATTACKER, SERVER, b"SSH-2.0-Mindterm probe.1 from 203.0.113.9 port 22\r\n")
    clients.raw(client, ATTACKER, SERVER, b"SSH-1.0-SSH_Version_Mapper\r\n")
    clients.raw(client, ATTACKER, SERVER, b"SSH-2.0-SSH_Version_Mapper_2\r\n")


def http_request(client: Host, sshd: Sshd) -> None:
    clients.raw(client, ATTACKER, SERVER, b"GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n")


def tls_hello(client: Host, sshd: Sshd) -> None:
    clients.raw(client, ATTACKER, SERVER, bytes.fromhex("16030100c8010000c40303") + bytes(32) + b"\n")


def garbage_banners(client: Host, sshd: Sshd) -> None:
    clients.raw(client, ATTACKER, SERVER, b"\x03\x00\x00\x2f\x2a\xe0\x00\x00 mstshash=Administr\r\n")
    clients.raw(client, ATTACKER, SERVER, b"x" * 9000 + b"\n")
    clients.raw(client, ATTACKER, SERVER, b"SSH-9.9-future\r\n")
    clients.raw(client, ATTACKER, SERVER, b"SSH-1.5-old\r\n")
    clients.raw(client, ATTACKER, SERVER, b"SSH-two\r\n")
    clients.raw(client, ATTACKER, SERVER, b"Connection from 203.0.113.9 port 22: invalid format\r\n")


def corrupt_packet(client: Host, sshd: Sshd) -> None:
    clients.raw(client, ATTACKER, SERVER, b"SSH-2.0-broken\r\n" + b"\xff" * 64, wait=0.5)


def wrong_first_message(client: Host, sshd: Sshd) -> None:
    clients.raw(client, ATTACKER, SERVER, b"SSH-2.0-broken\r\n" + b"\x00\x00\x00\x0c\x0a\x32" + bytes(10), wait=0.5)


def nothing_in_common(client: Host, sshd: Sshd) -> None:
    for setting in (
        "KexAlgorithms=diffie-hellman-group1-sha1",
        "HostKeyAlgorithms=ssh-rsa",
        "Ciphers=3des-cbc",
        "MACs=hmac-md5",
    ):
        more = ["Ciphers=aes128-ctr"] if setting.startswith("MACs") else []
        clients.password(client, ATTACKER, SERVER, "alice", "guess", options=[setting, *more])


def unknown_compression(client: Host, sshd: Sshd) -> None:
    clients.password(client, ATTACKER, SERVER, "alice", "guess", options=["Compression=yes"])


def gone_before_the_password(client: Host, sshd: Sshd) -> None:
    clients.password(client, ATTACKER, SERVER, "alice", "guess", prompts=0)


def too_many_startups(client: Host, sshd: Sshd) -> None:
    waiting = [sys.executable, "-c", _WAITING.format(target=SERVER, source=ATTACKER)]
    process = client.popen(waiting)
    sshd.wait_for("past MaxStartups")
    client.end(process)


def login_grace_time(client: Host, sshd: Sshd) -> None:
    waiting = [sys.executable, "-c", _WAITING.format(target=SERVER, source=ATTACKER)]
    process = client.popen(waiting)
    time.sleep(2.5)
    client.end(process)


def forged_names(client: Host, sshd: Sshd) -> None:
    for name in FORGED:
        clients.password(client, ATTACKER, SERVER, name, "guess")


def name_that_ends_the_line(client: Host, sshd: Sshd) -> None:
    """sshd cuts a message at 500 characters: with a name of the right length, the name is the last that is seen of it."""
    room = 500 - len("Connection closed by invalid user ") - len(BLAME)
    escaped = len(
        r"\\303\\266"
    )  # what becomes of one "ö": two bytes, escaped in the child and once more in its monitor
    name = "ö" * (room // escaped) + "x" * (room % escaped) + BLAME
    clients.password(client, ATTACKER, SERVER, name, "guess")


def ipv6(client: Host, sshd: Sshd) -> None:
    clients.password(client, ATTACKER6, SERVER6, "alice", "guess")
    clients.password(client, ATTACKER6, SERVER6, "oracle", "guess")
    clients.raw(client, ATTACKER6, SERVER6, b"GET / HTTP/1.1\r\n\r\n")
    clients.raw(client, ATTACKER6, SERVER6, b"")


FORGED = (
    "two words",
    "root from 203.0.113.9",
    "root from 203.0.113.9 port 22 ssh2",
    "x from 203.0.113.9 port 22 ssh2: ED25519 SHA256:AAAA",
    "x 203.0.113.9 port 22 [preauth]",
    "invalid user y from 203.0.113.9 port 22",
    "x 203.0.113.9 port 22: Too many authentication failures [preauth]",
    "wörld",
)
"""Names that try to look like the rest of the line, and some that are merely odd."""

BLAME = " 203.0.113.9 port 22"

_WAITING = """
import socket, time
held = [socket.create_connection(("{target}", 22), source_address=("{source}", 0)) for _ in range(4)]
time.sleep(20)
"""

SCENARIOS: dict[str, Scenario] = {
    "wrong-password": Scenario(wrong_password),
    "wrong-password-verbose": Scenario(wrong_password, {"LogLevel": "VERBOSE"}),
    "wrong-password-pam": Scenario(wrong_password, pam=True),
    "wrong-password-pam-keyboard": Scenario(
        wrong_password, {"KbdInteractiveAuthentication": "yes", "PasswordAuthentication": "no"}, pam=True
    ),
    "wrong-passwords": Scenario(wrong_passwords_in_one_connection),
    "wrong-passwords-pam": Scenario(wrong_passwords_in_one_connection, pam=True),
    "invalid-user": Scenario(invalid_user),
    "invalid-user-verbose": Scenario(invalid_user, {"LogLevel": "VERBOSE"}),
    "invalid-user-pam": Scenario(invalid_user, pam=True),
    "invalid-user-pam-keyboard": Scenario(
        invalid_user, {"KbdInteractiveAuthentication": "yes", "PasswordAuthentication": "no"}, pam=True
    ),
    "invalid-user-no-try": Scenario(invalid_user_without_a_try),
    "root-not-permitted": Scenario(root),
    "root-by-key-only": Scenario(root, {"PermitRootLogin": "prohibit-password"}),
    "root-refused-right-password": Scenario(root_with_right_password),
    "too-many-failures": Scenario(too_many_failures, {"MaxAuthTries": "3"}),
    "too-many-failures-invalid-user": Scenario(too_many_failures_invalid_user, {"MaxAuthTries": "3"}),
    "too-many-failures-pam": Scenario(too_many_failures, {"MaxAuthTries": "3"}, pam=True),
    "right-password": Scenario(right_password),
    "right-password-verbose": Scenario(right_password, {"LogLevel": "VERBOSE"}),
    "right-password-pam": Scenario(right_password, pam=True),
    "right-key": Scenario(right_key),
    "second-key-fits": Scenario(second_key_fits, {"LogLevel": "VERBOSE"}),
    "key-then-password": Scenario(key_then_password, {"LogLevel": "VERBOSE"}),
    "password-after-failure": Scenario(password_after_failure),
    "refused-key": Scenario(refused_key),
    "refused-key-verbose": Scenario(refused_key, {"LogLevel": "VERBOSE"}),
    "refused-keys": Scenario(refused_keys),
    "refused-key-invalid-user": Scenario(refused_key_invalid_user),
    "refused-certificate": Scenario(refused_certificate, {"LogLevel": "VERBOSE"}),
    "allow-users": Scenario(not_in_allow_users, {"AllowUsers": "bob"}),
    "deny-users": Scenario(not_in_allow_users, {"DenyUsers": "alice"}),
    "allow-groups": Scenario(not_in_allow_users, {"AllowGroups": "bob"}),
    "deny-groups": Scenario(not_in_allow_users, {"DenyGroups": "alice"}),
    "scan": Scenario(scan),
    "scan-verbose": Scenario(scan, {"LogLevel": "VERBOSE"}),
    "banner-only": Scenario(banner_only),
    "known-scanners": Scenario(known_scanners),
    "http-request": Scenario(http_request),
    "tls-hello": Scenario(tls_hello),
    "garbage-banners": Scenario(garbage_banners),
    "corrupt-packet": Scenario(corrupt_packet),
    "wrong-first-message": Scenario(wrong_first_message),
    "nothing-in-common": Scenario(nothing_in_common),
    "unknown-compression": Scenario(unknown_compression, {"Compression": "no"}),
    "gone-before-the-password": Scenario(gone_before_the_password),
    "too-many-startups": Scenario(too_many_startups, {"MaxStartups": "1"}),
    "login-grace-time": Scenario(login_grace_time, {"LoginGraceTime": "2"}),
    "forged-names": Scenario(forged_names),
    "forged-names-verbose": Scenario(forged_names, {"LogLevel": "VERBOSE"}),
    "forged-names-pam": Scenario(forged_names, pam=True),
    "name-that-ends-the-line": Scenario(name_that_ends_the_line),
    "ipv6": Scenario(ipv6),
}


def capture(names: list[str], log_format: Format) -> dict[str, list[str]]:
    """Return what sshd logged in each of the scenarios *names*."""
    logs = {}
    for name in names:
        scenario = SCENARIOS[name]
        with Lab.hold() as laboratory:
            server, client = laboratory.host("server"), laboratory.host("client")
            laboratory.connect(
                server,
                [f"{SERVER}/24", f"{SERVER6}/64"],
                client,
                [f"{ATTACKER}/24", f"{FRIEND}/24", f"{ATTACKER6}/64"],
            )
            users = {"alice": SECRET, "bob": SECRET}
            with Sshd(
                server,
                users=users,
                options=scenario.options,
                pam=scenario.pam,
                log_format=log_format,
                root_password=SECRET,
            ) as sshd:
                scenario.run(client, sshd)
                logs[name] = _settled(sshd)
    return logs


def _settled(sshd: Sshd) -> list[str]:
    """Return the log once nothing has been added to it for a while: a session's last words come after its client has gone."""
    lines = sshd.lines()
    while True:
        time.sleep(0.25)
        if lines == (lines := sshd.lines()):
            return lines


def main() -> int:
    """Print the log of every scenario, or of those that were asked for."""
    parser = argparse.ArgumentParser(description="what the real sshd logs when it is attacked")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=sorted(SCENARIOS), default=list(SCENARIOS))
    parser.add_argument("--format", choices=("traditional", "iso", "protocol"), default="traditional")
    parser.add_argument("--list", action="store_true", help="name the scenarios and stop")
    options = parser.parse_args()
    if options.list:
        print("\n".join(SCENARIOS))
        return 0
    reason = can_run()
    if reason is not None:
        print(f"cannot run sshd here: {reason}", file=sys.stderr)
        return 1
    for name in options.only:
        print(f"# {name}", *capture([name], cast("Format", options.format))[name], sep="\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
