"""``banish doctor``: finds what makes people believe that they are protected when they are not. See docs/reference/doctor.md."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import banish
from banish.control import client, commands, render
from banish.control.render import visible
from banish.doctor.examination import Report, examine

_CONFIG, _STATE = Path("/etc/banish"), Path("/var/lib/banish")
_COLOURS = {"error": "red", "warning": "yellow"}


def parser() -> argparse.ArgumentParser:
    """Return what ``banish doctor`` understands."""
    parser = argparse.ArgumentParser(
        prog="banish doctor",
        usage="banish doctor [--config DIR] [--state DIR] [--socket PATH] [--json]",
        description="Find what makes people believe that they are protected when they are not, each with its remedy.",
        epilog="Exit code 0 when nothing was found, 1 when something was. Run it as root: what it may not see it skips.",
        allow_abbrev=False,
    )
    parser.add_argument("--config", metavar="DIR", type=Path, default=_CONFIG, help=f"default {_CONFIG}")
    parser.add_argument("--state", metavar="DIR", type=Path, default=_STATE, help=f"default {_STATE}")
    parser.add_argument("--socket", metavar="PATH", default=client.SOCKET, help=f"default {client.SOCKET}")
    parser.add_argument("--json", action="store_true", help="one JSON document, nothing else")
    return parser


def run(words: list[str]) -> int:
    """Carry out ``banish doctor`` with the arguments *words*; return the exit code."""
    options = parser().parse_args(words)
    config = options.config.absolute() if options.config.is_dir() else None
    if config is None and options.config != _CONFIG:
        paint = render.painter(sys.stderr, os.environ)
        sys.stderr.write(
            render.error(f"{options.config} is not a directory", "--config names one like /etc/banish", paint)
        )
        return commands.USAGE
    data = Path(banish.__file__).absolute().parent / "data"
    report = examine(config, data, options.state.absolute(), options.socket)
    if options.json:
        sys.stdout.write(json.dumps(_document(report)) + "\n")
    else:
        sys.stdout.write("\n".join(_text(report, render.painter(sys.stdout, os.environ))) + "\n")
    return commands.FAILED if report.findings else commands.OK


def _document(report: Report) -> dict[str, object]:
    return {
        "findings": [asdict(finding) for finding in report.findings],
        "skipped": [asdict(skipped) for skipped in report.skipped],
        "jails": report.jails,
    }


def _text(report: Report, paint: render.Paint) -> Iterator[str]:
    for finding in sorted(report.findings, key=lambda finding: finding.severity):
        jail = f"[{visible(finding.jail)}] " if finding.jail else ""
        yield f"{paint(finding.severity, _COLOURS[finding.severity])} {jail}{visible(finding.text)}"
        yield f"    {visible(finding.remedy)} ({finding.check})"
    for skipped in report.skipped:
        yield f"{paint('skipped', 'yellow')} {visible(skipped.check)}: {visible(skipped.why)}"
    jails = f"{len(report.jails)} jail{'' if len(report.jails) == 1 else 's'}"
    if report.findings:
        yield f"{jails} examined, {len(report.findings)} to mend"
    else:
        yield f"{jails} examined: {paint('nothing to mend', 'green')}"
