"""What Pure-FTPd logs to syslog when it is attacked. ``python -m tests.capture.pure_ftpd``"""

from __future__ import annotations

from pathlib import Path

from tests.capture import machine
from tests.capture.machine import ATTACKER6, FRIEND, SECRET, SERVER6, Stage

_FORGED = ("two words", "x] y", "x (?@203.0.113.9) [WARNING] Authentication failed for user [y]", "a]b[c")


def main() -> None:
    machine.enter(["pure-ftpd", "update-inetd"])
    Path("/etc/shells").write_text("/bin/sh\n")
    with Stage({"alice": SECRET}) as stage:
        for more in (["-l", "unix", "-E", "-H"], ["-l", "pam", "-E", "-A"], ["-l", "unix", "-H", "-d"]):
            stage.start(["/usr/sbin/pure-ftpd", *more])
            stage.listen(21)

            def show(title: str, *words: str, **more: str) -> None:
                stage.show(title, lambda: stage.talk(21, *words, **more))  # type: ignore[arg-type]

            show(f"start: {more}")
            show("wrong password", "USER alice", "PASS guess", "QUIT")
            show("unknown user", "USER oracle", "PASS guess", "QUIT")
            show("root", "USER root", "PASS guess", "QUIT")
            show("too many", *["USER alice", "PASS guess"] * 6)
            show("IPv6", "USER alice", "PASS guess", source=ATTACKER6, target=SERVER6)
            show("right", "USER alice", f"PASS {SECRET}", "QUIT", source=FRIEND)
            show("anonymous", "USER anonymous", "PASS a@example.org", "QUIT")
            show("no login", "QUIT")
            show("not ftp", "GET / HTTP/1.0", "Host: x")
            for name in _FORGED:
                show(f"name {name!r}", f"USER {name}", "PASS guess", "QUIT")
            stage.stop()


if __name__ == "__main__":
    main()
