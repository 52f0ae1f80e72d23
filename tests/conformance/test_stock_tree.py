"""A tree of fail2ban's, brought along: every jail of it runs or is named, and what a user changed in it is in force."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from banish.cli.banish import main
from banish.config.jails import load
from banish.config.layers import Tree
from banish.config.lint import lint
from banish.daemon.assembly import assemble
from banish.decisions.ledger import Ledger
from banish.sources import globs

STOCK = Path("/etc/fail2ban")
DATA = Path(__file__).resolve().parents[2] / "src" / "banish" / "data"

pytestmark = pytest.mark.skipif(
    not (STOCK / "jail.conf").is_file(), reason="needs Debian's package fail2ban for its /etc/fail2ban"
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the stock tree, without what Debian changes in it."""
    shutil.copytree(STOCK, tmp_path / "fail2ban")
    shutil.rmtree(tmp_path / "fail2ban" / "jail.d")
    return tmp_path / "fail2ban"


@pytest.fixture
def everything(tree: Path) -> list[str]:
    """Every jail of the stock tree is enabled."""
    files = Tree(tree, DATA).read("jail")
    assert files is not None
    (tree / "jail.local").write_text("".join(f"[{name}]\nenabled = true\n" for name in files.names()))
    assert len(files.names()) > 80
    return list(files.names())


def test_every_jail_runs_or_is_named_with_its_reason(tree: Path, everything: list[str]) -> None:
    made = assemble(load(tree, DATA), {}, Ledger())
    assert {*made.running, *made.broken} == set(everything)
    # One asks for a shell action that has no counterpart, one wants to open ports instead of closing them.
    assert set(made.broken) <= {"xinetd-fail", "pass2allow-ftp"}
    for name, problem in made.broken.items():
        assert problem.origin is not None
        assert problem.remedy
        assert f"[{name}] " in str(problem)


@pytest.mark.usefixtures("everything")
def test_iptables_actions_ban_through_nf_tables_and_that_is_told_once(tree: Path) -> None:
    made = assemble(load(tree, DATA), {}, Ledger())
    enforcers = {action.enforcer for running in made.running.values() for action in running.config.actions}
    assert enforcers == {"nftables"}
    types = {action.name: action.options["type"] for each in made.running.values() for action in each.config.actions}
    assert types == {"iptables-multiport": "multiport", "iptables-allports": "allports"}
    told = [str(problem) for problem in made.problems if "the built-in action" in problem.text]
    assert len(told) == 2
    assert all(text.startswith(f"{tree}/action.d/iptables-") for text in told)


@pytest.mark.parametrize(
    ("banaction", "type_"),
    [
        ("nftables", "multiport"),
        ("nftables-multiport", "multiport"),
        ("nftables-allports", "allports"),
        ("nftables[type=allports]", "allports"),
        ("iptables", "multiport"),
        ("iptables-multiport", "multiport"),
        ("iptables-allports", "allports"),
    ],
)
def test_every_usual_banaction_is_carried_out(tree: Path, banaction: str, type_: str) -> None:
    (tree / "jail.local").write_text(f"[DEFAULT]\nbanaction = {banaction}\n[sshd]\nenabled = true\nbackend = auto\n")
    made = assemble(load(tree, DATA), {}, Ledger())
    (action,) = made.running["sshd"].config.actions
    assert (action.enforcer, action.options["type"], action.options["port"]) == ("nftables", type_, "ssh")
    assert [problem.severity for problem in made.problems] == ["warning"]


def test_a_jail_that_lacks_its_logs_has_one_line(tree: Path, everything: list[str]) -> None:
    found = lint(tree, DATA)
    lines = Counter(problem.section for problem in found.problems if problem.option == "logpath")
    for config in found.usable:
        lacks = any(not globs.hits(path.pattern) for path in config.logpaths)
        assert lines[config.name] == (1 if lacks else 0), config.name
    assert set(lines) <= set(everything)


def test_what_a_user_changed_is_in_force_and_shown_where_it_was_written(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stock = load(tree, DATA, also="sshd").jails[0].settings.filter
    (tree / "jail.local").write_text(
        "[DEFAULT]\nbantime = 2h\n"
        "[sshd]\nenabled = true\nbackend = auto\nmaxretry = 3\n"
        "failregex = %(known/failregex)s\n            ^mine <HOST>$\n"
        "action = %(action_)s\n         tell[to=root]\n"
    )
    (tree / "filter.d" / "sshd.local").write_text("[Definition]\nignoreregex = ^never <HOST>$\n")
    (tree / "action.d" / "tell.conf").write_text("[Definition]\nenforcer = dryrun\n[Init]\nto = nobody\nport = ssh\n")
    assert main(["config", "sshd", "--config", str(tree), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    places: dict[str, list[tuple[str, str, int | None]]] = {}
    for row in document["options"]:
        places.setdefault(row["option"], []).append((row["value"], row["file"], row["line"]))
    jail_local = str(tree / "jail.local")
    assert places["bantime"] == [("2h", jail_local, 2)]
    assert places["maxretry"] == [("3", jail_local, 6)]
    assert places["ignoreregex"] == [("^never <HOST>$", str(tree / "filter.d" / "sshd.local"), 2)]
    expressions = places["failregex"]
    assert tuple(regex for regex, _, _ in expressions) == (*stock.failregex, "^mine <HOST>$")
    assert {file for _, file, _ in expressions[:-1]} == {str(tree / "filter.d" / "sshd.conf")}
    assert expressions[-1][1:] == (jail_local, 8)
    assert [(row["name"], row["enforcer"]) for row in document["actions"]] == [
        ("iptables-multiport", "nftables"),
        ("tell", "dryrun"),
    ]
    assert document["actions"][1]["options"]["to"] == "root"
    assert document["problem"] is None
