"""Records of systemd-logind."""

from __future__ import annotations

import os
from pathlib import Path

from banish.addresses import parse
from banish.lookups.logins import Login, logins

RECORD = """\
# This is private data. Do not parse.
UID=1000
USER=alice
ACTIVE=1
STATE={state}
REMOTE=1
REMOTE_HOST={host}
SERVICE={service}
LEADER={leader}
"""


def record(
    path: Path, *, leader: str = "4711", host: str = "192.0.2.7", service: str = "sshd", state: str = "active"
) -> None:
    path.write_text(RECORD.format(leader=leader, host=host, service=service, state=state))


def test_the_sessions_of_sshd_with_their_leaders_and_peers(tmp_path: Path) -> None:
    record(tmp_path / "1")
    record(tmp_path / "c2", leader="4712", host='"fe80::7%eth0"')
    record(tmp_path / "3", leader="4713", host="client.example.org")
    record(tmp_path / "4", leader="4714", service="login")
    record(tmp_path / "5", leader="4715", state="closing")
    record(tmp_path / "6", leader="")
    (tmp_path / "7").write_bytes(b"\xff\xfe\0")
    os.mkfifo(tmp_path / "1.ref")
    os.mkfifo(tmp_path / "8")
    assert sorted(logins(str(tmp_path))) == [
        Login(4711, parse("192.0.2.7")),
        Login(4712, parse("fe80::7")),
        Login(4713, None),
    ]


def test_without_logind_there_are_none(tmp_path: Path) -> None:
    assert logins(str(tmp_path / "none")) == []
