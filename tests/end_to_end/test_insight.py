"""What is told about a real attack: the story of its ban, the numbers, and the history."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families as prometheus

from lab import clients
from lab.daemon import Daemon
from tests.end_to_end.conftest import SERVER, Town
from tests.end_to_end.test_safety import door, forge
from tests.end_to_end.test_sshd import connects, jail_local

pytestmark = pytest.mark.sshd

openmetrics: Callable[[str], Iterable[Metric]] = openmetrics_parser.text_string_to_metric_families
METRICS = "/run/lab/metrics.sock"


def scrape(town: Town, path: str = "/metrics", *, accept: str = "application/openmetrics-text") -> str:
    words = ["curl", "-s", "-H", f"Accept: {accept}", "--unix-socket", METRICS, f"http://banish{path}"]
    done: subprocess.CompletedProcess[str] = town.server.run(words)
    return done.stdout


def test_the_three_lines_of_one_ssh_session_and_the_numbers_of_its_ban(town: Town, attacker: str) -> None:
    files = {"banish.local": f"[Definition]\nmetrics = {METRICS}\n"}
    with Daemon(town.server, jail_local(town), files=files) as daemon:
        login = clients.password(town.outside, attacker, SERVER, "root", "guess", prompts=3)
        assert not login.accepted
        daemon.wait_for_log(f"NOTICE  [sshd] Ban {attacker}")
        assert connects(town, attacker) == "timeout"
        story = daemon.ask("why", attacker)
        [row] = story["jails"]
        assert (story["banned"], row["state"], row["ban"]["origin"]) == (True, "banned", "jail")
        assert [held["stands"] for held in row["kernel"]] == [True]
        assert row["dropped_packets"] > 0
        log = town.server.lab.path(town.sshd.log_inside).read_bytes()
        assert len(row["evidence"]) == 3
        for each in row["evidence"]:
            assert each["exact"]
            assert each["source"] == str(town.sshd.log_inside)
            assert log[each["offset"] :].decode().splitlines()[0] == each["line"]
            assert f"Failed password for root from {attacker}" in each["line"]
            assert "Failed" in each["expression"]
        assert len({each["offset"] for each in row["evidence"]}) == 3
        text = daemon.client("why", attacker).stdout
        assert all(each["line"] in text for each in row["evidence"])

        said = {family.name: family for family in openmetrics(scrape(town))}
        [banned] = said["f2b_jail_banned_current"].samples
        assert (banned.labels, banned.value) == ({"jail": "sshd"}, 1)
        assert said["f2b_jail_failed"].samples[0].value == 3
        assert said["banish_read_to_ban_seconds"].type == "histogram"
        assert said["banish_dropped_packets"].samples[0].value > 0
        old = {family.name for family in prometheus(scrape(town, accept="text/plain"))}
        assert {"f2b_up", "f2b_jail_banned", "banish_lines", "banish_build_info"} <= old
        assert scrape(town, "/healthz") == "ok\n"


def test_why_somebody_is_not_banned(town: Town, attacker: str) -> None:
    local = jail_local(town, door("maxretry = 2\nignoreip = 198.51.100.0/24\n").replace("maxretry = 1\n", ""))
    with Daemon(town.server, local) as daemon:
        forge(town, attacker, "198.51.100.9", "203.0.113.8")
        forge(town, "203.0.113.8")
        daemon.wait_for_log("NOTICE  [door] Ban 203.0.113.8")
        [row] = daemon.ask("why", attacker)["jails"]
        assert (row["jail"], row["state"], row["count"]["failures"], row["maxretry"]) == ("door", "counting", 1, 2)
        assert row["count"]["forgotten_at"] == row["count"]["last_at"] + row["findtime"]
        assert [each["exact"] for each in row["evidence"]] == [True]
        [row] = daemon.ask("why", "198.51.100.9")["jails"]
        assert row["state"] == "ignored"
        assert "ignoreip: 198.51.100.0/24 (" in row["ignored"]
        story = daemon.ask("why", SERVER)
        assert "an address of this machine" in story["protected"]
        daemon.banish("ban", "door", "203.0.113.9", "--for", "1s")
        daemon.wait_for("the ban to end", lambda: daemon.client("banned", "203.0.113.9").returncode == 5)
        [row] = daemon.ask("why", "203.0.113.9")["jails"]
        assert (row["state"], row["ban"]["origin"], row["ban"]["reason"]) == ("expired", "admin", "by hand")
        assert daemon.ask("why", "203.0.113.77")["nothing"] == ["door", "sshd"]
        assert [each["kind"] for each in daemon.ask("log", "--network", "203.0.113.8/31")] == ["banned"] * 2 + [
            "expired"
        ]
        assert daemon.ask("log", "--jail", "sshd") == []
        assert daemon.ask("log", "--until", "1h") == []
        assert len(daemon.ask("log", "--most", "1")) == 1
