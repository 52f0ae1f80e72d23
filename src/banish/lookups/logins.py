"""The records that systemd-logind keeps of sessions: /run/systemd/sessions, written by root alone.

They are made by pam_systemd(8) once a login has been authenticated. Here count those of sshd: the process that leads the session, and
the address it came from where the record has one (a name is of no use: who owns the address chose it).

Law: nothing is raised; without logind there are no records.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from banish.addresses import Network, parse

SESSIONS = "/run/systemd/sessions"
_LARGEST = 1 << 14


class Login(NamedTuple):
    """One session of sshd."""

    leader: int
    """The process that leads it."""
    peer: Network | None
    """Where it came from."""


def logins(directory: str = SESSIONS) -> list[Login]:
    """Return the sessions that were opened by sshd and have not ended."""
    try:
        names = [name for name in os.listdir(directory) if not name.endswith(".ref")]
    except OSError:
        return []
    return [login for name in names if (login := _login(f"{directory}/{name}")) is not None]


def _login(path: str) -> Login | None:
    try:
        if not os.path.isfile(path):  # a session's pipe lies beside its record
            return None
        with open(path, encoding="utf-8", errors="replace") as opened:
            lines = opened.read(_LARGEST).splitlines()
    except OSError:
        return None
    fields = {key: value.strip('"') for key, found, value in (line.partition("=") for line in lines) if found}
    leader = fields.get("LEADER", "")
    if fields.get("SERVICE") != "sshd" or fields.get("STATE") == "closing" or not leader.isdigit():
        return None
    return Login(int(leader), parse(fields.get("REMOTE_HOST", "").partition("%")[0]))
