"""A few thousand of the frames that ``python -m tests.control.fuzz`` sends by the million."""

import logging

import pytest

from tests.control import fuzz


@pytest.mark.timeout(300)
def test_whatever_is_sent_is_answered_or_ended_and_nothing_is_run(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "fail2ban.transmitter")
    report = fuzz.run(8_000, seed=1)
    assert report.events == {}
    assert report.descriptors <= 0
    assert report.answered > 500
    assert report.ended >= 0
