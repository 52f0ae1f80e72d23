"""ignoreip = file:PATH: what is read, when it is read again, and what happens when it cannot be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banish.lookups.ignore_files import LARGEST, IgnoreFiles, items_in, path_of

ITEM = st.text(
    st.characters(codec="ascii", exclude_characters="#;, \t\r\n", exclude_categories=["Cc", "Zs"]), min_size=1
)


@pytest.fixture
def trusted(tmp_path: Path) -> Path:
    return tmp_path / "trusted"


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("", ()),
        ("192.0.2.1", ("192.0.2.1",)),
        (
            "192.0.2.1,198.51.100.0/24  2001:db8::/32\n\texample.org\r\n",
            ("192.0.2.1", "198.51.100.0/24", "2001:db8::/32", "example.org"),
        ),
        ("# all\n192.0.2.1 # the office\n; 192.0.2.2\n,192.0.2.3;old,", ("192.0.2.1", "192.0.2.3")),
    ],
)
def test_a_list_and_its_items(text: str, items: tuple[str, ...]) -> None:
    assert items_in(text) == items


@given(st.lists(ITEM), st.sampled_from([" ", ",", "\n", ", ", " # x\n", ";\n"]))
def test_every_item_comes_back_in_order(items: list[str], separator: str) -> None:
    assert items_in(separator.join(items)) == tuple(items)


def test_only_file_items_name_a_path() -> None:
    assert [path_of(item) for item in ("file:/a", "file:///a", "file:a/b", "/a", "profile:/a")] == [
        "/a",
        "/a",
        "a/b",
        None,
        None,
    ]


def test_a_changed_list_is_read_again_after_a_second(trusted: Path) -> None:
    files = IgnoreFiles()
    trusted.write_text("192.0.2.1\n")
    assert files.items(str(trusted), 100.0) == ("192.0.2.1",)
    trusted.write_text("192.0.2.1 198.51.100.7\n")
    assert files.items(str(trusted), 100.9) == ("192.0.2.1",)
    assert files.items(str(trusted), 101.0) == ("192.0.2.1", "198.51.100.7")
    assert files.problem(str(trusted)) is None


def test_an_unchanged_list_is_not_read_again(trusted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = IgnoreFiles()
    trusted.write_text("192.0.2.1\n")
    files.items(str(trusted), 100.0)
    with monkeypatch.context() as patched:
        patched.delattr("builtins.open")
        assert files.items(str(trusted), 200.0) == ("192.0.2.1",)


def test_a_list_that_vanishes_stays_in_force_and_is_told(trusted: Path) -> None:
    files = IgnoreFiles()
    trusted.write_text("192.0.2.1\n")
    files.items(str(trusted), 100.0)
    trusted.unlink()
    assert files.items(str(trusted), 102.0) == ("192.0.2.1",)
    assert files.problem(str(trusted)) == (
        f"{trusted}: No such file or directory (ignoreip names this file; the items read before stay in force, make it readable)"
    )
    trusted.write_text("192.0.2.2\n")
    assert files.items(str(trusted), 104.0) == ("192.0.2.2",)
    assert files.problem(str(trusted)) is None


def test_a_list_that_never_was_has_no_items(trusted: Path) -> None:
    files = IgnoreFiles()
    assert files.items(str(trusted), 100.0) == ()
    assert (
        files.problem(str(trusted))
        == f"{trusted}: No such file or directory (ignoreip names this file; make it readable)"
    )


def test_what_is_no_list_is_a_problem_and_costs_no_descriptor(tmp_path: Path, trusted: Path) -> None:
    files = IgnoreFiles()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    before = len(os.listdir("/proc/self/fd"))
    assert files.items(str(tmp_path), 100.0) == ()
    assert "Is a directory" in str(files.problem(str(tmp_path)))
    assert files.items(str(pipe), 100.0) == ()
    assert files.items("a\0b", 100.0) == ()
    assert "check ignoreip" in str(files.problem("a\0b"))
    with trusted.open("wb") as file:
        file.truncate(LARGEST + 1)
    assert files.items(str(trusted), 100.0) == ()
    assert "too much" in str(files.problem(str(trusted)))
    assert len(os.listdir("/proc/self/fd")) == before


def test_bytes_that_are_no_text_are_no_addresses(trusted: Path) -> None:
    trusted.write_bytes(b"\xef\xbb\xbf192.0.2.1\n\xff\xfe\n")
    assert IgnoreFiles().items(str(trusted), 0.0) == ("192.0.2.1", "\ufffd\ufffd")


def test_files_that_are_not_wanted_any_more_are_forgotten(trusted: Path) -> None:
    files = IgnoreFiles()
    files.items(str(trusted), 100.0)
    files.keep(set())
    assert files.problem(str(trusted)) is None
