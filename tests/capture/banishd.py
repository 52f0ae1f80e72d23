"""Run banishd on a server that is attacked, and print what it logs of bans: to its file, and by way of syslog.

    python3 -m tests.capture.banishd

``tests/samples/recidive.log`` was made from it. Needs what the laboratory needs, openssh-server and openssh-client.
"""

from __future__ import annotations

import contextlib
import sys

from lab import Lab, can_run, clients
from lab.daemon import Daemon
from lab.namespaces import LabError
from lab.sshd import Sshd

SERVER, ATTACKER = "192.0.2.1", "192.0.2.66"
SERVER6, ATTACKER6 = "2001:db8::1", "2001:db8::66"
TARGETS = ("", "SYSLOG")


class Talkative(Daemon):
    """The daemon, with a logtarget of its own if there is one."""

    target = ""

    def command(self) -> list[str]:
        words = super().command()
        return [*words[:-1], self.target] if self.target else words


def main() -> int:
    """Print a log for each target; the second daemon takes over the bans of the first."""
    reason = can_run()
    if reason is not None:
        print(f"cannot run sshd here: {reason}", file=sys.stderr)
        return 1
    with Lab.hold() as lab:
        server, outside = lab.host("server"), lab.host("outside")
        lab.connect(server, [f"{SERVER}/24", f"{SERVER6}/64"], outside, [f"{ATTACKER}/24", f"{ATTACKER6}/64"])
        with Sshd(server, users={"alice": "secret"}) as sshd:
            jails = f"[DEFAULT]\nmaxretry = 1\n[sshd]\nlogpath = {sshd.log_inside} tail\n"
            for target in TARGETS:
                daemon = Talkative(server, jails, name="again")
                daemon.target = target
                with daemon:
                    for source, at in ((ATTACKER, SERVER), (ATTACKER6, SERVER6)):
                        with contextlib.suppress(LabError):  # the ban may be there before the answer
                            clients.password(outside, source, at, "root", "guess", timeout=5)
                    daemon.banish("ban", "sshd", "198.51.100.0/24", "--reason", "by hand")
                    daemon.banish("unban", ATTACKER)
                    daemon.stop()
                print(f"# {target or 'its own file'}", (daemon.log if not target else sshd.log).read_text(), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
