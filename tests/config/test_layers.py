"""Which files speak, and who overrides whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from banish.config.layers import Tree
from banish.config.scope import Scope
from tests.config.conftest import Trees


@pytest.fixture
def empty(tmp_path: Path) -> tuple[Path, Path]:
    user, packaged = tmp_path / "user", tmp_path / "packaged"
    user.mkdir()
    packaged.mkdir()
    return user, packaged


def write(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def order(empty: tuple[Path, Path], name: str = "jail") -> list[str]:
    user, packaged = empty
    sections = Tree(user, packaged).read(name)
    return [] if sections is None else [str(Path(file).relative_to(user.parent)) for file in sections.files]


def test_conf_then_its_directory_then_local_then_its_directory(empty: tuple[Path, Path]) -> None:
    names = ["jail.d/20.conf", "jail.local", "jail.d/b.local", "jail.d/10.conf", "jail.conf", "jail.d/a.local"]
    write(empty[0], dict.fromkeys(names, ""))
    assert order(empty) == [
        "user/jail.conf",
        "user/jail.d/10.conf",
        "user/jail.d/20.conf",
        "user/jail.local",
        "user/jail.d/a.local",
        "user/jail.d/b.local",
    ]


def test_everything_packaged_lies_below_everything_of_the_users(empty: tuple[Path, Path]) -> None:
    user, packaged = empty
    write(packaged, {"jail.conf": "", "jail.d/10.conf": "", "jail.d/z.local": ""})
    write(user, {"jail.d/05.conf": "", "jail.local": ""})
    assert order(empty) == [
        "packaged/jail.conf",
        "packaged/jail.d/10.conf",
        "packaged/jail.d/z.local",
        "user/jail.d/05.conf",
        "user/jail.local",
    ]


def test_a_file_of_the_same_name_replaces_the_packaged_one(empty: tuple[Path, Path]) -> None:
    user, packaged = empty
    write(packaged, {"jail.conf": "", "jail.d/10.conf": "", "filter.d/sshd.conf": "", "filter.d/sshd.d/x.conf": ""})
    write(user, {"jail.conf": "", "jail.d/10.conf": "", "filter.d/sshd.local": ""})
    assert order(empty) == ["user/jail.conf", "user/jail.d/10.conf"]
    assert order(empty, "filter.d/sshd") == [
        "packaged/filter.d/sshd.conf",
        "packaged/filter.d/sshd.d/x.conf",
        "user/filter.d/sshd.local",
    ]


def test_the_packaged_base_may_be_asked_for_below_the_users_overlays(empty: tuple[Path, Path]) -> None:
    user, packaged = empty
    write(packaged, {"action.d/nftables.conf": ""})
    write(user, {"action.d/nftables.conf": "", "action.d/nftables.local": ""})
    sections = Tree(user, packaged).read("action.d/nftables", packaged_base=True)
    assert sections is not None
    assert sections.files == (str(packaged / "action.d/nftables.conf"), str(user / "action.d/nftables.local"))


def test_includes_come_before_and_after_each_with_its_local(empty: tuple[Path, Path]) -> None:
    user, packaged = empty
    write(
        packaged,
        {
            "jail.conf": "[INCLUDES]\nbefore = paths-debian.conf\nafter = last.conf\n",
            "paths-debian.conf": "[INCLUDES]\nbefore = paths-common.conf\n",
            "paths-common.conf": "[INCLUDES]\nafter = paths-overrides.local\n",
            "last.conf": "",
        },
    )
    write(user, {"paths-debian.local": "", "paths-overrides.local": "", "jail.local": ""})
    assert order(empty) == [
        "packaged/paths-common.conf",
        "user/paths-overrides.local",
        "packaged/paths-debian.conf",
        "user/paths-debian.local",
        "packaged/jail.conf",
        "packaged/last.conf",
        "user/jail.local",
    ]


def test_an_include_is_looked_for_in_the_other_layer_too(empty: tuple[Path, Path]) -> None:
    user, packaged = empty
    write(packaged, {"filter.d/common.conf": "", "filter.d/ours.conf": "[INCLUDES]\nbefore = common.conf\n"})
    write(user, {"filter.d/mine.conf": "[INCLUDES]\nbefore = common.conf\n"})
    assert order(empty, "filter.d/mine") == ["packaged/filter.d/common.conf", "user/filter.d/mine.conf"]
    write(user, {"filter.d/common.conf": ""})
    assert order(empty, "filter.d/ours") == ["user/filter.d/common.conf", "packaged/filter.d/ours.conf"]


def test_files_that_include_each_other_end(empty: tuple[Path, Path]) -> None:
    write(
        empty[0],
        {
            "jail.conf": "[INCLUDES]\nbefore = a.conf\n",
            "a.conf": "[INCLUDES]\nbefore = jail.conf a.conf\n  jail.conf\n",
        },
    )
    assert order(empty) == ["user/a.conf", "user/jail.conf"]


def test_missing_absolute_and_outside_includes(empty: tuple[Path, Path], tmp_path: Path) -> None:
    write(tmp_path, {"elsewhere.conf": "", "up.conf": ""})
    write(empty[0], {"jail.conf": f"[INCLUDES]\nbefore = nosuch.conf\n  {tmp_path}/elsewhere.conf\n  ../up.conf\n"})
    assert order(empty) == ["elsewhere.conf", "up.conf", "user/jail.conf"]


def test_an_include_read_twice_overrides_twice(empty: tuple[Path, Path]) -> None:
    """As fail2ban does it: whoever includes a file takes all that it says."""
    common = "[INCLUDES]\nbefore = common.conf\n"
    write(
        empty[0],
        {
            "filter.d/common.conf": "[DEFAULT]\na = common\n",
            "filter.d/x.conf": f"{common}[DEFAULT]\na = x\n",
            "filter.d/x.local": common,
        },
    )
    sections = Tree(*empty).read("filter.d/x")
    assert sections is not None
    text = Scope(sections, ("Definition",)).get("a")
    assert text is not None
    assert text.text == "common"


def test_conditional_sections_fold_into_their_section(empty: tuple[Path, Path]) -> None:
    write(empty[0], {"action.d/x.conf": "[Init]\nblocktype = DROP\n[Init?family=inet6]\nblocktype = REJECT\n"})
    sections = Tree(*empty).read("action.d/x")
    assert sections is not None
    assert sections.names() == ("Init",)
    assert sections.options("Init") == ("blocktype", "blocktype?family=inet6")


@pytest.mark.parametrize("name", ["nosuch", "/etc/passwd", "../user/jail", "a\0b", "x" * 5000])
def test_a_name_without_files_is_none(empty: tuple[Path, Path], name: str) -> None:
    write(empty[0], {"jail.conf": ""})
    assert Tree(*empty).read(name) is None


def test_only_conf_and_local_files_count_and_hidden_ones_do_not(empty: tuple[Path, Path]) -> None:
    write(empty[0], {"jail.conf": "", "jail.d/x.conf.dpkg-old": "", "jail.d/.x.conf": "", "jail.d/README": ""})
    assert order(empty) == ["user/jail.conf"]


def test_one_directory_may_be_both_layers(empty: tuple[Path, Path]) -> None:
    user, _ = empty
    write(user, {"jail.conf": "", "jail.local": ""})
    assert order((user, user)) == ["user/jail.conf", "user/jail.local"]


def test_a_user_directory_that_does_not_exist_is_told(empty: tuple[Path, Path]) -> None:
    user, packaged = empty
    write(packaged, {"jail.conf": ""})
    tree = Tree(user / "nosuch", packaged)
    assert tree.read("jail") is not None
    assert [str(problem) for problem in tree.problems] == [
        f"{user}/nosuch: is not a directory; the packaged configuration is used"
    ]


def damaged(path: Path, how: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if how == "directory":
        path.mkdir()
    else:
        path.symlink_to("nowhere")


@pytest.mark.parametrize("how", ["directory", "dangling"])
@pytest.mark.parametrize(
    "name", ["jail.conf", "jail.local", "jail.d/a.conf", "jail.d/b.local", "more.conf", "more.local"]
)
def test_what_is_there_and_cannot_be_read_is_fatal(empty: tuple[Path, Path], name: str, how: str) -> None:
    user, packaged = empty
    write(packaged, {"jail.conf": "[INCLUDES]\nbefore = more.conf\n", "more.conf": ""})
    write(user, {"jail.d/z.conf": "[INCLUDES]\nbefore = ../more.conf\n"})
    damaged(user / name, how)
    tree = Tree(user, packaged)
    assert tree.read("jail") is not None
    assert [(problem.origin and problem.origin.file, problem.fatal) for problem in tree.problems] == [
        (str(user / name), True)
    ]


def test_a_directory_that_is_there_and_cannot_be_listed_is_fatal(empty: tuple[Path, Path]) -> None:
    user, packaged = empty
    write(packaged, {"jail.conf": ""})
    damaged(user / "jail.d", "dangling")
    write(user, {"filter.d": ""})
    tree = Tree(user, packaged)
    tree.read("jail")
    tree.available("filter.d")
    tree.available("filter.d")
    assert [str(problem) for problem in tree.problems if problem.fatal] == [
        f"{user}/jail.d: cannot be read: No such file or directory (check its permissions, or remove it)",
        f"{user}/filter.d: cannot be read: Not a directory (check its permissions, or remove it)",
    ]


def test_a_users_directory_that_is_none_is_fatal(empty: tuple[Path, Path], tmp_path: Path) -> None:
    for how in ("file", "dangling"):
        path = tmp_path / how
        path.write_text("") if how == "file" else path.symlink_to("nowhere")
        assert [problem.fatal for problem in Tree(path, empty[1]).problems] == [True]


def test_a_file_is_masked_by_a_link_to_dev_null(empty: tuple[Path, Path]) -> None:
    user, packaged = empty
    write(packaged, {"jail.conf": "", "jail.d/x.conf": "[sshd]\nenabled = true\n"})
    (user / "jail.d").mkdir()
    (user / "jail.d/x.conf").symlink_to("/dev/null")
    tree = Tree(user, packaged)
    sections = tree.read("jail")
    assert sections is not None
    assert (sections.names(), tree.problems) == ((), [])


def test_problems_of_a_file_are_told_once_however_often_it_is_read(trees: Trees) -> None:
    trees.package("filter.d/common.conf", "nonsense\n")
    trees.package("filter.d/sshd.conf", "[INCLUDES]\nbefore = common.conf\n[Definition]\nfailregex = ^<HOST>$\n")
    problems = trees.problems("[sshd]\nenabled = true\n[second]\nenabled = true\nlogpath = /l\nfilter = sshd\n")
    assert [problem.text for problem in problems] == ["'nonsense' is not an option: the line is left out"]
