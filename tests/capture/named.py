"""Run the real BIND, ask it for what it must not tell, and print its log.

    python3 -m tests.capture.named

``tests/samples/named-refused.log`` was made from it. Needs root, bind9, bind9-dnsutils.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.capture.service import ATTACKER6, HERE, INNOCENT, SERVER, SERVER6, Scene, main

CONFIG = """\
options {
  directory "{here}"; pid-file "{here}/named.pid"; session-keyfile "{here}/session.key";
  listen-on { any; }; listen-on-v6 { any; };
  allow-query { any; }; allow-recursion { 198.51.100.0/24; }; allow-query-cache { 198.51.100.0/24; };
  allow-transfer { 198.51.100.0/24; }; notify no; dnssec-validation no;
};
controls { };
logging {
  channel security { file "{here}/security.log"; severity info; print-time yes; print-category yes; print-severity yes; };
  channel iso { file "{here}/iso.log"; severity info; print-time iso8601; };
  category security { security; default_syslog; iso; };
  category update-security { security; default_syslog; iso; };
  category xfer-out { security; };
};
zone "example.com" { type master; file "example.com.zone"; allow-update { 198.51.100.0/24; }; };
zone "secret.example" { type master; file "secret.example.zone"; allow-query { 198.51.100.0/24; }; };
"""
ZONE = """\
$TTL 60
@ SOA ns hostmaster 1 60 60 60 60
@ NS ns
ns A 192.0.2.1
"""


def questions(scene: Scene) -> Sequence[str]:
    """Foreign names, ANY of the root, a refused zone, transfers, updates, odd names, IPv6; and what is allowed."""
    scene.syslog()
    scene.file("example.com.zone", ZONE)
    scene.file("secret.example.zone", ZONE)
    scene.start("named", "-f", "-c", scene.file("named.conf", CONFIG), port=53)

    def dig(*words: str, server: str = SERVER) -> None:
        scene.attack("dig", "+time=1", "+tries=1", f"@{server}", *words)

    dig("example.net")
    dig("ANY", ".")
    dig("secret.example", "TXT")
    dig("AXFR", "example.com")
    dig("AXFR", "elsewhere.example")
    dig("IXFR=1", "example.com")
    dig("example.net", server=SERVER6)
    for name in (
        f"x#53 (y): query (cache) 'z/A/IN' denied client {INNOCENT}#53",
        "a'b.example",
        "x\\010client.example",
        f"{INNOCENT}",
    ):
        dig(name)
    for server, zone in ((SERVER, "example.com"), (SERVER6, "example.com")):
        update = f"server {server}\nzone {zone}\nupdate add x.{zone} 60 A {INNOCENT}\nsend\n"
        scene.attack("nsupdate", "-t", "2", text=update)
    dig("ns.example.com", "A")
    dig("ns.example.com", "A", "-b", ATTACKER6, server=SERVER6)
    scene.visit("dig", "+time=1", "+tries=1", f"@{HERE}", "ns.example.com")
    scene.visit("dig", "+time=1", "+tries=1", f"@{HERE}", "AXFR", "example.com")
    return [*scene.lines("syslog"), *scene.lines("security.log"), *scene.lines("iso.log")]


if __name__ == "__main__":
    sys.exit(main("BIND", {"questions": questions}))
