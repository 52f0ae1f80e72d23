"""A real nginx with basic authentication, a real HTTP client, banishd between them, and the kernel's answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import clients
from lab.daemon import Daemon
from lab.namespaces import program
from lab.web import WebServer, curl
from tests.capture.nginx import serve
from tests.capture.website import FORGED, INNOCENT, SECRET, USER
from tests.end_to_end.conftest import BYSTANDER, SERVER, Town

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.skipif(
        program("nginx") is None or program("curl") is None, reason="needs nginx and curl (packages nginx-light, curl)"
    ),
]

JAILS = """
[DEFAULT]
maxretry = 3
backend = polling

[sshd]
enabled = false

[nginx-http-auth]
enabled = true
logpath = {here}/error.log tail

[nginx-botsearch]
enabled = true
logpath = {here}/access.log tail
"""


@pytest.fixture(scope="module")
def nginx(town: Town) -> Iterator[WebServer]:
    with serve(town.server, "test") as server:
        yield server


def ask(town: Town, source: str, path: str, *words: str, server: str = SERVER) -> int:
    """Return the status that *source* is answered with, 0 when there is no answer."""
    host = f"[{server}]" if ":" in server else server
    return curl(town.outside, source, f"http://{host}{path}", *words, timeout=2.0)


@pytest.mark.parametrize("family", [4, 6])
def test_who_guesses_passwords_is_cut_off_and_a_bystander_is_served(
    town: Town, nginx: WebServer, attacker: str, family: int
) -> None:
    server, bystander = SERVER, BYSTANDER
    if family == 6:
        server, attacker, bystander = "2001:db8::1", "2001:db8::66", "2001:db8::7"
    with Daemon(town.server, JAILS.format(here=nginx.inside)) as daemon:
        assert ask(town, bystander, "/private/", server=server) == 401
        assert ask(town, bystander, "/private/", "-u", f"{USER}:tpyo", server=server) == 401
        for number in range(3):
            assert ask(town, attacker, "/private/", "-u", f"{USER}:guess{number}", server=server) == 401
        daemon.wait_for_log(f"NOTICE  [nginx-http-auth] Ban {attacker}")
        assert ask(town, attacker, "/", server=server) == 0
        assert clients.probe(town.outside, attacker, server, 80) == "timeout"
        assert ask(town, bystander, "/private/", "-u", f"{USER}:{SECRET}", server=server) == 200
        assert [row["network"].split("/")[0] for row in daemon.ask("banned")] == [attacker]
        assert daemon.client("unban", attacker).returncode == 0
        assert ask(town, attacker, "/", server=server) == 200


def test_nobody_else_is_banned_for_a_name_that_was_made_up(town: Town, nginx: WebServer, attacker: str) -> None:
    with Daemon(town.server, JAILS.format(here=nginx.inside)) as daemon:
        names = [name for name in FORGED if INNOCENT in name]
        assert len(names) >= 3
        for name in names[:3]:
            assert ask(town, attacker, "/private/", "-u", f"{name.replace(':', ' ')}:guess") == 401
        daemon.wait_for_log(f"NOTICE  [nginx-http-auth] Ban {attacker}")
        assert [row["network"] for row in daemon.ask("banned")] == [f"{attacker}/32"]


def test_who_looks_for_weak_spots_is_cut_off(town: Town, nginx: WebServer, attacker: str) -> None:
    with Daemon(town.server, JAILS.format(here=nginx.inside)) as daemon:
        for path in ("/favicon.ico", "/robots.txt", "/nothing.html", "/nowhere"):
            assert ask(town, BYSTANDER, path) == 404
        for path in ("/wp-login.php", "/.env", "/phpmyadmin/index.php"):
            assert ask(town, attacker, path) == 404
        daemon.wait_for_log(f"NOTICE  [nginx-botsearch] Ban {attacker}")
        assert ask(town, attacker, "/") == 0
        assert ask(town, BYSTANDER, "/") == 200
