"""Run the real Dante (a SOCKS server), attack it, and print its log.

    python3 -m tests.capture.dante [--only NAME ...] [--list]

``tests/samples/dante.log`` was made from it. Its accounts are files that only the laboratory sees. Needs root, dante-server, curl.
"""

from __future__ import annotations

import sys

from lab.namespaces import Host
from lab.web import WebServer
from tests.capture.website import ATTACKER6, FORGED, FRIEND, SECRET, SERVER, SERVER6, USER, Scenario, Site, main

CONFIG = """
logoutput: {here}/danted.log
internal: 192.0.2.1 port = 1080
internal: 2001:db8::1 port = 1080
internal: 127.0.0.1 port = 1080
external: 192.0.2.1
clientmethod: none
socksmethod: username
user.privileged: root
user.unprivileged: nobody
client pass { from: 0.0.0.0/0 to: 0.0.0.0/0 log: error connect }
client pass { from: ::/0 to: ::/0 log: error connect }
socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 log: error connect }
socks pass { from: ::/0 to: ::/0 log: error connect }
"""

ACCOUNTS = """
cp /etc/passwd /etc/shadow {here}
echo "alice:x:61000:61000::/nonexistent:/bin/false" >> {here}/passwd
echo "alice:$(openssl passwd -6 '%s'):19000::::::" >> {here}/shadow
mount --bind {here}/passwd /etc/passwd
mount --bind {here}/shadow /etc/shadow
exec danted -f {here}/danted.conf
"""


def serve(host: Host, name: str) -> WebServer:
    """The server, with one account that exists nowhere else."""
    files = {"danted.conf": CONFIG, "start": ACCOUNTS % SECRET}
    return WebServer(host, f"dante-{name}", ["sh", "{here}/start"], files, port=1080)


def passwords(site: Site) -> None:
    for user, secret, source in (
        (USER, "guess", "192.0.2.66"),
        ("oracle", "guess", "192.0.2.66"),
        (USER, "guess", ATTACKER6),
        (USER, SECRET, FRIEND),
    ):
        server = f"[{SERVER6}]" if ":" in source else SERVER
        site.ask("http://192.0.2.10:9/", "-x", f"socks5://{server}:1080", "-U", f"{user}:{secret}", source=source)


def forged(site: Site) -> None:
    for name in FORGED[:-1]:
        site.ask("http://192.0.2.10:9/", "-x", f"socks5://{SERVER}:1080", "-U", f"{name.replace(':', ' ')}:guess")


def no_password(site: Site) -> None:
    site.ask("http://192.0.2.10:9/", "-x", f"socks5://{SERVER}:1080")
    site.ask("http://192.0.2.10:9/", "-x", f"socks4://{SERVER}:1080")
    site.send(b"GET / HTTP/1.1\r\n\r\n")


SCENARIOS: dict[str, Scenario] = {"passwords": passwords, "forged-names": forged, "no-password": no_password}


if __name__ == "__main__":
    sys.exit(main("dante", serve, SCENARIOS, ("danted.log",)))
