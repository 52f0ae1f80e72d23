"""Metrics as text: OpenMetrics 1.0, and the Prometheus text format 0.0.4 for those who do not ask for that.

In come families with their samples, out goes text. The two formats differ in how the family of a counter is called (without
``_total`` in the first, with it in the second), in ``# UNIT``, and in ``# EOF``, which only the first has.
https://prometheus.io/docs/specs/om/open_metrics_spec/, https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from banish.telemetry.measures import Histogram

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"

Kind = Literal["counter", "gauge", "histogram", "info"]
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Family:
    """Samples that belong together. *name* is without the suffix that its kind has (``_total``, ``_bucket``, ``_info``)."""

    name: str
    kind: Kind
    help: str
    samples: Sequence[tuple[Labels, float | Histogram]] = field(default=())

    @property
    def sample_names(self) -> tuple[str, ...]:
        """The names under which it is asked for."""
        match self.kind:
            case "counter":
                return (f"{self.name}_total",)
            case "histogram":
                return f"{self.name}_bucket", f"{self.name}_count", f"{self.name}_sum"
            case "info":
                return (f"{self.name}_info",)
            case _:
                return (self.name,)


def render(families: Iterable[Family], *, openmetrics: bool = True) -> str:
    """Return the text for *families*."""
    lines: list[str] = []
    for family in families:
        suffix = {"counter": "_total", "info": "_info"}.get(family.kind, "")
        head = family.name if openmetrics else family.name + suffix
        kind = "gauge" if family.kind == "info" and not openmetrics else family.kind
        lines.append(f"# HELP {head} {_escaped(family.help)}")
        lines.append(f"# TYPE {head} {kind}")
        for labels, value in family.samples:
            if isinstance(value, Histogram):
                lines += _buckets(family.name, labels, value)
            else:
                lines.append(f"{family.name}{suffix}{_labels(labels)} {_number(value)}")
    if openmetrics:
        lines.append("# EOF")
    return "\n".join(lines) + "\n"


def _buckets(name: str, labels: Labels, histogram: Histogram) -> Iterator[str]:
    for bound, count in histogram.cumulative():
        yield f"{name}_bucket{_labels({**labels, 'le': _number(bound)})} {count}"
    yield f"{name}_count{_labels(labels)} {histogram.count}"
    yield f"{name}_sum{_labels(labels)} {_number(histogram.sum)}"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value, quote=True)}"' for name, value in labels.items()) + "}"


def _escaped(text: str, *, quote: bool = False) -> str:
    # Names of files may hold bytes that are no UTF-8 (lone surrogates), which no text format can.
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quote else text


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)
