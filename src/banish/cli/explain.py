"""``banish explain``: what each jail makes of a line, and where it stopped. See docs/reference/explain.md.

It goes by the configuration and needs no daemon; if one runs, it is asked as well what it knows of those the line speaks of.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import banish
from banish.config.jails import Configuration, load
from banish.control import client, commands, render
from banish.control.render import visible
from banish.control.spelling import nearest
from banish.daemon.guard import Guard
from banish.errors import ConfigError, Problem
from banish.replay.explanation import Explainer, Explanation, Step

_CONFIG = Path("/etc/banish")
_ASKED = 20
"""Addresses that the daemon is asked about."""
_LONGEST = 1 << 16
_MARK = {True: "+", False: "x"}


def parser() -> argparse.ArgumentParser:
    """Return what ``banish explain`` understands."""
    parser = argparse.ArgumentParser(
        prog="banish explain",
        usage="banish explain LINE... [--jail JAIL] [--config DIR] [--socket PATH] [--json]",
        description="Say what each jail makes of a line, step by step, and where it stopped.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "lines",
        metavar="LINE",
        nargs="+",
        help="a line as it stands in a log, in quotes; - reads lines from standard input",
    )
    add("--jail", metavar="JAIL", help="this jail only, even if it is not enabled (default: every jail that is)")
    add("--all", action="store_true", help="also the jails to which the line is nothing, step by step")
    add("--config", metavar="DIR", type=Path, default=_CONFIG, help=f"default {_CONFIG}")
    add("--socket", metavar="PATH", default=client.SOCKET, help=f"default {client.SOCKET}")
    add("--json", action="store_true", help="one JSON document, nothing else")
    return parser


def run(words: list[str]) -> int:
    """Carry out ``banish explain`` with the arguments *words*; return the exit code."""
    options = parser().parse_args(words)
    try:
        explainers = _explainers(options)
    except ConfigError as error:
        paint = render.painter(sys.stderr, os.environ)
        if options.json:
            sys.stdout.write(json.dumps({"error": {"text": str(error), "code": commands.INVALID_CONFIGURATION}}) + "\n")
        sys.stderr.write(render.error(error.problem.text, error.problem.remedy, paint))
        return commands.NOT_FOUND if error.problem.option == "--jail" else commands.INVALID_CONFIGURATION
    guard = Guard()
    document = []
    paint = render.painter(sys.stdout, os.environ)
    for text in _lines(options.lines):
        with guard.watching():
            found = [explainer.explain(text) for explainer in explainers]
        live = _live(found, options.socket)
        document.append({"line": text, "jails": [_object(each, live) for each in found]})
        if not options.json:
            sys.stdout.write(
                "\n".join(_text(text, found, live, paint, everything=options.all or bool(options.jail))) + "\n"
            )
    if options.json:
        sys.stdout.write(json.dumps({"lines": document}) + "\n")
    return commands.OK


def _explainers(options: argparse.Namespace) -> list[Explainer]:
    data = Path(banish.__file__).absolute().parent / "data"
    config = options.config.absolute() if options.config.is_dir() else None
    if config is None and options.config != _CONFIG:
        raise ConfigError(Problem(f"{options.config} is not a directory", "--config names one like /etc/banish"))
    configuration = load(config, data, also=options.jail or "")
    jails = [jail for jail in configuration.jails if options.jail in (None, jail.name)]
    if not jails:
        raise ConfigError(_no_jail(options.jail, configuration))
    guard, now = Guard(), time.time()
    return [Explainer(jail, now, guard.trial()) for jail in jails]


def _no_jail(name: str | None, configuration: Configuration) -> Problem:
    if name is None:
        return Problem("no jail is enabled", "name one with --jail, or enable one: [sshd] enabled = true in jail.local")
    why = [problem for problem in configuration.problems if problem.section == name and problem.severity == "error"]
    if why:
        return why[0]
    names = [jail.name for jail in configuration.jails] + list(configuration.disabled)
    near = nearest(name, names)
    return Problem(f"there is no jail '{name}'", f"did you mean '{near}'?" if near else "", option="--jail")


def _lines(words: Iterable[str]) -> Iterable[str]:
    for word in words:
        if word != "-":
            yield word.rstrip("\n")[:_LONGEST]
            continue
        if hasattr(sys.stdin, "reconfigure"):
            sys.stdin.reconfigure(errors="surrogateescape")
        for line in sys.stdin or ():
            yield line.rstrip("\r\n")[:_LONGEST]


def _live(found: Iterable[Explanation], socket: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what the daemon knows, by jail and id, of those that would be counted; nothing when none runs."""
    known: dict[tuple[str, str], dict[str, Any]] = {}
    pairs = [(each.jail, id_) for each in found for id_ in each.ids]
    for jail, id_ in pairs[:_ASKED]:
        reply = client.ask(socket, "why", {"address": id_, "jail": jail}, timeout=5.0)
        if reply["ok"]:
            known[jail, id_] = reply["result"]
        elif reply["error"]["code"] in (commands.NOT_RUNNING, commands.NO_PERMISSION):
            break
    return known


def _object(each: Explanation, live: dict[tuple[str, str], dict[str, Any]]) -> dict[str, Any]:
    return {
        "jail": each.jail,
        "stopped": each.stopped,
        "outcome": each.outcome,
        "time": each.time,
        "ids": list(each.ids),
        "steps": [step._asdict() for step in each.steps],
        "now": {id_: live[each.jail, id_] for id_ in each.ids if (each.jail, id_) in live},
    }


def _text(
    text: str,
    found: list[Explanation],
    live: dict[tuple[str, str], dict[str, Any]],
    paint: render.Paint,
    *,
    everything: bool,
) -> Iterable[str]:
    yield paint(visible(text), "bold")
    for each in found:
        if not everything and _is_nothing(each):
            continue
        yield f"  {visible(each.jail)}: {_verdict(each, paint)}"
        for step in each.steps:
            yield from _step(step, paint)
        for id_ in each.ids:
            if (story := live.get((each.jail, id_))) is not None:
                yield f"    = now: {_state(story)}"
    rest = [visible(each.jail) for each in found if _is_nothing(each)]
    if rest and not everything:
        yield f"  nothing to: {', '.join(rest)} (--all says why)"


def _is_nothing(each: Explanation) -> bool:
    """It did not come beyond the expressions."""
    return (
        each.stopped in ("date", "prefregex", "failregex")
        and each.outcome == "none"
        and not any(step.passed for step in each.steps if step.stage == "prefregex")
    )


def _verdict(each: Explanation, paint: render.Paint) -> str:
    if each.stopped == "failure":
        return paint(f"a failure of {', '.join(map(visible, each.ids))}", "red")
    return paint(f"no failure; it stopped at {each.stopped}", "yellow")


def _step(step: Step, paint: render.Paint) -> Iterable[str]:
    mark = paint(_MARK[step.passed], "green" if step.passed else "yellow")
    yield f"    {mark} {step.stage}: {visible(step.said)}"
    if step.expression:
        origin = f" ({visible(step.origin)})" if step.origin else ""
        yield f"        {visible(step.expression)}{origin}"


def _state(story: dict[str, Any]) -> str:
    address = visible(story["address"])
    for row in story["jails"]:
        if row["state"] == "banned":
            return f"{address} is banned already"
        if row["ignored"]:
            return f"{address} is ignored: {visible(row['ignored'])}"
        if row["paused"]:
            return f"bans of this jail are paused: {visible(row['paused'])}"
        if row["count"]:
            return f"{row['count']['failures']} of {row['maxretry']} failures of {address} are counted"
    if story["protected"]:
        return f"{address} is never banned: {visible(story['protected'])}"
    return f"no failure of {address} is counted"
