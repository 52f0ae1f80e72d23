"""Writes ``docs/reference/filters.md``, the catalogue of the filters and jails that ship, from what stands in their own files.

``python -m tests.samples.catalogue`` writes the page; it exits with 1, having said so, when something is missing that every
filter has to have. Where what comes from:

* the first paragraph of a filter's comment, ``# OpenSSH server: failed logins, and …``: the service and what is caught;
* its options ``mode-NAME``: the modes;
* ``jail.conf``: the jails that use it, and the heading of its kind;
* ``tests/samples/NAME.log``: ``# evidence: run (tests/capture/sshd.py)`` among its first lines, see README.md, and the samples.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import banish
from banish.config.grammar import parse_filter
from banish.config.layers import Tree
from banish.config.scope import Scope
from tests.samples.notation import read

DATA = Path(banish.__file__).parent / "data"
SAMPLES = Path(__file__).parent
ROOT = SAMPLES.parent.parent
PAGE = ROOT / "docs" / "reference" / "filters.md"
EVIDENCE = ("run", "corpus format", "documentation", "source")

_HEADING = re.compile(r"# -{20,}\n# (?P<kind>[^\n]+)\n|^\[(?P<section>[^\]\n]+)\]", re.MULTILINE)
_EVIDENCE = re.compile(
    rf"#\s*evidence:\s*(?P<kind>{'|'.join(EVIDENCE)})\b[\s:,(]*(?P<detail>[^\n]*?)\)?\s*", re.IGNORECASE
)
_MODE = re.compile(r"(?:mode|mdre)-(?P<mode>\w+)")
_SCRIPT = re.compile(r"tests[/.]capture[/.](?P<name>\w+)")
_HEAD = """\
# Filters and jails that ship

Written by `python -m tests.samples.catalogue` from the files themselves; do not edit it.

A jail is switched on with `enabled = true` in its section of `jail.local`; `banish setup` does it for what it finds on the machine.
The names, modes and parameters are fail2ban's where it has a filter of that name. What a filter's modes mean stands in the head of
its file, in `filter.d` below `banish config-dir`; a mode is chosen with `mode = NAME` in the jail.

*Evidence* is where the lines come from that the filter was written for and is tested with (`tests/samples/NAME.log`): **run**, the
real service, attacked by a real client, by a script in `tests/capture/` that runs again; **corpus format**, logs that administrators
have published; **documentation** of the service; **source**, the statements in its source that write the log. *Samples* are the
lines that must match, and those that must not.
"""


@dataclass(slots=True)
class Entry:
    """What the catalogue says of one filter."""

    name: str
    kind: str = ""
    service: str = ""
    catches: str = ""
    modes: list[str] = field(default_factory=list)
    jails: list[str] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)
    matching: int = 0
    others: int = 0
    missing: list[str] = field(default_factory=list)
    """What every filter has to have and this one has not, in words."""


def entries(data: Path = DATA, samples: Path = SAMPLES) -> list[Entry]:
    """Return an entry for each filter, in the order of their jails."""
    tree = Tree(None, data)
    kinds, jails = _kinds(data / "jail.conf"), _jails(tree)
    found = []
    for path in sorted((data / "filter.d").glob("*.conf")):
        if not path.stem.endswith("common"):
            entry = Entry(path.stem, jails=[jail for jail, filter_ in jails.items() if filter_ == path.stem])
            entry.kind = next((kinds[jail] for jail in entry.jails), "")
            _read_filter(entry, path, tree)
            _read_samples(entry, samples / f"{path.stem}.log")
            if not entry.jails:
                entry.missing.append("a jail in jail.conf")
            found.append(entry)
    order = {jail: number for number, jail in enumerate(jails)}
    return sorted(found, key=lambda entry: (min((order[jail] for jail in entry.jails), default=len(order)), entry.name))


def page(found: list[Entry]) -> str:
    """Return the page."""
    run = sum("run" in entry.evidence for entry in found)
    lines = [_HEAD, f"{len(found)} filters; the services of {run} were run and attacked."]
    for kind in dict.fromkeys(entry.kind for entry in found):
        lines += [
            f"\n## {kind or 'Without a jail'}\n",
            "| filter | service | what it catches | modes | jails | samples | evidence |",
        ]
        lines.append("|---|---|---|---|---|---|---|")
        for entry in found:
            if entry.kind == kind:
                jails = ", ".join(entry.jails) if entry.jails != [entry.name] else entry.name
                lines.append(
                    f"| `{entry.name}` | {entry.service} | {entry.catches} | {', '.join(entry.modes)} | {jails}"
                    f" | {entry.matching} / {entry.others} | {', '.join(entry.evidence)} |"
                )
    return "\n".join(lines) + "\n"


def _jails(tree: Tree) -> dict[str, str]:
    """Return the filter of each jail, in the order of jail.conf."""
    files = tree.read("jail")
    assert files is not None
    found = {}
    for name in files.names():
        text = Scope(files, (name,)).get("filter")
        call = parse_filter(text) if text else None
        found[name] = call.name if call else ""
    return found


def _kinds(jail_conf: Path) -> dict[str, str]:
    """Return the heading that each section of jail.conf stands under."""
    kind, found = "", {}
    for heading in _HEADING.finditer(jail_conf.read_text(encoding="utf-8")):
        if heading["kind"]:
            kind = heading["kind"].strip()
        else:
            found[heading["section"]] = kind
    return found


def _read_filter(entry: Entry, path: Path, tree: Tree) -> None:
    paragraph = " ".join(_first_paragraph(path.read_text(encoding="utf-8")))
    entry.service, colon, entry.catches = paragraph.partition(": ")
    if not colon or not entry.catches:
        entry.missing.append(f"a first paragraph in {path.name} like '# SERVICE: what is caught.'")
    entry.catches = entry.catches.removesuffix(".").replace("|", "\\|")
    files = tree.read(f"filter.d/{path.stem}")
    options = files.options("Definition") if files else ()
    entry.modes = [found["mode"] for option in options if (found := _MODE.fullmatch(option))]


def _first_paragraph(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        said = line.removeprefix("#").strip()
        if not line.startswith("#") or not said:
            return
        yield said


def _read_samples(entry: Entry, path: Path) -> None:
    if not path.is_file():
        entry.missing.append(f"samples, tests/samples/{path.name}")
        return
    noted = {(sample.number, sample.matches) for _, samples in read(path) for sample in samples}
    matching = {number for number, matches in noted if matches}
    entry.matching, entry.others = len(matching), len({number for number, _ in noted} - matching)
    if not entry.matching:
        entry.missing.append(f"a line in {path.name} that must match")
    if not entry.others:
        entry.missing.append(f"a line in {path.name} that must not match though it looks like it")
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n")[:20]:
        if found := _EVIDENCE.fullmatch(line):
            kind = found["kind"].lower()
            entry.evidence += [kind] if kind not in entry.evidence else []
            if kind == "run":
                script = _SCRIPT.search(found["detail"])
                if script is None or not (ROOT / "tests" / "capture" / f"{script['name']}.py").is_file():
                    entry.missing.append(
                        f"the script in tests/capture/ that {path.name} was made with, behind 'evidence: run'"
                    )
    if not entry.evidence:
        entry.missing.append(f"'# evidence: {' | '.join(EVIDENCE)}' at the head of {path.name}")


def main() -> int:
    found = entries()
    PAGE.write_text(page(found), encoding="utf-8")
    for entry in found:
        for what in entry.missing:
            sys.stdout.write(f"{entry.name}: lacks {what}\n")
    sys.stdout.write(f"{PAGE.relative_to(ROOT)}: {len(found)} filters\n")
    return 1 if any(entry.missing for entry in found) else 0


if __name__ == "__main__":
    sys.exit(main())
