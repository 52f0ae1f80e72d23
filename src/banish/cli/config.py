"""``banish config``: the effective configuration, each value with the place it was written at.

The files are read here. A daemon that runs with the same files is asked what was set since it has read them (``set``), which then counts
instead; nothing is said when there is none.
"""

from __future__ import annotations

import argparse
import difflib
import itertools
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import banish
from banish.config import amendments, effective
from banish.config.examine import examine
from banish.config.jails import Configuration, JailConfig, load
from banish.control import client, commands, render
from banish.control.render import visible
from banish.errors import ConfigError, Origin, Problem

_PATIENCE = 2.0
"""Seconds that a daemon is waited for."""
_VALUES = 44
"""Columns up to which values are padded, so that origins stand in a column of their own."""


def parser() -> argparse.ArgumentParser:
    """Return what ``banish config`` understands."""
    parser = argparse.ArgumentParser(
        prog="banish config",
        usage="banish config [JAIL] [--config DIR] [--json]",
        description="Show the effective configuration, each value with the file and line it came from.",
        allow_abbrev=False,
    )
    parser.add_argument("jail", metavar="JAIL", nargs="?", help="without it: what becomes of every jail")
    parser.add_argument("--config", metavar="DIR", type=Path, default=Path("/etc/banish"), help="default /etc/banish")
    parser.add_argument(
        "--socket", metavar="PATH", default=client.SOCKET, help=f"where to ask what was set (default {client.SOCKET})"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document")
    return parser


def run(words: list[str]) -> int:
    """Carry out ``banish config`` with the arguments *words*; return the exit code."""
    options = parser().parse_args(words)
    user, data = options.config.absolute(), Path(banish.__file__).parent / "data"
    configuration = _as_it_runs(load(user, data, also=options.jail or ""), user, options.socket)
    broken = _examined(configuration)
    if options.jail is None:
        document = {"config": str(user), "packaged": str(data), **_overview(configuration, broken)}
        text = _overview_text(document)
    else:
        found = next((config for config in configuration.jails if config.name == options.jail), None)
        if found is None and options.jail not in configuration.left_out:
            return _unknown(options.jail, configuration, options.json)
        document = _jail(options.jail, found, configuration, broken)
        text = _jail_text(document)
    sys.stdout.write(json.dumps(document) + "\n" if options.json else text)
    unusable = options.jail is not None and document["problem"] is not None
    return commands.INVALID_CONFIGURATION if unusable else commands.OK


def _as_it_runs(configuration: Configuration, user: Path, socket: str) -> Configuration:
    """Return *configuration* with what was set since a daemon read it from *user*, if one that did listens on *socket*."""
    reply = client.ask(socket, "changes", {"jail": None}, timeout=_PATIENCE)
    if not reply["ok"] or reply["result"]["config"] != str(user):
        return configuration
    jails = {config.name: config for config in configuration.jails}
    for row in reply["result"]["changes"]:
        name, words = row["jail"], row["words"]
        try:
            if words[0] == "add":
                jails[name] = amendments.begun(name, words[1])
            elif name in jails and words[0] in amendments.AMENDMENTS:
                jails[name] = amendments.amend(jails[name], words)
        except ConfigError:
            continue  # the files have changed meanwhile: it was said of what was there before
    return replace(configuration, jails=tuple(jails.values()))


def _examined(configuration: Configuration) -> dict[str, list[Problem]]:
    """The errors and warnings of each jail, those told on reading first."""
    found: dict[str, list[Problem]] = {}
    for problem in configuration.problems:
        found.setdefault(problem.section, []).append(problem)
    for config in configuration.jails:
        found.setdefault(config.name, []).extend(examine(config))
    return found


def _overview(configuration: Configuration, problems: dict[str, list[Problem]]) -> dict[str, Any]:
    names = [*(config.name for config in configuration.jails), *configuration.left_out]
    told = itertools.chain.from_iterable(problems.values())
    by_name = {config.name: config for config in configuration.jails}
    return {
        "jails": [_summary(name, by_name.get(name), problems.get(name, [])) for name in names],
        "disabled": list(configuration.disabled),
        "problems": [_problem_row(problem) for problem in dict.fromkeys(told)],
    }


def _summary(name: str, config: JailConfig | None, problems: list[Problem]) -> dict[str, Any]:
    error = next((str(problem) for problem in problems if problem.severity == "error"), None)
    if config is None:
        return {"name": name, "problem": error or "it cannot be used as configured"}
    return {
        "name": name,
        "problem": error,
        "filter": config.filter_name or None,
        "logpath": [path.pattern for path in config.logpaths],
        "journalmatch": list(config.journalmatch),
        "actions": [action.actname for action in config.actions],
    }


def _jail(
    name: str, config: JailConfig | None, configuration: Configuration, problems: dict[str, list[Problem]]
) -> dict[str, Any]:
    ours = problems.get(name, [])
    document = {
        **_summary(name, config, ours),
        "enabled": name not in configuration.disabled,
        "problems": [_problem_row(problem) for problem in ours],
    }
    if config is None:
        return document
    rows = list(effective.rows(config, tuple(ours)))
    document["options"] = [{"option": row.option, "value": row.value, **_place(row.origin)} for row in rows]
    document["actions"] = [
        {
            "name": name,
            "actname": settings.actname if settings else None,
            "enforcer": settings.enforcer or None if settings else None,
            "served": settings.served if settings else None,
            "options": dict(settings.options) if settings else {},
        }
        for name, settings in effective.actions(config)
    ]
    return document


def _problem_row(problem: Problem) -> dict[str, Any]:
    return {
        "text": str(problem),
        "severity": problem.severity,
        "jail": problem.section or None,
        **_place(problem.origin),
    }


def _place(origin: Origin | None) -> dict[str, Any]:
    return {"file": origin.file if origin else None, "line": (origin.line or None) if origin else None}


def _overview_text(document: dict[str, Any]) -> str:
    paint = render.painter(sys.stdout, os.environ)
    running = [row for row in document["jails"] if row["problem"] is None]
    lines = [f"{visible(document['config'])} over {visible(document['packaged'])}", ""]
    table = [
        (
            row["name"],
            row["filter"] or "",
            " ".join(row["logpath"]) or "journal",
            " ".join(row["actions"]) or "no action",
        )
        for row in running
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)] if table else []
    for cells in table:
        shown = (visible(cell).ljust(width) for cell, width in zip(cells, widths, strict=True))
        lines.append("  ".join(shown).rstrip())
    if not running:
        lines.append("no jail is enabled that can run")
    left_out = [row for row in document["jails"] if row["problem"] is not None]
    if left_out:
        lines += ["", paint("left out", "red")]
        lines += [f"  {visible(row['name'])}: {visible(row['problem'])}" for row in left_out]
    told = {row["problem"] for row in left_out}
    lines += _problem_lines([row for row in document["problems"] if row["text"] not in told], paint)
    disabled = len(document["disabled"])
    lines += ["", f"{len(running)} enabled, {len(left_out)} left out, {disabled} disabled"]
    return "\n".join(lines) + "\n"


def _jail_text(document: dict[str, Any]) -> str:
    paint = render.painter(sys.stdout, os.environ)
    lines = [paint(f"[{visible(document['name'])}]", "bold")]
    before = ""
    for row in document.get("options", ()):
        # Variables and defaults without a value say nothing.
        if row["file"] is None and not row["value"]:
            continue
        origin = f"{row['file']}:{row['line']}" if row["line"] else row["file"] or "(default)"
        name = row["option"]
        head = " " * (len(name) + 3) if name == before else f"{name} = "
        before = name
        for number, value in enumerate(row["value"].split("\n")):
            shown = (head if number == 0 else " " * (len(name) + 3)) + visible(value.strip())
            lines.append(f"{shown.ljust(_VALUES)}  # {visible(origin)}" if number == 0 else shown)
    if document.get("options"):
        lines += ["", paint("actions", "bold")]
        for action in document["actions"]:
            lines += _action_lines(action)
    if document["problem"] is not None:
        lines += ["", paint(f"left out: {visible(document['problem'])}", "red")]
    if not document["enabled"]:
        lines += ["", paint("this jail is disabled", "yellow")]
    lines += _problem_lines([row for row in document["problems"] if row["text"] != document["problem"]], paint)
    return "\n".join(lines) + "\n"


def _action_lines(action: dict[str, Any]) -> list[str]:
    if action["actname"] is None:
        return [f"  {visible(action['name'])}: left out"]
    how = f"served natively ({action['enforcer']})" if action["enforcer"] else "run as written"
    lines = [f"  {visible(action['actname'])}: {visible(how)}"]
    lines += [f"    {visible(option)} = {visible(value)}" for option, value in action["options"].items()]
    return lines


def _problem_lines(problems: list[dict[str, Any]], paint: render.Paint) -> list[str]:
    if not problems:
        return []
    return ["", paint("problems", "yellow"), *(f"  {row['severity']}: {visible(row['text'])}" for row in problems)]


def _unknown(name: str, configuration: Configuration, as_json: bool) -> int:
    names = [*(config.name for config in configuration.jails), *configuration.left_out, *configuration.disabled]
    near = difflib.get_close_matches(name, names, n=1)
    text, hint = f"no such jail: {name}", f"did you mean {near[0]}?" if near else "banish config lists them"
    if as_json:
        error = {"text": text, "code": commands.NOT_FOUND, "hint": hint}
        sys.stdout.write(json.dumps({"error": error}) + "\n")
    sys.stderr.write(render.error(text, hint, render.painter(sys.stderr, os.environ)))
    return commands.NOT_FOUND
