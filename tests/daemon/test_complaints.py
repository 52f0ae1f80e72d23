"""What a person should mend, in words."""

from __future__ import annotations

from pathlib import Path

from banish.config.jails import load
from banish.daemon import guard as module
from banish.daemon.assembly import Running, assemble
from banish.daemon.complaints import garbled, given_up, unreadable
from banish.daemon.guard import Guard
from banish.daemon.subscribers import TOLD_FOR, Subscribers
from banish.decisions.ledger import Ledger
from banish.model import Line
from banish.patience import Place
from banish.sources.files import FileSource
from banish.sources.paths import LogPath
from banish.sources.reading import LONGEST

DATA = Path(__file__).resolve().parents[2] / "src" / "banish" / "data"
NOW = 1_800_000_000.0


def jails(tree: Path, guard: Guard, log: str = "/var/log/web.log") -> dict[str, Running]:
    (tree / "jail.local").write_text(
        "[sshd]\nenabled = false\n[web]\nenabled = true\nfilter =\n"
        f"logpath = {log}\nfailregex = ^quick <HOST>$\n            ^(?:a|aa)+ from <HOST>$\n"
    )
    return assemble(load(tree, DATA), {}, Ledger(), patience_of=guard.jail).running


def test_an_expression_that_takes_too_long_is_named_with_its_place(tmp_path: Path) -> None:
    now = 0.0
    guard = Guard(lambda: now)
    running = jails(tmp_path, guard)
    text = "a" * 100 + "\x1b[2J"
    with guard.watching():
        assert running["web"].jail.feed([Line(text, text, NOW)], NOW) == []

    (problem,) = given_up(running, guard)
    assert str(problem) == (
        f"{tmp_path}/jail.local:8 [web] failregex: 1 line was not judged because 20 ms were not enough: failregex number 2 "
        f"took longer, last over a line of 105 characters that begins with '{'a' * 80}' "
        "(find out with banish check, and mend the expression)"
    )
    assert problem.severity == "warning"

    # Whoever is told every time it happens stops listening.
    guard.jail("web").gave_up("\x1b[2J", Place("failregex", 0))
    assert given_up(running, guard) == [problem]
    now += module.TELL_EVERY
    (later,) = given_up(running, guard)
    assert "2 lines were not judged" in str(later)
    assert r"begins with '\x1b[2J'" in str(later)

    assert given_up({}, guard) == []


def test_a_source_whose_dates_take_too_long_is_named(tmp_path: Path) -> None:
    guard = Guard()
    guard.source("/var/log/web.log").gave_up("1" * 9, Place("datepattern"))
    (problem,) = given_up(jails(tmp_path, guard), guard)
    assert str(problem).startswith("datepattern: /var/log/web.log: 1 line was not judged")


def test_lines_that_are_too_long_to_be_judged_are_told(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_bytes(b"x" * (LONGEST + 1) + b"\nshort\n")
    running = jails(tmp_path, Guard(), str(log))
    source = FileSource([LogPath(str(log), "head")])
    read = b""
    while not read.endswith(b"short\n"):
        batch, _ = source._read(str(log))
        read += batch.data if batch else b""
    (problem,) = unreadable(running, source)
    source.close()
    assert read == b"\nshort\n"
    assert "lines longer than 1 MiB are not judged (1 or more so far)" in str(problem)


def test_a_log_in_another_encoding_than_is_stated_is_told_ever_more_seldom_and_for_an_hour(tmp_path: Path) -> None:
    log = str(tmp_path / "web.log")
    running = jails(tmp_path, Guard(), log)
    now = 0.0
    watchers = Subscribers(Guard().source, lambda: now)
    (subscription,) = watchers.of(log, frozenset({log}), running)
    assert garbled(running, watchers) == []

    subscription.reader.read(b"quick 192.0.2.1\n", NOW)
    assert garbled(running, watchers) == [], "that is text"

    told = []
    for _ in range(9):
        subscription.reader.read("J\u00f6rg".encode("latin-1") + b"\n", NOW)
        told += [str(problem) for problem in garbled(running, watchers)]
    assert list(dict.fromkeys(told)) == [
        f"logencoding: {log}: {lines} bytes that are no text in utf-8, and may be judged wrongly (set the logencoding of web to "
        "what the log is written in, such as latin-1 or utf-16)"
        for lines in (
            "1 line that was looked at holds",
            "2 lines or more that were looked at hold",
            "4 lines or more that were looked at hold",
            "8 lines or more that were looked at hold",
        )
    ]
    now = TOLD_FOR + 1
    assert garbled(running, watchers) == []
    subscription.reader.read("text in two bytes".encode("utf-16-le") + b"\n\0", NOW)
    assert len(garbled(running, watchers)) == 1, "NUL bytes are no text either"
    assert garbled(dict(running), watchers) == [], "whoever the jails are now have had no such line"
