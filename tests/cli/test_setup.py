"""``banish setup``: what it finds on a machine, what it says, and what it writes and does not."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from banish.cli import setup
from banish.cli.banish import main
from banish.cli.proposal import Proposal, propose
from banish.cli.setup import look, shown, write
from banish.config.jails import load
from banish.control.render import plain
from tests.lookups.machine import MadeUpMachine

JAILS = """
[DEFAULT]
syslog_mail = {logs}/mail.log
enabled = false
port = 0:65535
[sshd]
enabled = true
port = ssh
logpath = {logs}/auth.log
[postfix]
port = smtp,465,submission
logpath = %(syslog_mail)s
[postfix-sasl]
port = smtp,465,submission
logpath = %(syslog_mail)s
[nginx-http-auth]
port = http,https
logpath = {logs}/nginx/*error.log
[nginx-botsearch]
port = http,https
logpath = {logs}/nginx/*access.log
[nginx-limit-req]
port = http,https
logpath = {logs}/nginx/*error.log
[mysqld-auth]
port = 3306
logpath = {logs}/mysql/error.log
[grafana]
port = http,https
logpath = {logs}/grafana.log
[nextcloud]
port = http,https
logpath = {logs}/nextcloud.log
[roundcube-auth]
port = http,https
logpath = %(syslog_mail)s
[openvpn]
port = 1194
protocol = udp
logpath = {logs}/openvpn.log
"""


class Rig:
    """A machine, its logs, and a configuration of the packaged kind and of the user's."""

    def __init__(self, tmp_path: Path) -> None:
        self.machine = MadeUpMachine(tmp_path / "proc")
        self.logs = tmp_path / "log"
        (self.logs / "nginx").mkdir(parents=True)
        self.data = tmp_path / "data"
        (self.data / "filter.d").mkdir(parents=True)
        jails = "[DEFAULT]\nfilter = any\naction =\nbackend = polling\n" + JAILS.format(logs=self.logs).replace(
            "[DEFAULT]\n", ""
        )
        (self.data / "jail.conf").write_text(jails)
        (self.data / "filter.d" / "any.conf").write_text("[Definition]\nfailregex = ^<HOST>$\n")
        self.config = tmp_path / "etc"

    def log(self, name: str) -> None:
        (self.logs / name).touch()

    def user(self, name: str, text: str) -> Path:
        path = self.config / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def propose(self, *peers: str) -> Proposal:
        return propose(look(str(self.machine.proc)), self.config, self.data, peers)

    def enabled(self) -> set[str]:
        return {jail.name for jail in load(self.config, self.data).jails}


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    rig = Rig(tmp_path)
    rig.log("auth.log")
    rig.machine.program(
        22, "sshd", "tcp 0.0.0.0 22", "tcp :: 22", path="/usr/sbin/sshd", cgroup="0::/system.slice/ssh.service\n"
    )
    return rig


def postfix(rig: Rig, address: str = "0.0.0.0") -> None:
    rig.machine.program(25, "master", f"tcp {address} 25", f"tcp {address} 587", path="/usr/lib/postfix/sbin/master")


def nginx(rig: Rig, *ports: int) -> None:
    rig.machine.program(80, "nginx", *(f"tcp 0.0.0.0 {port}" for port in ports or (80, 443)), path="/usr/sbin/nginx")


def found(proposal: Proposal) -> dict[str, dict[str, str]]:
    return {row.service.name: {each.jail: each.state for each in row.jails} for row in proposal.rows}


def test_sshd_nginx_and_postfix_are_found_and_nothing_else(rig: Rig) -> None:
    nginx(rig)
    postfix(rig)
    rig.machine.program(99, "chronyd", "udp 127.0.0.1 323")
    proposal = rig.propose()
    assert found(proposal) == {
        "OpenSSH": {"sshd": "on"},
        "Postfix": {"postfix": "proposed", "postfix-sasl": "proposed"},
        "nginx": {"nginx-http-auth": "proposed", "nginx-botsearch": "proposed"},
    }
    assert (proposal.strangers, proposal.contained) == ([], [])
    write(proposal)
    assert proposal.path == rig.config / "jail.local"
    assert rig.enabled() == {"sshd", "postfix", "postfix-sasl", "nginx-http-auth", "nginx-botsearch"}
    assert load(rig.config, rig.data).problems == ()


def test_with_nothing_but_ssh_there_is_nothing_to_write(rig: Rig) -> None:
    proposal = rig.propose()
    assert proposal.text == ""
    assert "there is nothing to write" in shown(proposal, plain)
    assert rig.enabled() == {"sshd"}


def test_a_second_run_has_nothing_to_do(rig: Rig) -> None:
    nginx(rig)
    write(rig.propose())
    again = rig.propose()
    assert again.text == ""
    assert found(again)["nginx"] == {"nginx-http-auth": "on", "nginx-botsearch": "on"}


def test_what_came_later_is_added_in_a_file_of_its_own(rig: Rig) -> None:
    nginx(rig)
    write(rig.propose())
    local = (rig.config / "jail.local").read_bytes()
    postfix(rig)
    first = rig.propose()
    assert first.path == rig.config / "jail.d" / "setup.conf"
    write(first)
    rig.machine.program(194, "openvpn", "udp 0.0.0.0 1194", path="/usr/sbin/openvpn")
    second = rig.propose()
    assert second.path == first.path
    assert "added to" in shown(second, plain)
    write(second)
    assert (rig.config / "jail.local").read_bytes() == local
    assert first.path.read_text().startswith(first.text)
    assert rig.enabled() == {"sshd", "nginx-http-auth", "nginx-botsearch", "postfix", "postfix-sasl", "openvpn"}
    assert load(rig.config, rig.data).problems == ()


def test_what_a_person_has_written_counts(rig: Rig) -> None:
    nginx(rig, 80, 8080)
    postfix(rig)
    text = "[DEFAULT]\nbantime = 1d\n[nginx-botsearch]\nenabled = no\n[nginx-http-auth]\nport = 80\n[postfix]\nenabled = true\n"
    path = rig.user("jail.local", text)
    proposal = rig.propose()
    assert found(proposal)["nginx"] == {"nginx-http-auth": "proposed", "nginx-botsearch": "switched off"}
    assert f"nginx-botsearch: off, as {path}:4 says" in shown(proposal, plain)
    write(proposal)
    assert path.read_text() == text
    assert rig.enabled() == {"sshd", "postfix", "postfix-sasl", "nginx-http-auth"}
    (http_auth,) = (jail for jail in load(rig.config, rig.data).jails if jail.name == "nginx-http-auth")
    assert http_auth.values["port"] == "80", "theirs"


def test_a_service_on_a_port_of_its_own_is_closed_there(rig: Rig, tmp_path: Path) -> None:
    rig.machine.program(23, "sshd", "tcp 0.0.0.0 2222", path="/usr/sbin/sshd")
    proposal = rig.propose()
    assert found(proposal) == {"OpenSSH": {"sshd": "on"}}
    assert "[sshd]\nport = ssh,2222\n" in proposal.text
    write(proposal)
    assert rig.propose().text == ""


def test_who_listens_to_this_machine_only_needs_no_jail(rig: Rig) -> None:
    postfix(rig, "127.0.0.1")
    rig.machine.program(3306, "mariadbd", "tcp 127.0.0.1 3306", path="/usr/sbin/mariadbd")
    proposal = rig.propose()
    assert found(proposal) == {"OpenSSH": {"sshd": "on"}, "Postfix": {}, "MySQL or MariaDB": {}}
    assert proposal.text == ""
    assert shown(proposal, plain).count("left out: it listens to this machine only") == 2


def test_what_stands_behind_a_web_server_needs_one_all_the_same(rig: Rig) -> None:
    rig.machine.program(3000, "grafana", "tcp 127.0.0.1 3000", path="/usr/share/grafana/bin/grafana")
    assert found(rig.propose())["Grafana"] == {"grafana": "proposed"}
    assert "port =" not in rig.propose().text


def test_an_application_is_found_by_its_own_log(rig: Rig) -> None:
    rig.log("mail.log")  # which roundcube writes to as well
    rig.log("nextcloud.log")
    proposal = rig.propose()
    assert found(proposal) == {"OpenSSH": {"sshd": "on"}, "Nextcloud": {"nextcloud": "proposed"}}
    assert "# Nextcloud was found by its log.\n[nextcloud]\nenabled = true\n" in proposal.text


def test_a_log_that_is_not_there_is_told(rig: Rig) -> None:
    nginx(rig)
    rig.log("nginx/error.log")
    text = shown(rig.propose(), plain)
    assert f"nginx-http-auth: to be switched on; reads {rig.logs}/nginx/error.log" in text
    assert f"nginx-botsearch: to be switched on; its log is not there yet: {rig.logs}/nginx/*access.log" in text


def test_a_port_that_systemd_holds_for_sshd(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.machine.program(1, "systemd", "tcp :: 22", "tcp :: 9090", path="/usr/lib/systemd/systemd")
    proposal = rig.propose()
    assert found(proposal) == {"OpenSSH": {"sshd": "on"}}
    assert "port 22, held by systemd" in shown(proposal, plain)


def test_containers_and_strangers_are_named(rig: Rig) -> None:
    rig.machine.program(
        500, "grafana", path="/usr/share/grafana/bin/grafana", cgroup="0::/system.slice/docker-01.scope\n"
    )
    rig.machine.program(501, "bash", cgroup="0::/system.slice/docker-01.scope\n")
    rig.machine.program(502, "docker-proxy", "tcp 0.0.0.0 3000", path="/usr/bin/docker-proxy")
    rig.machine.program(503, "local\x1b[2J", "tcp 127.0.0.1 3001")
    text = shown(rig.propose(), plain)
    assert "Grafana       runs in a container (grafana)" in text
    assert "Also listening, and no jail ships for it: docker-proxy (3000)\n" in text
    assert "\x1b" not in text


def test_who_is_logged_in_is_proposed_for_ignoreip(rig: Rig) -> None:
    nginx(rig)
    text = rig.propose("198.51.100.7", "2001:db8::7").text
    assert "You are logged in from 198.51.100.7 2001:db8::7" in text
    assert "#ignoreip = 198.51.100.7 2001:db8::7\n" in text
    assert "logged in from" not in rig.propose().text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def run(rig: Rig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    nginx(rig)
    machine = look(str(rig.machine.proc))
    monkeypatch.setattr(setup, "look", lambda: machine)
    monkeypatch.setattr(
        setup, "propose", lambda machine, config, data, peers: propose(machine, config, rig.data, peers)
    )
    monkeypatch.setenv("SSH_CONNECTION", "198.51.100.7 50000 192.0.2.1 22")

    def run(*words: str, answer: str | None = None) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO() if answer is None else Terminal(answer))
        code = main(["setup", "--config", str(rig.config), *words])
        return code, *capsys.readouterr()

    return run


def test_a_dry_run_shows_and_writes_nothing(rig: Rig, run: Any) -> None:
    code, out, err = run("--dry-run")
    assert (code, err) == (0, "")
    assert "    [nginx-http-auth]\n    enabled = true\n" in out
    assert not rig.config.exists()


@pytest.mark.parametrize(
    ("answer", "code"), [("y\n", 0), ("yes\n", 0), ("n\n", 1), ("\n", 1), ("", 1), ("Yesterday\n", 1)]
)
def test_it_asks(rig: Rig, run: Any, answer: str, code: int) -> None:
    assert run(answer=answer)[0] == code
    assert (rig.config / "jail.local").exists() == (code == 0)


def test_where_nobody_can_be_asked_nothing_is_written(rig: Rig, run: Any) -> None:
    code, _, err = run()
    assert code == 1
    assert "nothing was written" in err
    assert "--yes" in err
    assert not rig.config.exists()


def test_yes_asks_nothing_and_says_how_to_go_on(rig: Rig, run: Any) -> None:
    code, out, _ = run("--yes")
    assert code == 0
    assert f"Written: {rig.config}/jail.local. To put it in force: " in out
    assert (rig.config / "jail.local").stat().st_mode & 0o777 == 0o644


def test_one_document(rig: Rig, run: Any) -> None:
    code, out, _ = run("--json")
    document = json.loads(out)
    assert (code, document["written"]) == (1, False)
    assert [row["service"] for row in document["found"]] == ["OpenSSH", "nginx"]
    assert document["found"][0]["unit"] == "ssh.service"
    assert document["found"][1]["listens"][0] == {"protocol": "tcp", "address": "0.0.0.0", "port": 80}
    assert [each["state"] for each in document["found"][1]["jails"]] == ["proposed", "proposed"]
    assert document["found"][1]["more"] == ["nginx-limit-req"]
    assert document["ssh_peers"][0] == "198.51.100.7"
    assert document["text"] in run("--yes", "--json")[1].encode().decode("unicode_escape")
    assert json.loads(run("--json")[1])["text"] == ""


def test_what_cannot_be_written_is_told(rig: Rig, run: Any) -> None:
    rig.config.write_text("a file where a directory should be")
    code, _, err = run("--yes")
    assert code == 1
    assert "cannot be written" in err
