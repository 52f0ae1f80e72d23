"""The clock on the wall, and the one that nobody sets."""

from __future__ import annotations

import pytest

from banish.daemon.timekeeping import Timekeeping


class Clocks:
    def __init__(self) -> None:
        self.wall, self.since_boot, self.awake = 1_800_000_000.0, 1000.0, 1000.0
        self.boot = "a"

    def keep(self) -> Timekeeping:
        return Timekeeping(lambda: self.wall, lambda: self.since_boot, lambda: self.awake, lambda: self.boot)

    def pass_(self, seconds: float, *, asleep: float = 0.0, set_by: float = 0.0) -> None:
        self.wall += seconds + asleep + set_by
        self.since_boot += seconds + asleep
        self.awake += seconds


def test_time_that_passes_is_no_jump() -> None:
    clocks = Clocks()
    keeping = clocks.keep()
    for _ in range(10_000):
        clocks.pass_(1.0, set_by=0.0005)  # adjtime(3) slews by 500 ppm at most
        assert (keeping.jumped(), keeping.slept()) == (0, 0)


@pytest.mark.parametrize("seconds", [86400.0, 3600.0, 2.5, -2.5, -3600.0, 1.7e9])
def test_a_clock_that_is_set_is_noticed_once(seconds: float) -> None:
    clocks = Clocks()
    keeping = clocks.keep()
    clocks.pass_(5, set_by=seconds)
    assert keeping.jumped() == pytest.approx(seconds)
    assert (keeping.jumped(), keeping.slept()) == (0, 0)


def test_a_machine_that_slept_has_not_had_its_clock_set() -> None:
    clocks = Clocks()
    keeping = clocks.keep()
    clocks.pass_(5, asleep=7200)
    assert (keeping.jumped(), keeping.slept(), keeping.slept()) == (0, 7200, 0)


def test_a_clock_that_was_set_while_the_daemon_was_down_is_noticed_within_the_same_boot() -> None:
    clocks = Clocks()
    mark = clocks.keep().mark
    clocks.pass_(100)
    assert clocks.keep().jumped_since(mark) == 0
    clocks.pass_(100, set_by=-3600)
    assert clocks.keep().jumped_since(mark) == pytest.approx(-3600)
    clocks.boot = "b"
    assert clocks.keep().jumped_since(mark) is None
    assert clocks.keep().jumped_since(None) is None
    assert clocks.keep().began(clocks.wall) == clocks.wall - 1200
