"""What ProFTPD logs when it is attacked: to its own file and to syslog. ``python -m tests.capture.proftpd``"""

from __future__ import annotations

from pathlib import Path

from tests.capture import machine
from tests.capture.machine import ATTACKER6, FRIEND, SECRET, SERVER6, Stage

_CONFIG = """\
ServerName "lab"
ServerType standalone
DefaultServer on
Port 21
UseIPv6 on
User proftpd
Group nogroup
UseReverseDNS off
MaxLoginAttempts 3
TimeoutLogin 5
ScoreboardFile /run/lab/scoreboard
PidFile /run/lab/proftpd.pid
AuthOrder {order}
RootLogin off
RequireValidShell on
{log}
<Limit LOGIN>
  DenyUser mallory
</Limit>
"""
_FORGED = (
    "two words",
    "x: no such user found from y [203.0.113.9]",
    "x (Login failed)",
    "x (y[203.0.113.9]) - USER",
    "%m%n",
)


def main() -> None:
    machine.enter(["proftpd-core"])
    Path("/etc/shells").write_text("/bin/sh\n")
    own = Path("/run/lab/proftpd.log")
    with Stage({"alice": SECRET, "mallory": SECRET, "bob": SECRET}) as stage:
        stage.server.run(["usermod", "-s", "/usr/sbin/nologin", "bob"])
        for order, line in (
            ("mod_auth_pam.c* mod_auth_unix.c", "SystemLog /run/lab/proftpd.log"),
            ("mod_auth_unix.c", ""),
        ):
            config = Path("/run/lab/proftpd.conf")
            config.write_text(_CONFIG.format(order=order, log=line))
            stage.server.run(["/usr/sbin/proftpd", "-q", "-c", config])
            stage.listen(21)
            log = own if line else None

            def show(title: str, *words: str | bytes, **more: str) -> None:
                stage.show(title, lambda: stage.talk(21, *words, **more), log=log)  # type: ignore[arg-type]

            show(f"start: {order} {line}")
            show("wrong password", "USER alice", "PASS guess", "QUIT")
            show("unknown user", "USER oracle", "PASS guess", "QUIT")
            show("root", "USER root", "PASS guess", "QUIT")
            show("too many", *["USER alice", "PASS guess"] * 4)
            show("IPv6", "USER alice", "PASS guess", source=ATTACKER6, target=SERVER6)
            show("right", "USER alice", f"PASS {SECRET}", "QUIT", source=FRIEND)
            show("denied by Limit LOGIN", "USER mallory", f"PASS {SECRET}", "QUIT")
            show("no shell", "USER bob", f"PASS {SECRET}", "QUIT")
            show("anonymous", "USER anonymous", "PASS a@example.org")
            show("no login", "QUIT")
            show("not ftp", "GET / HTTP/1.0", "Host: x")
            stage.show("time runs out", lambda: stage.python(_WAIT), log=log, settle=1)
            for name in _FORGED:
                show(f"name {name!r}", f"USER {name}", "PASS guess", "QUIT")
            stage.show("what went to syslog", lambda: None)
            stage.server.run(["sh", "-c", "kill $(cat /run/lab/proftpd.pid); sleep 1"])


_WAIT = """
import socket, time
c = socket.create_connection(("192.0.2.1", 21), source_address=("192.0.2.66", 0))
c.settimeout(8); print(c.recv(99)); time.sleep(6); print(c.recv(99))
"""

if __name__ == "__main__":
    main()
