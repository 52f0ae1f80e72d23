"""The options that decide who counts and for how long."""

from __future__ import annotations

import math
from typing import Any

import pytest

from banish.decisions import formula
from banish.failures.ignore import CacheSettings
from tests.config.conftest import Trees

ENABLED = "[sshd]\nenabled = true\n"
EXAMPLE = (
    "write arithmetic with ban.Time, ban.Count and banFactor, such as ban.Time * (1 << min(ban.Count, 20)) * banFactor"
)


@pytest.mark.parametrize(
    ("lines", "path", "expected"),
    [
        ("", "bantime.increment", False),
        ("", "bantime.formula", formula.DEFAULT),
        ("", "bantime.maxtime", math.inf),
        ("bantime.increment = true", "bantime.increment", True),
        ("bantime.factor = 2.0/4", "bantime.factor", 0.5),
        ("bantime.formula = ban.Time * 3", "bantime.formula", formula.parse("ban.Time * 3")),
        ("bantime.multipliers = 1 5\n  30", "bantime.multipliers", (1.0, 5.0, 30.0)),
        ("bantime.maxtime = 5w", "bantime.maxtime", 5 * 604800.0),
        ("bantime.maxtime = -1", "bantime.maxtime", math.inf),
        ("bantime.rndtime = 0", "bantime.rndtime", 0.0),
        ("bantime.rndtime = 10m", "bantime.rndtime", 600.0),
        ("bantime.overalljails = yes", "bantime.overalljails", True),
        ("ignorecommand = /bin/test <ip> = 192.0.2.1", "ignore.command", "/bin/test <ip> = 192.0.2.1"),
        ("", "ignore.cache", None),
        (
            'ignorecommand = x\nignorecache = key="<F-USER>@<ip-host>", max-count=7, max-time=1h 30m',
            "ignore.cache",
            CacheSettings("<F-USER>@<ip-host>", 7, 5400.0),
        ),
        ("ignorecommand = x\nignorecache = key=<ip>", "ignore.cache", CacheSettings("<ip>", 100, 300.0)),
    ],
)
def test_an_option_reaches_the_room_it_governs(trees: Trees, lines: str, path: str, expected: object) -> None:
    found: Any = trees.jail(f"{ENABLED}{lines}\n").settings
    for name in path.split("."):
        found = getattr(found, name)
    assert found == expected


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "bantime.factor = twice",
            "bantime.factor = twice: cannot be used: twice is not understood; 1 is (write a number such as 2, 1.5 or 2.0/3)",
        ),
        (
            "bantime.factor = 0",
            "bantime.factor = 0: is not above 0; 1 is used (write a number such as 2, 1.5 or 2.0/3)",
        ),
        (
            "bantime.formula = __import__('os')",
            (
                "bantime.formula = __import__('os'): cannot be used: __import__('os') is not understood; "
                f"each ban lasts twice as long as the last ({EXAMPLE})"
            ),
        ),
        (
            "bantime.formula = ban.Time / (ban.Count - 1)",
            (
                "bantime.formula = ban.Time / (ban.Count - 1): fails for a second ban: division by zero; "
                f"where it fails, bantime is used ({EXAMPLE})"
            ),
        ),
        (
            "bantime.multipliers = 1, 2",
            (
                "bantime.multipliers = 1, 2: are not numbers above 0; bantime.formula is used (write numbers with spaces between "
                "them, such as 1 2 4 8 16; the first is for a first ban, the last for all that follow)"
            ),
        ),
        (
            "bantime.rndtime = -1",
            "bantime.rndtime = -1: cannot be used; the default 0s is (write seconds, or 10m, 1h 30m, 1d; not for ever)",
        ),
        (
            "ignorecache = key=<ip>",
            "ignorecache = key=<ip>: keeps what ignorecommand says, and there is none (set ignorecommand, or remove it)",
        ),
    ],
)
def test_what_is_odd_is_told_and_the_jail_runs(trees: Trees, line: str, told: str) -> None:
    (problem,) = trees.problems(f"{ENABLED}{line}\n")
    assert problem.severity == "warning"
    assert str(problem) == f"{trees.user}/jail.local:3 [sshd] {told}"
    assert [jail.name for jail in trees.load().jails] == ["sshd"]


@pytest.mark.parametrize(
    ("cache", "told"),
    [
        (
            "max-count=9",
            'ignorecache = max-count=9: has no key; nothing is kept (write key="<ip>", max-count=100, max-time=5m)',
        ),
        (
            "key=<ip>, max-count=many",
            "ignorecache max-count = many: cannot be used; the default 100 is (write a whole number, 1 or more)",
        ),
        (
            "key=<ip>, max-time=-1",
            (
                "ignorecache max-time = -1: cannot be used; the default 5m is "
                "(write seconds, or 10m, 1h 30m, 1d; longer than 0 and not for ever)"
            ),
        ),
        ("key=<ip>, max=9", "ignorecache = key=<ip>, max=9: max is not known (one of key, max-count, max-time)"),
        ("key", 'ignorecache = key: is not a list of options (write name="value", name="value")'),
        ("key=<ip>] x", 'ignorecache = key=<ip>] x: is not a list of options (write name="value", name="value")'),
    ],
)
def test_an_odd_cache_is_told_and_the_jail_runs(trees: Trees, cache: str, told: str) -> None:
    (problem,) = trees.problems(f"{ENABLED}ignorecommand = x\nignorecache = {cache}\n")
    assert str(problem) == f"{trees.user}/jail.local:4 [sshd] {told}"
    assert problem.severity == "warning"
    assert [jail.name for jail in trees.load().jails] == ["sshd"]
