"""Who counts as logged in, by what proc(5) shows of sshd's processes; real ones are in end_to_end."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from banish.addresses import parse
from banish.lookups.connections import Connection
from banish.lookups.logins import Login
from banish.lookups.sessions import MOST, SEARCH, Sessions

UNSET = 2**32 - 1
PEER = bytes((192, 0, 2, 7))
SOCKET = 1000


class House:
    """A /proc made by hand: a server (100) that listens on port 22, and one connection to it."""

    def __init__(self, proc: Path) -> None:
        self.proc = proc
        self.empty = proc / "empty"
        self.empty.mkdir()
        self.moment = 0.0
        self.records: list[Login] = []
        self.connections = [Connection(SOCKET, 22, PEER)]
        self.listeners = [Connection(1, 22, bytes(4))]
        self.asked = 0
        self.sessions = self.open()
        self.process(1, "systemd", 0)
        self.process(100, "sshd", 1, files=["socket:[1]"])

    def open(self) -> Sessions:
        return Sessions(
            str(self.proc),
            established=self._established,
            listening=lambda: self.listeners,
            records=lambda: self.records,
            clock=lambda: self.moment,
        )

    def _established(self) -> list[Connection]:
        self.asked += 1
        return self.connections

    def process(
        self,
        pid: int,
        name: str,
        parent: int,
        *,
        uid: int = 0,
        filters: int = 0,
        session: int = UNSET,
        files: list[str] | None = None,
        root: Path | None = None,
        start: int = 5000,
    ) -> None:
        home = self.proc / str(pid)
        (home / "task" / str(pid)).mkdir(parents=True, exist_ok=True)
        (home / "fd").mkdir(exist_ok=True)
        (home / "comm").write_text(f"{name}\n")
        (home / "status").write_text(
            f"Name:\t{name}\nState:\tS (sleeping)\nPPid:\t{parent}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n"
            f"Seccomp:\t{2 if filters else 0}\nSeccomp_filters:\t{filters}\n"
        )
        (home / "stat").write_text(f"{pid} ({name}) S {parent} " + "0 " * 17 + f"{start} 0\n")
        (home / "sessionid").write_text(str(session))
        for number, link in enumerate([] if files is None else files):
            (home / "fd" / str(number)).symlink_to(link)
        (home / "root").symlink_to(root or self.proc)
        (home / "task" / str(pid) / "children").write_text("")
        if parent:
            with (self.proc / str(parent) / "task" / str(parent) / "children").open("a") as opened:
                opened.write(f"{pid} ")

    def monitor(self, pid: int = 200, name: str = "sshd", *, session: int = UNSET, more: tuple[str, ...] = ()) -> None:
        self.process(pid, name, 100, session=session, files=[f"socket:[{SOCKET}]", "/dev/null", *more])

    def locked_away(self, pid: int = 201, name: str = "sshd", *, filters: int = 1, root: bool = False) -> None:
        self.process(pid, name, 200, uid=109, filters=filters, root=None if root else self.empty)

    def seen(self) -> list[str]:
        self.moment += MOST
        return [str(session.peer) for session in self.sessions.look(time.time())]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_who_has_only_connected_is_nobody(house: House) -> None:
    assert house.seen() == []
    house.monitor()
    assert house.seen() == []


def test_while_a_child_is_locked_away_nobody_is_authenticated_whatever_else_is_there(house: House) -> None:
    house.monitor(session=7, more=("/dev/ptmx",))
    house.locked_away()
    house.process(300, "sh", 200)
    house.records = [Login(200, parse("192.0.2.7"))]
    assert house.seen() == []


def test_a_child_in_an_empty_root_is_no_user_even_before_its_filter_is_in_place(house: House) -> None:
    house.monitor()
    house.locked_away(filters=0)
    assert house.seen() == []


def test_filters_that_everything_in_a_container_has_do_not_lock_away(house: House) -> None:
    house.process(200, "sshd", 100, filters=1, files=[f"socket:[{SOCKET}]"])
    house.process(201, "sshd", 200, uid=1000, filters=1)
    assert house.seen() == ["192.0.2.7/32"]


def test_an_audit_session_of_its_own_is_a_login(house: House) -> None:
    house.monitor(session=7)
    house.process(201, "sshd", 200, uid=1000, session=7, root=house.empty)
    assert house.seen() == ["192.0.2.7/32"], "in a root of its own, as ChrootDirectory has it"


def test_an_audit_session_that_the_server_was_started_from_is_none(house: House) -> None:
    (house.proc / "100" / "sessionid").write_text("7")
    house.monitor(session=7)
    assert house.seen() == []
    (house.proc / "200" / "sessionid").write_text("8")
    assert house.seen() == ["192.0.2.7/32"]


def test_a_session_of_logind_is_a_login(house: House) -> None:
    house.monitor()
    house.records = [Login(200, None)]
    assert house.seen() == ["192.0.2.7/32"]


def test_a_child_that_has_become_a_user_is_a_login(house: House) -> None:
    house.monitor()
    house.process(201, "sshd", 200, uid=1000)
    assert house.seen() == ["192.0.2.7/32"]


def test_a_terminal_is_a_login(house: House) -> None:
    house.monitor(more=("/dev/pts/ptmx",))
    house.process(201, "sshd", 200)
    assert house.seen() == ["192.0.2.7/32"]


def test_root_without_pam_is_seen_by_what_it_runs(house: House) -> None:
    house.monitor()
    house.process(201, "sh", 200)
    assert house.seen() == ["192.0.2.7/32"]


def test_a_child_that_has_just_been_forked_is_no_session(house: House) -> None:
    house.monitor()
    house.process(201, "sshd", 200)
    (house.proc / "201" / "status").write_text("")  # it was not there yet when the processes of sshd were looked up
    assert house.seen() == []


def test_what_helps_with_authentication_is_no_login(house: House) -> None:
    house.monitor()
    house.locked_away()
    house.process(202, "unix_chkpwd", 200)
    assert house.seen() == []


def test_since_98_the_processes_have_names_of_their_own(house: House) -> None:
    house.monitor(name="sshd-session")
    house.locked_away(name="sshd-auth")
    assert house.seen() == []
    for child in sorted((house.proc / "201").rglob("*"), reverse=True):
        child.rmdir() if child.is_dir() and not child.is_symlink() else child.unlink()
    (house.proc / "201").rmdir()
    house.process(203, "sshd-session", 200, uid=1000)
    assert house.seen() == ["192.0.2.7/32"]


def test_who_is_not_root_is_not_believed(house: House) -> None:
    house.process(200, "sshd", 100, uid=1000, session=7, files=[f"socket:[{SOCKET}]", "/dev/ptmx"])
    house.process(201, "sshd", 200, uid=1000)
    assert house.seen() == []


def test_what_a_session_forwards_makes_nobody_its_peer(house: House) -> None:
    house.connections = [
        Connection(1500, 40000, bytes((198, 51, 100, 1))),  # to where it forwards
        Connection(1600, 8080, bytes((198, 51, 100, 2))),  # from whom it forwards
        Connection(SOCKET, 22, PEER),
    ]
    house.listeners.append(Connection(1400, 8080, bytes(4)))
    house.monitor(session=7, more=("socket:[1500]", "socket:[1600]", "socket:[1400]"))
    assert house.seen() == ["192.0.2.7/32"]


def test_a_session_stays_known_without_asking_again_and_goes_with_its_process(house: House) -> None:
    house.monitor(session=7)
    house.process(201, "sshd", 200, uid=1000, session=7)
    [session] = house.sessions.look(time.time())
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert session.since == pytest.approx(time.time() - uptime + 5000 / os.sysconf("SC_CLK_TCK"), abs=1.0)
    assert house.seen() == house.seen() == ["192.0.2.7/32"]
    assert house.asked == 1
    (house.proc / "200" / "stat").write_text("200 (sshd) S 100 " + "0 " * 17 + "6000 0\n")
    (house.proc / "200" / "sessionid").write_text(str(UNSET))
    (house.proc / "200" / "task" / "200" / "children").write_text("")
    assert house.seen() == [], "another process has the number"


def test_connections_are_not_asked_for_again_and_again_for_one_that_is_gone(house: House) -> None:
    house.monitor(session=7)
    house.connections = []
    for _ in range(4):
        assert house.seen() == []
    assert house.asked == 1
    house.moment += SEARCH
    house.connections = [Connection(SOCKET, 22, PEER)]
    assert house.seen() == ["192.0.2.7/32"]


def test_looks_close_together_are_one(house: House) -> None:
    assert house.sessions.look(0.0) == ()
    house.monitor(session=7)
    assert house.sessions.look(0.0) == ()
    assert house.seen() == ["192.0.2.7/32"]


def test_where_sockets_cannot_be_seen_logind_is_believed_and_it_is_told(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> list[str]:
        raise PermissionError(13, "Permission denied")

    house.monitor(session=7)
    house.records = [Login(200, parse("192.0.2.7")), Login(4711, parse("192.0.2.8"))]
    monkeypatch.setattr("banish.lookups.processes.descriptors", refuse)
    assert house.seen() == ["192.0.2.7/32"]
    assert house.sessions.trouble is not None
    assert "Permission denied" in house.sessions.trouble.text
    assert house.sessions.ports() == {22}


def test_the_doors_of_sshd(house: House) -> None:
    house.listeners.append(Connection(2, 80, bytes(4)))
    house.seen()
    assert house.sessions.ports() == {22}
