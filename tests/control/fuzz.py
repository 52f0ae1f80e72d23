"""``python -m tests.control.fuzz --frames 1000000``: throw frames of both dialects, and what is like them, at the real server.

Some are right, some are right but for a few bytes, some are instructions of a pickle in any order, some are noise; they come several at
once, in pieces, or are cut off. All the while somebody who means well asks and must be answered. At the end no descriptor may be left
open, and nothing may have been run, imported, compiled or looked up by the server: Python's audit hooks (PEP 578) tell.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import pickle
import pickletools
import random
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from banish.control import commands, dialect, options, pickles
from tests.control.fake import running

_WORDS = [
    *commands.BY_NAME,
    *dialect.WORDS,
    *options.GET_JAIL,
    *options.SET_JAIL,
    *("sshd", "--all", "192.0.2.7", "2001:db8::/64", "", "-", "é\x1b[2J", "x" * 5000),
]
_CODES = [code.code.encode("latin-1") for code in pickletools.opcodes]
_FORBIDDEN = (
    "pickle.find_class",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "subprocess.Popen",
    "compile",
    "exec",
    "import",
)
_AT_ONCE = (1, 1, 1, 2, 3, 8)
"""Frames on one connection, if it lasts: the first that is no frame ends it."""


class Report(NamedTuple):
    """What became of it."""

    frames: int
    answered: int
    """Replies of any kind."""
    ended: int
    """Connections that the server ended."""
    slowest: float
    """Seconds that somebody who meant well had to wait at most."""
    descriptors: int
    """Left open."""
    events: Counter[str]
    """What the server did that it must not."""


class Malicious:
    def __reduce__(self) -> Any:
        return os.system, ("true",)


class Generator:
    """Makes frames by *chance*."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._kinds: tuple[Callable[[], bytes], ...] = (
            self._json,
            self._pickle,
            lambda: self._mutated(self._json()),
            lambda: self._mutated(self._pickle()),
            self._codes,
            self._noise,
            lambda: pickle.dumps([Malicious()], protocol=self._chance.randrange(6)) + pickles.END,
            lambda: self._pickle()[: self._chance.randrange(40)],
        )

    def frame(self) -> bytes:
        return self._chance.choices(self._kinds, (4, 4, 3, 3, 3, 1, 1, 1))[0]()

    def _value(self, depth: int = 0) -> Any:
        kind = self._chance.randrange(9 if depth < 4 else 6)
        if kind < 3:
            return self._chance.choice(_WORDS)
        if kind == 3:
            return self._chance.choice([None, True, False])
        if kind == 4:
            return self._chance.choice([0, -1, 1 << 70, 0.5, 1e308])
        if kind == 5:
            return "".join(map(chr, self._chance.choices(range(1, 0x500), k=self._chance.randrange(8))))
        inner = [self._value(depth + 1) for _ in range(self._chance.randrange(4))]
        return inner if kind != 8 else {str(place): each for place, each in enumerate(inner)}

    def _json(self) -> bytes:
        if self._chance.random() < 0.3:
            document: Any = {"words": [self._value() for _ in range(self._chance.randrange(5))]}
        else:
            row = self._chance.choice([each for each in commands.COMMANDS if each.name not in ("stop", "sleep")])
            names = [argument.name for argument in row.arguments]
            given = {name: self._value() for name in names if self._chance.random() < 0.7}
            document = {"command": row.name, "arguments": given}
        return json.dumps(document).encode() + b"\n"

    def _pickle(self) -> bytes:
        words = [self._value(2) for _ in range(self._chance.randrange(5))]
        words[:1] = [self._chance.choice([word for word in dialect.WORDS if word not in ("stop", "sleep")])]
        return pickle.dumps(words, protocol=self._chance.randrange(6)) + pickles.END

    def _mutated(self, frame: bytes) -> bytes:
        changed = bytearray(frame)
        for _ in range(self._chance.randrange(1, 4)):
            place = self._chance.randrange(len(changed)) if changed else 0
            match self._chance.randrange(3):
                case 0 if changed:
                    changed[place] = self._chance.randrange(256)
                case 1:
                    changed[place:place] = self._chance.randbytes(self._chance.randrange(1, 6))
                case _:
                    del changed[place : place + self._chance.randrange(1, 6)]
        return bytes(changed)

    def _codes(self) -> bytes:
        pieces = []
        for code in self._chance.choices(_CODES, k=self._chance.randrange(1, 30)):
            pieces += [code, self._chance.randbytes(self._chance.choice([0, 0, 1, 4, 8]))]
            if self._chance.random() < 0.2:
                pieces.append(b"os\nsystem\n")
        return self._chance.choice([b"\x80\x04", b"(", b"]"]) + b"".join(pieces) + b"." + pickles.END

    def _noise(self) -> bytes:
        return self._chance.randbytes(self._chance.randrange(1, 300)) + self._chance.choice([b"\n", pickles.END, b""])


class _Watch:
    """Counts what must not happen in the thread of the server, while it is on."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.on = False
        self.mine = threading.get_ident()
        sys.addaudithook(self._hook)  # there is no way to take it away; switched off it costs next to nothing

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.on and event in _FORBIDDEN and threading.get_ident() != self.mine:
            self.events[f"{event} {arguments[0]!r:.60}"] += 1


def run(frames: int, seed: int) -> Report:
    """Send *frames* frames."""
    chance = random.Random(seed)
    generator = Generator(chance)
    watch = _Watch()
    answered = ended = 0
    slowest = 0.0
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "sock"
        with running(path, patience=5.0):
            for protocol in range(6):  # codecs, for one thing, are imported when they are needed first
                _burst(path, [pickle.dumps(["é", Malicious()], protocol=protocol) + pickles.END], chance)
            _burst(path, [b"(lp0\nS'caf\\xc3'\na." + pickles.END, b'{"command":"stauts"}\n'], chance)
            _ask(path)
            open_before = len(os.listdir("/proc/self/fd"))
            watch.on = True
            sent = 0
            while sent < frames:
                count = min(chance.choice(_AT_ONCE), frames - sent)
                heard, left = _burst(path, [generator.frame() for _ in range(count)], chance)
                sent += count
                answered += heard
                ended += left
                if chance.random() < 0.1:
                    slowest = max(slowest, _ask(path))
            watch.on = False
            deadline = time.monotonic() + 10
            while (left_open := len(os.listdir("/proc/self/fd")) - open_before) > 0 and time.monotonic() < deadline:
                time.sleep(0.05)
    return Report(frames, answered, ended, slowest, left_open, watch.events)


def _burst(path: Path, frames: list[bytes], chance: random.Random) -> tuple[int, int]:
    """Send *frames*, on a new connection whenever the server has ended one; return how many replies came, and how many ends."""
    replies = ends = 0
    waiting = list(frames)
    while waiting:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(path))
            while waiting:
                frame = waiting.pop(0)
                try:
                    if chance.random() < 0.05 and len(frame) > 2:
                        connection.sendall(frame[: len(frame) // 2])
                        frame = frame[len(frame) // 2 :]
                    connection.sendall(frame)
                except OSError:
                    ends += 1
                    break
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
            with suppress(OSError):
                while heard := connection.recv(1 << 18):
                    replies += heard.count(b"\n") + heard.count(pickles.END)
    return replies, ends


def _ask(path: Path) -> float:
    """Ask as somebody who means well, and return the seconds until the answer."""
    began = time.perf_counter()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(b'{"command":"ping"}\n')
        assert b"pong" in connection.recv(1000)
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.control.fuzz", description=__doc__)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    words = parser.parse_args()
    print(f"seed {words.seed}", flush=True)
    logging.getLogger("fail2ban.transmitter").setLevel(logging.CRITICAL + 1)
    began = time.monotonic()
    report = run(words.frames, words.seed)
    print(f"{report.frames} frames in {time.monotonic() - began:.0f} s: {report}")
    return int(bool(report.descriptors > 0 or report.events))


if __name__ == "__main__":
    sys.exit(main())
