"""What Solid-POP3D logs when it is attacked. ``python -m tests.capture.solid_pop3d``"""

from __future__ import annotations

from tests.capture import machine
from tests.capture.machine import ATTACKER6, FRIEND, SECRET, SERVER6, Stage

_FORGED = ("two words", "x - 203.0.113.9", "x - y [203.0.113.9]")


def main() -> None:
    machine.enter(["solid-pop3d", "update-inetd"])
    with Stage({"alice": SECRET}) as stage:
        stage.start(["/usr/sbin/solid-pop3d"])
        show, talk = stage.show, stage.talk
        stage.listen(110)
        show("start", lambda: None)
        show("wrong password", lambda: talk(110, "USER alice", "PASS guess", "QUIT"))
        show("unknown user", lambda: talk(110, "USER oracle", "PASS guess", "QUIT"))
        show("root", lambda: talk(110, "USER root", "PASS guess", "QUIT"))
        show("IPv6", lambda: talk(110, "USER alice", "PASS guess", source=ATTACKER6, target=SERVER6))
        show("right", lambda: talk(110, "USER alice", f"PASS {SECRET}", "QUIT", source=FRIEND))
        show("APOP", lambda: talk(110, "APOP alice 0123456789abcdef0123456789abcdef", "QUIT"))
        show("nothing", lambda: talk(110))
        for name in _FORGED:
            show(f"{name!r}", lambda: talk(110, f"USER {name}", "PASS guess", "QUIT"))


if __name__ == "__main__":
    main()
