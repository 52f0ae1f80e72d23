"""Run the real OpenLDAP server, attack it with ldapwhoami, and print what it sends to syslog (LogLevel stats).

    python3 -m tests.capture.slapd

``tests/samples/slapd.log`` was made from it. Needs root, slapd, ldap-utils.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.capture.service import ATTACKER, HERE, INNOCENT, SECRET, SERVER, SERVER6, WRONG, Scene, main

CONFIG = """\
include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
loglevel stats
disallow bind_anon
database mdb
suffix "dc=example,dc=com"
directory {here}/data
rootdn "cn=admin,dc=example,dc=com"
rootpw SECRET
"""


def binds(scene: Scene) -> Sequence[str]:
    """Wrong password, unknown name, odd names, no name, several in one connection, IPv6, a scan, garbage, the right one."""
    scene.syslog()
    config = scene.file("slapd.conf", CONFIG.replace("SECRET", f'"{SECRET}"'))
    (scene.outside / "data").mkdir()
    scene.start("slapd", "-d0", "-n", "slapd", "-f", config, "-h", "ldap:///", port=389)
    admin = "cn=admin,dc=example,dc=com"

    def bind(name: str, password: str = WRONG, server: str = SERVER) -> None:
        scene.attack("ldapwhoami", "-x", "-H", f"ldap://{server}", "-D", name, "-w", password)

    bind(admin)
    bind("uid=oracle,dc=example,dc=com")
    bind(admin, server=f"[{SERVER6}]")
    bind(f'cn=x" method=128 from IP={INNOCENT}:1 (IP=0.0.0.0:389),dc=example,dc=com')
    bind(f"cn=x RESULT tag=97 err=49 IP\\={INNOCENT}:22,dc=example,dc=com")
    bind("not a name")
    bind(admin, "")
    scene.attack("ldapwhoami", "-x", "-H", f"ldap://{SERVER}")
    scene.attack("ldapsearch", "-x", "-H", f"ldap://{SERVER}", "-D", admin, "-w", "guess", "-b", f"cn={INNOCENT}")
    scene.send(b"", 389, ATTACKER)
    scene.send(b"GET / HTTP/1.1\r\n\r\n", 389, ATTACKER)
    right = ["-x", "-H", f"ldap://{HERE}", "-D", admin, "-w", SECRET]
    scene.visit("ldapwhoami", *right)
    scene.visit("ldapsearch", *right, "-b", "dc=example,dc=com")
    return scene.lines("syslog")


if __name__ == "__main__":
    sys.exit(main("slapd", {"binds": binds}))
