"""The actions that ship, put together from the packaged files and run by the real runner."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from banish.config.examine import examine
from banish.config.jails import load
from banish.enforcement.actions import ActionSettings
from tests.enforcement.commands.rig import Rig

DATA = Path(__file__).resolve().parents[2] / "src" / "banish" / "data"
JAIL = """
[sshd]
enabled = true
port = ssh,8000:8010
logpath = {logpath}
action = {action}
"""

Shipped = Callable[..., ActionSettings]
Fakes = Callable[..., Path]


@pytest.fixture
def shipped(tmp_path: Path) -> Shipped:
    """``shipped("iptables[native=no]"", logpath)``: the one action of jail sshd; nothing at all may be amiss."""

    def get(action: str, logpath: str = "/dev/null", files: Mapping[str, str] | None = None) -> ActionSettings:
        tree = tmp_path / "etc"
        if "port=" not in action and ".py" not in action:
            action += '[port="%(port)s"]'
        jail = JAIL.format(action=action, logpath=logpath)
        for name, text in {"jail.local": jail, **(files or {})}.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(text)
        configuration = load(tree, DATA)
        (config,) = configuration.jails
        assert [str(problem) for problem in (*configuration.problems, *examine(config))] == []
        (found,) = config.actions
        return found

    return get


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fakes:
    """``fakes("ufw", "exit 0")``: a program of that name that writes its arguments, and what it reads, into the returned file."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")

    def make(name: str, script: str = "exit 0", *, reads: bool = False) -> Path:
        record = tmp_path / f"{name}.said"
        record.touch()
        program = directory / name
        tell = f'line={name}; for word; do line="$line [$word]"; done; printf "%s\\n" "$line" >> {record}\n'
        program.write_text(f"#!/bin/sh\n{tell}{f'cat >> {record}' if reads else ''}\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return record

    return make


def play(rig: Rig, *steps: Callable[[], object]) -> None:
    """Take one step after the other, each when what the one before asked for has been done."""

    async def story() -> None:
        for step in steps:
            step()
            await settled(rig)

    rig.play(story)


async def settled(rig: Rig) -> None:
    """Wait until every post has done what there is to do."""

    def busy() -> bool:
        posts = [post for posts in rig.runner._posts.values() for post in posts.values()]
        return any(not post._open or post._pending or post._busy for post in posts)

    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(30):
            await rig.until(lambda: not busy())
    except TimeoutError:
        pytest.fail("\n".join(text for _, _, text in rig.log[:12]))


def out(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout
