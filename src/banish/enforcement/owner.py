"""Whose table it is: a mark that names a process, for the comment of the table, and whether that process still runs.

A process is named by its number and the time it was started (proc(5), ``stat``, field 22: clock ticks since boot), which no
other process of this boot has together. Where another process cannot be seen (in another PID namespace) it counts as gone: a mark
protects from a second daemon on the same host, and never keeps a daemon from taking over what a dead one left.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_MARK = re.compile(r"process (\d{1,9}) started (\d{1,20})")


def mark() -> str:
    """Return the mark of this process; empty where proc(5) is not to be had."""
    pid = os.getpid()
    started = _started(pid)
    return f"process {pid} started {started}" if started else ""


def running(found: str) -> int | None:
    """Return the number of the process that *found* names if it runs and is not this one, else None."""
    named = _MARK.fullmatch(found)
    if named is None:
        return None
    pid = int(named[1])
    return pid if pid != os.getpid() and _started(pid) == named[2] else None


def _started(pid: int) -> str:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return ""
    # What has ended and is not yet waited for (Z, X) guards nothing any more.
    return fields[19] if len(fields) > 19 and fields[0] not in "ZX" else ""
