"""One run of fail2ban's side of ``bench.journal``: python3 read_journal_with_fail2ban.py DIRECTORY [record].

Runs in the interpreter that fail2ban is installed for, as a program of its own. The journal is read by python3-systemd as fail2ban
reads it (``get_next``, all fields), and the line is made by the public method of its filter. Prints what our side prints.
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
import time
from typing import Any


class Jail:
    """As much of a jail as a filter asks for."""

    name = "sshd"
    database = None


def main() -> None:
    logging.getLogger("fail2ban").setLevel(logging.CRITICAL)
    reader = importlib.import_module("systemd.journal").Reader
    judge = importlib.import_module("fail2ban.server.filtersystemd").FilterSystemd(Jail(), journalpath=sys.argv[1])
    began = time.process_time()
    journal = reader(path=sys.argv[1])
    journal.add_match("SYSLOG_IDENTIFIER=sshd")
    journal.seek_realtime(time.time() - 86400)
    found: list[tuple[Any, float]] = []
    while entry := journal.get_next():
        found.append(judge.formatJournalEntry(entry))
    seconds = time.process_time() - began
    if sys.argv[2:] == ["record"]:
        print(json.dumps({"lines": [(line[-1], at) for line, at in found]}))
    else:
        print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
