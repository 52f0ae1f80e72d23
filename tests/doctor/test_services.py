"""Ports of services and of containers, from proc(5)."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from banish.doctor import services
from banish.doctor.services import Published


@pytest.mark.netns
def test_who_listens_where_without_what_only_this_machine_reaches() -> None:
    name = Path("/proc/self/comm").read_text().strip()
    assert services.ports_of((name,)) == set()
    with (
        socket.create_server(("0.0.0.0", 2222)),
        socket.create_server(("127.0.0.1", 2223)),
        socket.create_server(("::1", 2224), family=socket.AF_INET6),
        socket.create_server(("::", 2225), family=socket.AF_INET6),
    ):
        assert services.ports_of((name,)) == {2222, 2225}
        assert services.ports_of(("nobody",)) == set()


@pytest.mark.parametrize(
    ("name", "programs"),
    [
        ("sshd", ("sshd",)),
        ("nginx-http-auth", ("nginx",)),
        ("apache-auth", ("apache2", "httpd")),
        ("sshdx", ()),
        ("", ()),
    ],
)
def test_what_a_filter_is_about(name: str, programs: tuple[str, ...]) -> None:
    assert services.programs_of(name) == programs


def test_what_containers_publish(tmp_path: Path) -> None:
    def process(pid: int, *words: str) -> None:
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "cmdline").write_bytes("\0".join((*words, "")).encode())

    process(
        1,
        "/usr/bin/docker-proxy",
        "-proto",
        "tcp",
        "-host-ip",
        "0.0.0.0",
        "-host-port",
        "8080",
        "-container-port",
        "80",
    )
    process(2, "docker-proxy", "-host-ip", "127.0.0.1", "-host-port", "8081", "-container-port", "81")
    process(3, "docker-proxy", "-host-port", "many", "-container-port", "81")
    process(4, "/bin/docker-proxyx", "-host-port", "1", "-container-port", "2")
    (tmp_path / "5").mkdir()
    os.mkdir(tmp_path / "self")
    assert services.published(str(tmp_path)) == [Published(8080, 80)]
