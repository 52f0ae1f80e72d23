"""``banish check``: judges a configuration before a daemon has to live with it.

Every finding is a line that begins with its place, as compilers write it; errors are what keeps a jail, or a part of the
configuration, from being used. Weaknesses of expressions come with the line that proves them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import banish
from banish.cli.proof import Question, ask_all
from banish.config.lint import Expression, Linted, expressions, lint
from banish.control import commands, render
from banish.control.render import visible
from banish.daemon.guard import PATIENT
from banish.errors import Problem

_LONGEST_EXAMPLE = 300


class Finding(NamedTuple):
    """*kind*: ``configuration``, ``forgeable`` or ``slow``; *example* proves the latter two, with *detail* for people."""

    kind: str
    problem: Problem
    example: str = ""
    detail: tuple[str, ...] = ()


def parser() -> argparse.ArgumentParser:
    """Return what ``banish check`` understands."""
    parser = argparse.ArgumentParser(
        prog="banish check",
        usage="banish check [--config DIR] [--json]",
        description="Judge a configuration: everything that is wrong, and expressions that an attacker could abuse.",
        epilog="Exit code 6 when there are errors, 0 with warnings only.",
        allow_abbrev=False,
    )
    parser.add_argument("--config", metavar="DIR", type=Path, default=Path("/etc/banish"), help="default /etc/banish")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    return parser


def run(words: list[str]) -> int:
    """Carry out ``banish check`` with the arguments *words*; return the exit code."""
    options = parser().parse_args(words)
    data = Path(banish.__file__).parent / "data"
    linted = lint(options.config.absolute(), data)
    findings = [Finding("configuration", problem) for problem in linted.problems]
    if options.json:
        findings += _weaknesses(linted)
        sys.stdout.write(json.dumps(_document(linted, findings)) + "\n")
    else:
        paint = render.painter(sys.stdout, os.environ)
        for finding in findings:
            sys.stdout.write(_shown(finding, paint))
        sys.stdout.flush()  # the proofs take their time
        for finding in _weaknesses(linted):
            sys.stdout.write(_shown(finding, paint))
            findings.append(finding)
        sys.stdout.write(_summary(linted, findings, paint))
    return commands.INVALID_CONFIGURATION if _count(findings, "error") else commands.OK


def _weaknesses(linted: Linted) -> Iterator[Finding]:
    found = list(expressions(linted.usable))
    answers = ask_all([Question(each.option, each.index, each.settings, each.text) for each in found])
    for expression, weaknesses in zip(found, answers, strict=True):
        if weaknesses.forgery is not None:
            forgery = weaknesses.forgery
            yield Finding(
                "forgeable",
                _weakness(
                    expression,
                    f"forgeable: whoever can have {forgery.chosen!r} logged has {forgery.forged} banned",
                    "anchor it with ^ and $; let no wildcard take what stands before the address",
                ),
                forgery.line,
                (f"the line:  {forgery.line}", f"is blamed on {forgery.forged} instead of {forgery.real}"),
            )
        if weaknesses.slow is not None:
            slow = weaknesses.slow
            yield Finding(
                "slow",
                _weakness(
                    expression,
                    f"slow: a line of {slow.characters} characters takes it more than {slow.seconds} s "
                    f"(banishd gives it up after {PATIENT:g} s, and does not judge the line)",
                    "let no two repeats in a row, or one within another, take the same text",
                ),
                slow.line,
                (f"the line:  {slow.line}",),
            )


def _weakness(expression: Expression, text: str, remedy: str) -> Problem:
    return Problem(text, remedy, expression.jail, expression.option, expression.text, expression.origin, "warning")


def _shown(finding: Finding, paint: render.Paint) -> str:
    problem = finding.problem
    kind = paint(problem.severity, "red" if problem.severity == "error" else "yellow")
    place, said = str(problem.origin), str(problem).removeprefix(f"{problem.origin}").removeprefix(":").lstrip()
    lines = [f"{paint(visible(place), 'bold')}: {kind}: {visible(said)}"]
    lines += [f"    {visible(_cut(line))}" for line in finding.detail]
    return "\n".join(lines) + "\n"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_EXAMPLE else f"{text[:_LONGEST_EXAMPLE]}…"


def _summary(linted: Linted, findings: list[Finding], paint: render.Paint) -> str:
    errors, warnings = _count(findings, "error"), _count(findings, "warning")
    enabled = len(linted.configuration.jails) + len(linted.configuration.left_out)
    jails = f"{len(linted.usable)} of {enabled} enabled jails can run"
    if errors:
        verdict = paint(f"{_many(errors, 'error')}, {_many(warnings, 'warning')}", "red")
    elif warnings:
        verdict = paint(f"no errors, {_many(warnings, 'warning')}", "yellow")
    else:
        verdict = paint("nothing is wrong", "green")
    return f"{verdict}; {jails}\n"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _count(findings: list[Finding], severity: str) -> int:
    return sum(finding.problem.severity == severity for finding in findings)


def _document(linted: Linted, findings: list[Finding]) -> dict[str, Any]:
    rows = []
    for kind, problem, example, _ in findings:
        origin = problem.origin
        rows.append(
            {
                "severity": problem.severity,
                "kind": kind,
                "file": origin.file if origin else None,
                "line": origin.line or None if origin else None,
                "jail": problem.section or None,
                "option": problem.option or None,
                "value": problem.value or None,
                "text": problem.text,
                "remedy": problem.remedy or None,
                "example": example or None,
            }
        )
    configuration = linted.configuration
    running = [config.name for config in linted.usable]
    return {
        "errors": _count(findings, "error"),
        "warnings": _count(findings, "warning"),
        "jails": running,
        "left_out": sorted({*configuration.left_out, *(config.name for config in configuration.jails)} - {*running}),
        "findings": rows,
    }
