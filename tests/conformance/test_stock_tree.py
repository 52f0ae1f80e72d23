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
from banish.sources.opening import obstacle

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


def test_every_jail_runs(tree: Path, everything: list[str]) -> None:
    made = assemble(load(tree, DATA), {}, Ledger())
    assert set(made.running) == set(everything)
    assert made.broken == {}


@pytest.mark.usefixtures("everything")
def test_stock_actions_ban_through_nf_tables_but_for_what_only_commands_do(tree: Path) -> None:
    made = assemble(load(tree, DATA), {}, Ledger())
    actions = [(name, action) for name, each in made.running.items() for action in each.config.actions]
    natively = {(action.name, action.options["type"]) for _, action in actions if action.enforcer == "nftables"}
    assert natively == {("iptables-multiport", "multiport"), ("iptables-allports", "allports")}
    # One logs as well, one opens ports instead of closing them.
    written = {(name, action.name) for name, action in actions if action.served == "as written"}
    assert written == {("xinetd-fail", "iptables-multiport-log"), ("pass2allow-ftp", "iptables-multiport")}


_MULTIPORT = ("nftables", "nftables-multiport", "iptables", "iptables-multiport", "iptables-ipset", "iptables-ipset-proto4",
              "iptables-ipset-proto6")  # fmt: skip
_ALLPORTS = ("nftables-allports", "nftables[type=allports]", "iptables-allports", "iptables-ipset-proto6-allports")


@pytest.mark.parametrize(
    ("banaction", "type_"), [*((name, "multiport") for name in _MULTIPORT), *((name, "allports") for name in _ALLPORTS)]
)
@pytest.mark.parametrize("modified", [False, True])
def test_every_usual_banaction_is_carried_out(tree: Path, banaction: str, type_: str, modified: bool) -> None:
    (tree / "jail.local").write_text(f"[DEFAULT]\nbanaction = {banaction}\n[sshd]\nenabled = true\nbackend = auto\n")
    if modified:
        with (tree / "action.d" / f"{banaction.partition('[')[0]}.conf").open("a") as file:
            file.write("\n# mine\n")
    made = assemble(load(tree, DATA), {}, Ledger())
    (action,) = made.running["sshd"].config.actions
    assert made.problems == []
    if modified:
        assert (action.served, action.options["port"]) == ("as written", "ssh")
        for family in ("inet4", "inet6"):
            assert "<ip>" in action.families[family]["actionban"]
    else:
        assert (action.served, action.stock) == ("natively", True)
        assert (action.enforcer, action.options["type"], action.options["port"]) == ("nftables", type_, "ssh")


def test_a_jail_that_lacks_its_logs_has_one_line(tree: Path, everything: list[str]) -> None:
    found = lint(tree, DATA)
    lines = Counter(problem.section for problem in found.problems if problem.option == "logpath")
    for config in found.usable:
        lacks = config.reads == "files" and any(not globs.hits(path.pattern) for path in config.logpaths)
        lacks = lacks and (config.other is None or bool(obstacle(config.journal)))
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
