"""What is generated from THE TABLE: it is there for every command, it is not stale, and shells and groff(1) understand it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from banish.control import options
from scripts.reference.files import files
from scripts.reference.rows import Row, rows

ROOT = Path(__file__).parents[1]
FILES = files()
MANUAL, BASH = "share/man/man1/banish.1", "share/bash-completion/completions/banish"
ZSH, FISH = "share/zsh/site-functions/_banish", "share/fish/vendor_completions.d/banish.fish"


@pytest.mark.parametrize("path", FILES)
def test_no_generated_file_is_stale(path: str) -> None:
    assert (ROOT / path).read_text() == FILES[path], "run python -m scripts.reference"


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_every_command_is_in_each_of_them_with_every_argument(row: Row) -> None:
    manual, page = FILES[MANUAL], FILES["docs/reference/cli.md"]
    assert f".SS {row.name}".replace("-", "\\-") in manual
    assert f"## banish {row.name}\n" in page
    assert f"{row.name})" in FILES[BASH]
    assert f"        {row.name}) _arguments" in FILES[ZSH]
    assert f"-a {row.name} -d" in FILES[FISH]
    for argument in row.arguments:
        assert argument.help, f"{row.name}: {argument} has no help"
        for name in argument.names:
            assert f"\\fB{name}\\fR".replace("-", "\\-") in manual
            assert f"`{name}" in page or f", {name}" in page
            assert f"{row.name} {name}" in FILES[BASH] or name in FILES[BASH]
            assert f"'{name}[" in FILES[ZSH]
            assert (f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}") in FILES[FISH]


@pytest.mark.parametrize("word", sorted({*options.GET, *options.SET, *options.GET_JAIL, *options.SET_JAIL}))
def test_every_option_of_get_and_set_is_in_each_of_them(word: str) -> None:
    for path in (MANUAL, "docs/reference/cli.md", BASH, ZSH, FISH):
        assert word in FILES[path]


@pytest.mark.parametrize("path", [MANUAL, "share/man/man8/banishd.8"])
@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
def test_groff_has_no_complaints_about_a_manual_page(path: str) -> None:
    done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", ROOT / path], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "SYNOPSIS" in re.sub(".\b", "", done.stdout)


@pytest.fixture
def bin_(tmp_path: Path) -> Path:
    """A directory with a ``banish`` that knows two jails, for completion to ask."""
    banish = tmp_path / "banish"
    banish.write_text(
        f"#!/bin/sh\ncase $1 in\nstatus) printf 'Status\\n|- Number of jail:\\t2\\n`- Jail list:\\tpostfix, sshd\\n' ;;\n"
        f"config-dir) echo {ROOT}/src/banish/data ;;\nesac\n"
    )
    banish.chmod(0o755)
    return tmp_path


def complete_in_bash(line: str, bin_: Path) -> list[str]:
    words = line.split(" ")
    script = (
        f"source {ROOT / BASH}; COMP_WORDS=({' '.join(map(repr, words))}); COMP_CWORD={len(words) - 1}; "
        'PATH="$1:$PATH"; _banish; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", script, "bash", bin_], capture_output=True, text=True, check=True, cwd=bin_)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("banish sta", ["status", "stats", "start"]),
        ("banish --socket /x rel", ["reload"]),
        ("banish status ss", ["sshd"]),
        ("banish status sshd sho", ["short"]),
        ("banish ban po", ["postfix"]),
        ("banish ban --for 2h ss", ["sshd"]),
        ("banish ban --f", ["--for", "--force"]),
        ("banish unban --jail ", ["postfix", "sshd"]),
        ("banish get dbp", ["dbpurgeage"]),
        ("banish get sshd bantime.f", ["bantime.factor", "bantime.formula"]),
        ("banish set sshd addf", ["addfailregex"]),
        ("banish set sshd addlogpath ./ban", ["./banish"]),
        ("banish help unb", ["unban"]),
        ("banish match /x ssh", ["sshd"]),
    ],
)
def test_bash_completes(line: str, found: list[str], bin_: Path) -> None:
    assert complete_in_bash(line, bin_) == found


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
def test_zsh_understands_its_completion() -> None:
    subprocess.run(["zsh", "-n", ROOT / ZSH], check=True)
    stub = """
        _arguments() {
            if [[ $1 == -C ]] { state=arguments; line=($command) } else { print -r -- "$command" "$@" }
        }
        for command in "$@[2,-1]"; do source $1; done
    """
    names = [row.name for row in rows()]
    done = subprocess.run(
        ["zsh", "-f", "-c", stub, "zsh", ROOT / ZSH, *names], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    said = {line.split(" ")[0]: line for line in done.stdout.splitlines()}
    assert set(said) == set(names)
    assert "1:jail:_banish_jails *:address or -" in said["ban"]
    assert "--jail[in this jail only (default - in every jail)]:jail:_banish_jails" in said["unban"]
    assert "2:option:_banish_get_jail" in said["get"]


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("banish relo", ["reload"]),
        ("banish ban po", ["postfix"]),
        ("banish ban --forc", ["--force"]),
        ("banish status sshd sho", ["short"]),
        ("banish get sshd bantime.f", ["bantime.factor", "bantime.formula"]),
        ("banish set sshd addf", ["addfailregex"]),
        ("banish help unb", ["unban"]),
    ],
)
def test_fish_completes(line: str, found: list[str], bin_: Path) -> None:
    script = f"source {ROOT / FISH}; complete -C'{line}'"
    environment = {"PATH": f"{bin_}:/usr/bin:/bin", "HOME": str(bin_)}
    done = subprocess.run(
        ["fish", "--no-config", "-c", script], capture_output=True, text=True, check=True, env=environment, cwd=bin_
    )
    assert [word.split("\t")[0] for word in done.stdout.splitlines()] == found


def test_the_command_tells_that_nothing_is_stale() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.reference", "--check"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert (done.returncode, done.stdout) == (0, "")
