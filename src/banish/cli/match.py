"""``banish match``: one filter over one log, no daemon; the successor of fail2ban-regex. See docs/reference/match.md."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import time
from pathlib import Path

import banish
from banish.addresses import Network
from banish.control import commands, render
from banish.daemon.guard import Guard
from banish.errors import ConfigError, ControlError, Problem
from banish.lookups.names import Names
from banish.replay import rules
from banish.replay.log import Log, is_journal
from banish.replay.replay import Replay, document
from banish.replay.report import Report

_CONFIG = Path("/etc/banish")
_DATA = Path(banish.__file__).absolute().parent / "data"


def run(words: list[str]) -> int:
    """Carry out ``banish match`` with *words* behind it, and return the exit code."""
    options = parser().parse_args(words)
    try:
        return _match(options)
    except ConfigError as error:
        return _refuse(options, str(error), "", commands.INVALID_CONFIGURATION)
    except ControlError as error:
        return _refuse(options, str(error), error.hint, error.code)


def parser() -> argparse.ArgumentParser:
    """Return what ``banish match`` understands."""
    parser = argparse.ArgumentParser(
        prog="banish match",
        description="Run one filter over one log, and tell what matched, what did not, and by how much.",
        usage="banish match LOG FILTER [IGNOREREGEX] [options]",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "log",
        metavar="LOG",
        help="a file (.gz, .bz2, .xz and .zst too), - for standard input, a line in quotes,"
        " or systemd-journal, perhaps with options as in 'systemd-journal[journalpath=DIR]'",
    )
    add("filter", metavar="FILTER", help="a name ('sshd[mode=aggressive]'), a path to a .conf file, or an expression")
    add(
        "ignoreregex",
        metavar="IGNOREREGEX",
        nargs="?",
        help="an expression for lines to be ignored, beside the filter's own",
    )
    add(
        "--config",
        metavar="DIR",
        type=Path,
        help=f"where filters are looked for before the packaged ones (default {_CONFIG})",
    )
    add(
        "--now",
        metavar="EPOCH",
        type=_epoch,
        help="the clock for dates without a year, in Unix seconds (default: when the file was written last, else now)",
    )
    add(
        "-m",
        "--journalmatch",
        metavar="MATCH",
        action="append",
        help="which entries of the journal are read (default: those that the filter is for)",
    )
    add("--raw-host", action="store_true", help="take host names as they are, do not resolve them")
    add("--print-all-missed", action="store_true", help="list every missed line, not the first 20")
    add("--print-all-matched", action="store_true", help="list the lines that matched, and what they said")
    add("--json", action="store_true", help="print a JSON object for each line, nothing else")
    return parser


def _epoch(text: str) -> float:
    try:
        now = float(text)
        time.localtime(now)
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(f"not Unix seconds: {text!r}") from None
    return now


def _match(options: argparse.Namespace) -> int:
    config = options.config
    if config is None:
        config = _CONFIG if _CONFIG.is_dir() else None
    elif not config.is_dir():
        raise ConfigError(Problem(f"{config} is not a directory", "--config names one like /etc/banish"))
    chosen = rules.load(
        options.filter,
        options.ignoreregex,
        config and config.absolute(),
        _DATA,
        raw_host=options.raw_host,
        journal=is_journal(options.log),
    )
    log = Log(options.log, options.journalmatch or chosen.journalmatch)
    paint = render.painter(sys.stderr, os.environ)
    for problem in chosen.warnings:
        sys.stderr.write(f"{paint('banish:', 'yellow')} {render.visible(problem)}\n")
    names = _Names()
    try:
        guard = Guard()
        now = log.written_at() if options.now is None else options.now
        replay = Replay(chosen, now, names, guard.trial())
        return _print_json(log, replay, guard) if options.json else _print_report(log, replay, guard, options)
    finally:
        names.close()


def _print_json(log: Log, replay: Replay, guard: Guard) -> int:
    for batch in log.batches():
        with guard.watching():
            for judged in replay.judge(batch):
                sys.stdout.write(json.dumps(document(judged)) + "\n")
        sys.stdout.flush()
    return commands.OK


def _print_report(log: Log, replay: Replay, guard: Guard, options: argparse.Namespace) -> int:
    with Report(
        replay.rules,
        log,
        render.painter(sys.stdout, os.environ),
        shutil.get_terminal_size().columns if sys.stdout.isatty() else None,
        all_missed=options.print_all_missed,
        all_matched=options.print_all_matched,
    ) as report:
        for batch in log.batches():
            with guard.watching():
                for judged in replay.judge(batch):
                    report.add(judged)
        sys.stdout.writelines(report.render())
    return commands.OK


def _refuse(options: argparse.Namespace, text: str, hint: str, code: int) -> int:
    if options.json:
        sys.stdout.write(json.dumps({"error": {"text": text, "code": code, "hint": hint}}) + "\n")
        sys.stdout.flush()
    sys.stderr.write(render.error(text, hint, render.painter(sys.stderr, os.environ)))
    return code


class _Names:
    """Host names to addresses, one question after the other; nothing is started before the first."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._names = Names()

    def __call__(self, name: str) -> tuple[Network, ...]:
        return self._runner.run(self._names.resolve(name, time.monotonic()))

    def close(self) -> None:
        self._names.close()
        self._runner.close()
