"""A real sshd, a real client, banishd between them, and the kernel's answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from lab import clients
from lab.daemon import Daemon
from tests.end_to_end.conftest import BYSTANDER, PASSWORD, SERVER, Town

pytestmark = pytest.mark.sshd


def jail_local(town: Town, more: str = "", *, bantime: str = "10m", maxretry: int = 3) -> str:
    return f"[DEFAULT]\nbantime = {bantime}\nmaxretry = {maxretry}\n\n[sshd]\nlogpath = {town.sshd.log_inside} tail\n{more}\n"


def attack(town: Town, attacker: str, tries: int, server: str = SERVER) -> None:
    for number in range(tries):
        assert not clients.password(town.outside, attacker, server, "root", f"guess{number}").accepted


def connects(town: Town, source: str, server: str = SERVER) -> clients.Outcome:
    return clients.probe(town.outside, source, server)


def kernel_ids(town: Town, name: str = "sshd-ip4") -> dict[str, Any]:
    listed = town.server.run(["nft", "-j", "list", "set", "inet", "banish", name], check=False).stdout
    elements = [item["set"].get("elem", []) for item in json.loads(listed)["nftables"] if "set" in item]
    return {element["elem"]["val"]: element["elem"] for element in elements[0]}


def saved_sources(town: Town, daemon: Daemon) -> str:
    program = f"import sqlite3; print(*sqlite3.connect({str(daemon.database)!r}).execute('SELECT source FROM positions').fetchall())"
    return town.server.run([sys.executable, "-c", program]).stdout.strip()


@pytest.mark.parametrize(
    ("server", "attacker6", "bystander"), [(SERVER, None, BYSTANDER), ("2001:db8::1", "2001:db8::66", "2001:db8::7")]
)
def test_an_attacker_is_cut_off_and_a_bystander_is_not(
    town: Town, attacker: str, server: str, attacker6: str | None, bystander: str
) -> None:
    attacker = attacker6 or attacker
    with Daemon(town.server, jail_local(town)) as daemon:
        attack(town, attacker, 3, server)
        daemon.wait_for_log(f"NOTICE  [sshd] Ban {attacker}")
        assert connects(town, attacker, server) == "timeout"
        assert clients.password(town.outside, bystander, server, "alice", PASSWORD).accepted
        assert daemon.client("unban", attacker).returncode == 0
        assert connects(town, attacker, server) == "open"


def test_a_ban_outlives_kill_9_in_the_kernel_and_in_the_database(town: Town, attacker: str) -> None:
    local = jail_local(town)
    with Daemon(town.server, local, name="killed") as daemon:
        attack(town, attacker, 3)
        daemon.wait_for_log(f"NOTICE  [sshd] Ban {attacker}")
        [before] = daemon.ask("banned", attacker)
        daemon.kill()
        assert connects(town, attacker) == "timeout", "the kernel holds the ban while the daemon is dead"
    with Daemon(town.server, local, name="killed") as daemon:
        [after] = daemon.ask("banned", attacker)
        assert after["expires_at"] == before["expires_at"]
        assert (after["origin"], after["ban_count"]) == ("restored", 1)
        daemon.wait_for_log(f"NOTICE  [sshd] Restore Ban {attacker}")
        assert connects(town, attacker) == "timeout"
        [element] = [element for value, element in kernel_ids(town).items() if value == attacker]
        assert abs(element["expires"] - (before["expires_at"] - time.time())) < 5
        daemon.stop()
    assert connects(town, attacker) == "open", "a clean stop opens the door"


def test_what_was_logged_while_the_daemon_was_dead_counts(town: Town, attacker: str) -> None:
    local = jail_local(town)
    with Daemon(town.server, local, name="dead") as daemon:
        daemon.wait_for("the position to be saved", lambda: saved_sources(town, daemon))
        daemon.kill()
        attack(town, attacker, 3)
    with Daemon(town.server, local, name="dead") as daemon:
        daemon.wait_for_log(f"NOTICE  [sshd] Ban {attacker}")
        assert connects(town, attacker) == "timeout"


def test_the_table_deleted_by_hand_comes_back_with_every_ban(town: Town) -> None:
    with Daemon(town.server, jail_local(town)) as daemon:
        daemon.banish("ban", "sshd", "198.51.100.1", "2001:db8:1::/48")
        town.server.run(["nft", "delete", "table", "inet", "banish"])
        daemon.banish("ban", "sshd", "198.51.100.2")
        assert kernel_ids(town).keys() == {"198.51.100.1", "198.51.100.2"}
        town.server.run(["nft", "flush", "ruleset"])
        daemon.wait_for("the repair", lambda: "banish" in town.server.run(["nft", "list", "tables"]).stdout)
        assert kernel_ids(town).keys() == {"198.51.100.1", "198.51.100.2"}


def test_what_somebody_does_to_the_bans_is_mended_at_once_and_told_with_their_name(town: Town, attacker: str) -> None:
    with Daemon(town.server, jail_local(town), name="meddled") as daemon:
        daemon.banish("ban", "sshd", attacker, "198.51.100.1")
        for meddling, said in (
            (["flush", "ruleset"], "bans are gone: the table or its rules have been changed by nft"),
            (["delete", "element", "inet", "banish", "sshd-ip4", f"{{ {attacker} }}"], "has removed or changed 1 ban"),
            (["flush", "set", "inet", "banish", "sshd-ip4"], "has removed or changed 2 bans"),
        ):
            daemon.log.write_text("")
            town.server.run(["nft", *meddling])
            daemon.wait_for("the bans to be back", lambda: len(kernel_ids(town)) == 2, timeout=3)
            [told] = [line for line in daemon.log.read_text().splitlines() if "WARNING" in line]
            assert said in told
            assert "nft (process " in told
            assert connects(town, attacker) == "timeout"


def test_bans_can_be_kept_across_a_stop(town: Town, attacker: str) -> None:
    local, files = jail_local(town), {"banish.local": "[Definition]\nkeepbans = true\n"}
    with Daemon(town.server, local, name="keeping", files=files) as daemon:
        daemon.banish("ban", "sshd", attacker)
        daemon.stop()
    assert connects(town, attacker) == "timeout", "nobody is at home, and the door is closed"
    with Daemon(town.server, local, name="keeping", files=files) as daemon:
        assert connects(town, attacker) == "timeout"
        assert [row["origin"] for row in daemon.ask("banned")] == ["restored"]
        daemon.banish("unban", attacker)
        assert connects(town, attacker) == "open"
        daemon.configure({"banish.local": ""})
        daemon.banish("reload")
        daemon.stop()
    assert "banish" not in town.server.run(["nft", "list", "tables"]).stdout


def test_a_lower_bantime_shortens_restored_bans_but_not_those_prolonged_by_hand(town: Town) -> None:
    with Daemon(town.server, jail_local(town, bantime="2h"), name="lowered") as daemon:
        daemon.banish("ban", "sshd", "198.51.100.1", "198.51.100.2")
        daemon.banish("ban", "sshd", "198.51.100.2", "198.51.100.3", "--for", "1d")
        before = {row["network"]: row for row in daemon.ask("banned")}
        daemon.stop()
    for bantime, first in (("10m", 600), ("2h", 7200), ("-1", 7200)):
        with Daemon(town.server, jail_local(town, bantime=bantime), name="lowered") as daemon:
            after = {row["network"]: row for row in daemon.ask("banned")}
            daemon.stop()
        ends = {network: row["expires_at"] - row["banned_at"] for network, row in after.items()}
        assert ends["198.51.100.1/32"] == pytest.approx(first)
        for prolonged in ("198.51.100.2/32", "198.51.100.3/32"):
            assert after[prolonged]["expires_at"] == before[prolonged]["expires_at"]


def test_a_ban_ends_by_itself_in_the_kernel_and_in_the_ledger(town: Town, attacker: str) -> None:
    with Daemon(town.server, jail_local(town)) as daemon:
        daemon.banish("ban", "sshd", attacker, "--for", "2s")
        assert connects(town, attacker) == "timeout"
        daemon.wait_for_log(f"NOTICE  [sshd] Unban {attacker}")
        assert connects(town, attacker) == "open"
        assert daemon.ask("banned") == []


def test_broken_jails_are_reported_and_the_others_run(town: Town, attacker: str) -> None:
    more = """
[regex]
enabled = true
filter =
logpath = /run/lab/regex.log
failregex = ^ok <HOST>$
            ^broken (<HOST>$

[typo]
enabled = true
filter = sshd
logpath = /run/lab/typo.log
maxrety = 3

[missing]
enabled = true
filter = sshd
logpath = /run/lab/nowhere/missing.log
backend = polling
"""
    with Daemon(town.server, jail_local(town, more)) as daemon:
        (town.server.lab.path(town.server.lab.directory / "typo.log")).touch()
        status = daemon.ask("status")
        problems = {jail["name"]: jail["problem"] for jail in status["jails"]}
        assert {jail["name"]: jail["enabled"] for jail in status["jails"]} == {
            "missing": True, "regex": False, "sshd": True, "typo": True,
        }  # fmt: skip
        assert problems["sshd"] is None
        for name, parts in {
            "regex": ["jail.local:13 [regex] failregex = ^broken (<HOST>$: ", "("],
            "typo": ["jail.local:19 [typo] maxrety = 3: unknown option (did you mean maxretry?)"],
            "missing": ["jail.local:24 [missing] logpath = /run/lab/nowhere/missing.log: ", "("],
        }.items():
            for part in parts:
                assert part in str(problems[name]), f"{name}: {problems[name]}"
        text = daemon.banish("status")
        assert "did you mean maxretry?" in text
        for name in ("regex", "typo", "missing"):
            daemon.wait_for(f"{name} in the log", lambda text=f"[{name}] ": text in daemon.log.read_text())
        attack(town, attacker, 3)
        daemon.wait_for_log(f"NOTICE  [sshd] Ban {attacker}")


def test_a_missing_log_is_read_as_soon_as_it_appears(town: Town) -> None:
    log = town.server.lab.path(town.server.lab.directory / "later" / "auth.log")
    more = "[later]\nenabled = true\nfilter =\nfailregex = ^ no entry for <HOST>$\nlogpath = /run/lab/later/auth.log\n"
    with Daemon(town.server, jail_local(town, more)) as daemon:
        assert "no such file" in str(daemon.ask("status", "later")["jails"][0]["problem"])
        log.parent.mkdir()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        log.write_text(f"{stamp} no entry for 198.51.100.9\n" * 3)
        daemon.wait_for_log("NOTICE  [later] Ban 198.51.100.9")
        [jail] = daemon.ask("status", "later")["jails"]
        assert jail["problem"] is None
        assert jail["sources"] == [
            {
                "name": "/run/lab/later/auth.log",
                "lines": 3,
                "bytes": log.stat().st_size,
                "lag_bytes": 0,
                "every_line": None,
            }
        ]


def test_lines_made_to_keep_an_expression_busy_for_ever_stop_nobody(town: Town, attacker: str) -> None:
    log = town.server.lab.path(town.server.lab.directory / "slow.log")
    log.touch()
    more = f"""
[slow]
enabled = true
filter =
logpath = {town.server.lab.directory}/slow.log
failregex = ^ quick <HOST>$
            ^ (?:a|aa)+ from <HOST>$
"""
    with Daemon(town.server, jail_local(town, more)) as daemon:
        stamp = time.strftime("%b %d %H:%M:%S")
        crafted = [f"{stamp} {'a' * length}!" for length in (100, 2000, 5000, 50_000) for _ in range(40)]
        real = [f"{stamp} aaa from 203.0.113.{number}" for number in (7, 7, 7)]
        with log.open("a") as file:
            file.write("".join(f"{line}\n" for line in (*crafted, *real)))
        daemon.wait_for_log("NOTICE  [slow] Ban 203.0.113.7")
        attack(town, attacker, 3)
        daemon.wait_for_log(f"NOTICE  [sshd] Ban {attacker}")
        daemon.wait_for("the report", lambda: "failregex number 2 took longer" in daemon.banish("status"))
        assert daemon.ask("status", "slow")["jails"][0]["failed_total"] == 3


def test_status_prints_the_tree_that_fail2ban_client_prints(town: Town, attacker: str) -> None:
    with Daemon(town.server, jail_local(town)) as daemon:
        assert daemon.banish("status") == "Status\n|- Number of jail:\t1\n`- Jail list:\tsshd\n"
        attack(town, attacker, 3)
        daemon.wait_for_log(f"NOTICE  [sshd] Ban {attacker}")
        assert daemon.banish("status", "sshd") == (
            "Status for the jail: sshd\n"
            "|- Filter\n"
            "|  |- Currently failed:\t0\n"
            "|  |- Total failed:\t3\n"
            f"|  `- File list:\t{town.sshd.log_inside}\n"
            "`- Actions\n"
            "   |- Currently banned:\t1\n"
            "   |- Total banned:\t1\n"
            f"   `- Banned IP list:\t{attacker}\n"
        )


def test_reload_keeps_bans_and_counts_and_takes_up_what_changed(town: Town, attacker: str) -> None:
    with Daemon(town.server, jail_local(town)) as daemon:
        daemon.banish("ban", "sshd", "198.51.100.1")
        attack(town, attacker, 2)
        daemon.wait_for("two failures", lambda: daemon.ask("status", "sshd")["jails"][0]["failed_total"] == 2)
        daemon.configure({"jail.local": jail_local(town, "port = 22,2222", bantime="1h", maxretry=3)})
        daemon.banish("reload")
        attack(town, attacker, 1)
        daemon.wait_for_log(f"NOTICE  [sshd] Ban {attacker}")
        [ban] = daemon.ask("banned", attacker)
        assert round(ban["expires_at"] - ban["banned_at"]) == 3600
        assert {row["network"] for row in daemon.ask("banned")} == {"198.51.100.1/32", f"{attacker}/32"}
        assert "2222" in town.server.run(["nft", "list", "table", "inet", "banish"]).stdout


def test_a_broken_reload_changes_nothing(town: Town) -> None:
    with Daemon(town.server, jail_local(town)) as daemon:
        daemon.banish("ban", "sshd", "198.51.100.1")
        daemon.configure({"jail.local": "[sshd]\nfailregex = (\n"})
        done = daemon.client("reload")
        assert "failregex" in done.stdout + done.stderr
        [jail] = daemon.ask("status")["jails"]
        assert jail["enabled"]
        assert kernel_ids(town).keys() == {"198.51.100.1"}


def test_a_jail_that_leaves_the_configuration_takes_its_bans_along(town: Town) -> None:
    second = f"[second]\nenabled = true\nfilter = sshd\nlogpath = {town.sshd.log_inside} tail\n"
    with Daemon(town.server, jail_local(town, second)) as daemon:
        daemon.banish("ban", "second", "198.51.100.1")
        daemon.configure({"jail.local": jail_local(town)})
        daemon.banish("reload")
        assert [jail["name"] for jail in daemon.ask("status")["jails"]] == ["sshd"]
        assert daemon.ask("banned") == []
        assert "second" not in town.server.run(["nft", "list", "table", "inet", "banish"]).stdout
        daemon.wait_for_log("NOTICE  [second] Repeal Ban 198.51.100.1")


def test_a_jail_that_comes_back_has_its_bans_back(town: Town) -> None:
    second = f"[second]\nenabled = true\nfilter = sshd\nlogpath = {town.sshd.log_inside} tail\n"
    with Daemon(town.server, jail_local(town, second)) as daemon:
        daemon.banish("ban", "second", "198.51.100.1", "198.51.100.2", "--for", "1h")
        daemon.configure({"jail.local": jail_local(town)})
        daemon.banish("reload")
        assert daemon.ask("unban", "198.51.100.2")[0]["outcome"] == "unbanned", "it would come back otherwise"
        daemon.configure({"jail.local": jail_local(town, second)})
        daemon.banish("reload")
        assert [row["network"] for row in daemon.ask("banned")] == ["198.51.100.1/32"]
        assert kernel_ids(town, "second-ip4").keys() == {"198.51.100.1"}


def test_a_prolonged_ban_keeps_its_end_across_a_restart(town: Town) -> None:
    local = jail_local(town, bantime="30s")
    with Daemon(town.server, local, name="prolonged") as daemon:
        daemon.banish("ban", "sshd", "198.51.100.1", "--for", "20s")
        daemon.banish("ban", "sshd", "198.51.100.1", "--for", "1h")
        [before] = daemon.ask("banned")
        daemon.kill()
    with Daemon(town.server, local, name="prolonged") as daemon:
        [after] = daemon.ask("banned")
        assert after["expires_at"] == before["expires_at"]


def test_a_ban_deleted_in_the_kernel_is_put_back_by_banning_it_again(town: Town) -> None:
    with Daemon(town.server, jail_local(town)) as daemon:
        daemon.banish("ban", "sshd", "198.51.100.1")
        town.server.run(["nft", "flush", "set", "inet", "banish", "sshd-ip4"])
        assert daemon.ask("ban", "sshd", "198.51.100.1", "--for", "5m")[0]["outcome"] == "already banned"
        assert kernel_ids(town).keys() == {"198.51.100.1"}


def test_what_spares_nobody_is_a_problem(town: Town) -> None:
    with Daemon(town.server, jail_local(town, "ignoreip = 192.0.2.0/33 file:/nonexistent/friends")) as daemon:
        daemon.wait_for("both", lambda: daemon.banish("status").count("ignoreip = ") == 2)
        assert "jail.local:7 [sshd] ignoreip = 192.0.2.0/33: " in daemon.banish("status")


def test_an_address_in_a_banned_network_is_not_banned_itself(town: Town) -> None:
    with Daemon(town.server, jail_local(town)) as daemon:
        daemon.banish("ban", "sshd", "198.51.100.0/24")
        done = daemon.client("unban", "198.51.100.7")
        assert (done.returncode, done.stdout) == (
            5,
            "not banned 198.51.100.7: but 198.51.100.0/24 is, which holds it\n",
        )
        assert [row["network"] for row in daemon.ask("banned", "198.51.100.7")] == ["198.51.100.0/24"]


def test_a_refused_reload_is_in_the_log(town: Town) -> None:
    with Daemon(town.server, jail_local(town)) as daemon:
        daemon.configure({"jail.local": "[sshd]\nenabled = false\n"})
        daemon.signal(signal.SIGHUP)
        daemon.wait_for("the refusal", lambda: "Reload refused, all goes on as before: " in daemon.log.read_text())
        assert [jail["name"] for jail in daemon.ask("status")["jails"]] == ["sshd"]


def test_ignored_addresses_and_our_own_are_never_banned(town: Town, attacker: str) -> None:
    with Daemon(town.server, jail_local(town, f"ignoreip = {attacker}")) as daemon:
        done = daemon.client("ban", "sshd", attacker, SERVER, "198.51.100.0/24", "nonsense", "--json")
        assert done.returncode == 1
        rows = {row["address"]: (row["outcome"], row["reason"]) for row in json.loads(done.stdout)}
        assert rows[attacker] == ("refused", "ignored by ip")
        assert rows[SERVER] == ("refused", "ignored by ignoreself rule")
        assert rows["nonsense"][0] == "invalid"
        assert rows["198.51.100.0/24"][0] == "banned"
        attack(town, attacker, 4)
        daemon.wait_for_log(f"INFO    [sshd] Ignore {attacker} by ip")
        assert connects(town, attacker) == "open"


def test_ignoreip_added_later_lifts_the_ban(town: Town, attacker: str) -> None:
    with Daemon(town.server, jail_local(town)) as daemon:
        daemon.banish("ban", "sshd", attacker)
        assert connects(town, attacker) == "timeout"
        daemon.configure({"jail.local": jail_local(town, f"ignoreip = {attacker}")})
        daemon.banish("reload")
        assert connects(town, attacker) == "open"


def test_bans_by_hand_from_standard_input_and_unban_of_everything(town: Town) -> None:
    with Daemon(town.server, jail_local(town)) as daemon:
        listed = "# a blocklist\n" + "".join(f"203.0.113.{n}  # {n}\n" for n in range(200)) + "2001:db8:2::/64\n"
        assert daemon.client("ban", "sshd", "-", "--for", "1h", "--reason", "blocklist", input=listed).returncode == 0
        rows = daemon.ask("banned")
        assert (len(rows), {row["reason"] for row in rows}, {row["origin"] for row in rows}) == (
            201,
            {"blocklist"},
            {"admin"},
        )
        assert len(kernel_ids(town)) == 200
        assert kernel_ids(town, "sshd-ip6-64").keys() == {"2001:db8:2::"}
        assert daemon.client("unban", "--all").returncode == 0
        assert kernel_ids(town) == {}
        assert daemon.client("unban", "203.0.113.1").returncode == 5


def test_signals_reload_reopen_the_log_and_stop(town: Town) -> None:
    with Daemon(town.server, jail_local(town)) as daemon:
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_log("Reload finished.")
        daemon.log.rename(daemon.log.with_suffix(".1"))
        daemon.signal(signal.SIGUSR1)
        # Of two signals that wait for a busy daemon the kernel delivers the lower number first, whichever was sent first.
        daemon.wait_for("the log to be opened again", daemon.log.exists)
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_log("Reload finished.")
        daemon.banish("ban", "sshd", "198.51.100.1")
        process = daemon.process
        daemon.signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert "banish" not in town.server.run(["nft", "list", "tables"]).stdout
        assert "Exiting banish" in daemon.log.read_text()


def test_a_second_daemon_is_told_that_one_is_running(town: Town) -> None:
    with Daemon(town.server, jail_local(town)) as daemon:
        done = town.server.run(daemon.command(), check=False)
        assert done.returncode == 1
        assert "another banishd (process" in done.stderr
        assert daemon.client("ping").returncode == 0


def test_in_the_background_the_command_returns_when_the_daemon_is_at_work(town: Town) -> None:
    daemon = Daemon(town.server, jail_local(town), name="background")
    command = [word for word in daemon.command() if word != "--foreground"]
    done = town.server.run(command, check=False)
    try:
        assert (done.returncode, done.stderr) == (0, "")
        assert daemon.client("ping").returncode == 0
    finally:
        assert daemon.client("stop").returncode == 0
    broken = Daemon(town.server, "[sshd]\nport = nonsense\n", name="broken")
    done = town.server.run([word for word in broken.command() if word != "--foreground"], check=False)
    assert done.returncode == 6
    assert "port = nonsense" in done.stderr


def test_nobody_at_home(town: Town) -> None:
    daemon = Daemon(town.server, jail_local(town), name="nobody")
    done = daemon.client("status")
    assert done.returncode == 3
    assert "start it with" in done.stderr
    assert done.stdout == ""


def test_the_laboratory_leaves_the_host_alone() -> None:
    if os.geteuid() == 0:
        assert (
            "banish" not in subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
        )
