"""What waits, for how long, and what is given up."""

from __future__ import annotations

import math

import pytest

from banish.reporting.outbox import FIRST_PAUSE, LONGEST_ASKED, Limits, Outbox, Parcel


def parcel(name: str) -> Parcel:
    return Parcel(lambda: None, lambda: None, lambda why: pytest.fail(f"{name}: {why}"))


A, B, C = parcel("a"), parcel("b"), parcel("c")


def test_in_their_order_at_the_pace_that_is_allowed() -> None:
    outbox = Outbox(Limits(per_minute=30))
    assert outbox.pause(100.0) == math.inf
    outbox.add(A)
    outbox.add(B)
    assert outbox.pause(100.0) == 0
    assert outbox.take(100.0) is A
    outbox.settle()
    assert outbox.pause(100.5) == 1.5
    assert outbox.take(102.0) is B
    outbox.settle()
    assert len(outbox) == 0


def test_after_a_failure_the_whole_service_is_left_in_peace_for_longer_and_longer() -> None:
    outbox = Outbox(Limits(attempts=4))
    outbox.add(A)
    outbox.add(B)
    now = 0.0
    pauses = []
    while True:
        assert outbox.take(now) is A
        if not outbox.fail(None, now):
            break
        pauses.append(outbox.pause(now))
        now += pauses[-1]
    assert pauses == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    now += outbox.pause(now)
    assert outbox.take(now) is B
    assert outbox.fail(None, now)
    assert outbox.pause(now) == FIRST_PAUSE


@pytest.mark.parametrize(("asked", "pause"), [(120.0, 120.0), (0.0, 1.0), (1e9, LONGEST_ASKED)])
def test_what_a_service_asks_for_is_done_within_reason(asked: float, pause: float) -> None:
    outbox = Outbox(Limits())
    outbox.add(A)
    outbox.take(0.0)
    assert outbox.fail(asked, 0.0)
    assert outbox.pause(0.0) == pause


def test_when_too_many_wait_the_oldest_goes_but_not_the_one_under_way() -> None:
    outbox = Outbox(Limits(waiting=1))
    assert outbox.add(A) is None
    assert outbox.take(0.0) is A
    assert outbox.add(B) is None
    assert outbox.add(C) is B
    assert len(outbox) == 2
    outbox.fail(None, 0.0)
    assert outbox.take(10.0) is A
