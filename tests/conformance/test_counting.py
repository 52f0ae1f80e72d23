"""Counting and ban times as fail2ban itself does them: the same sequences through both.

fail2ban is driven as a black box, in one run of the system's Python for all cases; the sequences are random with fixed seeds.
"""

from __future__ import annotations

import json
import math
import random
import subprocess
from typing import Any

import pytest

from banish import addresses
from banish.decisions import bantime, formula
from banish.decisions.bantime import BanTimeSettings, History
from banish.failures.window import Window, WindowSettings
from banish.model import Match

PYTHON = "/usr/bin/python3"

ORACLE = """
import json, logging, sys
from fail2ban.server.failmanager import FailManager, FailManagerEmpty
from fail2ban.server.jail import Jail
from fail2ban.server.observer import ObserverThread
from fail2ban.server.ticket import FailTicket
logging.disable(logging.CRITICAL)

def banned(manager):
    try:
        ticket = manager.toBan()
    except FailManagerEmpty:
        return None
    return [str(ticket.getID()), list(ticket.getMatches())]

def count(case):
    manager = FailManager()
    manager.setMaxRetry(case["maxretry"])
    manager.setMaxTime(case["findtime"])
    manager.maxMatches = case["maxmatches"]
    said = []
    for step in case["steps"]:
        if step[0] == "clean":
            manager.cleanup(step[1])
            said.append(manager.size())
            continue
        _, ident, at, lines, weight = step
        retries = manager.addFailure(FailTicket(ident, at, lines))
        ban = banned(manager)
        if ban is None and weight > 1:
            # What fail2ban's observer does for an id with a history.
            retries = manager.addFailure(FailTicket(ident, at), weight - 1, True)
            ban = banned(manager)
        said.append([retries, ban, manager.size()])
    return said

def last(case):
    jail = Jail("x", "polling")
    jail.setBanTimeExtra("increment", "true")
    for option, value in case["options"].items():
        jail.setBanTimeExtra(option, value)
    return [ObserverThread().calcBanTime(jail, case["bantime"], bans) for bans in case["bans"]]

asked = json.load(sys.stdin)
json.dump({"count": [count(case) for case in asked["count"]], "last": [last(case) for case in asked["last"]]}, sys.stdout)
"""

START = 1_795_000_000.0


def sequence(seed: int) -> dict[str, Any]:
    """Failures of three ids, most in order, some late or out of order, with cleanings between."""
    dice = random.Random(seed)
    weighted = seed % 3 == 0
    now, cleaned = START, START
    steps: list[list[Any]] = []
    for number in range(50):
        now += dice.choice((0, 0, 0.25, 1, 5, 60, 199.5, 400, 700))
        if dice.random() < 0.15 and now - cleaned >= 5:
            cleaned = now
            steps.append(["clean", now])
            continue
        at = now - dice.choice((0, 0, 0, 0, 1, 30, 300, 601))
        ident = f"192.0.2.{dice.randint(1, 3)}"
        lines = [f"line {number}.{part}" for part in range(dice.choice((1, 1, 1, 2, 4)))]
        weight = dice.choice((1, 1, 2, 3, 5)) if weighted else 1
        steps.append(["fail", ident, at, lines, weight])
    return {
        "maxretry": dice.choice((1, 2, 3, 5, 9, 30)),
        "findtime": dice.choice((10, 600, 3600)),
        "maxmatches": dice.choice((0, 1, 5, 50)),
        "steps": steps,
    }


def ours(case: dict[str, Any]) -> list[Any]:
    window = Window("sshd", WindowSettings(case["maxretry"], float(case["findtime"]), case["maxmatches"]))
    said: list[Any] = []
    for step in case["steps"]:
        if step[0] == "clean":
            window.tick(step[1])
            said.append(len(window))
            continue
        _, ident, at, lines, weight = step
        failure = window.count(Match(0, ident, addresses.parse(ident), at, {}, tuple(lines)), weight)
        said.append([failure.retries, failure.due, failure.matches, ident, len(window)])
    return said


SEQUENCES = [sequence(seed) for seed in range(400)]

EXPONENTIAL = "ban.Time * math.exp(float(ban.Count+1)*banFactor)/math.exp(1*banFactor)"
SETTINGS: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({}, {}),
    ({"factor": "1.5"}, {"factor": 1.5}),
    ({"factor": "0.1"}, {"factor": 0.1}),
    ({"factor": "2.0/2.885385"}, {"factor": formula.constant("2.0/2.885385")}),
    ({"multipliers": "1 5 30"}, {"multipliers": (1.0, 5.0, 30.0)}),
    ({"multipliers": "1 5 30", "factor": "2"}, {"multipliers": (1.0, 5.0, 30.0), "factor": 2.0}),
    ({"multipliers": "7"}, {"multipliers": (7.0,)}),
    ({"maxtime": "1h"}, {"maxtime": 3600.0}),
    ({"maxtime": "5m"}, {"maxtime": 300.0}),
    ({"maxtime": "5m", "multipliers": "1 2 4"}, {"maxtime": 300.0, "multipliers": (1.0, 2.0, 4.0)}),
    *(
        ({"formula": text, "factor": "1.25"}, {"formula": formula.parse(text), "factor": 1.25})
        for text in (
            EXPONENTIAL,
            "ban.Time * (1<<(ban.Count if ban.Count<20 else 20)) * banFactor",
            "ban.Time << ban.Count",
            "ban.Time * ban.Count ** 2 // 3 % 100000",
            "-50",
            "ban.Time * 2.5 if 1 < ban.Count <= 4 and not ban.Count == 3 else 1",
            "max(ban.Time, 100 * min(ban.Count, 50), abs(-3), int(2.9), float(1), round(6.5))",
            "math.floor(ban.Time * math.sqrt(ban.Count) + math.pi * math.log(7, 2)) >> 1",
            "ban.Count > 2 or ban.Time",
            "+ban.Time * True + math.pow(ban.Count, 3) + math.e",
        )
    ),
]
TERMS = [(options, BanTimeSettings(600.0, increment=True, **settings)) for options, settings in SETTINGS]
BANS = (1, 2, 3, 4, 5, 9, 19)


@pytest.fixture(scope="module")
def oracle() -> dict[str, list[Any]]:
    asked = {
        "count": SEQUENCES,
        "last": [{"options": options, "bantime": 600, "bans": BANS} for options, _ in TERMS],
    }
    try:
        done = subprocess.run(
            [PYTHON, "-c", ORACLE], input=json.dumps(asked), capture_output=True, text=True, check=True, timeout=100
        )
    except FileNotFoundError:
        pytest.skip(f"{PYTHON} is not there")
    except subprocess.CalledProcessError as error:
        if "No module named 'fail2ban'" in error.stderr:
            pytest.skip("fail2ban is not installed for the system's Python (Debian: apt-get install fail2ban)")
        raise AssertionError(error.stderr) from error
    found: dict[str, list[Any]] = json.loads(done.stdout)
    return found


def test_random_sequences_count_and_ban_alike(oracle: dict[str, list[Any]]) -> None:
    bans = 0
    for seed, (case, theirs) in enumerate(zip(SEQUENCES, oracle["count"], strict=True)):
        for step, mine, their in zip(case["steps"], ours(case), theirs, strict=True):
            if step[0] == "clean":
                assert mine == their, f"seed {seed}, {step}"
                continue
            retries, due, matches, ident, size = mine
            assert (due, size) == (their[1] is not None, their[2]), f"seed {seed}, {step}"
            if due:
                bans += 1
                # fail2ban keeps all lines of a first failure; here maxmatches is the bound from the first line on.
                lines = their[1][1][-case["maxmatches"] :] if case["maxmatches"] else []
                assert [ident, list(matches)] == [their[1][0], lines], f"seed {seed}, {step}"
            else:
                assert retries == their[0], f"seed {seed}, {step}"
    assert bans > 1000, "or the sequences are too tame to tell anything"


@pytest.mark.parametrize("place", range(len(TERMS)), ids=lambda place: " ".join(TERMS[place][0].values()))
def test_bans_of_returning_offenders_last_as_long(oracle: dict[str, list[Any]], place: int) -> None:
    settings = TERMS[place][1]
    terms = [bantime.term(settings, History(bans, 1.0), lambda: 0.5) for bans in BANS]
    assert [term.problem for term in terms] == [""] * len(BANS)
    expected = [min(seconds, bantime.LONGEST) for seconds in oracle["last"][place]]
    assert all(math.isclose(term.seconds, seconds) for term, seconds in zip(terms, expected, strict=True)), terms
