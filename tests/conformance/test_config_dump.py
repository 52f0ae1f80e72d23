"""Our reading of a stock fail2ban tree against what fail2ban itself makes of it.

``fail2ban-client -d`` prints the commands it would send to its server, one Python literal a line. With every jail of the
installed tree enabled, each value in that dump must be the one that our loader hands on.
"""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from banish import durations
from banish.config import actions
from banish.config.grammar import parse_actions
from banish.config.jails import Configuration, JailConfig, load
from banish.config.layers import Tree
from banish.config.scope import Scope

STOCK = Path("/etc/fail2ban")
HEADER = re.compile(r"^\[([\w-]+)\]", re.MULTILINE)

pytestmark = pytest.mark.skipif(
    shutil.which("fail2ban-client") is None or not (STOCK / "jail.conf").is_file(),
    reason="needs Debian's package fail2ban as the oracle",
)


@dataclass
class Dumped:
    """One jail as the oracle's dump describes it."""

    single: dict[str, object] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    journalmatch: list[list[str]] = field(default_factory=list)
    actions: dict[str, dict[str, str]] = field(default_factory=dict)


def dump(directory: Path) -> dict[str, Dumped]:
    run = subprocess.run(["fail2ban-client", "-c", str(directory), "-d"], capture_output=True, text=True, check=True)
    jails: dict[str, Dumped] = {}
    for line in run.stdout.splitlines():
        match ast.literal_eval(line):
            case ["add", str(name), _]:
                jails[name] = Dumped()
            case ["multi-set", str(name), "action", str(actname), list(options)]:
                jails[name].actions[actname] = {str(option): written(value) for option, value in options}
            case ["multi-set", str(name), str(command), list(values)]:
                jails[name].lists.setdefault(command, []).extend(values)
            case ["set", str(name), "addjournalmatch", *terms] if name in jails:
                jails[name].journalmatch.append([str(term) for term in terms])
            case ["set", str(name), "addfailregex" | "addignoreregex" as command, str(value)]:
                jails[name].lists.setdefault(command, []).append(value)
            case ["set", str(name), str(option), value, *_] if name in jails:
                jails[name].single[option] = value
    return jails


def written(value: object) -> str:
    """A value as a file would say it: the dump has some booleans typed."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass
class Trees:
    user: Path
    packaged: Path
    jails: tuple[str, ...]


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Trees:
    """A copy of the installed tree with every jail enabled and reading one file that exists."""
    root = tmp_path_factory.mktemp("stock")
    user, packaged, log = root / "user", root / "packaged", root / "log"
    shutil.copytree(STOCK, user)
    packaged.mkdir()
    log.touch()
    jails = [name for name in HEADER.findall((user / "jail.conf").read_text()) if name not in ("INCLUDES", "DEFAULT")]
    enabled = "".join(f"[{name}]\nenabled = true\nlogpath = {log}\n" for name in jails)
    (user / "jail.local").write_text(enabled)
    return Trees(user, packaged, tuple(jails))


@pytest.fixture(scope="module")
def oracle(trees: Trees) -> Mapping[str, Dumped]:
    return dump(trees.user)


@pytest.fixture(scope="module")
def ours(trees: Trees) -> Mapping[str, JailConfig]:
    """The same tree through our loader, without its actions: most are shell commands, which are compared below."""
    counting = trees.user / "jail.d" / "zz-count-only.local"
    counting.write_text("".join(f"[{name}]\naction =\n" for name in trees.jails))
    try:
        return {jail.name: jail for jail in load(trees.user, trees.packaged).jails}
    finally:
        counting.unlink()


def test_every_stock_jail_can_be_used(
    trees: Trees, oracle: Mapping[str, Dumped], ours: Mapping[str, JailConfig]
) -> None:
    assert len(trees.jails) > 80
    assert set(ours) == set(oracle) == set(trees.jails)


def test_expressions_of_every_stock_jail_are_the_oracles(
    oracle: Mapping[str, Dumped], ours: Mapping[str, JailConfig]
) -> None:
    for name, theirs in oracle.items():
        found = ours[name].settings.filter
        assert list(found.failregex) == theirs.lists.get("addfailregex", []), name
        assert list(found.ignoreregex) == theirs.lists.get("addignoreregex", []), name
        assert found.prefregex == theirs.single.get("prefregex", ""), name
        assert found.maxlines == int(str(theirs.single.get("maxlines", 1))), name
        assert found.usedns == theirs.single["usedns"], name
        assert len(ours[name].failregex_origins) == len(found.failregex)


def test_dates_and_journal_of_every_stock_jail_are_the_oracles(
    oracle: Mapping[str, Dumped], ours: Mapping[str, JailConfig]
) -> None:
    for name, theirs in oracle.items():
        jail = ours[name]
        patterns = [line.strip() for line in str(theirs.single.get("datepattern", "")).splitlines() if line.strip()]
        assert list(jail.settings.lines.datepattern) == patterns, name
        assert [shlex.split(match) for match in jail.journalmatch] == theirs.journalmatch, name
        assert jail.settings.lines.encoding == theirs.single["logencoding"], name


def test_numbers_of_every_stock_jail_are_the_oracles(
    oracle: Mapping[str, Dumped], ours: Mapping[str, JailConfig]
) -> None:
    for name, theirs in oracle.items():
        jail = ours[name]
        window = jail.settings.window
        assert window.maxretry == theirs.single["maxretry"], name
        assert window.maxmatches == theirs.single["maxmatches"], name
        assert window.findtime == durations.parse(str(theirs.single["findtime"])), name
        assert jail.settings.bantime.bantime == durations.parse(str(theirs.single["bantime"])), name
        assert [path.pattern for path in jail.logpaths] == [theirs.single["addlogpath"]], name


def our_actions(tree: Tree, jail: str) -> Iterator[dict[str, str]]:
    files = tree.read("jail")
    assert files is not None
    text = Scope(files, (jail,)).get("action")
    assert text is not None
    for call in parse_actions(text):
        action = tree.read(f"action.d/{call.name}")
        assert action is not None
        yield actions.put_together(action, call, jail)


def at_server(value: str, options: Mapping[str, str]) -> str:
    """What fail2ban's server makes of the tags in *value* before any ban: the dump still has them in ``[Init]`` values."""
    conditional = {name.partition("?")[0] for name in options if "?" in name}
    for _ in range(10):
        value = re.sub(
            r"<([\w-]+)>", lambda tag: tag[0] if tag[1] in conditional else options.get(tag[1], tag[0]), value
        )
    return value


def test_options_of_every_stock_action_are_the_oracles(trees: Trees, oracle: Mapping[str, Dumped]) -> None:
    tree = Tree(trees.user, trees.packaged)
    compared = 0
    for name, theirs in oracle.items():
        found = {options["actname"]: options for options in our_actions(tree, name)}
        assert found.keys() == theirs.actions.keys()
        for actname, options in theirs.actions.items():
            for option, value in options.items():
                if value == f"<known/{option}>":
                    # fail2ban hands its server the reference to what the file says; we hand on what the file says.
                    assert found[actname][option] != value
                    continue
                if "?" in option and option not in found[actname]:
                    # Since 1.1 an option that a jail gives for every family hides the variants for one; 1.0.2 keeps them.
                    assert (name, option) == ("pass2allow-ftp", "blocktype?family=inet6")
                    continue
                assert found[actname][option] == at_server(value, options), (name, actname, option)
                compared += 1
    assert compared > 500


def test_the_stock_tree_has_no_unknown_options(trees: Trees) -> None:
    loaded: Configuration = load(trees.user, trees.packaged)
    assert [str(problem) for problem in loaded.problems if "unknown" in problem.text] == []


def test_the_stock_tree_is_read_in_well_under_two_seconds(trees: Trees) -> None:
    started = time.perf_counter()
    load(trees.user, trees.packaged)
    assert time.perf_counter() - started < 2
