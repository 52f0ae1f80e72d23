"""Mails: what they say, that they are mails, and that nobody else can write into their headers."""

from __future__ import annotations

import email
import email.policy
import os
from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path

import pytest

from banish.reporting import sources
from tests.enforcement.commands.rig import NOW, Rig, decision
from tests.reporting.services import Mailbox, smtp
from tests.shipped.conftest import Fakes, Shipped

pytestmark = pytest.mark.usefixtures("at_once")

LINE = "Jan 1 00:00:00 www1 sshd[1]: Failed password for bjørn from 192.0.2.7 port 22"
EVIL = "x\r\nBcc: victim@example.org\n\n.\nQUIT \x1b[2J"


def play(rig: Rig, ban: Callable[[], object], until: Callable[[], bool]) -> None:
    async def story() -> None:
        ban()
        await rig.until(until)

    rig.play(story)


def read(mail: bytes) -> EmailMessage:
    message = email.message_from_bytes(mail, policy=email.policy.default)
    assert message.defects == []
    for header in message.values():
        assert not header.defects
    return message


@pytest.fixture
def sendmail(tmp_path: Path, fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``sendmail`` and ``whois`` that write down what they get; returned is the former's mail."""
    mail = tmp_path / "mail"
    fakes("sendmail", f"cat > {tmp_path}/new && mv {tmp_path}/new {mail}")
    fakes("whois", "echo 'inetnum: 192.0.2.0 - 192.0.2.255'; printf 'role: J\\370rgen\\n'")
    monkeypatch.setattr("banish.reporting.reporter.socket.getfqdn", lambda: "www1.example.org")
    return mail


def test_a_mail_of_a_ban(tmp_path: Path, shipped: Shipped, sendmail: Path) -> None:
    command = "mailcmd='sendmail -t -f \"$1\"'"
    to = f'sender="root@<fq-hostname>", dest="Admin <admin@example.org>, root@localhost", {command}'
    rig = Rig(tmp_path, shipped(f"sendmail-whois[{to}]"))
    rig.ledger.apply(decision("192.0.2.99", origin="restored"), NOW)  # has been told of
    play(rig, lambda: rig.ban("192.0.2.7"), sendmail.exists)
    assert (tmp_path / "sendmail.said").read_text() == "sendmail [-t] [-f] [root@www1.example.org]\n"
    assert (tmp_path / "whois.said").read_text() == "whois [192.0.2.7]\n"
    mail = read(sendmail.read_bytes())
    assert b"\r" not in sendmail.read_bytes()
    assert mail["Subject"] == "[Fail2Ban] sshd: banned 192.0.2.7 from www1.example.org"
    assert mail["From"] == "Fail2Ban <root@www1.example.org>"
    assert mail["To"] == "Admin <admin@example.org>, root@localhost"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@www1.example.org>")
    assert isinstance(mail["Date"].datetime, datetime)
    assert mail.get_content() == (
        "192.0.2.7 has been banned by jail sshd of www1.example.org after 3 failures, for 10m.\n\n"
        "Whom 192.0.2.7 belongs to:\n\n"
        "inetnum: 192.0.2.0 - 192.0.2.255\nrole: Jørgen\n"
    )
    assert rig.levels("ERROR") == []


@pytest.mark.parametrize("mta", ["sendmail", "mail"])
def test_the_lines_of_the_log_that_name_the_address(tmp_path: Path, shipped: Shipped, sendmail: Path, mta: str) -> None:
    log = tmp_path / "auth log"
    lines = [LINE, "192.0.2.77 and 1192.0.2.7 and 192.0.2.7.example.org", "192.0.2.7: again", "x" * 5000 + " 192.0.2.7"]
    log.write_bytes("\n".join(lines).encode() + b"\n\xff\x00 (192.0.2.7).\n")
    rig = Rig(tmp_path, shipped(f"{mta}-whois-lines[mailcmd=sendmail, logpath='{log} tail', grepmax=3]"))
    play(rig, lambda: rig.ban("192.0.2.7", matches=(LINE,)), sendmail.exists)
    text = read(sendmail.read_bytes()).get_content()
    found = text.partition("Lines of the log that name 192.0.2.7:\n\n")[2].splitlines()
    assert found == ["192.0.2.7: again", "x" * 1000, "\ufffd\ufffd (192.0.2.7)."]


def test_the_jails_own_logs_are_searched_without_being_named(tmp_path: Path, shipped: Shipped, sendmail: Path) -> None:
    """What ``action_mwl`` comes to."""
    log = tmp_path / "auth.log"
    log.write_text(f"{LINE}\n")
    rig = Rig(tmp_path, shipped("%(mta)s-whois-lines[mailcmd=sendmail]", logpath=str(log)))
    play(rig, lambda: rig.ban("192.0.2.7", matches=("kept",)), sendmail.exists)
    assert LINE in read(sendmail.read_bytes()).get_content()


def test_without_a_log_the_lines_that_led_to_the_ban_are_told(tmp_path: Path, shipped: Shipped, sendmail: Path) -> None:
    rig = Rig(tmp_path, shipped("sendmail-whois-lines[mailcmd=sendmail, redact=users]"))
    play(rig, lambda: rig.ban("192.0.2.7", matches=(LINE,), fields={"user": "bjørn"}), sendmail.exists)
    text = read(sendmail.read_bytes()).get_content()
    assert text.endswith(f"Lines that led to it:\n\n{LINE.replace('bjørn', '[user]')}\n")


def test_no_text_of_a_log_becomes_a_header(tmp_path: Path, shipped: Shipped, sendmail: Path) -> None:
    options = 'mailcmd=sendmail, subject="<F-USER> and <matches>", message="<F-USER> é", lines=matches'
    rig = Rig(tmp_path, shipped(f"sendmail[{options}]"))
    play(rig, lambda: rig.ban("192.0.2.7", matches=(EVIL, LINE), fields={"user": EVIL}), sendmail.exists)
    mail = read(sendmail.read_bytes())
    assert sorted(name.lower() for name in mail) == [
        "auto-submitted", "content-transfer-encoding", "content-type", "date", "from", "message-id", "mime-version",
        "subject", "to",
    ]  # fmt: skip
    assert mail["Subject"].startswith("x Bcc: victim@example.org . QUIT [2J and x Bcc:")
    assert mail.get_content_charset() == "utf-8"
    assert "Bcc: victim@example.org\n\n.\nQUIT \ufffd[2J é" in mail.get_content()
    assert sendmail.read_bytes().isascii()


def test_what_cannot_pass_is_tried_again_and_what_never_will_is_not(
    tmp_path: Path, shipped: Shipped, fakes: Fakes
) -> None:
    fakes("whois")
    said = fakes("sendmail", f"test -e {tmp_path}/up || {{ touch {tmp_path}/up; echo busy; exit 75; }}")
    rig = Rig(tmp_path, shipped("sendmail[mailcmd=sendmail, per_minute=600000]"))
    play(rig, lambda: rig.ban("192.0.2.7"), lambda: len(said.read_text().splitlines()) == 2)
    assert rig.levels("ERROR") == []
    rig = Rig(tmp_path, shipped("sendmail[mailcmd=nosuchprogram, per_minute=600000]"))
    play(rig, lambda: rig.ban("192.0.2.7"), lambda: bool(rig.levels("ERROR")))
    (error,) = rig.levels("ERROR")
    assert "nosuchprogram: status 127" in error


# SMTP


def test_smtp(tmp_path: Path, shipped: Shipped, mailbox: Mailbox) -> None:
    options = f'host="{mailbox.host}", sender="banish@example.org", dest="admin@example.org, root@example.org"'
    rig = Rig(tmp_path, shipped(f"smtp[{options}, lines=matches]"))
    play(rig, lambda: rig.ban("192.0.2.7", matches=(".", LINE)), lambda: bool(mailbox.mails))
    envelope = [word for word in mailbox.said if word.upper().startswith(("MAIL", "RCPT"))]
    assert [word.partition(" size=")[0] for word in envelope] == [
        "mail FROM:<banish@example.org>",
        "rcpt TO:<admin@example.org>",
        "rcpt TO:<root@example.org>",
    ]
    text = read(mailbox.mails[0]).get_content()
    assert LINE in text
    assert rig.levels("ERROR") == []


def test_smtp_under_fail2bans_name(tmp_path: Path, shipped: Shipped, mailbox: Mailbox) -> None:
    options = (
        f"host='{mailbox.host}', dest='a@example.org', sender='b@example.org', sendername='me', matches='ipmatches'"
    )
    rig = Rig(tmp_path, shipped(f"smtp.py[{options}]"))
    play(rig, lambda: rig.ban("192.0.2.7", matches=(LINE,)), lambda: bool(mailbox.mails))
    mail = read(mailbox.mails[0])
    assert mail["From"] == "me <b@example.org>"
    assert LINE in mail.get_content()


def test_smtp_over_tls_with_a_password(tmp_path: Path, shipped: Shipped, certificate: Path) -> None:
    (tmp_path / "secret").write_text("hush\n")
    with smtp(Mailbox(starttls=certificate)) as mailbox:
        options = f"host='{mailbox.host}', user=me, password='file:{tmp_path}/secret', attempts=1"
        rig = Rig(tmp_path, shipped(f"smtp[{options}]"))
        play(rig, lambda: rig.ban("192.0.2.7"), lambda: bool(rig.levels("ERROR")))
        assert "CERTIFICATE_VERIFY_FAILED" in rig.levels("ERROR")[0]
        assert not any(word.upper().startswith(("AUTH", "MAIL")) for word in mailbox.said)
        rig = Rig(tmp_path, shipped(f"smtp[{options}, cafile={certificate}.crt]"))
        play(rig, lambda: rig.ban("192.0.2.7"), lambda: bool(mailbox.mails))
        words = [word.upper().partition(" ")[0] for word in mailbox.said]
        assert words.index("STARTTLS") < words.index("AUTH") < words.index("MAIL")


def test_smtp_refusals(tmp_path: Path, shipped: Shipped, mailbox: Mailbox) -> None:
    mailbox.refuse = ["451 later", "550 never"]
    rig = Rig(tmp_path, shipped(f"smtp[host='{mailbox.host}', dest='a@example.org', per_minute=600000]"))
    play(rig, lambda: rig.ban("192.0.2.7"), lambda: bool(rig.levels("ERROR")))
    assert mailbox.mails == []
    assert "550" in rig.levels("ERROR")[0]
    assert mailbox.refuse == []


# What a mail says beside the ban


def test_whois_that_says_nothing_or_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "cannot be run" in sources.whois("nosuchprogram <ip>", "192.0.2.7")
    assert sources.whois("true", "192.0.2.7") == "'true' said nothing (status 0)."
    assert sources.whois("echo <ip>", "2001:db8::/32") == "2001:db8::"
    assert sources.whois("echo <ip>", "-h evil") == "-h evil is no address."
    monkeypatch.setattr(sources, "WHOIS_SECONDS", 0.05)
    assert "no answer within" in sources.whois("sleep 5", "192.0.2.7")


def test_what_is_no_log_is_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.log")
    (tmp_path / "dir.log").mkdir()
    (tmp_path / "a.log").write_text("192.0.2.7\n")
    assert sources.lines(f"{tmp_path}/*.log head\n{tmp_path}/none\n<logpath>", "192.0.2.7", 10) == ["192.0.2.7"]


def test_of_a_long_log_the_end_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LOG_BYTES", 30)
    log = tmp_path / "a.log"
    log.write_text("192.0.2.7 first\n192.0.2.7 cut in two\n192.0.2.7 last\n")
    assert sources.lines(str(log), "192.0.2.7", 10) == ["192.0.2.7 last"]
