"""What the IMAP and POP3 proxy Perdition logs when the server behind it (Dovecot) refuses a login. ``python -m tests.capture.perdition``"""

from __future__ import annotations

from pathlib import Path

from tests.capture import machine
from tests.capture.machine import FRIEND, SECRET, Stage

_DOVECOT = """\
protocols = imap pop3
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
log_path = /run/lab/dovecot.log
mail_location = maildir:~/Maildir
passdb {
  driver = passwd-file
  args = /run/lab/users
}
userdb {
  driver = passwd
}
"""
_FORGED = ("two words", 'x" y', 'x" server="y" port="143" status="failed" 203.0.113.9:1->192.0.2.1:2')


def main() -> None:
    machine.enter(["dovecot-imapd", "dovecot-pop3d", "perdition"])
    with Stage({"alice": SECRET}) as stage:
        Path("/run/lab/dovecot.conf").write_text(_DOVECOT)
        Path("/run/lab/users").write_text(f"alice:{{PLAIN}}{SECRET}\n")
        Path("/run/lab/users").chmod(0o644)
        stage.start(["dovecot", "-F", "-c", "/run/lab/dovecot.conf"])
        Path("/etc/perdition/perdition.conf").write_text("")
        pid = "/run/lab/perdition.{}.pid"
        for protocol, port in (("IMAP4", "143"), ("POP3", "110")):
            words = [
                "perdition",
                "-P",
                protocol,
                "-l",
                port,
                "-b",
                "192.0.2.1",
                "-s",
                "127.0.0.1",
                "-p",
                port,
                "--ssl_mode",
                "none",
            ]
            stage.server.run([*words, "-M", "", "--pid_file", pid.format(port), "-F", "mail"])
        show, talk = stage.show, stage.talk
        stage.listen(143)
        show("start", lambda: None)
        show("IMAP, wrong password", lambda: talk(143, "a LOGIN alice guess", "b LOGOUT"))
        show("IMAP, unknown user", lambda: talk(143, "a LOGIN oracle guess", "b LOGOUT"))
        show("IMAP, right", lambda: talk(143, f'a LOGIN alice "{SECRET}"', "b LOGOUT", source=FRIEND))
        show("IMAP, no login", lambda: talk(143, "b LOGOUT"))
        show("IMAP, nothing", lambda: talk(143))
        show("POP3, wrong password", lambda: talk(110, "USER alice", "PASS guess", "QUIT"))
        show("POP3, right", lambda: talk(110, "USER alice", f"PASS {SECRET}", "QUIT", source=FRIEND))
        for name in _FORGED:
            quoted = name.replace('"', '\\"')
            show(f"IMAP {name!r}", lambda: talk(143, f'a LOGIN "{quoted}" guess', "b LOGOUT"))
            show(f"POP3 {name!r}", lambda: talk(110, f"USER {name}", "PASS guess", "QUIT"))


if __name__ == "__main__":
    main()
