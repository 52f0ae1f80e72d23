"""Messages of syslog become lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banish.sources import syslog

NOW = 1_800_000_000.0
STAMP = "2027-01-15T08:00:00+00:00"
MESSAGES = [
    ("<34>Oct 11 22:14:15 mymachine su: failed", "Oct 11 22:14:15 mymachine su: failed"),
    ("<34>Oct 11 22:14:15 su[77]: failed", "Oct 11 22:14:15 sender su[77]: failed"),
    ("<34>2026-10-11T22:14:15.123+02:00 host su[77]: failed", "2026-10-11T22:14:15.123+02:00 host su[77]: failed"),
    ("<34>1 2026-10-11T22:14:15.003Z host su 77 ID47 - failed", "2026-10-11T22:14:15.003Z host su[77]: failed"),
    ("<34>1 2026-10-11T22:14:15.003Z - su - - - \ufefffailed", "2026-10-11T22:14:15.003Z sender su: failed"),
    ('<165>1 2026-10-11T22:14:15Z host app - - [a@1 b="]\\"x"][c] text', "2026-10-11T22:14:15Z host app: text"),
    ("<34>1 - host - - - -", f"{STAMP} host "),
    ("failed", f"{STAMP} sender failed"),
    ("<34>one\ntwo\0\n", f"{STAMP} sender one\\ntwo"),
]


@pytest.mark.parametrize(("message", "line"), MESSAGES)
def test_a_message_is_a_line(message: str, line: str) -> None:
    assert syslog.line(message.encode(), "sender", NOW).decode() == line + "\n"


@given(st.binary(max_size=300))
def test_whatever_is_sent_is_one_line(message: bytes) -> None:
    line = syslog.line(message, "192.0.2.7", NOW)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert b"\0" not in line


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=30), st.booleans()), max_size=8), st.integers(1, 9))
def test_a_stream_is_cut_into_its_messages_wherever_it_is_torn(messages: list[tuple[bytes, bool]], step: int) -> None:
    wanted, stream = [], b""
    for text, counted in messages:
        message = b"<34>" + text.replace(b"\n", b" ")
        wanted.append(message if counted else message + b"\n")
        stream += b"%d %s" % (len(message), message) if counted else message + b"\n"
    frames, found = syslog.Frames(), []
    for at in range(0, len(stream), step):
        found += frames.feed(stream[at : at + step])
    assert found == wanted


def test_a_message_without_an_end_is_an_error() -> None:
    frames = syslog.Frames()
    assert frames.feed(b"<34>" + b"x" * 120_000) == []
    with pytest.raises(ValueError, match="too long"):
        frames.feed(b"x" * 20_000)
    with pytest.raises(ValueError, match="too long"):
        syslog.Frames().feed(b"9999999 <34>")
