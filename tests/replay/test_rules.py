"""What FILTER may be: a name, a file, an expression; and what is said when it is none of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from banish.errors import ConfigError, RegexError
from tests.replay.conftest import Load


def test_a_name_is_a_filter_of_the_packaged_tree(rules: Load, packaged: Path) -> None:
    found = rules("gate")

    assert [Path(file).name for file in found.files] == ["common.conf", "gate.conf"]
    assert found.filter.settings.failregex == ("^\\s*\\S+ gate: denied <F-USER>\\S*</F-USER> from <HOST>$",)
    assert found.title == "gate"


def test_options_in_brackets_choose_its_mode(rules: Load) -> None:
    assert len(rules("gate[mode=strict]").filter.settings.failregex) == 2


def test_a_filter_of_the_user_comes_before_the_packaged_one(rules: Load, tmp_path: Path) -> None:
    user = tmp_path / "user"
    (user / "filter.d").mkdir(parents=True)
    (user / "filter.d" / "gate.local").write_text("[Definition]\nfailregex = ^mine <HOST>$\ndatepattern = %%Y\n")

    found = rules("gate", config=user)

    assert found.filter.settings.failregex == ("^mine <HOST>$",)
    assert found.lines.datepattern == ("%Y",)
    assert found.files[-1] == str(user / "filter.d" / "gate.local")


def test_a_file_includes_what_lies_beside_it_and_then_what_is_packaged(rules: Load, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "door.conf").write_text(
        "[INCLUDES]\nbefore = common.conf\n         mine.inc\n[Definition]\nfailregex = ^%(__prefix)s %(word)s <HOST>$\n"
    )
    (mine / "mine.inc").write_text("[DEFAULT]\nword = <word>\n")
    (mine / "door.local").write_text("[Init]\nword = shut\n")

    found = rules(f"{mine}/door.conf[_daemon=door]")

    assert found.filter.settings.failregex == ("^\\s*\\S+ door: shut <HOST>$",)
    assert [Path(file).name for file in found.files] == ["common.conf", "mine.inc", "door.conf", "door.local"]


def test_a_file_may_be_named_from_where_one_stands(
    rules: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("door.conf").write_text("[Definition]\nfailregex = ^x <HOST>$\n")

    assert rules("door.conf").filter.settings.failregex == ("^x <HOST>$",)
    assert rules("./door.conf").filter.settings.failregex == ("^x <HOST>$",)


def test_a_log_of_the_same_name_is_not_mistaken_for_the_filter(
    rules: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("gate").write_text("h gate: denied root from 192.0.2.7\n")

    assert len(rules("gate").files) == 2


def test_a_file_may_lie_in_a_directory_with_a_space(rules: Load, tmp_path: Path) -> None:
    path = tmp_path / "my filters" / "door.conf"
    path.parent.mkdir()
    path.write_text("[Definition]\nfailregex = ^x <HOST>$\n")

    assert rules(str(path)).filter.settings.failregex == ("^x <HOST>$",)


def test_a_date_pattern_that_cannot_be_used_is_told_with_its_line(rules: Load, tmp_path: Path) -> None:
    path = tmp_path / "door.conf"
    path.write_text("[Definition]\nfailregex = ^x <HOST>$\ndatepattern = %%Q\n")

    with pytest.raises(ConfigError, match=r"door\.conf:3 datepattern = %Q: cannot be used"):
        rules(str(path))


@pytest.mark.parametrize(
    "expression", ["<HOST>.local", "^Failed for \\S+ from <HOST>$", "<ADDR>", "bad=<HOST>[x]", "/login.*<F-ID/>"]
)
def test_what_is_neither_is_an_expression(rules: Load, expression: str) -> None:
    found = rules(expression)

    assert found.filter.settings.failregex == (expression,)
    assert found.files == ()


def test_an_ignoreregex_of_the_command_line_is_one_more(rules: Load) -> None:
    assert rules("gate", "root").filter.settings.ignoreregex == ("from 192\\.0\\.2\\.99$", "root")
    assert rules("<HOST>", "root").filter.settings.ignoreregex == ("root",)


def test_raw_hosts_overrule_the_filter(rules: Load) -> None:
    assert rules("gate").filter.settings.usedns == "warn"
    assert rules("gate", raw_host=True).filter.settings.usedns == "raw"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("gaet", r"there is no filter gaet.*did you mean gate\?"),
        ("/nowhere/door.conf", "/nowhere/door.conf: there is no such file"),
        ("gate[mode=strict", r"\] is missing"),
        ("gate[mode]", "key=value is expected"),
        ("common", "common.conf: there is no failregex in this filter"),
        ("(x <HOST>", r"failregex = \(x <HOST>: does not compile: missing \).* at position 0"),
        ("x y", "no failure-id group"),
    ],
)
def test_what_cannot_be_used_is_told(rules: Load, wanted: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        rules(wanted)


def test_an_expression_in_a_file_is_told_with_its_line(rules: Load, packaged: Path) -> None:
    path = packaged / "filter.d" / "bad.conf"
    path.write_text("[Definition]\nfailregex = ^a <HOST>$\n            ^b <HOST>(\n")

    with pytest.raises(RegexError, match="does not compile") as refused:
        rules("bad")

    assert refused.value.problem.origin == (str(path), 3)
    assert refused.value.index == 1


def test_an_ignoreregex_of_the_command_line_has_no_line_in_a_file(rules: Load) -> None:
    with pytest.raises(RegexError, match="ignoreregex") as refused:
        rules("gate", "(")

    assert refused.value.index == 1
    assert refused.value.problem.origin is None
