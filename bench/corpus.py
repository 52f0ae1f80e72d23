"""Log files to measure on: attacks (``attacks``) mixed with what a server logs all day (``voices``), a hundred lines a second.

Everything is drawn from a fixed seed: two runs see the same bytes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from banish.sources.follower import BLOCK
from bench import attacks, voices

START = datetime(2026, 3, 2, tzinfo=UTC).timestamp()
RATE = 100
"""Lines a second."""
BATCH = BLOCK
"""Bytes that are read at a time, as the daemon does unless that is judged in a few milliseconds."""
SEED = 5


@dataclass(frozen=True, slots=True)
class Corpus:
    """A log in batches: the bytes, and the clock's time when they are read (that of their last line)."""

    batches: tuple[tuple[bytes, float], ...]
    lines: int


Write = Callable[[float, str], str]
"""Puts the date into a message: (Unix seconds, message) to a line without its end."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of log. *attack* and *benign* make endless messages out of the real logs (a directory, or None) and the dice."""

    write: Write
    attack: Callable[[Path | None, random.Random], Iterator[str]]
    benign: Callable[[Path | None, random.Random], Iterator[str]]


def build(kind: Kind, share: float, lines: int, real: Path | None = None, batch: int = BATCH) -> Corpus:
    """Return a log of *kind* of which *share* (0 to 1) is attack, in batches of *batch* bytes; *real* is a directory of real logs.

    Raises BenchError when a real log has nothing of what is looked for.
    """
    batches: list[tuple[bytes, float]] = []
    held: list[str] = []
    size = 0
    for at, message in messages(kind, share, lines, real):
        held.append(f"{kind.write(at, message)}\n")
        size += len(held[-1])
        if size >= batch:
            batches.append(("".join(held).encode(), at))
            held, size = [], 0
    if held:
        batches.append(("".join(held).encode(), at))
    return Corpus(tuple(batches), lines)


def messages(kind: Kind, share: float, lines: int, real: Path | None = None) -> Iterator[tuple[float, str]]:
    """Yield when, and what is said then without its date."""
    dice = random.Random(SEED)
    attack, benign = kind.attack(real, dice), kind.benign(real, dice)
    for number in range(lines):
        yield START + number // RATE, next(attack) if dice.random() < share else next(benign)


def syslog(at: float, message: str) -> str:
    """As rsyslog writes it traditionally (RFC 3164)."""
    stamp = datetime.fromtimestamp(at, UTC)
    return f"{stamp:%b} {stamp.day:2d} {stamp:%H:%M:%S} host {message}"


def _access(at: float, message: str) -> str:
    return message.replace("{day}", f"{datetime.fromtimestamp(at, UTC):%d/%b/%Y:%H:%M:%S +0000}", 1)


def _nginx_error(at: float, message: str) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y/%m/%d %H:%M:%S} {message}"


def _apache_error(at: float, message: str) -> str:
    return f"[{datetime.fromtimestamp(at, UTC):%a %b %d %H:%M:%S.%f %Y}] {message}"


def _benign(templates: tuple[str, ...]) -> Callable[[Path | None, random.Random], Iterator[str]]:
    def speak(_real: Path | None, dice: random.Random) -> Iterator[str]:
        while True:
            yield attacks.fill(dice.choice(templates), attacks.visitor(dice), dice)

    return speak


def _benign_server(_real: Path | None, dice: random.Random) -> Iterator[str]:
    while True:
        said = voices.LOGINS if dice.random() < voices.LOGIN_SHARE else voices.SYSLOG
        yield attacks.fill(dice.choice(said), attacks.visitor(dice), dice)


def _campaigns(templates: tuple[str, ...]) -> Callable[[Path | None, random.Random], Iterator[str]]:
    return lambda _real, dice: attacks.campaigns(templates, dice)


def _sshd(real: Path | None, dice: random.Random) -> Iterator[str]:
    return attacks.sshd(attacks.sshd_messages(real), dice)


def _everybody(real: Path | None, dice: random.Random) -> Iterator[str]:
    return attacks.mixed([_sshd(real, dice), attacks.campaigns(attacks.SYSLOG, dice)], dice)


def _benign_apache(real: Path | None, dice: random.Random) -> Iterator[str]:
    ours, found = _benign(voices.APACHE_ERROR)(real, dice), attacks.apache_messages(real)
    return attacks.mixed([ours, _again(found, dice)], dice) if found else ours


def _again(found: list[str], dice: random.Random) -> Iterator[str]:
    while True:
        for message in found:
            yield attacks.another_address(message, dice)


SSHD = Kind(syslog, _sshd, _benign_server)
SERVER = Kind(syslog, _everybody, _benign_server)
"""A syslog of which the attacks are on sshd, mail, FTP and DNS."""
ACCESS = Kind(_access, _campaigns(attacks.ACCESS), _benign(voices.ACCESS))
NGINX_ERROR = Kind(_nginx_error, _campaigns(attacks.NGINX_ERROR), _benign(voices.NGINX_ERROR))
APACHE_ERROR = Kind(_apache_error, _campaigns(attacks.APACHE_ERROR), _benign_apache)
