"""What Courier's IMAP, POP3 and SMTP servers log when they are attacked. ``python -m tests.capture.courier``"""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

from tests.capture import machine
from tests.capture.machine import ATTACKER6, FRIEND, SECRET, SERVER6, Stage

_FORGED = ("two words", "x, ip=[::ffff:203.0.113.9]", "x: LOGIN FAILED, ip=[203.0.113.9]", "x [203.0.113.9]")


def _b64(text: str) -> str:
    return b64encode(text.encode()).decode()


def main() -> None:
    machine.enter(["courier-imap", "courier-pop", "courier-mta", "courier-authdaemon", "update-inetd"])
    with Stage({"alice": SECRET}) as stage:
        stage.names({"example.org": "192.0.2.1", "example.com": "192.0.2.1"})
        Path("/etc/courier/me").write_text("mail.example.org\n")
        Path("/etc/courier/locals").write_text("localhost\nexample.org\n")
        stage.server.run(["sh", "-c", "cd /home/alice && maildirmake Maildir && chown -R alice Maildir"])
        for name in ("/run/courier", "/run/courier/authdaemon"):
            Path(name).mkdir(exist_ok=True)
            stage.server.run(["chown", "courier:courier", name])
        authdaemon = Path("/etc/courier/authdaemonrc")
        authdaemon.write_text(authdaemon.read_text().replace("DEBUG_LOGIN=0", "DEBUG_LOGIN=1"))
        stage.server.run(["sh", "-c", ". /etc/courier/authdaemonrc; authdaemond start || true"])
        esmtpd = Path("/etc/courier/esmtpd")
        esmtpd.write_text(esmtpd.read_text() + '\nESMTPAUTH="PLAIN LOGIN"\nBOFHCHECKDNS=0\n')
        servers = (
            "imapd start",
            "pop3d start",
            "makeacceptmailfor",
            "makehosteddomains",
            "makesmtpaccess",
            "esmtpd start",
        )
        stage.server.run(["sh", "-c", "; ".join(servers)], check=False)
        stage.server.run(["sh", "-c", "courier start || courierctl.start start"], check=False)
        show, talk = stage.show, stage.talk
        stage.listen(143)
        stage.listen(110)
        show("start", lambda: None)
        for port, kind in ((143, "IMAP"), (110, "POP3")):

            def login(user: str, secret: str = "guess", **more: str) -> None:
                quoted = user.replace('"', '\\"')
                words = (
                    [f'a LOGIN "{quoted}" "{secret}"', "b LOGOUT"]
                    if port == 143
                    else [f"USER {user}", f"PASS {secret}", "QUIT"]
                )
                talk(port, *words, wait=12, **more)  # type: ignore[arg-type]

            show(f"{kind}, wrong password", lambda: login("alice"))
            show(f"{kind}, unknown user", lambda: login("oracle@example.org"))
            show(f"{kind}, IPv6", lambda: login("alice", source=ATTACKER6, target=SERVER6))
            show(f"{kind}, right", lambda: login("alice", SECRET, source=FRIEND))
            show(f"{kind}, no words", lambda: talk(port))
            show(f"{kind}, not a mail client", lambda: talk(port, "GET / HTTP/1.0", "Host: x"))
            for name in _FORGED:
                show(f"{kind}, name {name!r}", lambda: login(name))
        show("IMAP, until it hangs up", lambda: talk(143, *['a LOGIN alice "guess"'] * 5, wait=30))
        stage.listen(25)
        show("SMTP is up", lambda: None)

        def mail(sender: str, recipient: str, helo: str = "client.example.com") -> None:
            talk(25, f"EHLO {helo}", f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>", "QUIT", wait=15)

        show("SMTP, LOGIN", lambda: talk(25, "EHLO a", "AUTH LOGIN", _b64("alice"), _b64("guess"), "QUIT", wait=15))
        show("SMTP, PLAIN", lambda: talk(25, "EHLO a", "AUTH PLAIN " + _b64("\0alice\0guess"), "QUIT", wait=15))
        show(
            "SMTP, right", lambda: talk(25, "EHLO a", "AUTH PLAIN " + _b64(f"\0alice\0{SECRET}"), "QUIT", source=FRIEND)
        )
        show("SMTP, relay", lambda: mail("a@example.com", "b@elsewhere.example.net"))
        show("SMTP, unknown user", lambda: mail("a@example.com", "oracle@example.org"))
        show("SMTP, good", lambda: mail("a@example.com", "alice@example.org"))
        show("SMTP, bad sender", lambda: mail("a", "alice@example.org"))
        show("SMTP, http", lambda: talk(25, "GET / HTTP/1.0", "Host: x"))
        show("SMTP, many", lambda: talk(25, *["XYZZY"] * 12, wait=30))
        for name in _FORGED:
            show(f"SMTP, sender {name!r}", lambda: mail(f'"{name}"@example.com', "b@elsewhere.example.net"))
            show(f"SMTP, helo {name!r}", lambda: mail("a@example.com", "b@elsewhere.example.net", name))


if __name__ == "__main__":
    main()
