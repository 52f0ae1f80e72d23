"""Debian's fail2ban-client, many command lines in a row: runs under the distribution's Python, with fail2ban's package.

``[[words, ...], ...]`` on standard input, JSON; ``[[exit code, standard output, standard error], ...]`` on standard output. What runs is
the client's own ``exec_command_line``, as its program calls it, each time in a process of its own; that these are forks of one that has
imported everything only spares a tenth of a second for each.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import tempfile
from typing import Any

client: Any = importlib.import_module("fail2ban.client.fail2banclient")


def ask(words: list[str]) -> tuple[int, str, str]:
    """Return exit code, output and errors of one command line."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        child = os.fork()
        if child == 0:
            _become(["fail2ban-client", *words], out.fileno(), errors.fileno())
        _, status = os.waitpid(child, 0)
        out.seek(0)
        errors.seek(0)
        return os.waitstatus_to_exitcode(status), out.read().decode(), errors.read().decode()


def _become(words: list[str], out: int, errors: int) -> None:
    os.dup2(out, 1)
    os.dup2(errors, 2)
    code: Any = 1
    try:
        client.exec_command_line(words)
        code = 0
    except SystemExit as ended:
        code = ended.code
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(ValueError):  # it closes them itself
                stream.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    lines = json.load(sys.stdin)
    answers = [ask(words) for words in lines]
    print(json.dumps(answers))
