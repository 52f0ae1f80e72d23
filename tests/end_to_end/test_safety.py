"""Nobody is locked out: real sessions, real routes and forged lines; and a jail that bans the world is stopped."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab import clients
from lab.daemon import Daemon
from tests.end_to_end.conftest import SERVER, Town
from tests.end_to_end.test_sshd import attack, connects, jail_local, kernel_ids

pytestmark = pytest.mark.sshd

DOOR = "/run/lab/door.log"
_PEERS = """
import socket, sys, time
doors = [socket.create_server((sys.argv[1], 8080), family=socket.AF_INET)] if sys.argv[2] == "listen" else []
held = [socket.create_connection((sys.argv[1], 8080), source_address=(each, 0)) for each in sys.argv[3:]]
print("ready", flush=True)
while doors:
    held.append(doors[0].accept()[0])
time.sleep(100)
"""


@pytest.fixture(scope="module")
def key(town: Town) -> Path:
    path, public = clients.make_key(town.server, "safety")
    town.sshd.authorize("alice", public)
    return path


def door(more: str = "", jail: str = "door") -> str:
    return (
        f"[{jail}]\nenabled = true\nfilter =\nfailregex = ^ no entry for <HOST>$\nlogpath = {DOOR}\n"
        f"maxretry = 1\nport = 80\n{more}\n"
    )


def forge(town: Town, *sources: str, times: int = 1) -> None:
    """Write into the log of the jail `door` what anybody who may write into a log can write."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    with town.server.lab.path(Path(DOOR)).open("a") as opened:
        opened.writelines(f"{stamp} no entry for {source}\n" for source in sources for _ in range(times))


@pytest.fixture(autouse=True)
def _door(town: Town) -> None:
    town.server.lab.path(Path(DOOR)).write_text("")


def in_log(daemon: Daemon, text: str) -> None:
    daemon.wait_for(f"{text!r} in the log", lambda: text in daemon.log.read_text())


def events(daemon: Daemon, *words: str) -> list[tuple[str, str]]:
    return [(row["kind"], row["address"]) for row in daemon.ask("log", *words)]


@pytest.mark.parametrize("server", [SERVER, "2001:db8::1"])
def test_forged_lines_do_not_cut_off_who_is_logged_in(town: Town, key: Path, attacker: str, server: str) -> None:
    admin = attacker if server == SERVER else "2001:db8::7"
    with (
        Daemon(town.server, jail_local(town, door())) as daemon,
        clients.Session(town.outside, admin, server, "alice", key) as session,
    ):
        forge(town, admin, "198.51.100.9")
        daemon.wait_for_log("NOTICE  [door] Ban 198.51.100.9")
        in_log(
            daemon,
            f"WARNING [door] Refuse to ban {admin}: the peer of an ssh session that is logged in (spare_sessions",
        )
        assert session.works()
        assert daemon.client("banned", admin).returncode == 5
        assert events(daemon, "door") == [("refused", admin), ("banned", "198.51.100.9")]
        [row] = daemon.ask("log", admin, "--since", "1h")
        assert (row["jail"], row["origin"]) == ("door", "jail")
        assert "spare_sessions = no" in row["reason"]

        forge(town, admin, times=20)
        daemon.banish("ban", "door", "198.51.100.10")
        assert len(daemon.ask("log", admin)) == 1, "told once, not for every line"

        done = daemon.client("ban", "door", f"{admin}/{24 if server == SERVER else 64}", "--json")
        assert done.returncode != 0
        assert session.works()


def test_a_ban_by_hand_is_refused_unless_it_is_forced_and_then_stands(town: Town, key: Path, attacker: str) -> None:
    local = jail_local(town, door())
    network = attacker.rpartition(".")[0] + ".0/24"
    with clients.Session(town.outside, attacker, SERVER, "alice", key):
        with Daemon(town.server, local, name="forced") as daemon:
            done = daemon.client("ban", "door", attacker, "198.51.100.1")
            assert done.returncode == 1
            assert f"refused {attacker} in door: the peer of an ssh session that is logged in" in done.stdout
            assert "--force bans it" in done.stdout
            assert "banned 198.51.100.1" in done.stdout
            done = daemon.client("ban", "door", network)
            assert done.returncode == 1
            assert "refused" in done.stdout
            assert daemon.client("ban", "door", attacker, "--force").returncode == 0
            time.sleep(4)  # what protects the session looks every three seconds
            assert daemon.client("banned", attacker).returncode == 0
            daemon.kill()
        with Daemon(town.server, local, name="forced") as daemon:
            [row] = daemon.ask("banned", attacker)
            assert row["origin"] == "restored"
            assert daemon.client("unban", attacker).returncode == 0


def test_at_the_password_prompt_nobody_is_spared(town: Town, attacker: str) -> None:
    with (
        Daemon(town.server, jail_local(town)) as daemon,
        clients.at_the_prompt(town.outside, attacker, SERVER, "alice"),
    ):
        attack(town, attacker, 3)
        daemon.wait_for_log(f"NOTICE  [sshd] Ban {attacker}")
        assert attacker in kernel_ids(town)
        assert connects(town, attacker) == "timeout"


def test_when_the_session_has_ended_its_address_is_like_any_other(town: Town, key: Path, attacker: str) -> None:
    with Daemon(town.server, jail_local(town, door())) as daemon:
        with clients.Session(town.outside, attacker, SERVER, "alice", key):
            forge(town, attacker)
            in_log(daemon, f"Refuse to ban {attacker}")
        town.sshd.wait_for(f"Disconnected from user alice {attacker}")
        time.sleep(1.5)
        forge(town, attacker)
        daemon.wait_for_log(f"NOTICE  [door] Ban {attacker}")


def test_a_rule_can_be_switched_off(town: Town, key: Path, attacker: str) -> None:
    files = {"banish.local": "[Definition]\nspare_sessions = no\n"}
    with (
        Daemon(town.server, jail_local(town, door()), files=files) as daemon,
        clients.Session(town.outside, attacker, SERVER, "alice", key) as session,
    ):
        forge(town, attacker)
        daemon.wait_for_log(f"NOTICE  [door] Ban {attacker}")
        assert session.works(), "the jail is for port 80"
        daemon.configure({"banish.local": ""})
        daemon.banish("reload")
        in_log(daemon, f"WARNING [door] The ban of {attacker} is lifted: the peer of an ssh session")
        assert daemon.client("banned", attacker).returncode == 5


@pytest.mark.parametrize("words", [["-tt"], ["-A"], ["-L", "127.0.0.1:4711:192.0.2.60:22"]], ids=" ".join)
def test_sessions_of_every_kind_are_seen(town: Town, key: Path, attacker: str, words: list[str]) -> None:
    with clients.Session(town.outside, attacker, SERVER, "alice", key, words=words):
        assert seen(town) == [f"{attacker}/32"]


def seen(town: Town) -> list[str]:
    program = (
        "import time; from banish.lookups.sessions import Sessions; s = Sessions();"
        "print(*sorted({str(found.peer) for found in s.look(time.time())})); assert s.trouble is None, s.trouble"
    )
    return town.server.run([sys.executable, "-c", program]).stdout.split()


@contextmanager
def routes(town: Town, *words: str) -> Iterator[None]:
    for each in words:
        town.server.run(["ip", *each.replace("ACTION", "add").split()])
    try:
        yield
    finally:
        for each in words:
            gone = "nexthop ACTION id 77" if each.startswith("nexthop") else each
            town.server.run(["ip", *gone.replace("ACTION", "del").split()], check=False)


def test_gateways_are_never_banned_of_whatever_table_and_family(town: Town) -> None:
    gateways = ["192.0.2.61", "192.0.2.62", "192.0.2.63", "192.0.2.64", "2001:db8::66", "2001:db8::7"]
    with Daemon(town.server, jail_local(town, door())) as daemon:
        daemon.banish("ban", "door", *gateways)
        with routes(
            town,
            "route ACTION default via 192.0.2.61",
            "route ACTION default table 1234 nexthop via 192.0.2.62 nexthop via 192.0.2.63",
            "nexthop ACTION id 77 via 192.0.2.64 dev to-outside1",
            "route ACTION default table 1235 nhid 77",
            "-6 route ACTION default via 2001:db8::66",
            "-6 route ACTION default table 1236 via 2001:db8::7",
        ):
            in_log(
                daemon, "WARNING [door] The ban of 192.0.2.61 is lifted: the gateway of a default route (spare_gateways"
            )
            daemon.wait_for("all gateways to be known", lambda: daemon.ask("banned") == [])
            rows = daemon.client("ban", "door", *gateways, "192.0.2.65", "--json")
            assert rows.returncode == 1
            forge(town, *gateways, "192.0.2.66")
            daemon.wait_for_log("NOTICE  [door] Ban 192.0.2.66")
            assert {row["network"] for row in daemon.ask("banned")} == {"192.0.2.65/32", "192.0.2.66/32"}
            assert daemon.client("ban", "door", "192.0.2.0/26").returncode == 1
        daemon.wait_for(
            "the gateways to be forgotten", lambda: daemon.client("ban", "door", "192.0.2.62").returncode == 0
        )


def test_name_servers_are_never_banned(town: Town) -> None:
    resolv = Path("/run/lab/resolv.conf")
    town.server.lab.path(resolv).write_text("nameserver 198.51.100.53\n")
    town.server.lab.bind(resolv, Path("/etc/resolv.conf"))
    with Daemon(town.server, jail_local(town, door())) as daemon:
        forge(town, "198.51.100.53", "198.51.100.54")
        daemon.wait_for_log("NOTICE  [door] Ban 198.51.100.54")
        in_log(daemon, "Refuse to ban 198.51.100.53: a name server that this machine asks (spare_resolvers")
        town.server.lab.path(resolv).write_text("nameserver 198.51.100.54\nnameserver 2001:db8::53\n")
        in_log(daemon, "WARNING [door] The ban of 198.51.100.54 is lifted: a name server")
        assert daemon.client("ban", "door", "2001:db8::53").returncode == 1
        assert daemon.client("ban", "door", "198.51.100.53").returncode == 0
    town.server.lab.path(resolv).write_text("")


def test_an_address_that_becomes_ours_is_not_banned_any_more(town: Town) -> None:
    with Daemon(town.server, jail_local(town, door("ignoreself = false"))) as daemon:
        daemon.banish("ban", "door", "198.51.100.77", "198.51.100.64/28")
        town.server.run(["ip", "address", "add", "198.51.100.77/32", "dev", "lo"])
        try:
            in_log(daemon, "WARNING [door] The ban of 198.51.100.77 is lifted: an address of this machine (spare_own")
            in_log(daemon, "The ban of 198.51.100.64/28 is lifted: holds 198.51.100.77, an address of this machine")
            forge(town, "198.51.100.77", "198.51.100.78")
            daemon.wait_for_log("NOTICE  [door] Ban 198.51.100.78")
            assert daemon.client("ban", "door", "198.51.0.0/16").returncode == 1
            assert daemon.client("ban", "door", "127.0.0.1", "::1").returncode == 1
        finally:
            town.server.run(["ip", "address", "del", "198.51.100.77/32", "dev", "lo"])


def test_what_ignoreip_names_later_is_let_in(town: Town) -> None:
    hosts, listed = Path("/run/lab/hosts"), Path("/run/lab/friends")
    town.server.lab.path(hosts).write_text("198.51.100.82 friend.example\n")
    town.server.lab.bind(hosts, Path("/etc/hosts"))
    town.server.lab.path(listed).write_text("")
    with Daemon(town.server, jail_local(town, door(f"ignoreip = file:{listed}"))) as daemon:
        daemon.banish("ban", "door", *(f"198.51.100.{number}" for number in range(80, 86)), "203.0.113.0/24")
        town.server.lab.path(listed).write_text("198.51.100.80\n")
        daemon.wait_for_log("NOTICE  [door] Unban 198.51.100.80")
        ignored = f"ignoreip = file:{listed} 198.51.100.84/31 friend.example 203.0.113.9"
        daemon.configure({"jail.local": jail_local(town, door(ignored))})
        daemon.banish("reload")
        daemon.wait_for_log("NOTICE  [door] Unban 198.51.100.82")
        assert sorted(row["network"] for row in daemon.ask("banned")) == ["198.51.100.81/32", "198.51.100.83/32"]
        assert ("unbanned", "203.0.113.0/24") in events(daemon)
        assert daemon.client("ban", "door", "198.51.100.85").returncode == 1
        assert daemon.client("ban", "door", "198.51.100.85", "--force").returncode == 0
        daemon.banish("reload")
        time.sleep(1.5)
        assert daemon.client("banned", "198.51.100.85").returncode == 0, "who is forced stays"


def test_a_jail_that_bans_too_many_is_paused_until_it_is_resumed(town: Town) -> None:
    with Daemon(town.server, jail_local(town, door("breaker.bans = 5"))) as daemon:
        forge(town, *(f"198.51.100.{number}" for number in range(1, 21)))
        in_log(daemon, "ERROR   [door] Bans are paused: 6 bans within a minute (breaker.bans = 5)")
        problem = jail_of(daemon)["problem"]
        assert "bans are paused: 6 bans within a minute" in problem
        assert "14 withheld so far" in problem
        assert "banish resume door" in daemon.banish("status")
        assert len(daemon.ask("banned")) == 6, "what was banned stays"
        assert jail_of(daemon)["failed_total"] == 20
        assert daemon.client("ban", "door", "203.0.113.1").returncode == 0, "a person may"
        assert daemon.ask("resume", "door") == {"jail": "door", "withheld": 14}
        assert daemon.client("resume", "nobody").returncode == 5
        assert jail_of(daemon)["problem"] is None
        forge(town, "198.51.100.20")
        daemon.wait_for_log("NOTICE  [door] Ban 198.51.100.20")
        kinds = [kind for kind, _ in events(daemon, "door")]
        assert kinds == ["banned"] * 6 + ["paused", "banned", "resumed", "banned"]


def test_a_raised_limit_ends_the_pause(town: Town) -> None:
    with Daemon(town.server, jail_local(town, door("breaker.bans = 1"))) as daemon:
        forge(town, "198.51.100.1", "198.51.100.2", "198.51.100.3")
        in_log(daemon, "Bans are paused")
        assert daemon.client("reload").returncode == 6, "nothing was changed, and something is wrong"
        daemon.configure({"jail.local": jail_local(town, door("breaker.bans = 100"))})
        daemon.banish("reload")
        in_log(daemon, "[door] Bans are resumed; 1 were withheld")
        forge(town, "198.51.100.3")
        daemon.wait_for_log("NOTICE  [door] Ban 198.51.100.3")


def test_a_jail_that_bans_those_who_have_been_connected_all_along_is_paused(town: Town) -> None:
    friends = [f"203.0.113.{number}" for number in range(1, 13)]
    interface = "to-server1"
    for friend in friends:
        town.outside.address(f"{friend}/32", interface)
    town.server.run(["ip", "route", "add", "203.0.113.0/24", "dev", "to-outside1"])
    town.outside.run(["ip", "route", "replace", "192.0.2.1/32", "dev", interface])
    held: list[subprocess.Popen[bytes]] = []
    try:
        for host, words in ((town.server, [SERVER, "listen"]), (town.outside, [SERVER, "connect", *friends])):
            process = host.popen([sys.executable, "-IS", "-c", _PEERS, *words], stdout=subprocess.PIPE)
            held.append(process)
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        with Daemon(town.server, jail_local(town, door("breaker.peers = 50"))) as daemon:
            time.sleep(1.5)  # the first look at who is connected
            forge(town, *(f"198.51.100.{number}" for number in range(1, 200)))
            daemon.wait_for_log("NOTICE  [door] Ban 198.51.100.199")
            forge(town, *friends)
            in_log(
                daemon,
                "ERROR   [door] Bans are paused: 6 of 12 peers that were connected are banned (breaker.peers = 50)",
            )
            assert len(daemon.ask("banned")) == 199 + 6
    finally:
        for host, process in zip((town.server, town.outside), held, strict=False):
            host.end(process)
        town.server.run(["ip", "route", "del", "203.0.113.0/24", "dev", "to-outside1"])


def jail_of(daemon: Daemon) -> Any:
    return daemon.ask("status", "door")["jails"][0]
