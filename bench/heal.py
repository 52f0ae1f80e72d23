"""How long the door is open when somebody removes bans from the kernel: from their command's end to the last of the bans back.

    python -m bench.heal MS COMMAND...      runs a command of nft(8), and prints after how many milliseconds the bans are back

fail2ban has no row here: it does not notice before the next ban of the same address.
"""

from __future__ import annotations

import errno
import subprocess
import sys
import time

from banish.addresses import network_of
from banish.enforcement import rules
from banish.enforcement.layout import AddressSet
from banish.enforcement.netlink import Netlink, Refused
from bench import restart
from bench.table import BenchError, Row
from lab.daemon import Daemon
from lab.namespaces import Lab

BANS = 100_000
_PATIENCE = 60.0
_SET = AddressSet("sshd", 4, 32)
_LAST = network_of((restart.FIRST + BANS - 1).to_bytes(4, "big"))
_REMOVALS = {
    "nft flush ruleset": ["flush", "ruleset"],
    "nft flush set": ["flush", "set", "inet", "banish", _SET.name],
    "one ban deleted by hand": ["delete", "element", "inet", "banish", _SET.name, f"{{ {_LAST.network_address} }}"],
}


def measure(lab: Lab, runs: int) -> list[Row]:
    """Return the rows: one for each way to remove bans."""
    rows = []
    for number, (what, words) in enumerate(_REMOVALS.items()):
        found = [_heal(lab, f"heal-{number}-{run}", words) for run in range(runs)]
        rows.append(Row(f"{what} with {BANS:,} bans, until all are back", "ms", found, part="heal"))
    return rows


def _heal(lab: Lab, name: str, words: list[str]) -> float:
    host = lab.host(name)
    daemon = restart.filled(lab, host, name, BANS)
    with daemon:
        daemon.wait_for("the log of the start", lambda: daemon.log.read_text().count("Restore Ban") == BANS, timeout=60)
        done = host.run([sys.executable, "-m", "bench.heal", *words], timeout=_PATIENCE * 2)
        if _held(daemon) != BANS:
            raise BenchError("not all bans are back")
    return float(done.stdout)


def _held(daemon: Daemon) -> int:
    listing = daemon.host.run(["nft", "-j", "list", "set", "inet", "banish", _SET.name], timeout=_PATIENCE).stdout
    return listing.count('"expires"')


def main() -> None:
    link = Netlink()
    subprocess.run(["nft", *sys.argv[1:]], check=True)
    began = time.perf_counter()
    request = rules.element_request(_SET, _LAST.packed)
    while time.perf_counter() - began < _PATIENCE:
        try:
            link.get(rules.NFT_MSG_GETSETELEM, rules.NFTA_SET_ELEM_LIST_ELEMENTS, "find the last ban", request)
        except Refused as error:
            if error.errno != errno.ENOENT:
                raise
            time.sleep(0.001)
        else:
            print((time.perf_counter() - began) * 1000)
            return
    raise BenchError("the bans did not come back")


if __name__ == "__main__":
    main()
