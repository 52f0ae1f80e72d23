"""What the benchmarks say: rows of one table, and the ratio that each is about.

Two programs are compared by running them in turn and dividing run by run: what disturbs the machine for a while then disturbs
both sides of a ratio. A row gives the median of the ratios with the smallest and the largest, and the median of each side.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median


class BenchError(Exception):
    """A benchmark could not be run, or its two sides did not do the same work; the text says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. *banish* and *fail2ban* are measurements in *unit*, taken in turn; lower is better.

    Without fail2ban's the row has no ratio: there is nothing to compare with.
    """

    what: str
    unit: str
    banish: Sequence[float]
    fail2ban: Sequence[float] = ()

    def ratios(self) -> list[float]:
        """How many times as much fail2ban took, run by run; every run against every other when they are not paired."""
        ours, theirs = self.banish, self.fail2ban
        if len(ours) != len(theirs):
            pairs = [(one, other) for one in ours for other in theirs]
        else:
            pairs = list(zip(ours, theirs, strict=True))
        return sorted(other / one for one, other in pairs if one > 0)


def render(rows: Iterable[Row]) -> str:
    """Return the table as text.

    >>> print(render([Row("a ban", "ms", [0.1, 0.2], [3.0, 4.0])]))
    what   banish    fail2ban  ratio (min to max)
    a ban  0.150 ms  3.50 ms   25 (20 to 30)
    """
    cells = [("what", "banish", "fail2ban", "ratio (min to max)")]
    for row in rows:
        ratios = row.ratios()
        told = f"{_number(median(ratios))} ({_number(ratios[0])} to {_number(ratios[-1])})" if ratios else ""
        cells.append((row.what, _value(row.banish, row.unit), _value(row.fail2ban, row.unit), told))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
    return "\n".join(line.rstrip() for line in lines)


def _value(values: Sequence[float], unit: str) -> str:
    return f"{_number(median(values))} {unit}" if values else ""


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}" if value >= 1 else f"{value:.3f}"
