"""``python -m bench``: measure banish and fail2ban side by side, and print one table. See docs/benchmarks.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import sysconfig
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from bench import bans, client, flood, heal, journal, lines, live, restart, sources
from bench.sides import alike, fail2ban_python
from bench.table import BenchError, Row, render
from lab.namespaces import Lab, LabError, can_run

ROOT = Path(__file__).resolve().parent.parent
HEADINGS = {
    "lines": "A line, from the bytes of the log to the decision (CPU time)",
    "journal": "The systemd journal (CPU time)",
    "bans": "A ban, from the decision to the kernel (time)",
    "live": "Both daemons at work",
    "restart": "A start",
    "sources": "Files that are long, and many files",
    "heal": "Somebody else empties the firewall",
    "client": "A question to the daemon",
    "flood": "A flood",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what *argv* asks for (``sys.argv`` unless given); 0 when every part could be measured."""
    words = _arguments(argv)
    if argv is None:
        _change_interpreter()
    # What we start on hosts of the laboratory begins in another directory, and must find us all the same.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    real = words.corpus or os.environ.get("BANISH_BENCH_CORPUS")
    parts = _parts(words.quick, words.runs, Path(real) if real else None, words.only)
    rows: list[Row] = []
    troubles: list[str] = []
    try:
        for name in words.part or parts:
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            for measure in parts[name]:
                try:
                    rows += measure()
                except (BenchError, LabError) as error:
                    troubles.append(f"{name}: {error}")
    finally:  # what is measured already is worth something, whatever ended the rest
        if rows:
            print(render(rows, HEADINGS))
        if words.json:
            document = {
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "machine": _machine(),
                "quick": words.quick,
            }
            told = {**document, "rows": [row.document() for row in rows], "troubles": troubles}
            words.json.write_text(json.dumps(told, indent=1) + "\n")
    for trouble in troubles:
        print(trouble, file=sys.stderr)
    return 1 if troubles else 0


def _change_interpreter() -> None:
    """Go on in the interpreter that fail2ban is installed for, where that can load us: it is the programs that are compared."""
    with suppress(BenchError):
        python = fail2ban_python()
        if not os.path.samefile(python, sys.executable) and alike(python):
            places = (str(ROOT / "src"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
            os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(places))
            os.execv(python, [python, *sys.orig_argv[1:]])  # noqa: S606 - nothing here is for a shell


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--part", action="append", choices=list(HEADINGS), help="measure this part alone (may be given several times)"
    )
    parser.add_argument(
        "--only", metavar="TEXT", default="", help="of the part lines, the rows that have this in their name"
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer and shorter runs: to see that it works, not to cite"
    )
    parser.add_argument("--runs", type=int, help="how often both sides are measured in turn (default: 5, quick 2)")
    parser.add_argument(
        "--corpus",
        metavar="DIR",
        help="real logs to make the log lines from (OpenSSH_2k.log, Apache_2k.log of LogHub; default: the variable"
        " BANISH_BENCH_CORPUS, or else our own samples)",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every measurement to FILE")
    words = parser.parse_args(argv)
    words.runs = words.runs or (2 if words.quick else 5)
    return words


def _parts(quick: bool, runs: int, real: Path | None, only: str) -> dict[str, list[Callable[[], list[Row]]]]:
    def in_lab(measure: Callable[[Lab], list[Row]]) -> Callable[[], list[Row]]:
        def run() -> list[Row]:
            reason = can_run(sshd=False)
            if reason is not None:
                raise LabError(reason)
            with Lab.hold() as lab:
                return measure(lab)

        return run

    return {
        "lines": [lambda: lines.measure(real, runs, quick, lambda case: only in case.what)],
        "journal": [in_lab(lambda lab: journal.measure(lab, runs, quick))],
        "bans": [in_lab(lambda lab: bans.measure(lab.host("bans"), runs))],
        "live": [
            in_lab(lambda lab: live.latency(lab, 10 if quick else 500, 2 if quick else 20)),
            in_lab(lambda lab: live.crowded(lab, 10 if quick else 500)),
            in_lab(lambda lab: live.appended(lab, 1 if quick else 3, 1 if quick else 10)),
            in_lab(lambda lab: live.idle_with_many(lab, 4 if quick else 30)),
        ],
        "sources": [in_lab(lambda lab: sources.measure(lab, 1 if quick else 3, quick))],
        "restart": [in_lab(lambda lab: restart.measure(lab, 1 if quick else 3))],
        "heal": [in_lab(lambda lab: heal.measure(lab, 1 if quick else 3))],
        "client": [in_lab(lambda lab: client.measure(lab, 3 if quick else 15))],
        "flood": [lambda: flood.measure(quick)],
    }


def _machine() -> dict[str, object]:
    return {"cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()}


if __name__ == "__main__":
    sys.exit(main())
