"""Log files to measure on: an sshd under attack, mixed with what a server logs all day.

The attack is a real log when there is one (``--sshd-log``, or the variable ``BANISH_BENCH_SSHD_LOG``; LogHub's OpenSSH_2k.log is
what we use), else the samples of our filter. It is repeated with addresses (of RFC 2544's range for benchmarks) and process ids
of its own each time. The benign lines are ours. Everything is drawn from a fixed seed: two runs see the same bytes.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from bench.table import BenchError

SAMPLES = Path(__file__).resolve().parent.parent / "tests" / "samples" / "sshd.log"
START = datetime(2026, 3, 2, tzinfo=UTC).timestamp()
RATE = 100
"""Lines a second."""
BATCH = 1 << 16
"""Bytes that are read at a time."""

_SYSLOG = re.compile(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ (sshd\[\d+\]: .*)")
_PID = re.compile(r"(?<=^sshd\[)\d+(?=\])")
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")
_PORT = re.compile(r"(?<= port )\d+")

BENIGN = (
    "CRON[{pid}]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)",
    "CRON[{pid}]: (root) CMD (command -v debian-sa1 > /dev/null && debian-sa1 1 1)",
    "CRON[{pid}]: pam_unix(cron:session): session closed for user root",
    "systemd[1]: Starting phpsessionclean.service - Clean php session files...",
    "systemd[1]: phpsessionclean.service: Deactivated successfully.",
    "systemd[1]: Finished phpsessionclean.service - Clean php session files.",
    "systemd[1]: Started session-{number}.scope - Session {number} of User {user}.",
    "systemd-logind[611]: New session {number} of user {user}.",
    "systemd-logind[611]: Session {number} logged out. Waiting for processes to exit.",
    "systemd-logind[611]: Removed session {number}.",
    "sshd[{pid}]: Accepted publickey for {user} from {address} port {port} ssh2: ED25519 SHA256:mVPwvezndPv/ARoIadVY98vAC0g+P/5633yTC4d",
    "sshd[{pid}]: pam_unix(sshd:session): session opened for user {user}(uid=1000) by (uid=0)",
    "sshd[{pid}]: pam_unix(sshd:session): session closed for user {user}",
    "sudo:   {user} : TTY=pts/0 ; PWD=/home/{user} ; USER=root ; COMMAND=/usr/bin/apt-get update",
    "postfix/smtpd[{pid}]: connect from mail.example.org[{address}]",
    "postfix/smtpd[{pid}]: {number:X}: client=mail.example.org[{address}]",
    "postfix/cleanup[{pid}]: {number:X}: message-id=<20260302.{number}@mail.example.org>",
    "postfix/qmgr[833]: {number:X}: from=<{user}@example.org>, size={port}, nrcpt=1 (queue active)",
    "postfix/local[{pid}]: {number:X}: to=<{user}@example.com>, relay=local, delay=0.4, dsn=2.0.0, status=sent (delivered to mailbox)",
    "postfix/smtpd[{pid}]: disconnect from mail.example.org[{address}] ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7",
    "dovecot: imap-login: Login: user=<{user}>, method=PLAIN, rip={address}, lip=192.0.2.1, mpid={pid}, TLS, session=<{number:x}>",
    "dovecot: imap({user})<{pid}><{number:x}>: Disconnected: Logged out in=232 out=1534 deleted=0 expunged=0 trashed=0 hdr_count=0",
    'kernel: [{number}.{pid}] audit: type=1400 apparmor="STATUS" operation="profile_replace" profile="unconfined" pid={pid}',
)
_USERS = ("alice", "bob", "carol", "dave", "www-data")


@dataclass(frozen=True, slots=True)
class Corpus:
    """A log in batches: the bytes, and the clock's time when they are read (that of their last line)."""

    name: str
    batches: tuple[tuple[bytes, float], ...]
    lines: int


def build(name: str, attack: Sequence[str], share: float, lines: int) -> Corpus:
    """Return a log of which *share* (0 to 1) is *attack* (messages from ``sshd_messages``), the rest benign."""
    dice = random.Random(5)
    attacked, benign = _attack(attack, dice), _benign(dice)
    batches: list[tuple[bytes, float]] = []
    held: list[str] = []
    size = 0
    for number in range(lines):
        at = START + number // RATE
        message = next(attacked) if dice.random() < share else next(benign)
        stamp = datetime.fromtimestamp(at, UTC)
        held.append(f"{stamp:%b} {stamp.day:2d} {stamp:%H:%M:%S} host {message}\n")
        size += len(held[-1])
        if size >= BATCH or number == lines - 1:
            batches.append(("".join(held).encode(), at))
            held, size = [], 0
    return Corpus(name, tuple(batches), lines)


def sshd_messages(path: Path | None) -> list[str]:
    """Return what sshd says (``sshd[1]: Failed ...``) in the syslog file *path*, or in our samples."""
    source = path or SAMPLES
    try:
        text = source.read_text(errors="replace")
    except OSError as error:
        raise BenchError(f"{source}: {error.strerror}: name a log of sshd with --sshd-log") from error
    found = [match[1] for line in text.splitlines() if (match := _SYSLOG.fullmatch(line))]
    if not found:
        raise BenchError(f"{source}: no line as syslog writes them for sshd")
    return found


def _attack(messages: Sequence[str], dice: random.Random) -> Iterator[str]:
    """Repeat *messages* for ever; in each round every address and every process is another one."""
    for turn in count():
        pids: dict[str, str] = {}
        addresses: dict[str, str] = {}
        for message in messages:
            message = _PID.sub(lambda pid: pids.setdefault(pid[0], f"{turn * 10_000 + len(pids) + 1000}"), message)  # noqa: B023
            message = _ADDRESS.sub(lambda ip: addresses.setdefault(ip[0], _address(dice)), message)  # noqa: B023
            yield _PORT.sub(lambda _: str(dice.randrange(1024, 65536)), message)


def _benign(dice: random.Random) -> Iterator[str]:
    while True:
        yield dice.choice(BENIGN).format(
            pid=dice.randrange(3_000_000, 4_000_000),
            number=dice.randrange(10_000, 10_000_000),
            port=dice.randrange(1024, 65536),
            user=dice.choice(_USERS),
            address=_address(dice),
        )


def _address(dice: random.Random) -> str:
    return f"198.{dice.choice((18, 19))}.{dice.randrange(256)}.{dice.randrange(1, 255)}"
