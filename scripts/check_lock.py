"""Fail when pyproject.toml names a requirement that requirements.lock does not pin by hash (then: make lock)."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Compare the two files; 0 when the lock covers all."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["dev"]]
    lock = (ROOT / "requirements.lock").read_text()
    pinned: dict[str, list[str]] = {}  # several versions of one name for several interpreters
    for found in re.finditer(r"^([A-Za-z0-9][\w.-]*)==([^\s;]+)[^\n]*\\\n\s+--hash=", lock, re.MULTILINE):
        pinned.setdefault(canonicalize_name(found[1]), []).append(found[2])
    bad = []
    for requirement in map(Requirement, wanted):
        versions = pinned.get(canonicalize_name(requirement.name), [])
        if not any(requirement.specifier.contains(version, prereleases=True) for version in versions):
            bad.append(str(requirement))
    if bad:
        print(f"requirements.lock does not pin {', '.join(bad)}: run 'make lock'", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
