"""``banishd``: the daemon.

Without ``--foreground`` it goes into the background, and the command returns once the daemon is at work: every ban of earlier runs
is in force and commands are answered. What keeps it from that is said on standard error, and in the exit code.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path

import banish
from banish.control import commands
from banish.control.client import SOCKET
from banish.errors import BanishError, ConfigError, ControlError

SELDOM = 10_000
"""How many objects more there are when garbage is looked for: each failure makes some, and leaves no cycles (module ``gc``)."""


def main(argv: list[str] | None = None) -> int:
    """Run the daemon as *argv* says (``sys.argv`` unless given); return the exit code, that of ``banish``'s table."""
    words = _parser().parse_args(argv)
    if words.foreground:
        return _run(words, ready=lambda: None)
    return _in_background(lambda ready: _run(words, ready))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="banishd",
        description="Watch the logs and ban whoever attacks, see banish(1) for its commands.",
        allow_abbrev=False,
    )
    parser.add_argument("--config", metavar="DIR", type=_path, default=Path("/etc/banish"), help="default /etc/banish")
    parser.add_argument(
        "--state", metavar="DIR", type=_path, default=Path("/var/lib/banish"), help="default /var/lib/banish"
    )
    parser.add_argument("--socket", metavar="PATH", type=_path, default=Path(SOCKET), help=f"default {SOCKET}")
    parser.add_argument("--foreground", action="store_true", help="stay in the foreground")
    parser.add_argument("--loglevel", metavar="L", help="CRITICAL, ERROR, WARNING, NOTICE, INFO or DEBUG")
    parser.add_argument("--logtarget", metavar="T", type=_target, help="a file, STDOUT, STDERR or SYSLOG")
    parser.add_argument("--version", action="version", version=f"banishd {banish.__version__}")
    return parser


def _run(words: argparse.Namespace, ready: Callable[[], None]) -> int:
    # What is made on the way up stays: the daemon looks for garbage from when bans are in force (`restoring.without_collection`).
    gc.disable()
    gc.set_threshold(SELDOM)
    import asyncio  # noqa: PLC0415 - in the process that needs it

    from banish.daemon.supervisor import Options, Supervisor  # noqa: PLC0415

    daemon = Supervisor(
        Options(
            config=words.config,
            state=words.state,
            socket=words.socket,
            data=Path(banish.__file__).parent / "data",
            loglevel=words.loglevel,
            logtarget=words.logtarget,
        )
    )
    try:
        daemon.prepare()
        asyncio.run(daemon.run(ready))
    except BanishError as error:
        print(f"banishd: {error}", file=sys.stderr)
        if isinstance(error, ConfigError):
            for problem in daemon.broken.values():
                print(f"  {problem}", file=sys.stderr)
            return commands.INVALID_CONFIGURATION
        return error.code if isinstance(error, ControlError) else commands.FAILED
    finally:
        daemon.logbook.close()
    return commands.OK


def _path(text: str) -> Path:
    return Path(text).absolute()


def _target(text: str) -> str:
    """Return *text* for the daemon: a path is meant from where the command was given, a directory that it leaves."""
    word = text.partition("[")[0]  # STDOUT, SYSLOG[facility=auth]
    return text if word.isalpha() and word.isupper() else str(Path(text).absolute())


def _in_background(run: Callable[[Callable[[], None]], int]) -> int:
    """Fork as daemon(7) has it; the first process waits for word from the daemon and becomes its exit code."""
    hear, tell = os.pipe()
    if os.fork():
        os.close(tell)
        word = os.read(hear, 1)
        return word[0] if word else commands.FAILED
    os.close(hear)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    os.umask(0o022)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)

    told = False

    def ready() -> None:
        # From here on only the log speaks; whoever started us must not wait for our ends of the pipes.
        nonlocal told
        told = True
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.write(tell, b"\0")
        os.close(tell)

    code = commands.FAILED
    try:
        code = run(ready)
    finally:
        if not told:
            os.write(tell, bytes((code,)))
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
