"""The import rules hold, and would notice if they did not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def import_rules(tree: Path) -> subprocess.CompletedProcess[str]:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])"
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=tree,
        env={"PYTHONPATH": str(tree / "src"), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_rooms_keep_the_import_rules(copy: Path) -> None:
    result = import_rules(copy)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "planted", "rule"),
    [
        ("model.py", "from banish.cli import banish", "rooms import downward only BROKEN"),
        ("matching/filter.py", "import banish.sources.files", "rooms import downward only BROKEN"),
        ("config/ini.py", "import banish.control.client", "rooms import downward only BROKEN"),
        ("jail.py", "import time", "the heart is pure BROKEN"),
        ("failures/window.py", "import sqlite3", "the heart is pure BROKEN"),
    ],
)
def test_a_planted_import_is_noticed(copy: Path, module: str, planted: str, rule: str) -> None:
    path = copy / "src" / "banish" / module
    path.write_text(
        path.read_text().replace(
            "from __future__ import annotations\n", f"from __future__ import annotations\n\n{planted}\n", 1
        )
    )
    result = import_rules(copy)
    assert result.returncode != 0
    assert rule in result.stdout


def test_a_room_that_no_layer_names_is_noticed(copy: Path) -> None:
    (copy / "src" / "banish" / "annexe.py").write_text("")
    assert import_rules(copy).returncode != 0


def test_packages_and_their_targets_are_named_in_one_place() -> None:
    rows = [
        line.split()[:2]
        for line in (ROOT / "packages.debian").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert {target for _, target in rows} == {"setup", "demo", "test", "bench"}
    assert len({package for package, _ in rows}) == len(rows)


def test_every_make_target_says_what_it_does() -> None:
    help_text = subprocess.run(["make", "-s", "-C", ROOT, "help"], capture_output=True, text=True, check=True).stdout
    said = {line.split()[1]: line.split(maxsplit=2)[2] for line in help_text.splitlines()}
    assert {"setup", "demo", "test", "check", "bench", "clean"} <= said.keys()
