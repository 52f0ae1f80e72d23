"""What Postfix logs when it is attacked: logins by way of dovecot, relaying, lists, greetings. ``python -m tests.capture.postfix``"""

from __future__ import annotations

import subprocess
from base64 import b64encode
from pathlib import Path

from tests.capture import machine
from tests.capture.machine import ATTACKER, ATTACKER6, FRIEND, SECRET, SERVER, SERVER6, Stage

_MAIN = """\
compatibility_level = 3.6
myhostname = mail.example.org
mydestination = example.org, localhost
mynetworks = 127.0.0.0/8
inet_interfaces = all
smtpd_tls_cert_file = /run/lab/certificate.pem
smtpd_tls_key_file = /run/lab/key.pem
smtpd_tls_security_level = may
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_helo_required = yes
smtpd_delay_reject = yes
smtpd_helo_restrictions = reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname
smtpd_sender_restrictions = reject_non_fqdn_sender, reject_unknown_sender_domain
smtpd_recipient_restrictions = check_client_access inline:{192.0.2.13=REJECT}, reject_rbl_client rbl.example.org,
    permit_sasl_authenticated, reject_unauth_destination
smtpd_hard_error_limit = 3
smtpd_error_sleep_time = 0
smtpd_timeout = 5
smtpd_client_connection_rate_limit = 1000
alias_maps =
"""

_STRICT = """\
smtpd_client_connection_rate_limit = 1
smtpd_delay_reject = no
smtpd_client_restrictions = check_client_access inline:{192.0.2.66=REJECT}, reject_unknown_client_hostname
"""

_POSTSCREEN = """\
postscreen_greet_action = enforce
postscreen_greet_wait = 2s
postscreen_dnsbl_sites = rbl.example.org
postscreen_dnsbl_action = enforce
"""

_DOVECOT = """\
protocols =
ssl = no
log_path = /run/lab/dovecot.log
auth_mechanisms = plain login cram-md5 digest-md5
passdb {
  driver = static
  args = user=alice password=%s
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=/tmp
}
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0666
  }
}
"""

_FORGED = (
    "x[203.0.113.9]",
    "x[203.0.113.9]: SASL LOGIN authentication failed: y",
    "> from=<a@example.com> x[203.0.113.9]",
)


def _b64(text: str) -> str:
    return b64encode(text.encode()).decode()


def _start(stage: Stage, more: str = "", *, postscreen: bool = False) -> None:
    replaced = tuple(line.split(" = ")[0] for line in more.splitlines())
    kept = [line for line in _MAIN.splitlines() if line.split(" = ")[0] not in replaced]
    Path("/etc/postfix/main.cf").write_text("\n".join(kept) + f"\n{more}\n")
    stage.server.run(["postconf", "-F", "*/*/chroot = n"])
    if postscreen:
        master = Path("/etc/postfix/master.cf")
        lines = master.read_text().splitlines()
        lines = [line for line in lines if line.split()[:2] not in (["smtp", "inet"], ["smtpd", "pass"])]
        lines += ["smtp inet n - n - 1 postscreen", "smtpd pass - - n - - smtpd", "dnsblog unix - - n - 0 dnsblog"]
        master.write_text("\n".join(lines) + "\n")
    stage.server.run(["postfix", "start"])
    stage.listen(25)


def main() -> None:
    machine.enter(["postfix", "dovecot-core", "openssl"])
    with Stage({"alice": SECRET}) as stage:
        stage.certificate()
        names = {"example.org": SERVER, "example.com": SERVER}
        listed = {"66.2.0.192.rbl.example.org": "127.0.0.2", **names}
        stage.names(names)
        Path("/run/lab/dovecot.conf").write_text(_DOVECOT % SECRET.replace(" ", ""))
        Path("/etc/postfix/main.cf").write_text(_MAIN)
        subprocess.run(["postfix", "set-permissions"], check=False, capture_output=True)
        stage.start(["dovecot", "-F", "-c", "/run/lab/dovecot.conf"])
        _start(stage)
        show, talk = stage.show, stage.talk
        show("start", lambda: None)

        def login(name: str, secret: str, **more: str) -> None:
            talk(25, "EHLO client.example.com", "AUTH LOGIN", _b64(name), _b64(secret), "QUIT", **more)  # type: ignore[arg-type]

        def mail(sender: str, recipient: str, helo: str = "client.example.com", **more: str) -> None:
            talk(25, f"EHLO {helo}", f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>", "QUIT", **more)  # type: ignore[arg-type]

        show("wrong password, LOGIN", lambda: login("alice@example.org", "guess"))
        plain = _b64("\0alice\0guess")
        show("wrong password, PLAIN", lambda: talk(25, "EHLO client.example.com", f"AUTH PLAIN {plain}", "QUIT"))
        show(
            "CRAM-MD5",
            lambda: talk(25, "EHLO a.example.com", "AUTH CRAM-MD5", _b64("alice 0123456789abcdef0123456789abcdef")),
        )
        show(
            "DIGEST-MD5", lambda: talk(25, "EHLO a.example.com", "AUTH DIGEST-MD5", _b64('username="alice",response=a'))
        )
        show("unknown mechanism", lambda: talk(25, "EHLO a.example.com", "AUTH NTLM"))
        show("not base64", lambda: talk(25, "EHLO a.example.com", "AUTH LOGIN", "%%%%"))
        show("aborted", lambda: talk(25, "EHLO a.example.com", "AUTH LOGIN", "*"))
        show("right password", lambda: login("alice", SECRET.replace(" ", ""), source=FRIEND))
        show("wrong password, IPv6", lambda: login("alice", "guess", source=ATTACKER6, target=SERVER6))
        for name in _FORGED:
            show(f"login as {name!r}", lambda: login(name, "guess"))
            show(f"helo {name!r}", lambda: mail("a@example.com", "b@elsewhere.example.net", helo=name))
            show(f"sender {name!r}", lambda: mail(f'"{name}"@example.com', "b@elsewhere.example.net"))
        show("relay", lambda: mail("a@example.com", "b@elsewhere.example.net"))
        show("relay, IPv6", lambda: mail("a@example.com", "b@elsewhere.example.net", source=ATTACKER6, target=SERVER6))
        show("unknown recipient", lambda: mail("a@example.com", "nobody-here@example.org"))
        show("a good mail", lambda: mail("a@example.com", "alice@example.org", source=FRIEND))
        show("unknown sender domain", lambda: mail("a@nowhere.example.net", "alice@example.org"))
        show("sender without a domain", lambda: mail("alice", "alice@example.org"))
        show("helo is no host", lambda: mail("a@example.com", "alice@example.org", helo="friend"))
        show("helo is nonsense", lambda: mail("a@example.com", "alice@example.org", helo="-x"))
        rcpt = [f"RCPT TO:<u{number}@example.org>" for number in range(5)]
        show("too many errors, RCPT", lambda: talk(25, "EHLO a.example.com", "MAIL FROM:<a@example.com>", *rcpt))
        show("too many errors, AUTH", lambda: talk(25, "EHLO a.example.com", *[f"AUTH PLAIN {plain}"] * 5))
        show("gone after AUTH", lambda: talk(25, "EHLO a.example.com", f"AUTH PLAIN {plain}"))
        show("gone after EHLO", lambda: talk(25, "EHLO a.example.com"))
        show("gone after STARTTLS", lambda: talk(25, "EHLO a.example.com", "STARTTLS"))
        show("gone after connect", lambda: talk(25))
        show("gone with a reset", lambda: talk(25, "EHLO a.example.com", end="reset"))
        show("gone after MAIL", lambda: talk(25, "EHLO a.example.com", "MAIL FROM:<a@example.com>"))
        begun = ["EHLO a.example.com", "MAIL FROM:<a@example.com>"]
        show("gone after RCPT", lambda: talk(25, *begun, "RCPT TO:<u@example.org>"))
        show("gone after DATA", lambda: talk(25, *begun, "RCPT TO:<alice@example.org>", "DATA"))
        show("time runs out", lambda: stage.python(_WAIT))
        show("http", lambda: talk(25, "GET / HTTP/1.1", "Host: 192.0.2.1"))
        at_once = "\r\n".join([*begun, "RCPT TO:<b@example.org>", "DATA", "x", "."])
        show("pipelining", lambda: talk(25, at_once))
        show("nonsense", lambda: talk(25, b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", "x [203.0.113.9]", "y"))
        show("TLS broken", lambda: stage.python(_BROKEN_TLS))
        show(
            "VRFY, ETRN",
            lambda: talk(25, "EHLO a.example.com", "VRFY alice", "VRFY oracle", "ETRN example.com", "EXPN x"),
        )

        stage.server.run(["postfix", "stop"])
        stage.names(listed)
        _start(stage)
        show("on a block list", lambda: mail("a@example.com", "alice@example.org"))
        stage.names(names)
        stage.server.run(["postfix", "stop"])
        _start(stage, _STRICT)
        show("refused at once", lambda: talk(25, "EHLO a.example.com", source=ATTACKER))
        show("without a name", lambda: talk(25, "EHLO a.example.com", source=FRIEND))
        show("too many connections", lambda: [talk(25, source=ATTACKER6, target=SERVER6) for _ in range(3)])
        stage.server.run(["postfix", "stop"])

        stage.names(listed)
        _start(stage, _POSTSCREEN, postscreen=True)
        show("postscreen, listed", lambda: stage.python(_SLOW))
        stage.names(names)
        show("postscreen, talks first", lambda: stage.python(_EARLY.replace("192.0.2.66", "192.0.2.10")))
        show("postscreen, hangs up", lambda: talk(25, source=ATTACKER6, target=SERVER6))
        stage.server.run(["postfix", "stop"])
        print("# dovecot's side of it", Path("/run/lab/dovecot.log").read_text(), sep="\n")


_CONNECT = """
import socket, time
c = socket.create_connection(("192.0.2.1", 25), source_address=("192.0.2.66", 0))
c.settimeout(8)
"""
_WAIT = _CONNECT + "c.recv(99); c.sendall(b'EHLO a.example.com\\r\\n'); c.recv(999); time.sleep(6); print(c.recv(99))\n"
_EARLY = _CONNECT + "c.sendall(b'EHLO a.example.com\\r\\n'); time.sleep(3)\n"
_SLOW = (
    _CONNECT
    + """
for word in (b"EHLO a.example.com", b"MAIL FROM:<a@example.com>", b"RCPT TO:<alice@example.org>", b"QUIT"):
    time.sleep(3); c.recv(999); c.sendall(word + b"\\r\\n")
time.sleep(1)
"""
)
_BROKEN_TLS = (
    _CONNECT
    + """
c.recv(99); c.sendall(b'EHLO a.example.com\\r\\n'); c.recv(999); c.sendall(b'STARTTLS\\r\\n'); c.recv(99)
c.sendall(b'this is not TLS at all\\r\\n'); time.sleep(1)
"""
)

if __name__ == "__main__":
    main()
