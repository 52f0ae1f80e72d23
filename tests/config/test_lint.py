"""What is told of a tree before anything runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from banish.config.lint import Linted, expressions, lint
from tests.config.conftest import Trees


def linted(trees: Trees, content: str) -> Linted:
    trees.write("jail.local", content)
    found = lint(trees.user, trees.packaged)
    for problem in found.problems:
        assert problem.origin is not None
    return found


def texts(found: Linted) -> list[str]:
    return [str(problem) for problem in found.problems]


def test_a_sound_tree_has_nothing_to_tell(trees: Trees, tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    log.touch()
    found = linted(trees, f"[sshd]\nenabled = true\nlogpath = {log}\n")
    assert found.problems == ()
    assert [config.name for config in found.usable] == ["sshd"]


def test_a_jail_without_logs_has_one_line_however_many_it_lacks(trees: Trees, tmp_path: Path) -> None:
    content = "[sshd]\nenabled = true\nbackend = polling\nlogpath = /nosuch/a.log\n  /nosuch/b*.log\n"
    (text,) = texts(linted(trees, content))
    assert text.startswith(f"{trees.user}/jail.local:4 [sshd] logpath = /nosuch/a.log, /nosuch/b*.log: no such files (")
    (tmp_path / "c.log").touch()
    (text,) = texts(linted(trees, content + f"  {tmp_path}/c.log\n"))
    assert "no such files, the others are read" in text
    (text,) = texts(linted(trees, "[sshd]\nenabled = true\nbackend = polling\nlogpath = /nosuch/b*.log\n"))
    assert "logpath = /nosuch/b*.log: no file fits it" in text


def test_a_missing_log_is_no_error(trees: Trees) -> None:
    found = linted(trees, "[sshd]\nenabled = true\nbackend = polling\nlogpath = /nosuch/auth.log\n")
    assert [problem.severity for problem in found.problems] == ["warning"]
    assert [config.name for config in found.usable] == ["sshd"]


def test_what_cannot_be_read_is_told(trees: Trees, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "auth.log"
    log.touch()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != log)
    (text,) = texts(linted(trees, f"[sshd]\nenabled = true\nlogpath = {log}\n"))
    assert "cannot be read" in text
    (text,) = texts(linted(trees, f"[sshd]\nenabled = true\nlogpath = {tmp_path}\n"))
    assert "cannot be read" in text


@pytest.mark.parametrize(
    "item", ["192.0.2.256", "192.0.2.0/33", "10.0.0", "office!", "2001:db8::/129", "a..b", "file:/nosuch/spared"]
)
def test_who_is_to_be_spared_must_look_like_somebody(trees: Trees, tmp_path: Path, item: str) -> None:
    (tmp_path / "a.log").touch()
    jail = f"[sshd]\nenabled = true\nlogpath = {tmp_path}/a.log\nignoreip = 192.0.2.1, 198.51.100.0/24"
    (text,) = texts(linted(trees, f"{jail} {item} vpn.example.org 2001:db8::/32 localhost file:{tmp_path}/a.log\n"))
    assert text.startswith(f"{trees.user}/jail.local:4 [sshd] ignoreip = {item}: ")
    assert "nobody is spared by it" in text


def test_everything_is_found_in_one_go(trees: Trees) -> None:
    trees.write("banish.local", "[DEFAULT]\nlogtraget = x\n")
    content = (
        "[sshd]\nenabled = true\nmaxrety = 3\nport = nosuch\nport = alsonot\n"
        "[sshd]\nfailregex = ^(\n[other]\nenabled = true\nlogpath = /nosuch\nfilter = nosuch\n"
    )
    found = linted(trees, content)
    said = "\n".join(texts(found))
    local = f"{trees.user}/jail.local"
    assert f"{local}:3 [sshd] maxrety = 3: unknown option (did you mean maxretry?)" in said
    assert f"{local}:5 [sshd] port: option repeated, first in line 4" in said
    assert f"{local}:6 [sshd]: section repeated, first in line 1" in said
    assert f"{local}:7 [sshd] failregex = ^(: does not compile" in said
    assert "'alsonot' is not a port" in said
    assert "there is no filter nosuch" in said
    assert f"{trees.user}/banish.local:2 logtraget = x: unknown option" in said
    assert found.usable == ()
    assert found.configuration.left_out == ("other",)


def test_a_file_that_cannot_be_understood_keeps_everything_from_running(trees: Trees) -> None:
    trees.write("jail.d/broken.conf", "[INCLUDES\nbefore = x\n")
    found = linted(trees, "[sshd]\nenabled = true\n")
    assert [problem.severity for problem in found.problems if problem.fatal] == ["error"]
    assert found.usable == ()


def test_an_expression_of_several_jails_is_judged_once(trees: Trees) -> None:
    found = linted(trees, "[sshd]\nenabled = true\n[two]\nenabled = true\nfilter = sshd\nlogpath = /l\n[three]\nenabled = true\n"
                          "filter = sshd\nprefregex = ^<F-CONTENT>.+</F-CONTENT>$\nlogpath = /l\n")  # fmt: skip
    rows = [(row.jail, row.option, row.index) for row in expressions(found.usable)]
    assert rows == [
        ("sshd", "failregex", 0),
        ("sshd", "datepattern", 0),
        ("three", "prefregex", 0),
        ("three", "failregex", 0),
    ]
    assert [row.origin and Path(row.origin.file).name for row in expressions(found.usable)] == [
        "sshd.conf",
        "sshd.conf",
        "jail.local",
        "sshd.conf",
    ]
