"""What Sendmail logs when it is attacked: logins by Cyrus SASL, relaying, check rules. ``python -m tests.capture.sendmail``"""

from __future__ import annotations

import subprocess
from base64 import b64encode
from pathlib import Path

from tests.capture import machine
from tests.capture.machine import ATTACKER6, FRIEND, SECRET, SERVER6, Stage

_MC = """\
divert(0)dnl
include(`/usr/share/sendmail/cf/m4/cf.m4')dnl
OSTYPE(`debian')dnl
DOMAIN(`debian-mta')dnl
undefine(`confHOST_STATUS_DIRECTORY')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`access_db', `hash -T<TMPF> /etc/mail/access')dnl
FEATURE(`local_procmail', `/bin/true')dnl
DAEMON_OPTIONS(`Family=inet6, Name=MTA-v6, Port=smtp, Addr=2001:db8::1')dnl
DAEMON_OPTIONS(`Family=inet, Name=MTA-v4, Port=smtp, Addr=192.0.2.1')dnl
define(`confAUTH_MECHANISMS', `PLAIN LOGIN CRAM-MD5 DIGEST-MD5')dnl
TRUST_AUTH_MECH(`PLAIN LOGIN CRAM-MD5 DIGEST-MD5')dnl
define(`confAUTH_OPTIONS', `A')dnl
define(`confLOG_LEVEL', `{level}')dnl
define(`confBAD_RCPT_THROTTLE', `3')dnl
define(`confPRIVACY_FLAGS', `novrfy,noexpn,authwarnings{privacy}')dnl
define(`confREFUSE_LA', `900')dnl
define(`confQUEUE_LA', `900')dnl
define(`confDELAY_LA', `900')dnl
define(`confTO_COMMAND', `5s')dnl
LOCAL_DOMAIN(`example.org')dnl
MAILER_DEFINITIONS
MAILER(`local')dnl
MAILER(`smtp')dnl
"""
_ACCESS = """\
Connect:192.0.2.13 REJECT
From:spam@example.com REJECT
From:error@example.com ERROR:"550 we do not like you"
To:closed@example.org REJECT
"""
_FORGED = ("x [203.0.113.9]", "x, relay=y [203.0.113.9]", "x>, relay=[203.0.113.9], reject=550")


def _b64(text: str) -> str:
    return b64encode(text.encode()).decode()


def main() -> None:
    machine.enter(["sendmail-bin", "sasl2-bin", "libsasl2-modules"])
    with Stage({"alice": SECRET}) as stage:
        Path("/etc/hosts").write_text(
            "127.0.0.1 localhost\n192.0.2.1 mail.example.org mail host\n192.0.2.10 friend.example.com example.com\n"
        )
        Path("/etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nshadow: files\nhosts: files\n")
        Path("/etc/mail/access").write_text(_ACCESS)
        Path("/etc/mail/service.switch").write_text("hosts files\naliases files\n")
        stage.server.run(["sh", "-c", "makemap hash /etc/mail/access < /etc/mail/access"])
        Path("/etc/sasl2").mkdir(exist_ok=True)
        for name in ("/usr/lib/sasl2/Sendmail.conf", "/etc/sasl2/Sendmail.conf", "/etc/mail/sasl/Sendmail.conf.2"):
            if Path(name).parent.is_dir():
                Path(name).write_text(
                    "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN CRAM-MD5 DIGEST-MD5\n"
                )
        stage.server.run(["saslpasswd2", "-p", "-c", "-u", "mail.example.org", "alice"], input=SECRET)
        subprocess.run(["chmod", "0640", "/etc/sasldb2"], check=False)
        for name in ("/run/sendmail", "/run/sendmail/mta", "/var/run/sendmail/stampdir", "/var/spool/mqueue"):
            Path(name).mkdir(parents=True, exist_ok=True)
        Path("/etc/mail/local-host-names").write_text("example.org\n")
        Path("/etc/aliases").write_text("postmaster: root\n")
        talk = stage.talk
        for level, privacy in ((9, ""), (14, ",needmailhelo")):
            mc = Path("/run/lab/sendmail.mc")
            mc.write_text(_MC.format(level=level, privacy=privacy))
            Path("/run/lab/sendmail.cf").write_text(stage.server.run(["m4", mc]).stdout)
            stage.server.run(["newaliases", "-C/run/lab/sendmail.cf"], check=False)
            stage.start(["/usr/sbin/sendmail", "-bD", "-q1h", "-C/run/lab/sendmail.cf"])
            stage.listen(25)

            def show(title: str, *words: str | bytes, **more: str | float) -> None:
                stage.show(title, lambda: talk(25, *words, **more))  # type: ignore[arg-type]

            def login(name: str, secret: str = "guess") -> list[str]:
                return ["EHLO client.example.com", "AUTH LOGIN", _b64(name), _b64(secret), "QUIT"]

            def mail(sender: str, *recipients: str, helo: str = "client.example.com") -> list[str]:
                return [f"EHLO {helo}", f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{to}>" for to in recipients), "QUIT"]

            show(f"start: LogLevel {level}{privacy}")
            show("wrong password, LOGIN", *login("alice"))
            show("wrong password, PLAIN", "EHLO client", "AUTH PLAIN " + _b64("\0alice\0guess"), "QUIT")
            show("unknown user", *login("oracle@example.org"))
            show("CRAM-MD5", "EHLO a", "AUTH CRAM-MD5", _b64("alice " + "0" * 32), "QUIT")
            show("unknown mechanism", "EHLO a", "AUTH NTLM", "QUIT")
            show("five in a row", "EHLO a", *["AUTH PLAIN " + _b64("\0alice\0guess")] * 5, "QUIT", wait=20)
            show("IPv6", *login("alice"), source=ATTACKER6, target=SERVER6)
            show("right", *login("alice", SECRET), source=FRIEND)
            show("relay", *mail("a@example.com", "b@elsewhere.example.net"))
            show("relay, from one with a name", *mail("a@example.com", "b@elsewhere.example.net"), source=FRIEND)
            show("relay, IPv6", *mail("a@example.com", "b@elsewhere.example.net"), source=ATTACKER6, target=SERVER6)
            show("unknown user", *mail("a@example.com", "oracle@example.org"))
            show("many unknown users", *mail("a@example.com", *[f"u{number}@example.org" for number in range(5)]))
            show("good", *mail("a@example.com", "alice@example.org"), source=FRIEND)
            show("unknown sender domain", *mail("a@nowhere.invalid", "alice@example.org"))
            show("sender without a domain", *mail("a", "alice@example.org"))
            show("access_db", *mail("spam@example.com", "alice@example.org"))
            show("access_db, own words", *mail("error@example.com", "alice@example.org"))
            show("access_db, recipient", *mail("a@example.com", "closed@example.org"))
            show("no helo", "MAIL FROM:<a@example.com>", "RCPT TO:<alice@example.org>", "QUIT")
            show("bad helo", "EHLO x y", "HELO a@b", "EHLO", "QUIT")
            show("VRFY, EXPN, ETRN", "EHLO a", "VRFY alice", "EXPN root", "ETRN example.com", "QUIT")
            show("http", "GET / HTTP/1.1", "Host: 192.0.2.1", "Accept: *")
            show("nonsense", *["XYZZY"] * 30)
            show("no words", wait=2)
            show("hung up after EHLO", "EHLO a")
            show("talks first", b"")
            for name in _FORGED:
                show(f"login as {name!r}", *login(name))
                show(f"sender {name!r}", *mail(f'"{name}"@example.com', "b@elsewhere.example.net"))
                show(f"recipient {name!r}", *mail("a@example.com", f'"{name}"@elsewhere.example.net'))
                show(f"helo {name!r}", *mail("a@example.com", "b@elsewhere.example.net", helo=name))
            stage.stop()


if __name__ == "__main__":
    main()
