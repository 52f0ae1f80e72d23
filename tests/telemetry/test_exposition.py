"""What is written is what Prometheus' own parsers read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families as prometheus

from banish.telemetry import exposition
from banish.telemetry.exposition import Family
from banish.telemetry.measures import Histogram

openmetrics: Callable[[str], Iterable[Metric]] = openmetrics_parser.text_string_to_metric_families

HOSTILE = 'a"b\\c\nd\udce9}\u202e'


def _families() -> list[Family]:
    histogram = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7.0):
        histogram.add(value)
    return [
        Family("x_lines", "counter", 'lines\nread "and" judged \\', [({"source": HOSTILE}, 7), ({"source": "b"}, 0)]),
        Family("x_lag_bytes", "gauge", "lag", [({}, 2.5)]),
        Family("x_wait_seconds", "histogram", "wait", [({"jail": "sshd"}, histogram)]),
        Family("x_build", "info", "version", [({"version": "1"}, 1)]),
        Family("x_empty", "gauge", "nothing", []),
        Family("x_end", "gauge", "end", [({"jail": "sshd"}, math.inf)]),
    ]


def test_both_parsers_read_the_same_numbers() -> None:
    new = {one.name: one for one in openmetrics(exposition.render(_families()))}
    old = {one.name: one for one in prometheus(exposition.render(_families(), openmetrics=False))}
    assert {name: one.type for name, one in new.items()} == {
        "x_lines": "counter", "x_lag_bytes": "gauge", "x_wait_seconds": "histogram", "x_build": "info", "x_empty": "gauge",
        "x_end": "gauge",
    }  # fmt: skip
    for name, one in new.items():
        # The older format calls a family after its samples.
        other = old.get(name) or old[f"{name}_info"]
        assert [(sample.name, sample.labels, sample.value) for sample in one.samples] == [
            (sample.name, sample.labels, sample.value) for sample in other.samples
        ]
    buckets = [sample.value for sample in new["x_wait_seconds"].samples if sample.name.endswith("_bucket")]
    assert buckets == [2, 3, 4]


def test_labels_come_back_as_they_were_but_for_what_is_no_text() -> None:
    [family] = [one for one in openmetrics(exposition.render(_families())) if one.name == "x_lines"]
    assert family.samples[0].labels == {"source": 'a"b\\c\nd\\udce9}\u202e'}


def test_a_family_knows_the_names_of_its_samples() -> None:
    text = exposition.render(_families())
    for family in _families():
        if family.samples:
            assert all(f"\n{name}" in text for name in family.sample_names)
