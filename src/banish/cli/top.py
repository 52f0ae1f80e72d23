"""``banish top``: a live view of rates, jails, sources, attackers and the names they try. See docs/reference/top.md.

On a terminal it takes the screen, draws anew every two seconds and at once when the window's size changes, and gives the screen back
as it was, however it ends. Anywhere else (a pipe, ``TERM=dumb``) it prints one snapshot; so it does with ``--json``.

The law of ``render`` holds; what is drawn holds no control character but our own.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import select
import shutil
import signal
import sys
import termios
import time
import tty
import unicodedata
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from banish.control import client, commands, render
from banish.control.render_figures import figures, view

INTERVAL = 2.0
_LEAST = 0.1
_TAKE, _GIVE_BACK = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"  # xterm's other screen; the cursor
_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"
_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")
_OFF = "\x1b[0m"
_QUIT = frozenset("qQ\x03\x04\x1b")


def parser() -> argparse.ArgumentParser:
    """Return what ``banish top`` understands."""
    parser = argparse.ArgumentParser(
        prog="banish top",
        usage="banish top [--interval S] [--count N] [--socket PATH] [--json]",
        description="Show what goes on: rates, jails, sources, who fails most, and as whom. q ends it.",
        epilog="Where there is no terminal, and with --json, it prints one snapshot.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--interval", metavar="S", type=_interval, default=INTERVAL, help=f"seconds (default {INTERVAL:g})"
    )
    parser.add_argument("--count", metavar="N", type=_count, default=0, help="end after so many views (default: go on)")
    parser.add_argument("--socket", metavar="PATH", default=client.SOCKET, help=f"default {client.SOCKET}")
    parser.add_argument("--json", action="store_true", help="one JSON document, nothing else")
    return parser


def run(words: list[str]) -> int:
    """Carry out ``banish top`` with the arguments *words*; return the exit code."""
    options = parser().parse_args(words)
    reply = client.ask(options.socket, "figures", {})
    if not reply["ok"]:
        error = reply["error"]
        if options.json:
            sys.stdout.write(json.dumps({"error": error}) + "\n")
        sys.stderr.write(render.error(error["text"], error["hint"], render.painter(sys.stderr, os.environ)))
        return int(error["code"])
    if options.json:
        sys.stdout.write(json.dumps(reply["result"]) + "\n")
    elif not sys.stdout.isatty() or os.environ.get("TERM", "") in ("", "dumb"):
        paint = render.painter(sys.stdout, os.environ) if os.environ.get("TERM") else render.plain
        sys.stdout.write(figures(reply["result"], {}, paint, time.time()))
    else:
        return _Screen(options.socket, options.interval, options.count).show(reply)
    return commands.OK


def _interval(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not _LEAST <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not from {_LEAST:g} to 3600 seconds")
    return seconds


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return int(text)


class _Screen:
    def __init__(self, socket: str, interval: float, count: int) -> None:
        self._socket = socket
        self._interval = interval
        self._count = count
        self._paint = render.painter(sys.stdout, os.environ)
        self._ended: int | None = None
        """The signal that ends it."""
        self._bell = -1

    def show(self, reply: dict[str, Any]) -> int:
        """Draw until somebody has seen enough; *reply* is the first answer."""
        before: dict[str, Any] | None = None
        now: dict[str, Any] = reply["result"]
        error = ""
        drawn = 0
        with ExitStack() as stack:
            self._bell = stack.enter_context(self._signals())
            keys = stack.enter_context(_keys())
            stack.enter_context(_other_screen())
            due = time.monotonic()
            while self._ended is None:
                self._draw(now, before, error)
                if time.monotonic() >= due:
                    drawn += 1
                    due = time.monotonic() + self._interval
                    if self._count and drawn >= self._count:
                        break
                if self._pause(due, keys):
                    break
                if time.monotonic() >= due:
                    reply = client.ask(self._socket, "figures", {}, timeout=10.0)
                    error = "" if reply["ok"] else str(reply["error"]["text"])
                    if reply["ok"]:
                        # Totals that fell are those of a daemon that was started again.
                        fresh = reply["result"]["uptime"] < now["uptime"]
                        before, now = (None if fresh else now), reply["result"]
        return 128 + self._ended if self._ended == signal.SIGTERM else commands.OK

    def _draw(self, now: dict[str, Any], before: dict[str, Any] | None, error: str) -> None:
        columns, rows = shutil.get_terminal_size()
        lines = [self._paint(f"! {render.visible(error)}; what follows is older", "red")] if error else []
        lines += view(now, before, self._paint, rows=max(3, (rows - 10) // 3))
        shown = [cut(line, columns) for line in lines[: max(1, rows - 1)]]
        # One write for all of it: a terminal never shows half a view. No newline behind the last line, which would scroll.
        text = "\n".join(f"{line}{_REST_OF_LINE}" for line in shown)
        sys.stdout.write(f"{_HOME}{text}{_REST_OF_SCREEN}")
        sys.stdout.flush()

    def _pause(self, due: float, keys: int | None) -> bool:
        """Wait until it is time to ask again, the window has changed, or somebody wants to leave: True."""
        watched = [self._bell] if keys is None else [self._bell, keys]
        ready, _, _ = select.select(watched, [], [], max(0.0, due - time.monotonic()))
        if self._bell in ready:
            os.read(self._bell, 1024)
        if keys is not None and keys in ready:
            pressed = os.read(keys, 64).decode("utf-8", "replace")
            return not pressed or not _QUIT.isdisjoint(pressed[:1])
        return False

    @contextmanager
    def _signals(self) -> Iterator[int]:
        """Make signals readable, for the time of the block."""
        bell, ring = os.pipe()
        os.set_blocking(ring, False)
        os.set_blocking(bell, False)
        numbers = (signal.SIGWINCH, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        known = {number: signal.signal(number, self._note) for number in numbers}
        before = signal.set_wakeup_fd(ring, warn_on_full_buffer=False)
        try:
            yield bell
        finally:
            signal.set_wakeup_fd(before)
            for number, handler in known.items():
                signal.signal(number, handler)
            os.close(bell)
            os.close(ring)

    def _note(self, number: int, _frame: object) -> None:
        if number != signal.SIGWINCH:
            self._ended = number


@contextmanager
def _keys() -> Iterator[int | None]:
    """Let keys come one by one and unseen, for the time of the block; None where there is no keyboard."""
    try:
        keyboard = sys.stdin.fileno()
        known = termios.tcgetattr(keyboard)
    except (AttributeError, ValueError, OSError, termios.error):
        yield None
        return
    tty.setcbreak(keyboard, termios.TCSADRAIN)
    try:
        yield keyboard
    finally:
        with suppress(termios.error):
            termios.tcsetattr(keyboard, termios.TCSADRAIN, known)


@contextmanager
def _other_screen() -> Iterator[None]:
    sys.stdout.write(_TAKE)
    try:
        yield
    finally:
        with suppress(OSError):
            sys.stdout.write(_GIVE_BACK)
            sys.stdout.flush()


def cut(line: str, columns: int) -> str:
    """Return as much of *line*, which may have colours, as fits into *columns*; wide characters take two.

    >>> cut("\\x1b[1mhead\\x1b[0m tail", 6), cut("\\u4e2d\\u6587", 3)
    ('\\x1b[1mhead\\x1b[0m t', '\\u4e2d')
    """
    kept: list[str] = []
    left = columns
    coloured = False
    for part in _COLOUR.split(line):
        if _COLOUR.fullmatch(part):
            if left > 0 or part == _OFF:
                kept.append(part)
                coloured = part != _OFF
            continue
        for character in part:
            width = (
                2 if unicodedata.east_asian_width(character) in "WF" else 0 if unicodedata.combining(character) else 1
            )
            if width > left:
                left = 0
                break
            left -= width
            kept.append(character)
    return "".join(kept) + (_OFF if coloured else "")
