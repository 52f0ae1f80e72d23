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
from banish.config.unknown import READ

STOCK = Path("/etc/fail2ban")
BOOLEANS = ("norestored", "actionstart_on_demand", "actionrepair_on_unban")
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


def assert_same_filter(jail: JailConfig, theirs: Dumped) -> None:
    found = jail.settings.filter
    assert list(found.failregex) == theirs.lists.get("addfailregex", []), jail.name
    assert list(found.ignoreregex) == theirs.lists.get("addignoreregex", []), jail.name
    assert found.prefregex == theirs.single.get("prefregex", ""), jail.name
    assert found.maxlines == int(str(theirs.single.get("maxlines", 1))), jail.name
    assert len(jail.failregex_origins) == len(found.failregex)
    patterns = [line.strip() for line in str(theirs.single.get("datepattern", "")).splitlines() if line.strip()]
    assert list(jail.settings.lines.datepattern) == patterns, jail.name
    assert [shlex.split(match) for match in jail.journalmatch] == theirs.journalmatch, jail.name


def test_filter_of_every_stock_jail_is_the_oracles(
    oracle: Mapping[str, Dumped], ours: Mapping[str, JailConfig]
) -> None:
    for name, theirs in oracle.items():
        assert_same_filter(ours[name], theirs)
        assert ours[name].settings.filter.usedns == theirs.single["usedns"], name
        assert ours[name].settings.lines.encoding == theirs.single["logencoding"], name


def test_every_stock_filter_in_every_mode_and_for_the_journal_is_the_oracles(trees: Trees, tmp_path: Path) -> None:
    """Filters that no jail uses, modes that no jail asks for (unknown ones leave their tag), lines from the journal."""
    user = tmp_path / "user"
    shutil.copytree(trees.user, user, ignore=shutil.ignore_patterns("jail.*"))
    names = [path.stem for path in sorted((user / "filter.d").glob("*.conf")) if not path.stem.endswith("common")]
    source = f"logpath = {tmp_path}/log\naction =\nenabled = true\n"
    jails = ["[DEFAULT]\nusedns = warn\nbackend = auto\n"]
    for name in names:
        jails.append(f"[{name}+journal]\nfilter = {name}\nbackend = systemd\n{source}")
        jails.extend(
            f"[{name}+{mode}]\nfilter = {name}[mode={mode}, logtype=short]\n{source}"
            for mode in ("normal", "ddos", "extra", "aggressive", "more", "auth")
        )
    (user / "jail.conf").write_text("\n".join(jails))
    (tmp_path / "log").touch()
    theirs = dump(user)
    loaded = {jail.name: jail for jail in load(user, trees.packaged).jails}
    assert loaded.keys() == theirs.keys()
    assert len(loaded) == 7 * len(names) > 500
    for name, jail in loaded.items():
        assert_same_filter(jail, theirs[name])


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
    scope = Scope(files, (jail,))
    text = scope.get("action")
    assert text is not None
    for call in parse_actions(text):
        action = tree.read(f"action.d/{call.name}")
        assert action is not None
        yield actions.put_together(action, call, jail, lambda name: scope.get(name) if name in READ else None)


def at_server(value: str, options: Mapping[str, str]) -> str:
    """What fail2ban's server makes of the tags in *value* before any ban: the dump still has them in ``[Init]`` values."""
    conditional = {name.partition("?")[0] for name in options if "?" in name}
    for _ in range(10):
        value = re.sub(
            r"<([\w-]+)>", lambda tag: tag[0] if tag[1] in conditional else options.get(tag[1], tag[0]), value
        )
    return value


def assert_same_actions(tree: Tree, jail: str, theirs: Dumped) -> int:
    """Compare the actions of *jail*, and return how many values were compared."""
    found = {options["actname"]: options for options in our_actions(tree, jail)}
    assert found.keys() == theirs.actions.keys()
    compared = 0
    for actname, options in theirs.actions.items():
        if jail == "pass2allow-ftp":
            # Since 1.1 an option that a jail gives for every family hides the variants for one; 1.0.2 keeps them.
            assert "blocktype?family=inet6" not in found[actname]
            options.pop("blocktype?family=inet6", None)
        for option, value in options.items():
            if value == f"<known/{option}>":
                # fail2ban hands its server the reference to what the file says; we hand on what the file says.
                assert found[actname].get(option) != value
                continue
            ours = found[actname][option]
            if option in BOOLEANS:
                ours = str(ours.lower() in ("1", "on", "true", "yes")).lower()
            assert ours == at_server(value, options), (jail, actname, option)
            compared += 1
    return compared


def test_actions_of_every_stock_jail_are_the_oracles(trees: Trees, oracle: Mapping[str, Dumped]) -> None:
    tree = Tree(trees.user, trees.packaged)
    assert sum(assert_same_actions(tree, name, theirs) for name, theirs in oracle.items()) > 500


def test_every_stock_action_is_the_oracles(trees: Trees, tmp_path: Path) -> None:
    user = tmp_path / "user"
    shutil.copytree(trees.user, user, ignore=shutil.ignore_patterns("jail.*"))
    names = [path.stem for path in sorted((user / "action.d").glob("*.conf")) if not path.stem.endswith("common")]
    (tmp_path / "log").touch()
    (user / "jail.conf").write_text(
        f"[DEFAULT]\nbackend = auto\nlogpath = {tmp_path}/log\nenabled = true\nport = ssh,2222\n"
        "filter =\nfailregex = ^from <HOST>$\n"
        + "".join(
            f'[{name}]\naction = {name}[name="%(__name__)s-tcp", port="%(port)s", protocol=tcp]\n' for name in names
        )
    )
    theirs = dump(user)
    tree = Tree(user, trees.packaged)
    assert theirs.keys() == set(names)
    assert sum(assert_same_actions(tree, name, theirs[name]) for name in names) > 500


def test_the_stock_tree_has_no_unknown_options(trees: Trees) -> None:
    loaded: Configuration = load(trees.user, trees.packaged)
    assert [str(problem) for problem in loaded.problems if "unknown" in problem.text] == []


def test_the_stock_tree_is_read_in_well_under_two_seconds(trees: Trees) -> None:
    started = time.perf_counter()
    load(trees.user, trees.packaged)
    assert time.perf_counter() - started < 2
