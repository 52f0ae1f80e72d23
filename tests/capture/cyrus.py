"""What Cyrus IMAP logs when it is attacked, by IMAP, POP3 and ManageSieve. ``python -m tests.capture.cyrus``"""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

from tests.capture import machine
from tests.capture.machine import ATTACKER6, FRIEND, SECRET, SERVER6, Stage

_IMAPD = """\
configdirectory: /var/lib/cyrus
proc_path: /run/cyrus/proc
mboxname_lockpath: /run/cyrus/lock
defaultpartition: default
partition-default: /var/spool/cyrus/mail
altnamespace: no
allowplaintext: yes
sasl_mech_list: PLAIN LOGIN CRAM-MD5 DIGEST-MD5
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
idlesocket: /run/cyrus/socket/idle
notifysocket: /run/cyrus/socket/notify
lmtpsocket: /run/cyrus/socket/lmtp
syslog_prefix: cyrus
autocreate_quota: 0
"""
_CYRUS = """\
START {
}
SERVICES {
  imap cmd="imapd" listen="143" prefork=0
  imap6 cmd="imapd" listen="[2001:db8::1]:143" prefork=0 proto="tcp6"
  pop3 cmd="pop3d" listen="110" prefork=0
  sieve cmd="timsieved" listen="4190" prefork=0
}
EVENTS {
}
"""
_FORGED = ("two words", "x [203.0.113.9] plaintext y", "[203.0.113.9]", "x] SASL(-13)")


def main() -> None:
    machine.enter(["cyrus-imapd", "cyrus-pop3d", "sasl2-bin", "libsasl2-modules", "update-inetd"])
    with Stage({"alice": SECRET}) as stage:
        Path("/etc/imapd.conf").write_text(_IMAPD)
        Path("/etc/cyrus.conf").write_text(_CYRUS)
        stage.server.run(["saslpasswd2", "-p", "-c", "-u", "host", "alice"], input=SECRET)
        stage.server.run(["chown", "cyrus", "/etc/sasldb2"], check=False)
        stage.server.run(
            ["sh", "-c", "mkdir -p /run/cyrus/proc /run/cyrus/lock /run/cyrus/socket; chown -R cyrus:mail /run/cyrus"]
        )
        master = next(path for path in ("/usr/lib/cyrus/bin/master", "/usr/sbin/cyrmaster") if Path(path).exists())
        stage.start([master])
        show, talk = stage.show, stage.talk
        stage.listen(143)
        show("start", lambda: None)
        bad = b64encode(b"\0alice\0guess").decode()
        show("IMAP, LOGIN", lambda: talk(143, "a LOGIN alice guess", "b LOGOUT", wait=12))
        show("IMAP, unknown user", lambda: talk(143, "a LOGIN oracle guess", "b LOGOUT", wait=12))
        show("IMAP, PLAIN", lambda: talk(143, f"a AUTHENTICATE PLAIN {bad}", "b LOGOUT", wait=12))
        show("IMAP, PLAIN in two lines", lambda: talk(143, "a AUTHENTICATE PLAIN", bad, "b LOGOUT", wait=12))
        show(
            "IMAP, CRAM-MD5",
            lambda: talk(143, "a AUTHENTICATE CRAM-MD5", b64encode(b"alice " + b"0" * 32).decode(), wait=12),
        )
        show("IMAP, no mechanism", lambda: talk(143, "a AUTHENTICATE NTLM", "b LOGOUT"))
        show("IMAP, aborted", lambda: talk(143, "a AUTHENTICATE PLAIN", "*", "b LOGOUT"))
        show("IMAP, IPv6", lambda: talk(143, "a LOGIN alice guess", source=ATTACKER6, target=SERVER6, wait=12))
        show("IMAP, right", lambda: talk(143, f'a LOGIN alice "{SECRET}"', "b LOGOUT", source=FRIEND))
        show("IMAP, nothing", lambda: talk(143))
        show("POP3", lambda: talk(110, "USER alice", "PASS guess", "QUIT", wait=12))
        show("POP3, unknown user", lambda: talk(110, "USER oracle", "PASS guess", "QUIT", wait=12))
        show("POP3, PLAIN", lambda: talk(110, f"AUTH PLAIN {bad}", "QUIT", wait=12))
        show("POP3, right", lambda: talk(110, "USER alice", f"PASS {SECRET}", "QUIT", source=FRIEND))
        show("Sieve", lambda: talk(4190, f'AUTHENTICATE "PLAIN" "{bad}"', "LOGOUT", wait=12))
        for name in _FORGED:
            plain = b64encode(f"\0{name}\0guess".encode()).decode()
            show(f"LOGIN {name!r}", lambda: talk(143, f'a LOGIN "{name}" guess', "b LOGOUT", wait=12))
            show(f"PLAIN {name!r}", lambda: talk(143, f"a AUTHENTICATE PLAIN {plain}", "b LOGOUT", wait=12))
            show(f"POP3 {name!r}", lambda: talk(110, f"USER {name}", "PASS guess", "QUIT", wait=12))


if __name__ == "__main__":
    main()
