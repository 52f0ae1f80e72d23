"""Run the real NSD, ask it for what it must not tell, and print its log.

    python3 -m tests.capture.nsd

``tests/samples/nsd.log`` was made from it. Needs root, nsd, bind9-dnsutils.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.capture.named import ZONE
from tests.capture.service import HERE, SERVER, SERVER6, Scene, main

CONFIG = """\
server:
  ip-address: 0.0.0.0
  ip-address: ::0
  zonesdir: "{here}"
  database: ""
  username: ""
  chroot: ""
  logfile: "{here}/nsd.log"
  pidfile: "{here}/nsd.pid"
  xfrdfile: "{here}/xfrd.state"
  zonelistfile: "{here}/zone.list"
  xfrdir: "{here}"
  verbosity: 2
  rrl-ratelimit: 2
  rrl-slip: 0
remote-control:
  control-enable: no
zone:
  name: example.com
  zonefile: example.com.zone
  provide-xfr: 198.51.100.0/24 NOKEY
"""


def questions(scene: Scene) -> Sequence[str]:
    """Transfers, notifications, a flood; and what is allowed."""
    scene.syslog()
    scene.file("example.com.zone", ZONE)
    scene.start("nsd", "-d", "-c", scene.file("nsd.conf", CONFIG), port=53)
    for server in (SERVER, SERVER6):
        scene.attack("dig", "+time=1", "+tries=1", f"@{server}", "AXFR", "example.com")
        scene.attack("dig", "+time=1", "+tries=1", f"@{server}", "+opcode=notify", "example.com", "SOA")
    flood = ["example.com", "TXT"] * 60
    scene.attack("dig", "+time=1", "+tries=1", "+noall", f"@{SERVER}", *flood, timeout=90)
    scene.visit("dig", "+time=1", "+tries=1", f"@{HERE}", "AXFR", "example.com")
    scene.visit("dig", "+time=1", "+tries=1", f"@{HERE}", "ns.example.com")
    return [*scene.lines("nsd.log"), *scene.lines("syslog")]


if __name__ == "__main__":
    sys.exit(main("NSD", {"questions": questions}))
