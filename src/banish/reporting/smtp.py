"""The same mails by SMTP (RFC 5321), for hosts without a sendmail program."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator, Mapping

from banish.reporting.mail import Sendmail
from banish.reporting.outbox import Refused, TryAgain
from banish.reporting.reporter import Wrong

SECONDS = 30.0
TLS = ("auto", "no", "starttls", "yes")


class Smtp(Sendmail):
    """Options: see data/action.d/smtp.conf. *matches* is what fail2ban's ``smtp.py`` calls ``lines``."""

    service = "smtp"
    secrets = ("password",)

    @classmethod
    def wrong(cls, options: Mapping[str, str]) -> Iterator[Wrong]:
        yield from super().wrong({"dest": "root@localhost", **options})
        if options.get("ssl", "auto").lower() not in (*TLS, "true", "false"):
            yield Wrong("ssl", "ssl is not known", f"one of {', '.join(TLS)}")
        _, colon, port = options.get("host", "").rpartition(":")
        if colon and port.isascii() and port.isdigit() and not 0 < int(port) < 65536:
            yield Wrong("host", "host has a port that is none", "for example mail.example.org:587")

    def __init__(self, jail: object, name: str, **options: str) -> None:
        if options.get("matches"):
            options.setdefault("lines", options["matches"])
        options.setdefault("dest", "root@localhost")
        super().__init__(jail, name, **options)  # type: ignore[arg-type]

    def destination(self) -> str:
        return f"smtp {self.options.get('host') or 'localhost'}"

    def send(self, message: bytes, sender: str, recipients: list[str]) -> None:
        host, port = _split(self.options.get("host") or "localhost")
        mode = self.options.get("ssl", "auto").lower()
        user = self.options.get("user", "")
        context = ssl.create_default_context()
        if cafile := self.options.get("cafile", ""):
            context.load_verify_locations(cafile)
        try:
            with _connect(host, port, mode, context) as server:
                encrypted = mode in ("yes", "true")
                server.ehlo()
                if mode == "starttls" or (mode == "auto" and server.has_extn("starttls")):
                    server.starttls(context=context)
                    server.ehlo()
                    encrypted = True
                if user:
                    if not encrypted and mode != "no" and host not in ("localhost", "127.0.0.1", "::1"):
                        raise Refused(
                            f"{host} offers no encryption, so it is not told the password (ssl = no allows it)"
                        )
                    server.login(user, self.secret("password"))
                server.sendmail(sender, recipients, message)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise _verdict(f"{host} refused the recipients: {error.recipients}", min(codes, default=550)) from error
        except smtplib.SMTPResponseException as error:
            said = (
                error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
            )
            raise _verdict(f"{host}: {error.smtp_code} {said}", error.smtp_code) from error
        except smtplib.SMTPNotSupportedError as error:
            raise Refused(f"{host}: {error}") from error
        except (smtplib.SMTPException, OSError) as error:
            raise TryAgain(f"{host}: {str(error) or repr(error)}") from error


def _connect(host: str, port: int, mode: str, context: ssl.SSLContext) -> smtplib.SMTP:
    if mode in ("yes", "true"):
        return smtplib.SMTP_SSL(host, port or smtplib.SMTP_SSL_PORT, timeout=SECONDS, context=context)
    return smtplib.SMTP(host, port or smtplib.SMTP_PORT, timeout=SECONDS)


def _split(host: str) -> tuple[str, int]:
    """``mail.example.org:587``, ``[2001:db8::1]:25`` or without a port (0)."""
    name, colon, port = host.rpartition(":")
    if colon and port.isdigit() and (":" not in name or name.startswith("[")):
        return name.strip("[]"), int(port)
    return host.strip("[]"), 0


def _verdict(text: str, code: int) -> TryAgain | Refused:
    return TryAgain(text) if 400 <= code < 500 else Refused(text)
