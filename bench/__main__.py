"""``python -m bench``: measure banish and fail2ban side by side, and print one table. See docs/benchmarks.md."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import bans, lines, live, restart
from bench.table import BenchError, Row, render
from lab.namespaces import Lab, LabError, can_run

PARTS = ("lines", "bans", "live", "restart")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what *argv* asks for (``sys.argv`` unless given); 0 when every part could be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("part", nargs="?", choices=PARTS, help="measure this alone")
    parser.add_argument(
        "--quick", action="store_true", help="fewer and shorter runs: to see that it works, not to cite"
    )
    parser.add_argument(
        "--sshd-log",
        metavar="PATH",
        type=Path,
        default=os.environ.get("BANISH_BENCH_SSHD_LOG") or None,
        help="a log of a real attack on sshd to make the log lines from (default: the samples of our filter)",
    )
    words = parser.parse_args(argv)
    rows: list[Row] = []
    troubles: list[str] = []
    try:
        for name, measure in _parts(words.quick, words.sshd_log and Path(words.sshd_log)).items():
            if words.part in (None, name):
                print(f"measuring {name} ...", file=sys.stderr, flush=True)
                try:
                    rows += measure()
                except (BenchError, LabError) as error:
                    troubles.append(f"{name}: {error}")
    finally:  # what is measured already is worth something, whatever ended the rest
        if rows:
            print(render(rows))
    for trouble in troubles:
        print(trouble, file=sys.stderr)
    return 1 if troubles else 0


def _parts(quick: bool, sshd_log: Path | None) -> dict[str, Callable[[], list[Row]]]:
    runs = 2 if quick else 5

    def in_lab(measure: Callable[[Lab], list[Row]]) -> Callable[[], list[Row]]:
        def run() -> list[Row]:
            reason = can_run(sshd=False)
            if reason is not None:
                raise LabError(reason)
            with Lab.hold() as lab:
                return measure(lab)

        return run

    return {
        "lines": lambda: lines.measure(sshd_log, runs, 10_000 if quick else 30_000),
        "bans": in_lab(lambda lab: bans.measure(lab.host("bans"), runs)),
        "live": in_lab(lambda lab: live.measure(lab, 10 if quick else 100, 2 if quick else 10)),
        "restart": in_lab(lambda lab: restart.measure(lab, 1 if quick else 3)),
    }


if __name__ == "__main__":
    sys.exit(main())
