"""Times one ban after the other, beside the daemon that makes them. To be run in that daemon's network namespace.

    python -m bench.stopwatch LOG

Takes a JSON list of lines from standard input, one list a line: the last of them is the one that must lead to a ban. Writes all
but the last to LOG, waits a moment, writes the last and waits until the kernel has accepted a change of nf_tables; prints the
milliseconds in between. The kernel counts these changes (NFT_MSG_GETGEN), and nobody else makes any in this namespace: so it
is the ban itself that is seen and not what somebody says of it, and asking costs microseconds.
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

from banish.enforcement.netlink import Netlink
from banish.enforcement.rules import NFT_MSG_GETGEN, NFTA_GEN_ID

PATIENCE = 20.0
_PAUSE = 0.05
_EVERY = 0.0002


def main() -> None:
    netlink = Netlink()
    with Path(sys.argv[1]).open("ab", buffering=0) as log:
        for order in sys.stdin:
            *before, last = json.loads(order)
            log.write("".join(f"{line}\n" for line in before).encode())
            time.sleep(random.uniform(_PAUSE, 2 * _PAUSE))  # wherever the daemon is in its round
            generation = _generation(netlink)
            began = time.perf_counter()
            log.write(f"{last}\n".encode())
            while _generation(netlink) == generation:
                if time.perf_counter() - began > PATIENCE:
                    sys.exit(f"no ban within {PATIENCE:g} s of: {last}")
                time.sleep(_EVERY)
            print((time.perf_counter() - began) * 1000, flush=True)


def _generation(netlink: Netlink) -> bytes:
    return netlink.get(NFT_MSG_GETGEN, NFTA_GEN_ID, "generation")


if __name__ == "__main__":
    main()
