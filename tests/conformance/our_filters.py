"""How far our filters agree with the logs that fail2ban's community has annotated.

    python -m tests.conformance.our_filters [NAME...] [--lines] [--mode MODE]

prints a row for each filter (all of ours that have such a log, or those named): the lines that must match and are found, with
the time, host and fields of their note; and the lines that must not match and do. `--lines` names each line on which we differ.
The logs are read where Debian's package of fail2ban installs them, and only the *lines* are: of fail2ban's filters nothing is. It
exits with 1 when a line that must not match does, or when agreement is below `AGREEMENT`.

Lines are judged one by one, in order, as `banish match` would with the packaged tree alone; the notes were made for a clock that
stands on 14 August 2005, at noon in Zurich.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import banish
from banish.errors import ConfigError
from banish.replay.replay import Replay
from banish.replay.rules import load
from tests.samples.notation import differences, read

LOGS = Path("/usr/lib/python3/dist-packages/fail2ban/tests/files/logs")
DATA = Path(banish.__file__).parent / "data"
AGREEMENT = 0.97


@dataclass(slots=True)
class Row:
    """What came of one log. *found* of *wanted* lines match as they must; *wrong* of *others* match and must not."""

    name: str
    wanted: int = 0
    found: int = 0
    others: int = 0
    wrong: int = 0
    lines: list[str] = field(default_factory=list)
    """Each line on which we differ, with where it stands, its options and what differs."""

    def __str__(self) -> str:
        share = f"{100 * self.found / self.wanted:5.1f} %" if self.wanted else "      –"
        return f"{self.name:24}{self.found:5} of {self.wanted:4}{share:>9}   {self.wrong:4} of {self.others:4}"


def names() -> list[str]:
    """Return the filters of ours for which there is an annotated log."""
    logs = {path.name for path in LOGS.iterdir() if path.is_file()} if LOGS.is_dir() else set()
    return sorted(logs & {path.stem for path in (DATA / "filter.d").glob("*.conf")})


def compare(name: str, mode: str | None = None) -> Row:
    """Return what our filter *name* makes of its annotated log; of the part for *mode* only, if given.

    ConfigError when the filter cannot be used.
    """
    now = datetime(2005, 8, 14, 12).timestamp()
    row = Row(name)
    for options, samples in read(LOGS / name):
        if mode is not None and options.get("mode", "") != mode:
            continue
        wanted = name + "".join(f"[{option}='{value}']" for option, value in options.items())
        replay = Replay(load(wanted, None, None, DATA, raw_host=True), now, lambda _: ())
        for sample in samples:
            differing = differences(sample, replay.judge_text(sample.text))
            if sample.matches:
                row.wanted += 1
                row.found += not differing
            else:
                row.others += 1
                row.wrong += bool(differing)
            if differing:
                row.lines.append(f"{wanted} {sample.file}:{sample.number}: {'; '.join(differing)}: {sample.text}")
    return row


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="our filters on the logs that fail2ban's community has annotated")
    parser.add_argument("names", nargs="*", metavar="NAME", help="filters (default: all that have such a log)")
    parser.add_argument("--lines", action="store_true", help="name each line on which we differ")
    parser.add_argument("--mode", help="only what is noted for this mode; '' for what is noted for none")
    options = parser.parse_args(words)
    if not LOGS.is_dir():
        parser.error(f"{LOGS}: no such directory (Debian package fail2ban)")
    known = names()
    if unknown := sorted(set(options.names) - set(known)):
        parser.error(f"no filter of ours with an annotated log: {', '.join(unknown)}")
    os.environ["TZ"] = "Europe/Zurich"
    time.tzset()

    print(f"{'filter':24}{'must match, and do':>18}{'':>6}{'must not, and do':>18}")
    total = Row("all")
    broken = False
    for name in options.names or known:
        try:
            row = compare(name, options.mode)
        except ConfigError as error:
            print(f"{name:24}cannot be used: {error}")
            broken = True
            continue
        print(row)
        if options.lines:
            print(*(f"    {line}" for line in row.lines), sep="\n", end="\n" if row.lines else "")
        total.wanted += row.wanted
        total.found += row.found
        total.others += row.others
        total.wrong += row.wrong
    print(total)
    return int(broken or total.wrong > 0 or total.found < AGREEMENT * total.wanted)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
