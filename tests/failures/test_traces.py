"""What is left of an id when its lines are no longer kept."""

from __future__ import annotations

import pytest

from banish.failures.traces import Trace, Traces


def traces(*failures: tuple[str, int, float]) -> Traces:
    made = Traces()
    for id_, retries, at in failures:
        made.keep(id_, Trace(retries, retries, at, at))
    return made


@pytest.mark.parametrize(
    "trace",
    [
        Trace(1, 1, 5.0, 5.0, (5.0,)),
        Trace(1, 1, 4.0, 5.0),
        Trace(1, 7, 5.0, 5.0),
        Trace(3, 1, 5.0, 5.0, (5.0, 5.0, 5.0)),
        Trace(900, 12, 1.0, 5.5, (1.0, 5.5)),
    ],
)
def test_a_trace_is_taken_as_it_was_kept_and_once(trace: Trace) -> None:
    kept = Traces()
    kept.keep("192.0.2.7", trace)
    assert (len(kept), list(kept)) == (1, [("192.0.2.7", trace.retries)])
    assert kept.take("192.0.2.7") == trace
    assert kept.take("192.0.2.7") is None
    assert len(kept) == 0


def test_what_is_old_goes_and_no_more_at_a_time_than_asked_for() -> None:
    kept = traces(("a", 1, 1), ("b", 2, 2), ("c", 1, 3), ("d", 9, 3), ("e", 9, 5))
    assert kept.expire(3, 2) == 2
    assert len(kept) == 3
    assert kept.expire(3, 9) == 2
    assert [id_ for id_, _ in kept] == ["e"]


def test_the_fewest_failures_go_first_then_who_has_been_silent_for_longest() -> None:
    failures = [("a", 4, 1.0), ("b", 1, 2.0), ("c", 3, 3.0), ("d", 1, 4.0), ("e", 2, 5.0), ("f", 50, 6.0)]
    kept = traces(*failures)
    gone = []
    while len(kept):
        before = {id_ for id_, _ in kept}
        kept.shed(1)
        gone += sorted(before - {id_ for id_, _ in kept})
    assert gone == ["b", "d", "e", "c", "a", "f"]
