"""``python -m scripts.reference``: write anew what is generated from THE TABLE; with ``--check``, only tell what is stale."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scripts.reference.files import files

ROOT = Path(__file__).parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.reference", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when a file is stale")
    check = parser.parse_args().check
    stale = [(path, text) for path, text in files().items() if not _is(ROOT / path, text)]
    for path, text in stale:
        print(path)
        if not check:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(text)
    return int(check and bool(stale))


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
