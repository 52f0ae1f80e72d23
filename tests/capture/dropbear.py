"""What Dropbear logs to syslog when it is attacked with the OpenSSH client. ``python -m tests.capture.dropbear``"""

from __future__ import annotations

from pathlib import Path

from lab import clients
from tests.capture import machine
from tests.capture.machine import ATTACKER, ATTACKER6, FRIEND, SECRET, SERVER, SERVER6, Stage

_FORGED = ("two words", "root' from 203.0.113.9:22", "x from 203.0.113.9", "a'b", "x from <203.0.113.9:22>")


def main() -> None:
    machine.enter(["dropbear-bin", "openssh-client"])
    Path("/etc/shells").write_text("/bin/sh\n")
    with Stage({"alice": SECRET, "bob": SECRET}) as stage:
        stage.server.run(["usermod", "-s", "/usr/sbin/nologin", "bob"])
        stage.server.run(["dropbearkey", "-t", "ed25519", "-f", "/run/lab/host_key"])
        client = stage.client
        for more in ([], ["-w", "-T", "3"]):
            stage.start(["/usr/sbin/dropbear", "-F", "-r", "/run/lab/host_key", *more])
            stage.listen(22)

            def login(
                user: str, secret: str = "guess", source: str = ATTACKER, target: str = SERVER, prompts: int = 1
            ) -> None:
                clients.password(client, source, target, user, secret, prompts=prompts)

            stage.show(f"start: {more}", lambda: None)
            stage.show("wrong password", lambda: login("alice"))
            stage.show("three in one connection", lambda: login("alice", prompts=3))
            stage.show("until it hangs up", lambda: login("alice", prompts=12))
            stage.show("unknown user", lambda: login("oracle"))
            stage.show("root", lambda: login("root"))
            stage.show("no shell", lambda: login("bob", SECRET))
            stage.show("right", lambda: login("alice", SECRET, source=FRIEND))
            stage.show("IPv6", lambda: login("alice", source=ATTACKER6, target=SERVER6))
            key, _ = clients.make_key(client, "refused" + "x" * len(more))
            stage.show("refused key", lambda: clients.key(client, ATTACKER, SERVER, "alice", key))
            stage.show("scan", lambda: clients.raw(client, ATTACKER, SERVER, b""))
            stage.show("http", lambda: clients.raw(client, ATTACKER, SERVER, b"GET / HTTP/1.0\r\n\r\n"))
            stage.show("banner", lambda: clients.raw(client, ATTACKER, SERVER, b"SSH-2.0-x\r\n", end="reset"))
            old = ["KexAlgorithms=diffie-hellman-group1-sha1"]
            stage.show("nothing in common", lambda: clients.password(client, ATTACKER, SERVER, "a", "b", options=old))
            for name in _FORGED:
                stage.show(f"name {name!r}", lambda: login(name))
            stage.stop()


if __name__ == "__main__":
    main()
