"""A mail for each ban: composed by Python's email package (RFC 5322, UTF-8), sent by sendmail(8).

Text of a log or of a name server can get into the subject. Control characters are taken out of it, and the package refuses whatever
would end a header, so that no text can add one.
"""

from __future__ import annotations

import email.utils
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from banish import durations
from banish.reporting import sources
from banish.reporting.outbox import Limits, Refused, TryAgain
from banish.reporting.reporter import TAG, Info, Reporter, Wrong

SUBJECT = "[Fail2Ban] <jail.name>: banned <ip> from <fq-hostname>"
"""fail2ban's, for the sake of everybody's mail filters."""
MAILCMD = '/usr/sbin/sendmail -i -t -f "$1"'
"""A script for sh(1); its parameters are the sender and the recipients."""
SUBJECT_CHARACTERS = 200
BODY_CHARACTERS = 1_000_000
SECONDS = 60.0
LINES = ("no", "matches", "ipmatches", "ipjailmatches", "log")
_NOT_RUN = (126, 127)


class Sendmail(Reporter):
    """Options: see data/action.d/sendmail-common.conf."""

    service = "sendmail"
    required = ("dest",)
    limits = Limits(waiting=500, per_minute=60, attempts=8)

    @classmethod
    def wrong(cls, options: Mapping[str, str]) -> Iterator[Wrong]:
        yield from super().wrong(options)
        if options.get("lines", "no") not in LINES:
            yield Wrong("lines", "lines is not known", f"one of {', '.join(LINES)}")
        for option in ("dest", "sender"):
            text = options.get(option, "").replace("<fq-hostname>", "host.example").replace("<sh-hostname>", "host")
            if text.strip() and not all(_is_address(each) for each in text.split(",")):
                yield Wrong(option, f"{option} is no address", "for example root@example.org")

    def prepare(self, event: str, info: Info) -> Callable[[], None]:
        texts = f"{self.options.get('subject', '')}{self.options.get('message', '')}<{self.options.get('lines', '')}>"
        keys = _NEEDED | {tag for tag in TAG.findall(texts) if tag in info}
        about = {key: info[key] for key in keys}  # what it is worth now; the mail is written later
        return lambda: self._post(event, about)

    def send(self, message: bytes, sender: str, recipients: list[str]) -> None:
        """Hand the whole *message* over; raises TryAgain or Refused."""
        command = self._with_hostnames(self.options.get("mailcmd") or MAILCMD)
        try:
            done = subprocess.run(
                ["/bin/sh", "-c", command, "sh", sender, *recipients],
                check=False,
                input=message,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=SECONDS,
                start_new_session=True,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TryAgain(f"{command}: {error}") from error
        if done.returncode:
            said = done.stdout[:200].decode("utf-8", "replace").strip()
            text = f"{command}: status {done.returncode}{': ' if said else ''}{said}"
            raise Refused(text) if done.returncode in _NOT_RUN else TryAgain(text)

    def compose(self, event: str, info: Info, *, now: float) -> EmailMessage:
        """Return the mail, as of *now* (Unix seconds)."""
        host = self.hostnames()[0]
        sender = self._addresses("sender")[0] if self.options.get("sender") else f"fail2ban@{host}"
        message = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
        subject = self.options.get("subject") or SUBJECT
        if event == "unban" and "subject" not in self.options:
            subject = SUBJECT.replace("banned", "unbanned")
        try:
            message["Subject"] = _one_line(self.fill(subject, info))[:SUBJECT_CHARACTERS]
            message["From"] = _address(sender, self.options.get("sendername", "Fail2Ban"))
            message["To"] = [_address(each) for each in self._addresses("dest")]
            message["Date"] = email.utils.formatdate(now, localtime=True)
            message["Message-ID"] = email.utils.make_msgid("banish", domain=host if host.isascii() else "localhost")
            message["Auto-Submitted"] = "auto-generated"
            message.set_content(_printable(self._body(event, info))[:BODY_CHARACTERS])
        except (MessageError, ValueError, TypeError) as error:
            raise Refused(f"no mail can be made of this: {error}") from error
        return message

    def _post(self, event: str, info: Info) -> None:
        message = self.compose(event, info, now=time.time())
        text = message.as_bytes(policy=message.policy.clone(linesep="\n") if self.service == "sendmail" else None)
        sender = str(message["From"].addresses[0].addr_spec)
        self.send(text, sender, [address.addr_spec for address in message["To"].addresses])

    def _addresses(self, option: str) -> list[str]:
        return [each.strip() for each in self._with_hostnames(self.options[option]).split(",") if each.strip()]

    def _with_hostnames(self, text: str) -> str:
        host, short = self.hostnames()
        return text.replace("<fq-hostname>", host).replace("<sh-hostname>", short)

    def _body(self, event: str, info: Info) -> str:
        parts = [self.fill(self.options["message"], info) if self.options.get("message") else self._news(event, info)]
        if command := self.options.get("whois", ""):
            parts.append(f"Whom {info['ip']} belongs to:\n\n{sources.whois(command, str(info['ip']))}")
        wanted = self.options.get("lines", "no")
        if wanted == "log":
            most = self.options.get("grepmax", "").strip()
            lines = sources.lines(self.options.get("logs", ""), str(info["ip"]), int(most) if most.isdigit() else 1000)
            wanted = "no" if lines else "matches"  # a jail of the journal's, or a log that was rotated
            parts += [f"Lines of the log that name {info['ip']}:\n\n" + "\n".join(lines)] if lines else []
        if wanted != "no" and (text := str(info[wanted])):
            parts.append(f"Lines that led to it:\n\n{self.redaction(info)(text)}")
        return "\n\n".join(parts) + "\n"

    def _news(self, event: str, info: Info) -> str:
        jail, host = self.jail, self.hostnames()[0]
        if event == "unban":
            return f"{info['ip']} is no longer banned by jail {jail} of {host}."
        span = float(info["bantime"])
        length = "for ever" if span < 0 else f"for {durations.render(span)}"
        failures = int(info["failures"])
        after = f" after {failures} failures" if failures > 1 else " after a failure" if failures else ""
        return f"{info['ip']} has been banned by jail {jail} of {host}{after}, {length}."


_NEEDED = frozenset({"ip", "fid", "failures", "bantime", "matches", "jail.name", "F-*"})


def _is_address(text: str) -> bool:
    try:
        _address(text.strip())
    except (MessageError, ValueError):
        return False
    return bool(text.strip())


def _address(text: str, name: str = "") -> Address:
    """Return ``root@host``, ``root``, or ``Root <root@host>`` as an address; raises ValueError."""
    if any(ord(character) < 32 for character in text + name):
        raise ValueError("an address with control characters")
    shown, plain = email.utils.parseaddr(text)
    if not plain:
        raise ValueError(f"{text!r} is no address")
    user, at, domain = plain.rpartition("@")
    return Address(name or shown, user, domain) if at else Address(name or shown, plain)


def _one_line(text: str) -> str:
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _printable(text: str) -> str:
    """Leave lines and tabs, and nothing that moves a terminal's cursor, or was no text in the first place."""
    return "".join(character if character.isprintable() or character in "\n\t" else "\ufffd" for character in text)
