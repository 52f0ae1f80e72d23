"""``make demo``: a real SSH brute force, seen by banishd and cut off by the kernel, from one command.

Two throw-away hosts: a server with the real sshd and banishd watching its real log, and across a wire a host with two
addresses, an attacker's and a bystander's. Everything happens over real TCP, once with IPv4 and once with IPv6. When the script
ends, in whatever way, all of it is gone.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime
from typing import Any, NamedTuple

from lab import Host, Lab, LabError, can_run, clients, enter
from lab.daemon import Daemon
from lab.sshd import Sshd

PASSWORD = "correct horse battery staple"
TRIES = 5


class Story(NamedTuple):
    """Who is who in one of the two runs."""

    family: str
    server: str
    attacker: str
    bystander: str
    nft_set: str


STORIES = (
    Story("IPv4", "192.0.2.1", "192.0.2.66", "192.0.2.7", "sshd-ip4"),
    Story("IPv6", "2001:db8::1", "2001:db8::66", "2001:db8::7", "sshd-ip6"),
)


class DemoError(Exception):
    """Something did not happen that should have."""


def main() -> int:
    """Tell the story; 0 when all of it came true."""
    reason = can_run()
    if reason is not None:
        print(f"The demo cannot run here: {reason}.", file=sys.stderr)
        print("It needs root (sudo make demo), or user namespaces and the package uidmap.", file=sys.stderr)
        return 1
    enter()
    try:
        _tell(Lab.inside())
    except (DemoError, LabError) as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; nothing is left behind.", file=sys.stderr)
        return 130
    return 0


def _tell(lab: Lab) -> None:
    began = time.monotonic()
    server, outside = lab.host("server"), lab.host("outside")
    lab.connect(
        server,
        [f"{story.server}/{64 if ':' in story.server else 24}" for story in STORIES],
        outside,
        [
            f"{address}/{64 if ':' in address else 24}"
            for story in STORIES
            for address in (story.attacker, story.bystander)
        ],
    )
    with Sshd(server, users={"alice": PASSWORD}, log_format="iso") as sshd:
        jail_local = f"[DEFAULT]\nbantime = 10m\nmaxretry = {TRIES}\n\n[sshd]\nlogpath = {sshd.log_inside}\n"
        print("jail.local of the server:\n\n" + "".join(f"    {line}\n" for line in jail_local.splitlines()))
        with Daemon(server, jail_local) as daemon:
            _say("server", "sshd listens on port 22, banishd watches its log")
            for story in STORIES:
                _one_attack(story, outside, daemon, sshd)
            daemon.stop()
            left = server.run(["nft", "list", "tables"]).stdout
            _must("banish" not in left, f"after the stop there is still {left}")
            _say("server", "banishd stopped; its table is gone from the kernel with it")
    print(f"\nAll of it over real TCP, in {time.monotonic() - began:.0f} seconds. Nothing is left behind.")


def _one_attack(story: Story, outside: Host, daemon: Daemon, sshd: Sshd) -> None:
    print(f"\n{story.family}: {story.attacker} attacks {story.server}, {story.bystander} is a bystander\n")
    for attempt in range(1, TRIES + 1):
        login = clients.password(outside, story.attacker, story.server, "root", f"guess{attempt}")
        _must(not login.accepted, "a wrong password was accepted")
        _say("attacker", f"ssh root@{story.server}: wrong password, {attempt} of {TRIES}")
    banned = daemon.wait_for_log(f"NOTICE  [sshd] Ban {story.attacker}")
    failed_at = _failed_at(sshd, story.attacker)
    _say(
        "banishd",
        f"banned {story.attacker}, {(banned - failed_at) * 1000:.1f} ms after sshd had logged the last failure",
    )

    print()
    for line in daemon.banish("status", "sshd").splitlines() + _kernel_set(daemon.host, story.nft_set):
        print(f"    {line}")
    print()

    outcome = clients.probe(outside, story.attacker, story.server)
    _must(outcome == "timeout", f"the attacker's connection was not dropped: {outcome}")
    _say("attacker", "connects again: no answer, the kernel drops its packets")
    login = clients.password(outside, story.bystander, story.server, "alice", PASSWORD)
    _must(login.accepted, f"the bystander could not log in: {login.said}")
    _say("bystander", f"ssh alice@{story.server}: logged in, as ever")

    _say("admin", f"banish unban {story.attacker}")
    print(f"\n    {daemon.banish('unban', story.attacker).strip()}\n")
    outcome = clients.probe(outside, story.attacker, story.server)
    _must(outcome == "open", f"the door is not open again after the unban: {outcome}")
    _say("attacker", "connects again: the door is open")


def _failed_at(sshd: Sshd, attacker: str) -> float:
    """When sshd's last failed password of *attacker* was written to its log."""
    lines = [line for line in sshd.lines() if "Failed password" in line and f" from {attacker} port " in line]
    return datetime.fromisoformat(lines[-1].split()[0]).timestamp()


def _kernel_set(server: Host, name: str) -> list[str]:
    """What the kernel holds, as nft(8) tells it."""
    found: dict[str, Any] = json.loads(server.run(["nft", "-j", "list", "set", "inet", "banish", name]).stdout)
    _must(any(item.get("set", {}).get("elem") for item in found["nftables"]), f"the set {name} is empty")
    return [
        "",
        f"# nft list set inet banish {name}",
        *server.run(["nft", "list", "set", "inet", "banish", name]).stdout.splitlines(),
    ]


def _say(who: str, what: str) -> None:
    print(f"{datetime.now():%H:%M:%S.%f}"[:-3] + f"  {who:<10} {what}", flush=True)


def _must(true: bool, otherwise: str) -> None:
    if not true:
        raise DemoError(otherwise)


if __name__ == "__main__":
    sys.exit(main())
