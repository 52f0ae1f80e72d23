"""``banish config``: what counts, and where it was written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import banish
from banish.cli.banish import main

STOCK = """[INCLUDES]
before = common.conf
[Definition]
failregex = ^refused <HOST>$
            ^<kind> by <HOST>$
kind = %(_kind)s
ignoreregex =
"""
COMMON = "[DEFAULT]\n_kind = shut out\n"
LOCAL = """[DEFAULT]
bantime = 1h
[sshd]
enabled = false
[web]
enabled = true
logpath = /nosuch/web.log
failregex = %(known/failregex)s
            ^mine <HOST>$
maxretry = many
action = %(action_)s
         tell[to=%(destemail)s]
destemail = root@example.org
[off]
filter = web
logpath = /nosuch/web.log
"""

SHIPPED = re.findall(
    r"^\[(?!DEFAULT|INCLUDES)([^]]+)]", (Path(banish.__file__).parent / "data" / "jail.conf").read_text(), re.MULTILINE
)
"""The jails of the packaged jail.conf, in order."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    files = {
        "filter.d/web.conf": STOCK,
        "filter.d/common.conf": COMMON,
        "filter.d/web.local": "[Definition]\nignoreregex = ^refused 192\\.0\\.2\\.\nmaxlines = 2\n",
        "action.d/tell.conf": "[Definition]\nenforcer = dryrun\n[Init]\nto = nobody\n",
        "jail.local": LOCAL,
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    return tmp_path


@pytest.fixture
def ask(tree: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def ask(*words: str) -> tuple[int, str, str]:
        code = main(["config", "--config", str(tree), *words])
        return code, *capsys.readouterr()

    return ask


def rows(ask: Any, jail: str) -> dict[str, list[tuple[str, str | None, int | None]]]:
    code, out, _ = ask(jail, "--json")
    assert code == 0
    found: dict[str, list[tuple[str, str | None, int | None]]] = {}
    for row in json.loads(out)["options"]:
        found.setdefault(row["option"], []).append((row["value"], row["file"] and Path(row["file"]).name, row["line"]))
    return found


def test_every_value_is_shown_with_the_line_it_was_written_on(ask: Any) -> None:
    found = rows(ask, "web")
    assert found["bantime"] == [("1h", "jail.local", 2)]
    assert found["logpath"] == [("/nosuch/web.log", "jail.local", 7)]
    assert found["usedns"][0][1] == "jail.conf"
    assert found["window"] == [("estimate", None, None)]
    assert found["maxlines"] == [("2", "web.local", 3)]
    assert found["destemail"] == [("root@example.org", "jail.local", 13)]


def test_expressions_of_several_files_keep_their_origins(ask: Any) -> None:
    found = rows(ask, "web")
    assert found["failregex"] == [
        ("^refused <HOST>$", "web.conf", 4),
        ("^shut out by <HOST>$", "web.conf", 5),
        ("^mine <HOST>$", "jail.local", 9),
    ]
    assert found["ignoreregex"] == [("^refused 192\\.0\\.2\\.", "web.local", 2)]


def test_a_value_that_cannot_be_used_yields_to_what_counts(ask: Any) -> None:
    assert rows(ask, "web")["maxretry"] == [("5", "jail.local", 10)]
    assert "[web] maxretry = many: cannot be used; the default 5 is" in ask("web")[1]


def test_the_order_is_that_of_the_manual(ask: Any) -> None:
    order = [option for option in rows(ask, "web") if option in ("filter", "logpath", "action", "bantime", "failregex")]
    assert order == ["filter", "logpath", "action", "bantime", "failregex"]


def test_actions_are_shown_with_their_options_and_who_runs_them(ask: Any) -> None:
    code, out, _ = ask("web", "--json")
    first, second = json.loads(out)["actions"]
    assert (code, first["name"], first["enforcer"], first["options"]["port"]) == (0, "nftables", "nftables", "0:65535")
    assert (second["actname"], second["enforcer"], second["options"]["to"]) == ("tell", "dryrun", "root@example.org")


def test_text_reads_like_a_jail(ask: Any, tree: Path) -> None:
    code, out, _ = ask("web")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "[web]"
    assert f"bantime = 1h                                  # {tree}/jail.local:2" in lines
    assert "window = estimate                             # (default)" in lines
    at = lines.index(f"failregex = ^refused <HOST>$                  # {tree}/filter.d/web.conf:4")
    assert lines[at + 2] == f"            ^mine <HOST>$                     # {tree}/jail.local:9"
    assert "  tell: served natively (dryrun)" in lines
    assert "    to = root@example.org" in lines


def test_commands_are_shown_as_they_will_be_run(ask: Any, tree: Path) -> None:
    (tree / "action.d/tell.conf").write_text("[Definition]\nactionban = mail <to>\n")
    _, out, _ = ask("web")
    assert "  tell: run as written\n    actionban = mail root@example.org\n" in out


def test_an_action_that_is_left_out_is_named(ask: Any, tree: Path) -> None:
    (tree / "action.d/tell.conf").write_text("[Definition]\nactionban = mail <to>\n")
    (tree / "action.d/tell.conf").chmod(0o666)
    _, out, _ = ask("web")
    assert "  tell: left out\n" in out
    assert f"{tree}/action.d/tell.conf [web] action: everybody may write to it, so it is not run" in out


def test_the_overview_names_every_jail(ask: Any, tree: Path) -> None:
    with (tree / "jail.local").open("a") as file:
        file.write("[broken]\nenabled = true\n")
    code, out, _ = ask()
    assert code == 0
    assert "web  web  /nosuch/web.log  nftables tell\n" in out
    assert "\nleft out\n  broken: " in out
    assert out.endswith(f"\n1 enabled, 1 left out, {len(SHIPPED) + 1} disabled\n")
    document = json.loads(ask("--json")[1])
    assert document["config"] == str(tree)
    assert [(row["name"], row["problem"] is None) for row in document["jails"]] == [("web", True), ("broken", False)]
    assert document["disabled"] == [*SHIPPED, "off"]
    assert ask("broken")[0] == 6
    assert ask("broken", "--json")[0] == 6


def test_a_disabled_jail_can_be_looked_at(ask: Any) -> None:
    code, out, _ = ask("off")
    assert code == 0
    assert "this jail is disabled" in out
    assert json.loads(ask("off", "--json")[1])["enabled"] is False


def test_no_such_jail(ask: Any) -> None:
    assert ask("webb") == (5, "", "banish: no such jail: webb; did you mean web?\n")
    code, out, _ = ask("webb", "--json")
    assert (code, json.loads(out)["error"]["code"]) == (5, 5)


def test_control_characters_are_shown_as_escapes(ask: Any, tree: Path) -> None:
    with (tree / "jail.local").open("a") as file:
        file.write("[web2]\nenabled = true\nfilter = web\nlogpath = /x\x1b[2J\n")
    assert "/x\\x1b[2J" in ask("web2")[1]
    assert "\x1b" not in ask("web2")[1] + ask()[1]
