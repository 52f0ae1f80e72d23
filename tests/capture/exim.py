"""What Exim logs when it is attacked: mainlog and rejectlog, by its own file and by syslog. ``python -m tests.capture.exim``"""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

from tests.capture import machine
from tests.capture.machine import ATTACKER6, FRIEND, SECRET, SERVER6, Stage

_CONFIG = """\
primary_hostname = mail.example.org
domainlist local_domains = example.org
daemon_smtp_ports = 25
acl_smtp_connect = acl_connect
acl_smtp_helo = acl_helo
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = acl_data
acl_smtp_auth = accept
acl_smtp_predata = accept
host_lookup = {lookup}
tls_advertise_hosts = *
tls_certificate = /run/lab/certificate.pem
tls_privatekey = /run/lab/key.pem
smtp_max_unknown_commands = 3
smtp_receive_timeout = 5s
log_file_path = {where}
log_selector = {selector}
never_users =
begin acl
acl_connect:
  deny hosts = 192.0.2.13
       message = listed here
  accept
acl_helo:
  deny condition = ${{if eq{{$sender_helo_name}}{{bad.example.com}}}}
       message = bad greeting
  accept
acl_rcpt:
  deny message = rejected because $sender_host_address is in a black list at rbl.example.org
       senders = listed@example.com
  drop message = too many guesses
       senders = drop@example.com
  require verify = sender
  accept authenticated = *
  accept domains = +local_domains
         verify = recipient
  deny message = relay not permitted
acl_data:
  deny message = This message scored 12.3 spam points.
       condition = ${{if match{{$h_subject:}}{{spam}}}}
  deny message = This message contains malware (Eicar)
       condition = ${{if match{{$h_subject:}}{{virus}}}}
  accept
begin routers
local:
  driver = accept
  domains = example.org
  local_parts = alice
  transport = null
elsewhere:
  driver = accept
  domains = example.com
  transport = null
begin transports
null:
  driver = appendfile
  file = /dev/null
  user = nobody
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{alice}}}}{{eq{{$auth3}}{{{secret}}}}}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if and{{{{eq{{$auth1}}{{alice}}}}{{eq{{$auth2}}{{{secret}}}}}}}}}
  server_set_id = $auth1
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${{if eq{{$auth1}}{{alice}}{{x}}fail}}
  server_set_id = $auth1
"""
_FORGED = (
    "x) [203.0.113.9]",
    "x [203.0.113.9]: 535 Incorrect authentication data (set_id=y)",
    'x" H=(y) [203.0.113.9] F=<a>',
)


def _b64(text: str) -> str:
    return b64encode(text.encode()).decode()


def main() -> None:
    machine.enter(["exim4-daemon-heavy", "openssl"])
    with Stage({"alice": SECRET}) as stage:
        stage.certificate()
        logs = Path("/run/lab/exim")
        logs.mkdir(mode=0o777)
        logs.chmod(0o777)
        talk = stage.talk
        kinds = (
            ("/run/lab/exim/%slog", "+smtp_protocol_error", ""),
            ("/run/lab/exim/%slog", "+all", "*"),
            ("syslog", "+pid +incoming_port +incoming_interface", ""),
        )
        for where, selector, lookup in kinds:
            config = Path("/etc/exim4/exim4.conf")
            config.write_text(_CONFIG.format(where=where, selector=selector, lookup=lookup, secret=SECRET))
            stage.start(["exim4", "-bdf", "-q30m", "-oP", "/run/lab/exim.pid"])
            stage.listen(25)
            log = None if where == "syslog" else logs / "mainlog"

            def show(title: str, *words: str | bytes, **more: str | float) -> None:
                stage.show(title, lambda: talk(25, *words, **more), log=log)  # type: ignore[arg-type]

            def login(name: str, secret: str = "guess") -> list[str]:
                return ["EHLO client.example.com", "AUTH LOGIN", _b64(name), _b64(secret), "QUIT"]

            def mail(sender: str, recipient: str, helo: str = "client.example.com") -> list[str]:
                return [f"EHLO {helo}", f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>", "QUIT"]

            stage.show(f"start: {where} {selector}", lambda: None, log=log)
            show("wrong password, LOGIN", *login("alice@example.org"))
            show("wrong password, PLAIN", "EHLO client", "AUTH PLAIN " + _b64("\0alice\0guess"), "QUIT")
            show(
                "wrong password, without EHLO's name",
                "EHLO [192.0.2.66]",
                "AUTH PLAIN " + _b64("\0alice\0guess"),
                "QUIT",
            )
            show("CRAM-MD5", "EHLO a.example.com", "AUTH CRAM-MD5", _b64("alice " + "0" * 32), "QUIT")
            show("unknown mechanism", "EHLO a.example.com", "AUTH NTLM", "QUIT")
            show("IPv6", *login("alice"), source=ATTACKER6, target=SERVER6)
            show("TLS", "EHLO a.example.com", "STARTTLS", *login("alice"))
            show("right", *login("alice", SECRET), source=FRIEND)
            show("relay", *mail("a@example.com", "b@elsewhere.example.net"))
            show("unknown user", *mail("a@example.com", "oracle@example.org"))
            show("good", *mail("a@example.com", "alice@example.org"), source=FRIEND)
            show("sender verify", *mail("a@nowhere.example.net", "alice@example.org"))
            show("listed", *mail("listed@example.com", "alice@example.org"))
            show("drop", *mail("drop@example.com", "alice@example.org"))
            show("bad helo", *mail("a@example.com", "alice@example.org", "bad.example.com"))
            show("helo with a syntax error", *mail("a@example.com", "alice@example.org", "bad_name!"))
            good = ["EHLO c.example.com", "MAIL FROM:<a@example.com>", "RCPT TO:<alice@example.org>", "DATA"]
            show("spam", *good, "Subject: spam\r\n\r\nx\r\n.", "QUIT")
            show("virus", *good, "Subject: virus\r\n\r\nx\r\n.", "QUIT")
            show("unknown commands", *["XYZZY"] * 5)
            show("http", "GET / HTTP/1.1", "Host: 192.0.2.1", "User-Agent: x", "Accept: *", "Y: z")
            show("AUTH without EHLO", "AUTH LOGIN", "QUIT")
            show("syntax errors", "EHLO a", "MAIL FROM: x y z", "RCPT a b c", "MAIL FROM:<a@b@c>", "QUIT")
            show("not synchronized", b"EHLO a.example.com\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>")
            show("hung up", "EHLO a.example.com")
            show("hung up at once")
            show("reset", "EHLO a.example.com", end="reset")
            show("VRFY, ETRN, EXPN", "EHLO a.example.com", "VRFY alice", "ETRN example.com", "EXPN list", "QUIT")
            stage.show("not TLS", lambda: talk(25, "EHLO a.example.com", b"STARTTLS\r\nnot tls at all", "x"), log=log)
            stage.show("time runs out", lambda: stage.python(_WAIT), log=log, settle=1)
            for name in _FORGED:
                show(f"login as {name!r}", *login(name))
                show(f"sender {name!r}", *mail(f'"{name}"@example.com', "b@elsewhere.example.net"))
                show(f"helo {name!r}", *mail("a@example.com", "b@elsewhere.example.net", name))
                show(f"recipient {name!r}", *mail("a@example.com", f'"{name}"@elsewhere.example.net'))
            if log:
                print("# rejectlog", (logs / "rejectlog").read_text(errors="replace"), sep="\n")
            stage.stop()


_WAIT = """
import socket, time
c = socket.create_connection(("192.0.2.1", 25), source_address=("192.0.2.66", 0))
c.settimeout(8); c.recv(99); c.sendall(b'EHLO a.example.com\\r\\n'); c.recv(999); time.sleep(6); print(c.recv(99))
"""

if __name__ == "__main__":
    main()
