"""``banish install-compat``: fail2ban-client, fail2ban-server and fail2ban-regex as names of ours (``cli.compat``).

They are not installed with the package, so that fail2ban itself can stay for a trial. Whatever is there already and is not ours is left
alone, unless ``--force`` says otherwise.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from banish.cli.compat import PROGRAMS
from banish.control import commands

DIRECTORY = Path("/usr/local/bin")
_SIGN = "# banish under the name of fail2ban's own program; 'banish install-compat --remove' takes it away."


def parser() -> argparse.ArgumentParser:
    """Return what ``banish install-compat`` understands."""
    parser = argparse.ArgumentParser(
        prog="banish install-compat",
        usage="banish install-compat [--dir DIR] [--remove] [--force] [--json]",
        description=f"Install {', '.join(PROGRAMS)} as names of banish, or remove them.",
        allow_abbrev=False,
    )
    parser.add_argument("--dir", metavar="DIR", type=Path, default=DIRECTORY, help=f"where (default {DIRECTORY})")
    parser.add_argument("--remove", action="store_true", help="take them away again")
    parser.add_argument("--force", action="store_true", help="replace what is there even when it is not ours")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    return parser


def run(words: list[str]) -> int:
    """Carry out ``banish install-compat`` with the arguments *words*; return the exit code."""
    options = parser().parse_args(words)
    rows = [_one(options.dir / name, name, options) for name in PROGRAMS]
    if options.json:
        sys.stdout.write(json.dumps(rows) + "\n")
    else:
        for row in rows:
            sys.stdout.write(f"{row['outcome']} {row['path']}" + (f": {row['reason']}" if row["reason"] else "") + "\n")
    return commands.FAILED if any(row["outcome"] == "left alone" for row in rows) else commands.OK


def _one(path: Path, name: str, options: argparse.Namespace) -> dict[str, str]:
    outcome, reason = "left alone", ""
    try:
        there = path.is_symlink() or path.exists()
        ours = there and not path.is_symlink() and _SIGN in path.read_text(errors="replace")
        if there and not ours and not options.force:
            reason = "it is not ours; --force replaces it" if not options.remove else "it is not ours"
        elif options.remove:
            if there:
                path.unlink()
            outcome = "removed" if there else "not there"
        else:
            if there:
                path.unlink()
            path.write_text(_program(name))
            path.chmod(0o755)
            outcome = "installed"
    except OSError as error:
        reason = error.strerror or str(error)
    return {"path": str(path), "outcome": outcome, "reason": reason}


def _program(name: str) -> str:
    function = name.replace("-", "_")
    return f"#!{sys.executable}\n{_SIGN}\nimport sys\n\nfrom banish.cli.compat import {function}\n\nsys.exit({function}())\n"
