"""Who attacks in the benchmarks, and what services write about it.

The attack on sshd is a real log where there is one (``--corpus``, or the variable ``BANISH_BENCH_CORPUS``: a directory with
``OpenSSH_2k.log``, as LogHub publishes it), else the samples of our filter. It is repeated with addresses and process ids of
its own each time. All others are ours, in the services' formats: campaigns of one address each, of one to nine tries.

Addresses are of RFC 2544's range for benchmarks; one in fifty is of a network that ``ignoreip`` spares.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from bench.table import BenchError

SAMPLES = Path(__file__).resolve().parent.parent / "tests" / "samples" / "sshd.log"
SPARED = "203.0.113."

_SYSLOG = re.compile(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ (sshd\[\d+\]: .*)")
_APACHE = re.compile(r"\[[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d \d{4}\] (.*)")
_PID = re.compile(r"(?<=^sshd\[)\d+(?=\])")
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")
_PORT = re.compile(r"(?<= port )\d+")

SYSLOG = (
    "postfix/smtpd[{pid}]: warning: unknown[{address}]: SASL LOGIN authentication failed: UGFzc3dvcmQ6",
    "postfix/smtpd[{pid}]: NOQUEUE: reject: RCPT from unknown[{address}]: 554 5.7.1 <{user}@example.net>: Relay access denied; to=<{user}>",
    "dovecot: imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<{user}>, method=PLAIN, rip={address}, lip=192.0.2.1, TLS",
    "proftpd[{pid}]: ftp.example.org (unknown[{address}]) - USER {user}: no such user found from unknown [{address}] to 192.0.2.1:21",
    "vsftpd: pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser={user} rhost={address}",
    "pure-ftpd: (?@{address}) [WARNING] Authentication failed for user [{user}]",
    "named[640]: client @0x7f12{number:08x} {address}#{port} (example.com): query (cache) 'example.com/ANY/IN' denied",
    "dropbear[{pid}]: Bad password attempt for '{user}' from {address}:{port}",
)
_BOTS = (
    '"GET /wp-login.php HTTP/1.1" 404 153',
    '"GET /phpmyadmin/index.php HTTP/1.1" 404 153',
    '"GET /phpMyAdmin/scripts/setup.php HTTP/1.1" 404 153',
    '"POST /xmlrpc.php HTTP/1.1" 404 153',
    '"GET /wp-content/plugins/{user}/readme.txt HTTP/1.1" 404 153',
    '"GET /roundcube/ HTTP/1.1" 404 153',
    '"GET /webmail/ HTTP/1.1" 404 153',
    '"GET /cgi-bin/{user}.cgi HTTP/1.1" 404 153',
    '"GET /.env HTTP/1.1" 404 153',
    '"GET /mysqladmin/ HTTP/1.1" 404 153',
    '"GET /admin/{number} HTTP/1.1" 404 153',
    '"GET /pma/index.php?lang=en HTTP/1.1" 404 153',
)
_WEB_END = ', client: {address}, server: www.example.org, request: "GET /private/ HTTP/1.1", host: "www.example.org"'
ACCESS = tuple(f'{{address}} - - [{{day}}] {request} "-" "Mozilla/5.0 zgrab/0.x"' for request in _BOTS)
NGINX_ERROR = (
    f'[error] {{pid}}#{{pid}}: *{{number}} user "{{user}}": password mismatch{_WEB_END}',
    f'[error] {{pid}}#{{pid}}: *{{number}} user "{{user}}" was not found in "/etc/nginx/passwords"{_WEB_END}',
    f"[error] {{pid}}#{{pid}}: *{{number}} no user/password was provided for basic authentication{_WEB_END}",
)
_APACHE_START = "[pid {pid}:tid 1398{number:010}] [client {address}:{port}] "
APACHE_ERROR = (
    f"[auth_basic:error] {_APACHE_START}AH01618: user {{user}} not found: /private/",
    f'[auth_basic:error] {_APACHE_START}AH01617: user {{user}}: authentication failure for "/private/": Password Mismatch',
    f"[authz_core:error] {_APACHE_START}AH01630: client denied by server configuration: /var/www/html/.htaccess",
)

USERS = ("alice", "bob", "carol", "dave", "www-data")


def sshd_messages(corpus: Path | None) -> list[str]:
    """Return what sshd says (``sshd[1]: Failed ...``) in the real log of the directory *corpus*, or in our samples.

    Raises BenchError when there is nothing of the kind.
    """
    real = corpus / "OpenSSH_2k.log" if corpus else None
    source = real if real and real.exists() else SAMPLES
    found = [match[1] for line in _read(source) if (match := _SYSLOG.fullmatch(line))]
    if not found:
        raise BenchError(f"{source}: no line as syslog writes them for sshd")
    return found


def apache_messages(corpus: Path | None) -> list[str]:
    """Return what the real Apache of the directory *corpus* says after its dates; nothing without one."""
    real = corpus / "Apache_2k.log" if corpus else None
    if real is None or not real.exists():
        return []
    return [match[1] for line in _read(real) if (match := _APACHE.fullmatch(line))]


def sshd(messages: Sequence[str], dice: random.Random) -> Iterator[str]:
    """Repeat *messages* for ever; in each round every address and every process is another one."""
    for turn in count():
        pids: dict[str, str] = {}
        addresses: dict[str, str] = {}
        for message in messages:
            message = _PID.sub(lambda pid: pids.setdefault(pid[0], f"{turn * 10_000 + len(pids) + 1000}"), message)  # noqa: B023
            message = _ADDRESS.sub(lambda ip: addresses.setdefault(ip[0], attacker(dice)), message)  # noqa: B023
            yield _PORT.sub(lambda _: str(dice.randrange(1024, 65536)), message)


def campaigns(templates: Sequence[str], dice: random.Random) -> Iterator[str]:
    """Yield what attackers leave in a log: one after the other tries one thing a few times, from one address."""
    while True:
        template, address = dice.choice(templates), attacker(dice)
        for _ in range(dice.randrange(1, 10)):
            yield fill(template, address, dice)


def mixed(voices: Sequence[Iterator[str]], dice: random.Random) -> Iterator[str]:
    """Yield from *voices*, each as often as the others."""
    while True:
        yield next(dice.choice(voices))


def fill(template: str, address: str, dice: random.Random) -> str:
    """Return *template* with something in every brace but ``{day}``."""
    return template.format(
        pid=dice.randrange(1_000_000, 4_000_000),
        number=dice.randrange(10_000, 10_000_000),
        port=dice.randrange(1024, 65536),
        user=dice.choice(USERS),
        address=address,
        day="{day}",
    )


def attacker(dice: random.Random) -> str:
    """Return the address of somebody new; once in fifty that of somebody who is spared."""
    return f"{SPARED}{dice.randrange(1, 255)}" if dice.random() < 0.02 else visitor(dice)


def visitor(dice: random.Random) -> str:
    """Return an address of RFC 2544's range."""
    return f"198.{dice.choice((18, 19))}.{dice.randrange(256)}.{dice.randrange(1, 255)}"


def another_address(message: str, dice: random.Random) -> str:
    """Return *message* with a benchmark's address in place of the real one."""
    return _ADDRESS.sub(lambda _: visitor(dice), message)


def _read(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError as error:
        raise BenchError(f"{path}: {error.strerror}") from error
