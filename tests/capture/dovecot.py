"""What Dovecot logs when it is attacked, by IMAP, POP3 and ManageSieve, with and without PAM. ``python -m tests.capture.dovecot``"""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

from tests.capture import machine
from tests.capture.machine import ATTACKER6, FRIEND, SECRET, SERVER6, Stage

_CONFIG = """\
protocols = imap pop3 sieve
ssl = yes
ssl_cert = </run/lab/certificate.pem
ssl_key = </run/lab/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login{mechanisms}
auth_verbose = {verbose}
mail_location = maildir:~/Maildir
syslog_facility = mail
passdb {{
  driver = {driver}
  args = {arguments}
}}
userdb {{
  driver = passwd
}}
"""
_FORGED = (
    'x" NOPE rip=203.0.113.9',
    "x>, method=PLAIN, rip=203.0.113.9, lip=192.0.2.1",
    "x,203.0.113.9",
    "two words",
    "x): unknown user",
)
_BROKEN_TLS = """
import socket, time
for text in (b"GET / HTTP/1.0\\r\\n\\r\\n", b"\\x16\\x03\\x00\\x00\\x05zzzzz"):
    c = socket.create_connection(("192.0.2.1", 993), source_address=("192.0.2.66", 0))
    c.sendall(text); time.sleep(0.5); c.close()
"""


def main() -> None:
    machine.enter(["dovecot-imapd", "dovecot-pop3d", "dovecot-managesieved", "openssl"])
    with Stage({"alice": SECRET}) as stage:
        stage.certificate()
        show, talk = stage.show, stage.talk
        users = Path("/run/lab/users")
        users.write_text(f"alice:{{PLAIN}}{SECRET}\n")
        users.chmod(0o644)
        for driver, arguments in (("pam", "dovecot"), ("passwd-file", str(users))):
            for verbose in ("no", "yes"):
                config = Path("/run/lab/dovecot.conf")
                mechanisms = "" if driver == "pam" else " cram-md5"
                text = _CONFIG.format(verbose=verbose, driver=driver, arguments=arguments, mechanisms=mechanisms)
                config.write_text(text)
                stage.start(["dovecot", "-F", "-c", config])
                stage.listen(143)
                kind = f"{driver}, auth_verbose={verbose}"
                bad = b64encode(b"\0alice\0guess").decode()
                show(f"start: {kind}", lambda: None)
                show("IMAP, wrong password", lambda: talk(143, 'a LOGIN alice "guess"', "b LOGOUT"))
                show("IMAP, unknown user", lambda: talk(143, 'a LOGIN oracle@example.org "guess"', "b LOGOUT"))
                show("IMAP, gone without logout", lambda: talk(143, 'a LOGIN alice "guess"'))
                show("IMAP, right", lambda: talk(143, f'a LOGIN alice "{SECRET}"', "b LOGOUT", source=FRIEND))
                if driver == "pam" and verbose == "yes":
                    break
                show("IMAP, until it hangs up", lambda: talk(143, *['a LOGIN alice "guess"'] * 5, wait=30))
                show("IMAP, PLAIN", lambda: talk(143, f"a AUTHENTICATE PLAIN {bad}", "b LOGOUT"))
                show("IMAP, IPv6", lambda: talk(143, 'a LOGIN alice "guess"', source=ATTACKER6, target=SERVER6))
                show("IMAP, TLS", lambda: talk(993, 'a LOGIN alice "guess"', "b LOGOUT", tls=True))
                show("IMAP, STARTTLS", lambda: talk(143, "a STARTTLS", 'b LOGIN alice "guess"', "c LOGOUT"))
                show(
                    "IMAP, one wrong, then right",
                    lambda: talk(143, 'a LOGIN alice "x"', f'b LOGIN alice "{SECRET}"', "c LOGOUT"),
                )
                show("POP3, wrong password", lambda: talk(110, "USER alice", "PASS guess", "QUIT"))
                show("POP3, unknown user", lambda: talk(110, "USER oracle", "PASS guess"))
                show("Sieve, wrong password", lambda: talk(4190, f'AUTHENTICATE "PLAIN" "{bad}"', "LOGOUT"))
                show(
                    "CRAM-MD5", lambda: talk(143, "a AUTHENTICATE CRAM-MD5", b64encode(b"alice " + b"0" * 32).decode())
                )
                show("no mechanism", lambda: talk(143, "a AUTHENTICATE NTLM", "b LOGOUT"))
                show("aborted", lambda: talk(143, "a AUTHENTICATE PLAIN", "*", "b LOGOUT"))
                show("not base64", lambda: talk(143, "a AUTHENTICATE PLAIN", "%%%", "b LOGOUT"))
                show("no login", lambda: talk(143, "a LOGOUT"))
                show("no words", lambda: talk(143))
                show("no words, POP3", lambda: talk(110))
                show("not IMAP", lambda: talk(143, "GET / HTTP/1.0", "x", "y", "z"))
                show("many bad commands", lambda: talk(143, *["a NOSUCH"] * 12))
                show("not TLS", lambda: stage.python(_BROKEN_TLS))
                for name in _FORGED:
                    quoted = name.replace('"', '\\"')
                    show(f"name {name!r}", lambda: talk(143, f'a LOGIN "{quoted}" "guess"', "b LOGOUT"))
                stage.stop()
            else:
                continue
            stage.stop()


if __name__ == "__main__":
    main()
