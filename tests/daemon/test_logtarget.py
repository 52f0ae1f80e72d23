"""Where the log goes, and that writing it never does harm."""

from __future__ import annotations

import json
import logging
import os
import re
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banish.daemon import logtarget
from banish.daemon.logbook import Logbook
from banish.errors import ConfigError
from banish.model import Failure, Ignored, Notice


@pytest.fixture
def logbook() -> Iterator[Logbook]:
    logbook = Logbook()
    yield logbook
    logbook.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("STDOUT", r"\d{4}-\d\d-\d\d \S+ fail2ban\.actions        \[\d+\]: NOTICE  \[sshd\] Ban"),
        ("stdout[datetime=off]", r"fail2ban\.actions        \[\d+\]: NOTICE  \[sshd\] Ban"),
        ("SYSOUT", r"fail2ban\.actions        \[\d+\]: NOTICE  \[sshd\] Ban"),
        ("SYSOUT[padding=off, datetime=on]", r"\d{4}-\S+ \S+ fail2ban\.actions\[\d+\]: NOTICE \[sshd\] Ban"),
        ('STDOUT[format="%(levelname)s: %(message)s"]', r"NOTICE: \[sshd\] Ban"),
    ],
)
def test_lines_on_stdout(logbook: Logbook, text: str, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    logbook.configure(text, "INFO")
    logbook.say("actions", "NOTICE", "[sshd] Ban")
    assert re.fullmatch(said + "\n", capfd.readouterr().out)


@pytest.mark.parametrize(
    ("message", "about"),
    [
        ("[sshd] Ban 192.0.2.7", {"jail": "sshd", "address": "192.0.2.7"}),
        ("[sshd] Found 2001:db8::7 - 2026-11-22 12:50:52", {"jail": "sshd", "address": "2001:db8::7"}),
        ("[web] Refuse to ban 192.0.2.7: an address of this machine", {"jail": "web", "address": "192.0.2.7"}),
        ("[web] Ignore 192.0.2.7, expired bantime", {"jail": "web", "address": "192.0.2.7"}),
        ("[web] Bans are paused: too many", {"jail": "web"}),
        ('Exiting "banish" \u20ac', {}),
    ],
)
def test_each_line_is_a_json_object(
    logbook: Logbook, message: str, about: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    logbook.configure("STDOUT[format=json]", "INFO")
    logbook.say_all("actions", "NOTICE", [message, "[x] and\n{another}"])
    first, second = map(json.loads, capfd.readouterr().out.splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert first.pop("process") == os.getpid()
    assert first == {"logger": "fail2ban.actions", "level": "NOTICE", "message": message, **about}
    assert second["message"] == "[x] and\\n{another}"


def test_lines_on_stderr(logbook: Logbook, capfd: pytest.CaptureFixture[str]) -> None:
    logbook.configure("STDERR[padding=off]", "INFO")
    logbook.say("actions", "NOTICE", "[sshd] Ban")
    assert capfd.readouterr().err.endswith(": NOTICE [sshd] Ban\n")


def test_a_path_may_have_options_and_may_be_relative(
    logbook: Logbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    logbook.configure("log/banish.log[datetime=off]", "INFO")
    logbook.say("actions", "NOTICE", "[sshd] Ban")
    assert (tmp_path / "log" / "banish.log").read_text().startswith("fail2ban.actions ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("STOUT", "did you mean STDOUT"),
        ("banish.log", "or a path: /var/log/banish.log"),
        ("", "is no log target"),
        ("/var/log/x\0", "is no log target"),
        ("SYSLOG[facility=kitchen]", "there is no facility kitchen .*daemon"),
        ("SYSLOG[colour=red]", "SYSLOG has no option colour .*facility"),
        ("STDOUT[facility=daemon]", "STDOUT has no option facility"),
        ("STDOUT[datetime=perhaps]", "neither on nor off"),
        ('STDOUT[format="%(colour)s"]', "the format cannot be used"),
        ('STDOUT[format="no field"]', "the format cannot be used"),
        ("STDOUT[padding", "is no log target"),
        ("STDOUT[padding]", "key=value is expected"),
        ("STDOUT SYSLOG[padding=on]", "is not one target"),
    ],
)
def test_what_is_no_target_is_told_and_makes_no_file(
    logbook: Logbook, text: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=told) as caught:
        logbook.configure(text, "INFO")
    assert (caught.value.problem.option, caught.value.problem.value) == ("logtarget", text)
    assert caught.value.problem.remedy
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=60)
@given(st.text(alphabet="SYLOGTDU/[]=,\"' \nfacility%(s)", max_size=30))
def test_any_text_is_a_target_or_a_configuration_error(text: str) -> None:
    with suppress(ConfigError):
        target = logtarget.parse(text)
        assert target.name in logtarget.WORDS or "/" in target.name


def listen(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(str(path))
    listening.settimeout(5)
    return listening


def test_syslog_comes_back_after_its_restart(
    logbook: Logbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log"
    monkeypatch.setattr(logtarget, "DEV_LOG", str(path))
    with listen(path) as syslog:
        logbook.configure("SYSLOG[facility=local0]", "INFO")
        logbook.say("actions", "NOTICE", "[sshd] Ban 192.0.2.7")
        said = f"<{16 << 3 | 5}>fail2ban.actions[{os.getpid()}]: NOTICE [sshd] Ban 192.0.2.7"
        assert syslog.recv(9999).decode() == said
    path.unlink()
    logbook.say("actions", "INFO", "lost")
    logbook.say("actions", "INFO", "lost")
    assert "the log cannot be written" in str(logbook.trouble)
    err = capfd.readouterr().err
    assert (err.count("the log cannot be written"), "Traceback" in err) == (1, False)
    with listen(path) as syslog:
        logbook.say("actions", "INFO", "again")
        assert syslog.recv(9999).endswith(b"INFO again")
        assert b"WARNING 2 lines before the last one could not be written" in syslog.recv(9999)
    assert logbook.trouble is None


def test_a_syslog_that_does_not_read_holds_nothing_up_for_long(
    logbook: Logbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logtarget, "DEV_LOG", str(tmp_path / "log"))
    monkeypatch.setattr(logtarget, "_PATIENCE", 0.01)
    with listen(tmp_path / "log") as syslog:
        logbook.configure("SYSLOG", "INFO")
        for _ in range(3000):
            logbook.say("actions", "INFO", "x")
            if logbook.trouble is not None:
                break
        assert "the log cannot be written" in str(logbook.trouble)
        syslog.recv(9999)
        logbook.say("actions", "INFO", "x")
        assert logbook.trouble is None


def test_a_syslog_that_speaks_streams(logbook: Logbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logtarget, "DEV_LOG", str(tmp_path / "log"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(tmp_path / "log"))
        listening.listen()
        logbook.configure("SYSLOG", "INFO")
        logbook.say("server", "ERROR", "first")
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.recv(9999).endswith(b": ERROR first\0")


def test_the_journal_is_spoken_to_in_its_own_protocol(
    logbook: Logbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logtarget, "JOURNAL", str(tmp_path / "journal"))
    with listen(tmp_path / "journal") as journal:
        logbook.configure("SYSTEMD-JOURNAL", "INFO")
        logbook.say("actions", "WARNING", "[web] Ban x\nPRIORITY=0")
        assert journal.recv(9999).decode().splitlines() == [
            "PRIORITY=4",
            "SYSLOG_FACILITY=3",
            "SYSLOG_IDENTIFIER=fail2ban.actions",
            f"SYSLOG_PID={os.getpid()}",
            r"MESSAGE=WARNING [web] Ban x\nPRIORITY=0",
        ]


def test_without_a_journal_its_lines_go_to_syslog(
    logbook: Logbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logtarget, "JOURNAL", str(tmp_path / "none"))
    monkeypatch.setattr(logtarget, "DEV_LOG", str(tmp_path / "log"))
    with listen(tmp_path / "log") as syslog:
        logbook.configure("SYSTEMD-JOURNAL", "INFO")
        logbook.say("actions", "CRITICAL", "x")
        assert syslog.recv(9999).startswith(b"<26>fail2ban.actions[")


def test_a_syslog_that_is_not_there_is_told_at_once(
    logbook: Logbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logtarget, "DEV_LOG", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="cannot write the log there: No such file"):
        logbook.configure("SYSLOG", "INFO")


def test_a_named_pipe_that_nobody_reads_is_told_instead_of_waited_for(logbook: Logbook, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="cannot write the log there"):
        logbook.configure(str(tmp_path / "pipe"), "INFO")


def test_severities_are_those_of_syslog(logbook: Logbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logtarget, "DEV_LOG", str(tmp_path / "log"))
    with listen(tmp_path / "log") as syslog:
        logbook.configure("SYSLOG", "DEBUG")
        for level in ("CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"):
            logbook.say("server", level, "x")
        assert [syslog.recv(99)[:4] for _ in range(6)] == [b"<26>", b"<27>", b"<28>", b"<29>", b"<30>", b"<31>"]


@pytest.mark.parametrize(
    "format_", ["", 'format="%(name)s %(levelname)s %(message)s"', 'format="%(message)s (%(name)s)"']
)
def test_what_is_said_together_is_what_is_said_one_by_one(logbook: Logbook, tmp_path: Path, format_: str) -> None:
    events: list[Failure | Ignored | Notice] = [
        Failure("sshd", "192.0.2.7", None, 0.0, 2, 0.0, (), {}, 1, 2, 2),
        Ignored("sshd", "192.0.2.8", "ip"),
        Notice("DEBUG", "filter", "not said"),
        Notice("WARNING", "actions", "100 %s of\nit \u202e"),
        Failure("sshd", "2001:db8::7", None, 1.0, 1, 1.0, (), {}),
    ]
    said = []
    for name in ("apart", "together"):
        logbook.configure(f"{tmp_path / name}[datetime=off{', ' if format_ else ''}{format_}]", "INFO")
        if name == "together":
            logbook.events(events)
        else:
            for event in events:
                logbook.event(event)
        said.append((tmp_path / name).read_text())
    assert said[0] == said[1]
    assert said[0].count("\n") == 5


def test_lines_that_are_said_together_have_one_time_and_are_one_write(
    logbook: Logbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logbook.configure(str(tmp_path / "log"), "INFO")
    written: list[bytes] = []
    write = os.write

    def noted(descriptor: int, data: memoryview) -> int:
        written.append(bytes(data))
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", noted)
    logbook.events([Notice("INFO", logger, f"{number}") for number in range(50) for logger in ("filter", "observer")])
    monkeypatch.undo()
    lines = (tmp_path / "log").read_bytes()
    assert written == [lines]
    assert [line.split()[-1] for line in lines.splitlines()] == [b"%d" % (number // 2) for number in range(100)]
    assert len({line[:23] for line in lines.splitlines()}) == 1
    assert re.match(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} fail2ban\.filter ", lines)


def test_of_lines_that_are_said_together_only_those_that_do_not_fit_are_lost(logbook: Logbook, tmp_path: Path) -> None:
    path = tmp_path / "log"
    logbook.configure(f'{path}[format="%(message)s"]', "INFO")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (25, hard))
    try:
        logbook.events([Notice("INFO", "filter", "123456789") for _ in range(5)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "free some disk space" in str(logbook.trouble)
    logbook.events([Notice("INFO", "filter", "again"), Notice("INFO", "filter", "and again")])
    assert logbook.trouble is None
    *lines, told = path.read_text().splitlines()
    assert lines == ["123456789", "123456789", "12345", "again", "and again"]
    assert told.startswith("3 lines before the last one could not be written")


@pytest.mark.parametrize(
    "target",
    [
        "STDOUT[datetime=off]",
        'STDOUT[format="%(levelname)s %(message)s"]',
        'STDOUT[format="%(message)-40s %(name)s"]',
        'STDOUT[format="%(message)s %(message)s"]',
        'STDOUT[format="%(name)s says nothing"]',
    ],
)
@pytest.mark.parametrize("texts", [[], ["[sshd] Ban"], ["[sshd] 100% %s", "two\nlines", "\0", "\udce9", "last"]])
def test_many_lines_at_once_are_the_lines_one_by_one(
    logbook: Logbook, target: str, texts: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    logbook.configure(target, "INFO")
    for text in texts:
        logbook.say("actions", "NOTICE", text)
    one_by_one = capfd.readouterr().out
    logbook.say_all("actions", "NOTICE", texts)
    assert capfd.readouterr().out == one_by_one
    assert one_by_one.count("\n") == len(texts)
    logbook.say_all("actions", "DEBUG", texts)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("options", ["", "[datetime=off]", "[padding=off]", "[padding=off, datetime=off]"])
def test_the_head_of_a_line_is_what_the_standard_library_makes(
    logbook: Logbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: str
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.0625)
    path = tmp_path / "log"
    logbook.configure(f"{path}{options}", "INFO")
    for text in ("one", "two"):
        logbook.say("actions", "NOTICE", text)
    handler = logbook._handler
    assert handler is not None
    record = logging.LogRecord("fail2ban.actions", 25, "", 0, "one", None, None)
    assert path.read_text().splitlines()[0] == logging.Formatter(handler.line_format).format(record)
    assert path.read_text().splitlines()[1].endswith(" two")
