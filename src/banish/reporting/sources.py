"""What a mail says beside the ban itself: whom an address belongs to (whois), and the lines of the logs that name it.

Both read what strangers have written, so both are bounded in time or size, and give text.
"""

from __future__ import annotations

import glob
import os
import re
import shlex
import stat
import subprocess
from collections import deque
from collections.abc import Iterator
from ipaddress import ip_network

WHOIS_SECONDS = 20.0
WHOIS_CHARACTERS = 65536
LOG_BYTES = 8 << 20
"""Of the end of each log that are searched."""
LINE_CHARACTERS = 1000


def whois(command: str, address: str) -> str:
    """Return what *command* says of *address* (its ``<ip>``); why not, where it says nothing."""
    try:
        first = str(ip_network(address).network_address)
    except ValueError:
        return f"{address} is no address."
    try:
        words = [word.replace("<ip>", first) for word in shlex.split(command)]
        done = subprocess.run(
            words,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=WHOIS_SECONDS,
        )
    except (OSError, ValueError, IndexError) as error:
        return f"{command!r} cannot be run: {error}"
    except subprocess.TimeoutExpired:
        return f"{command!r} had no answer within {WHOIS_SECONDS:g} seconds."
    try:
        text = done.stdout.decode()
    except UnicodeDecodeError:
        text = done.stdout.decode("latin-1")  # what old registries write
    return text[:WHOIS_CHARACTERS].strip() or f"{command!r} said nothing (status {done.returncode})."


def lines(logpath: str, address: str, most: int) -> list[str]:
    """Return the last lines, *most* at most, of the logs *logpath* (as jail.conf(5) has it) that name *address*."""
    before, after = (r"(?<![\w:.])", r"(?!\w|:[\w:])") if ":" in address else (r"(?<![\w.])", r"(?!\w|\.\w)")
    name = re.compile(f"{before}{re.escape(address)}{after}".encode(), re.IGNORECASE)
    found: deque[str] = deque(maxlen=most)
    for path in _paths(logpath):
        for line in _ends_of(path).splitlines():
            if name.search(line):
                found.append(line[: LINE_CHARACTERS * 4].decode("utf-8", "replace")[:LINE_CHARACTERS])
    return list(found)


def _paths(logpath: str) -> Iterator[str]:
    for entry in logpath.splitlines():
        pattern, _, last = entry.strip().rpartition(" ")
        if last.lower() not in ("head", "tail"):
            pattern = entry.strip()
        yield from sorted(glob.glob(pattern)) if pattern else ()


def _ends_of(path: str) -> bytes:
    """Return the last LOG_BYTES of the file; nothing of what is no file, or cannot be read."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            size = os.fstat(file.fileno()).st_size
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return b""
            file.seek(max(0, size - LOG_BYTES))
            text = file.read(LOG_BYTES)
    except OSError:
        return b""
    return text if size <= LOG_BYTES else text.partition(b"\n")[2]


def _without_waiting(path: str, flags: int) -> int:
    """Open a FIFO that nobody writes to, too."""
    return os.open(path, flags | os.O_NONBLOCK)
