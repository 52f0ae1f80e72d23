"""``banish setup``: looks at what listens on this machine, and switches on the jails that fit.

It says what it found and what it would write, asks, and writes a file that is new or adds to one of its own: what a person has
written stays as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import banish
from banish import addresses
from banish.cli.proposal import Proposal, Protection, Row, propose, where
from banish.cli.services import SYSTEMD, Machine, held_programs
from banish.config.jails import load
from banish.control import client, commands, render
from banish.control.render import visible
from banish.lookups import listeners
from banish.lookups.processes import PROC
from banish.lookups.sessions import Sessions

_FAIL2BAN = Path("/etc/fail2ban")
_NAMES = 12
"""Columns of the service's name, at least."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of ``banish setup``."""
    made = argparse.ArgumentParser(
        prog="banish setup",
        usage="banish setup [--yes | --dry-run] [--config DIR] [--json]",
        description="Look at what listens on this machine, and switch on the jails that fit. Nothing that you have written is changed.",
        epilog="Exit code 1 when nothing was written though there is something to do.",
        allow_abbrev=False,
    )
    how = made.add_mutually_exclusive_group()
    how.add_argument("--yes", action="store_true", help="write without asking")
    how.add_argument("--dry-run", action="store_true", help="show what would be written, write nothing")
    made.add_argument("--config", metavar="DIR", type=Path, default=Path("/etc/banish"), help="default /etc/banish")
    made.add_argument("--json", action="store_true", help="one JSON document; asks nothing")
    return made


def run(words: list[str]) -> int:
    """Carry out ``banish setup`` with the arguments *words*; return the exit code."""
    options = parser().parse_args(words)
    paint = render.painter(sys.stdout, os.environ)
    try:
        machine = look()
    except OSError as error:
        return _fail(f"cannot see what listens: {error.strerror or error}", "is /proc mounted?")
    config, data = options.config.absolute(), Path(banish.__file__).parent / "data"
    proposal = propose(machine, config, data, peers())
    if not options.json:
        sys.stdout.write(shown(proposal, paint))
    if os.geteuid() != 0 and any(each.pid == 0 for each in machine.listeners):
        sys.stderr.write("banish: only root sees all that listens: run it with sudo\n")
    written, code = False, commands.OK
    if proposal.text and not options.dry_run:
        if options.yes or (not options.json and _agreed(proposal)):
            try:
                write(proposal)
            except OSError as error:
                return _fail(f"{proposal.path}: cannot be written: {error.strerror or error}", "run it with sudo")
            written = True
        else:
            code = commands.FAILED
    if options.json:
        sys.stdout.write(json.dumps(document(proposal, written=written)) + "\n")
    elif written:
        sys.stdout.write(_afterwards(proposal, config, data))
    return code


def look(proc: str = PROC) -> Machine:
    """Return what is to be seen of the machine below *proc*. Raises OSError when that cannot be read."""
    found = listeners.listeners(proc)
    pids = {each.pid for each in found if each.pid}
    everything = list(listeners.programs(proc))
    return Machine(
        found,
        {each.pid: each for each in everything if each.pid in pids},
        [each for each in everything if each.container and each.pid not in pids],
        frozenset(path for path in held_programs() if os.path.exists(path)),
    )


def peers() -> tuple[str, ...]:
    """Return the addresses from which somebody is logged in over ssh, whoever runs this first."""
    words = (os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_CLIENT") or "").split()
    own = addresses.parse(words[0]) if words else None
    seen = [session.peer for session in Sessions().look(time.time())]
    return tuple(dict.fromkeys(addresses.show(each) for each in ([own] if own else []) + seen))


def write(proposal: Proposal) -> None:
    """Write the file, or add to it. What was there is not lost if the machine stops in between. Raises OSError."""
    path = proposal.path
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    mode = path.stat().st_mode & 0o777 if before else 0o644
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(before + ("" if not before or before.endswith("\n") else "\n") + proposal.text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def shown(proposal: Proposal, paint: render.Paint) -> str:
    """Return all that is proposed, for people."""
    lines = [
        paint("Found on this machine", "bold") if proposal.rows else "Nothing was found that banish has a jail for."
    ]
    width = max([_NAMES, *(len(row.service.name) for row in proposal.rows)])
    for row in proposal.rows:
        lines += _row_lines(row, width, paint)
    for service, program in proposal.contained:
        lines.append(
            f"  {service.name:{width}}  runs in a container ({visible(program.name)}): a jail for it needs logpath, where the container's"
            " log is on this machine"
        )
    if proposal.strangers:
        told = sorted(
            {f"{visible(each.service.name)} ({min(one.port for one in each.listeners)})" for each in proposal.strangers}
        )
        lines += ["", f"Also listening, and no jail ships for it: {', '.join(told)}"]
    lines += _other_tree(proposal)
    if not proposal.text:
        return "\n".join([*lines, "", "What banish has a jail for is protected; there is nothing to write."]) + "\n"
    verb = "added to" if proposal.path.exists() else "written to"
    lines += ["", paint(f"To be {verb} {visible(proposal.path)}", "bold"), ""]
    lines += [f"    {visible(line)}".rstrip() for line in proposal.text.splitlines()]
    return "\n".join([*lines, ""]) + "\n"


def _other_tree(proposal: Proposal) -> list[str]:
    """A hint for who has a fail2ban, and may not know that its files can be used."""
    theirs = _FAIL2BAN / "jail.local"
    if proposal.path.name == "jail.local" and theirs.is_file() and proposal.path.parent != _FAIL2BAN:
        return ["", f"There is {theirs}: `banishd --config {_FAIL2BAN}` reads it as it is."]
    return []


def _row_lines(row: Row, width: int, paint: render.Paint) -> list[str]:
    how = where(row).removeprefix(row.service.name).strip()
    if row.program and row.program.name == SYSTEMD:
        how += ", held by systemd"
    elif row.program and row.program.unit:
        how += f" ({visible(row.program.unit)})"
    lines = [f"  {row.service.name:{width}}  {how}"]
    if row.left_out:
        lines.append(f"  {'':{width}}  {paint('left out', 'yellow')}: {row.left_out}")
    for each in row.jails:
        if each.state == "on":
            text = f"{each.jail}: {paint('on', 'green')} already"
        elif each.state == "proposed":
            text = f"{each.jail}: {paint('to be switched on', 'green')}"
        else:
            text = f"{each.jail}: {paint('off', 'yellow')}, as {visible(each.place)} says"
        if each.ports:
            text += f", ports {each.ports}"
        if each.log:
            text += f"; {visible(each.log) if each.reads else paint(visible(each.log), 'yellow')}"
        lines.append(f"  {'':{width}}  {text}")
    return lines


def document(proposal: Proposal, *, written: bool) -> dict[str, Any]:
    """Return the document of ``--json``, see docs/reference/setup.md."""
    return {
        "found": [_row_document(row) for row in proposal.rows],
        "containers": [{"service": row.name, "program": program.name} for row, program in proposal.contained],
        "unknown": [
            {"program": each.service.name, "ports": sorted({one.port for one in each.listeners})}
            for each in proposal.strangers
        ],
        "ssh_peers": list(proposal.peers),
        "file": str(proposal.path),
        "text": proposal.text,
        "written": written,
    }


def _row_document(row: Row) -> dict[str, Any]:
    return {
        "service": row.service.name,
        "why": where(row),
        "program": row.program.name if row.program else None,
        "pid": row.program.pid if row.program else None,
        "unit": (row.program.unit or None) if row.program else None,
        "listens": [
            {"protocol": each.protocol, "address": str(each.address), "port": each.port} for each in row.listeners
        ],
        "left_out": row.left_out or None,
        "jails": [_jail_document(each) for each in row.jails],
        "more": row.more,
    }


def _jail_document(each: Protection) -> dict[str, Any]:
    return {
        "name": each.jail,
        "state": each.state,
        "place": each.place or None,
        "port": each.ports or None,
        "log": each.log or None,
    }


def _agreed(proposal: Proposal) -> bool:
    if not sys.stdin or not sys.stdin.isatty():
        sys.stderr.write(
            render.error(
                "nobody can be asked here, so nothing was written",
                "banish setup --yes writes it, --dry-run only shows it",
                render.painter(sys.stderr, os.environ),
            )
        )
        return False
    sys.stdout.write(f"Write {visible(proposal.path)}? [y/N] ")
    sys.stdout.flush()
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    sys.stdout.write("Nothing was written.\n")
    return False


def _afterwards(proposal: Proposal, config: Path, data: Path) -> str:
    ours = {each.jail for row in proposal.rows for each in row.jails}
    told = [str(problem) for problem in load(config, data).problems if problem.section in ours]
    step = "banish reload" if os.path.exists(client.SOCKET) else "start banishd"
    lines = [f"Written: {visible(proposal.path)}. To put it in force: {step}"]
    return "\n".join([*lines, *(f"  {visible(text)}" for text in told)]) + "\n"


def _fail(text: str, hint: str) -> int:
    sys.stderr.write(render.error(text, hint, render.painter(sys.stderr, os.environ)))
    return commands.FAILED
