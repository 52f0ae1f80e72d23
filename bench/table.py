"""What the benchmarks say: rows of one table, and the ratio that each is about.

Two programs are compared by running them in turn and dividing run by run: what disturbs the machine for a while then disturbs
both sides of a ratio. A row gives the median of the ratios with the smallest and the largest, and the median of each side.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


class BenchError(Exception):
    """A benchmark could not be run, or its two sides did not do the same work; the text says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. *banish* and *fail2ban* are measurements in *unit*, taken in turn; lower is better.

    Without fail2ban's the row has no ratio: there is nothing to compare with. *part* is the heading that it stands under.
    """

    what: str
    unit: str
    banish: Sequence[float]
    fail2ban: Sequence[float] = ()
    part: str = ""
    memory: tuple[float, ...] = ()
    """The largest resident memory of both, MiB, after the same work."""
    sshguard: Sequence[float] = ()
    """Measurements of its parser, in *unit*."""

    def ratios(self) -> list[float]:
        """How many times as much fail2ban took, run by run; every run against every other when they are not paired."""
        ours, theirs = self.banish, self.fail2ban
        if len(ours) != len(theirs):
            pairs = [(one, other) for one in ours for other in theirs]
        else:
            pairs = list(zip(ours, theirs, strict=True))
        return sorted(other / one for one, other in pairs if one > 0)

    def document(self) -> dict[str, Any]:
        """Return the row for machines to read, with every measurement."""
        ratios = self.ratios()
        told = {"median": median(ratios), "min": ratios[0], "max": ratios[-1]} if ratios else None
        return {
            "part": self.part,
            "what": self.what,
            "unit": self.unit,
            "banish": list(self.banish),
            "fail2ban": list(self.fail2ban),
            "ratio": told,
            "memory_mib": dict(zip(("banish", "fail2ban"), self.memory, strict=False)) or None,
            "sshguard": list(self.sshguard),
        }


def render(rows: Iterable[Row], headings: Mapping[str, str] | None = None) -> str:
    """Return the table as text; *headings* are written above the first row of each part, columns nobody filled are left out.

    >>> print(render([Row("a ban", "ms", [0.1, 0.2], [3.0, 4.0], "bans")], {"bans": "From the record to the kernel"}))
    what                           banish    fail2ban  ratio (min to max)
    From the record to the kernel
      a ban                        0.150 ms  3.50 ms   25 (20 to 30)
    """
    head = ("what", "banish", "fail2ban", "ratio (min to max)", "peak MiB, banish / fail2ban", "sshg-parser")
    table: list[tuple[str, ...]] = [head]
    part = ""
    for row in rows:
        title = (headings or {}).get(row.part, "")
        if row.part != part:
            part = row.part
            if title:
                table.append((title, *[""] * (len(head) - 1)))
        ratios = row.ratios()
        table.append(
            (
                f"  {row.what}" if title else row.what,
                _value(row.banish, row.unit),
                _value(row.fail2ban, row.unit),
                _ratio(ratios),
                " / ".join(f"{size:.0f}" for size in row.memory),
                _value(row.sshguard, row.unit),
            )
        )
    columns = [column for number, column in enumerate(zip(*table, strict=True)) if number < 4 or any(column[1:])]
    padded = [[cell.ljust(max(map(len, column))) for cell in column] for column in columns]
    return "\n".join("  ".join(cells).rstrip() for cells in zip(*padded, strict=True))


def _ratio(ratios: Sequence[float]) -> str:
    told = f" ({_number(ratios[0])} to {_number(ratios[-1])})" if len(ratios) > 1 else ""
    return f"{_number(median(ratios))}{told}" if ratios else ""


def _value(values: Sequence[float], unit: str) -> str:
    return f"{_number(median(values))} {unit}" if values else ""


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}" if value >= 1 else f"{value:.3f}"
