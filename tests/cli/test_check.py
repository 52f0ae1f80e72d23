"""``banish check``: a configuration is judged before a daemon has to live with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from banish.cli.banish import main

JAIL = "[web]\nenabled = true\nlogpath = {log}\nfilter =\nfailregex = {regex}\n"


class Tree:
    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root / "etc"
        self.root.mkdir()
        self.log = root / "web.log"
        self.log.touch()
        self._capsys = capsys

    def check(self, content: str = "", *words: str) -> tuple[int, str]:
        local = "[sshd]\nenabled = false\n" + content
        (self.root / "jail.local").write_text(local)
        code = main(["check", "--config", str(self.root), *words])
        out, err = self._capsys.readouterr()
        assert err == ""
        return code, out

    def jail(self, regex: str) -> str:
        return JAIL.format(log=self.log, regex=regex)


@pytest.fixture
def tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Tree:
    return Tree(tmp_path, capsys)


def test_nothing_wrong_is_said_in_one_line(tree: Tree) -> None:
    code, out = tree.check(tree.jail("^refused <HOST>$"))
    assert (code, out) == (0, "nothing is wrong; 1 of 1 enabled jails can run\n")


def test_warnings_alone_are_no_failure(tree: Tree) -> None:
    code, out = tree.check(tree.jail("^refused <HOST>$") + "maxrety = 3\n")
    assert code == 0
    first, last = out.splitlines()
    assert first == f"{tree.root}/jail.local:8: warning: [web] maxrety = 3: unknown option (did you mean maxretry?)"
    assert last == "no errors, 1 warning; 1 of 1 enabled jails can run"


def test_an_error_is_the_exit_code(tree: Tree) -> None:
    code, out = tree.check(tree.jail("^refused <HOST>$\n  ^refused (<HOST>$"))
    assert code == 6
    assert out.startswith(f"{tree.root}/jail.local:8: error: [web] failregex = ^refused (<HOST>$: does not compile: ")
    assert out.endswith("\n1 error, 0 warnings; 0 of 1 enabled jails can run\n")


def test_a_forgeable_expression_comes_with_the_line_that_proves_it(tree: Tree) -> None:
    code, out = tree.check(tree.jail("^refused .* from <HOST>"))
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith(
        f"{tree.root}/jail.local:7: warning: [web] failregex = ^refused .* from <HOST>: forgeable: "
        "whoever can have 'from 203.0.113.9' logged has 203.0.113.9 banned"
    )
    assert lines[1:] == [
        "    the line:  refused x from 198.51.100.7 from 203.0.113.9 ",
        "    is blamed on 203.0.113.9 instead of 198.51.100.7",
        "no errors, 1 warning; 1 of 1 enabled jails can run",
    ]


def test_a_slow_expression_comes_with_the_line_that_proves_it(tree: Tree) -> None:
    code, out = tree.check(tree.jail("^(?:\\w+ ?)+: <HOST>$"))
    assert code == 0
    assert "failregex = ^(?:\\w+ ?)+: <HOST>$: slow: a line of " in out
    assert "\n    the line:  xxxxxxxx" in out


def test_json_is_one_document_that_says_the_same(tree: Tree) -> None:
    code, out = tree.check(tree.jail("^refused .* from <HOST>") + "maxrety = 3\nport = nosuch\n", "--json")
    assert code == 6
    assert out.count("\n") == 1
    document: dict[str, Any] = json.loads(out)
    assert (document["errors"], document["warnings"], document["jails"], document["left_out"]) == (1, 1, [], ["web"])
    assert [
        (row["kind"], row["severity"], row["line"], row["jail"], row["option"]) for row in document["findings"]
    ] == [
        ("configuration", "warning", 8, "web", "maxrety"),
        ("configuration", "error", 9, "web", "port"),
    ]
    code, out = tree.check(tree.jail("^refused .* from <HOST>"), "--json")
    (row,) = json.loads(out)["findings"]
    assert (row["kind"], row["file"], row["line"]) == ("forgeable", f"{tree.root}/jail.local", 7)
    assert row["example"] == "refused x from 198.51.100.7 from 203.0.113.9 "


def test_control_characters_of_a_file_do_not_reach_the_terminal(tree: Tree) -> None:
    _, out = tree.check(tree.jail("^refused <HOST>$") + "max\x1b[31mrety = 3\n")
    assert "\x1b" not in out
    assert "max\\x1b[31mrety" in out


def test_a_directory_that_is_not_there_is_told(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", "/nosuch/etc"]) == 0
    assert "/nosuch/etc: warning: is not a directory" in capsys.readouterr().out


def test_the_packaged_configuration_has_no_errors(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    (tree.root / "jail.local").write_text("")
    assert main(["check", "--config", str(tree.root), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["errors"] == 0
    assert document["jails"] == ["sshd"]
    assert not [row for row in document["findings"] if row["kind"] == "slow"]
