"""One run of our side of ``bench.journal``: python -m bench.read_journal_with_banish DIRECTORY [record].

Prints the CPU seconds from opening the journal to the last line, or with ``record`` the lines.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from banish.lines.entries import SETTINGS
from banish.lines.reader import LineReader
from banish.sources.journal import JournalSource
from banish.sources.matches import Watch
from banish.sources.tape import JournalOptions


async def _read(directory: str) -> list[bytes]:
    source = JournalSource()
    source.configure([(Watch(JournalOptions(path=directory), ("SYSLOG_IDENTIFIER=sshd",)), 86400.0)])
    found = []
    async for batch in source.batches():
        found.append(batch.data)
        if b"this is the last one" in batch.data:
            break
    source.close()
    return found


def main() -> None:
    began = time.process_time()
    data = asyncio.run(_read(sys.argv[1]))
    seconds = time.process_time() - began
    if sys.argv[2:] == ["record"]:
        lines = LineReader(SETTINGS).read(b"".join(data), time.time())
        print(json.dumps({"lines": [(line.message, line.at) for line in lines]}))
    else:
        print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
