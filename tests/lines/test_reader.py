"""A batch of bytes becomes dated lines."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from banish.errors import ConfigError
from banish.lines.reader import LineReader, LineSettings
from banish.model import Line

NOW = datetime(2026, 11, 22, 12, 50, 52, tzinfo=UTC).timestamp()
DATE = datetime(2026, 6, 21, 16, 47, 48, tzinfo=UTC).timestamp()


def test_the_date_is_cut_out_and_nothing_else() -> None:
    data = b"Jun 21 16:47:48 host sshd[1]: x\n[Sun Jun 21 16:47:48 2026] [error] y\r\n\nno date\nFeb 30 10:00:00 z\n"
    assert LineReader(LineSettings(), UTC).read(data, NOW) == [
        Line("Jun 21 16:47:48 host sshd[1]: x", " host sshd[1]: x", DATE),
        Line("[Sun Jun 21 16:47:48 2026] [error] y", "[] [error] y", DATE),
        Line("", "", None),
        Line("no date", "no date", None),
        Line("Feb 30 10:00:00 z", " z", None),
    ]


def test_a_pattern_with_an_empty_group_is_for_lines_without_a_date_of_their_own() -> None:
    reader = LineReader(LineSettings((r"^%b %d, %ExY %I:%M:%S %p", "^WARNING:()**")), UTC)
    first, second, third = reader.read(b"Jun 21, 2026 4:47:48 PM org.example.Login\nWARNING: failed\nmore\n", NOW)
    assert (first.at, first.timeless) == (DATE, False)
    assert second == Line("WARNING: failed", "WARNING: failed", None, timeless=True)
    assert third == Line("more", "more", None)


def test_settings_reach_decoder_and_detector() -> None:
    reader = LineReader(LineSettings((r"^\[(%Y-%m-%d %H:%M:%S)\]",), "latin-1", "+0200"), UTC)
    (line,) = reader.read(b"[2026-06-21 18:47:48] J\xf6rg\n", NOW)
    assert line == Line("[2026-06-21 18:47:48] Jörg", "[] Jörg", DATE)
    assert reader.dated


def test_lines_without_dates_by_configuration() -> None:
    reader = LineReader(LineSettings(("{NONE}",)), UTC)
    assert reader.read(b"Jun 21 16:47:48 x\n", NOW) == [Line("Jun 21 16:47:48 x", "Jun 21 16:47:48 x", None)]
    assert not reader.dated


def test_undecodable_lines_are_counted() -> None:
    reader = LineReader(LineSettings(), UTC)
    assert [line.message for line in reader.read(b"Jun 21 16:47:48 \xff\nx\n", NOW)] == [" \ufffd", "x"]
    assert reader.undecodable == 1


@pytest.mark.parametrize(
    "settings",
    [LineSettings(datepattern=("%Q",)), LineSettings(encoding="nope"), LineSettings(timezone="Mars")],
    ids=["datepattern", "logencoding", "logtimezone"],
)
def test_settings_that_cannot_be_used_name_their_option(settings: LineSettings, request: pytest.FixtureRequest) -> None:
    with pytest.raises(ConfigError) as error:
        LineReader(settings, UTC)
    assert error.value.problem.option in request.node.name
