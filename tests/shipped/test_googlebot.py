"""Who says that he is Google's robot is asked for his name, and the name for its addresses."""

from __future__ import annotations

import runpy
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import banish

SCRIPT = Path(banish.__file__).parent / "data" / "filter.d" / "ignorecommands" / "apache-fakegooglebot"


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What the name servers say: names by address, addresses by name; an error is raised."""
    said: dict[str, object] = {}

    def by_address(address: str) -> tuple[object, list[str], list[str]]:
        found = said.get(address, socket.herror(1, "Unknown host"))
        if isinstance(found, OSError):
            raise found
        return found, [], [address]

    def by_name(name: str, _: None) -> list[tuple[int, int, int, str, tuple[object, int]]]:
        found = said.get(name, socket.gaierror(socket.EAI_NONAME, "unknown"))
        if isinstance(found, OSError):
            raise found
        return [(0, 0, 0, "", (found, 0))]

    monkeypatch.setattr(socket, "gethostbyaddr", by_address)
    monkeypatch.setattr(socket, "getaddrinfo", by_name)
    return said


def status(monkeypatch: pytest.MonkeyPatch, *words: str) -> object:
    monkeypatch.setattr(sys, "argv", ["apache-fakegooglebot", *words])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    return ended.value.code


def test_a_robot_of_googles_is_ignored(monkeypatch: pytest.MonkeyPatch, answer: dict[str, object]) -> None:
    answer |= {"192.0.2.7": "crawl-192-0-2-7.googlebot.com", "crawl-192-0-2-7.googlebot.com": "192.0.2.7"}
    assert status(monkeypatch, "192.0.2.7") == 0
    answer |= {"2001:db8::7": "crawl.googlebot.com.", "crawl.googlebot.com": "2001:DB8:0::7"}
    assert status(monkeypatch, "2001:db8::7") == 0


@pytest.mark.parametrize(
    "name",
    [
        "mail.example.org",
        "7.2.0.192.bc.googleusercontent.com",
        "googlebot.com.example.org",
        "evilgooglebot.com",
        "crawl.googlebot.com",
    ],
)
def test_who_only_says_so_is_not(monkeypatch: pytest.MonkeyPatch, answer: dict[str, object], name: str) -> None:
    answer |= {"192.0.2.66": name, "crawl.googlebot.com": "192.0.2.7"}
    assert status(monkeypatch, "192.0.2.66") == 1


def test_an_address_without_a_name_is_nobodys(monkeypatch: pytest.MonkeyPatch, answer: dict[str, object]) -> None:
    assert answer == {}
    assert status(monkeypatch, "192.0.2.66") == 1


@pytest.mark.parametrize("error", [socket.herror(2, "Try again"), socket.gaierror(socket.EAI_AGAIN, "Try again")])
def test_nobody_is_banned_because_name_servers_are_silent(
    monkeypatch: pytest.MonkeyPatch, answer: dict[str, object], error: OSError
) -> None:
    answer["192.0.2.7"] = error
    assert status(monkeypatch, "192.0.2.7") == 0


def test_it_runs_as_the_jail_runs_it() -> None:
    done = subprocess.run(["python3", SCRIPT, "nonsense; true"], check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "nonsense" in done.stderr
