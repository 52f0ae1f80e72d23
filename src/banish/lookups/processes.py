"""What the kernel says of processes: proc(5), as little of it as the question needs.

Names and titles a process gives itself count for nothing here unless it runs as root; who may be told from what it says is decided by
the caller. A process that ends while it is looked at is no process: None, or an empty answer. Only `sockets` needs more than being
root by name (CAP_SYS_PTRACE, ptrace(2)) and raises PermissionError without it.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

PROC = "/proc"
_UNSET = 2**32 - 1
"""Audit's number of a session that is none (linux/audit.h, AUDIT_SID_UNSET)."""
_FIELDS = re.compile(rb"^(Name|PPid|Uid|Seccomp|Seccomp_filters):\t(.*)$", re.MULTILINE)


class Process(NamedTuple):
    """One process, from /proc/PID/status."""

    pid: int
    name: str
    parent: int
    root: bool
    """Its user ids, real, effective, saved and of file access, are all 0."""
    ordinary: bool
    """None of them is."""
    seccomp: int
    """How many seccomp(2) filters it has, its parents' included; where the kernel does not count them, 1 for any."""


def pids(proc: str = PROC) -> list[int]:
    """Return every process there is."""
    return [int(name) for name in os.listdir(proc) if name.isdigit()]


def children(pid: int, proc: str = PROC) -> list[int] | None:
    """Return the children of *pid*, None where the kernel does not list them (CONFIG_PROC_CHILDREN)."""
    text = _read(f"{proc}/{pid}/task/{pid}/children")
    return None if text is None else [int(word) for word in text.split()]


def name(pid: int, proc: str = PROC) -> str:
    """Return the name of the program that *pid* runs, 15 characters of it at most; empty when there is no such process."""
    return (_read(f"{proc}/{pid}/comm") or b"").decode("utf-8", "replace").rstrip("\n")


def process(pid: int, proc: str = PROC) -> Process | None:
    """Return what is known of *pid*."""
    text = _read(f"{proc}/{pid}/status")
    if text is None:
        return None
    fields = dict(_FIELDS.findall(text))
    try:
        ids = [int(word) for word in fields[b"Uid"].split()]
        mode, count = int(fields.get(b"Seccomp", b"0")), fields.get(b"Seccomp_filters")
        return Process(
            pid,
            fields[b"Name"].decode("utf-8", "replace"),
            int(fields[b"PPid"]),
            not any(ids),
            all(ids),
            int(count) if count is not None else int(mode > 0),
        )
    except (KeyError, ValueError):
        return None


def started(pid: int, proc: str = PROC) -> int | None:
    """Return when *pid* began, in clock ticks since the machine did: with the pid, the mark of one process and no other."""
    text = _read(f"{proc}/{pid}/stat")
    if text is None:
        return None
    words = text[text.rfind(b")") + 1 :].split()  # the name before it may hold anything
    return int(words[19]) if len(words) > 19 else None


def audit_session(pid: int, proc: str = PROC) -> int | None:
    """Return the number of the audit session that *pid* belongs to, None for none: given at login by pam_loginuid(8), for good."""
    text = _read(f"{proc}/{pid}/sessionid")
    number = int(text) if text is not None and text.strip().isdigit() else _UNSET
    return None if number == _UNSET else number


def root_directory(pid: int, proc: str = PROC) -> tuple[int, int] | None:
    """Return device and inode of the directory that *pid* calls ``/``; None when it cannot be seen."""
    try:
        status = os.stat(f"{proc}/{pid}/root")
    except OSError:
        return None
    return status.st_dev, status.st_ino


def descriptors(pid: int, proc: str = PROC) -> list[str]:
    """Return what the open files of *pid* are (``socket:[INODE]``, ``/dev/ptmx``). Raises PermissionError when it may not be seen."""
    directory = f"{proc}/{pid}/fd"
    found = []
    try:
        for number in os.listdir(directory):
            try:
                found.append(os.readlink(f"{directory}/{number}"))
            except FileNotFoundError:
                continue
    except (FileNotFoundError, ProcessLookupError):
        return []
    return found


def _read(path: str) -> bytes | None:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(file, 1 << 16)
    except OSError:
        return None
    finally:
        os.close(file)
