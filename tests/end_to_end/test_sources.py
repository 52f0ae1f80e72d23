"""What banishd reads: of a log that was long before it came, the end; and what is no file."""

from __future__ import annotations

import json
import sys
import time

from bench.sources import start_on_a_long_log
from lab.daemon import Daemon
from tests.end_to_end.conftest import Town

_SEND = """
import socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
    for _ in range(3):
        sender.sendto(b"<38>sshd[77]: Failed password for root from 198.51.100.2 port 22 ssh2", sys.argv[1])
"""
_JAILS = """
[DEFAULT]
filter = sshd
maxretry = 3
[command]
enabled = true
logpath = command:for n in 1 2 3; do echo "$(date +%Y-%m-%dT%H:%M:%S%z) host sshd[77]: {failed} 198.51.100.1 port 22 ssh2"; done; sleep 600
[syslog]
enabled = true
logpath = syslog:unix:{place}/log
[container]
enabled = true
logpath = {place}/web-json.log
[open]
enabled = true
logpath = syslog:udp:127.0.0.1:5514
"""


def test_a_first_start_on_a_long_log_judges_from_findtime_on(town: Town) -> None:
    watching, banned = start_on_a_long_log(town.server, 30_000_000)  # it asks what was read and who is banned
    assert 0 < watching < banned


def test_a_command_syslog_and_a_log_of_a_container_lead_to_bans(town: Town) -> None:
    failed = "Failed password for root from"
    place = town.server.lab.directory / "inputs"
    town.server.lab.path(place).mkdir(exist_ok=True)
    entry = {"log": f"sshd[77]: {failed} 198.51.100.3 port 22 ssh2\n", "stream": "stderr"}
    with Daemon(town.server, _JAILS.replace("%", "%%").format(failed=failed, place=place)) as daemon:
        stamp = town.server.run(["date", "-u", "+%Y-%m-%dT%H:%M:%S.000000000Z"]).stdout.strip()
        line = json.dumps({**entry, "time": stamp}, separators=(",", ":")) + "\n"
        town.server.lab.path(place / "web-json.log").write_text(line * 3)
        town.server.run([sys.executable, "-c", _SEND, str(place / "log")])
        wanted = {("command", "198.51.100.1/32"), ("syslog", "198.51.100.2/32"), ("container", "198.51.100.3/32")}
        daemon.wait_for(
            "three bans", lambda: {(row["jail"], row["network"]) for row in daemon.ask("banned")} == wanted, timeout=30
        )
        jails = {jail["name"]: jail for jail in daemon.ask("status")["jails"]}
        assert jails["command"]["sources"][0]["name"].startswith("command:for n in 1 2 3")
        assert not jails["open"]["enabled"]
        assert "allow=" in jails["open"]["problem"], "nobody listens to everybody"


_LATIN = r"""
[sshd]
enabled = false
[latin]
enabled = true
filter =
failregex = ^\s*login of \S+ from <HOST> failed$
maxretry = 3
logpath = {log}
logencoding = {encoding}
"""


def test_a_log_that_is_no_text_in_its_encoding_is_a_problem_of_status(town: Town) -> None:
    log = town.server.lab.directory / "latin.log"
    town.server.lab.path(log).touch()

    def write(address: str) -> None:
        line = f"{time.strftime('%Y-%m-%dT%H:%M:%S')} login of J\xf6rg from {address} failed\n"
        with town.server.lab.path(log).open("ab") as file:
            file.write(line.encode("latin-1") * 3)

    def told() -> list[str]:
        return [text for problem in daemon.ask("status")["problems"] if "no text" in (text := problem["text"])]

    with Daemon(town.server, _LATIN.format(log=log, encoding="auto")) as daemon:
        daemon.wait_for_log("Jail 'latin' started")
        assert told() == []
        write("198.51.100.4")
        daemon.wait_for("the ban", lambda: [row["network"] for row in daemon.ask("banned")] == ["198.51.100.4/32"])
        (text,) = told()
        assert f"{log}: 2 lines or more that were looked at hold bytes that are no text in utf-8" in text
        daemon.wait_for_log(text)
        daemon.configure({"jail.local": _LATIN.format(log=log, encoding="latin-1")})
        daemon.ask("reload")
        write("198.51.100.5")
        daemon.wait_for("another ban", lambda: len(daemon.ask("banned")) == 2)
        assert told() == []
