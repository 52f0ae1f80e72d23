"""``banish config-dir``: where the packaged configuration lies."""

from __future__ import annotations

import argparse
import json
import os
import sys

import banish
from banish.control import commands


def parser() -> argparse.ArgumentParser:
    """Return what ``banish config-dir`` understands."""
    parser = argparse.ArgumentParser(
        prog="banish config-dir",
        usage="banish config-dir [--json]",
        description="Print where the packaged configuration lies.",
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="as one JSON document")
    return parser


def run(words: list[str]) -> int:
    """Carry out ``banish config-dir`` with the arguments *words*; return the exit code."""
    path = os.path.join(os.path.dirname(os.path.abspath(banish.__file__)), "data")
    sys.stdout.write(json.dumps({"path": path}) + "\n" if parser().parse_args(words).json else f"{path}\n")
    return commands.OK
