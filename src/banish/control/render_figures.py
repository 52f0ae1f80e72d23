"""The text of ``banish figures``, and the tables that ``banish top`` shows again and again.

The law of ``render`` holds: user names are what attackers wrote, so everything passes `visible`.
"""

from __future__ import annotations

from banish.control.render import left, table, visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from banish.control.render import Paint

_LONGEST = 40
"""Characters of a name in a column."""


def figures(result: dict[str, Any], _arguments: dict[str, Any], paint: Paint, _now: float) -> str:
    return "\n".join(view(result, None, paint)) + "\n"


def view(now: dict[str, Any], before: dict[str, Any] | None, paint: Paint, *, rows: int = 10) -> Iterator[str]:
    """Yield the lines of the view: totals, or rates since *before*, and the tables, *rows* of each at most."""
    yield (
        f"banish {visible(now['version'])}  up {left(now['uptime'])}  jails {len(now['jails'])}  "
        f"banned {now['banned']}  lag {size(now['lag_bytes'])}"
    )
    yield "  ".join(f"{name} {number}" for name, number in _pace(now, before))
    for problem in now["problems"][:3]:
        yield paint(f"! {visible(problem)}", "red")
    if len(now["problems"]) > 3:
        yield paint(f"! and {len(now['problems']) - 3} more: banish status", "red")
    yield ""
    yield from _jails(now, before, paint, rows)
    yield ""
    yield from _sources(now, before, paint, rows)
    if now["networks"]:
        yield ""
        yield from _networks(now, paint, rows)
    if now.get("neighbours"):
        yield ""
        yield from _neighbours(now, paint, rows)
    if now["users"]:
        yield ""
        yield from _users(now, paint, rows)


def rate(now: dict[str, Any], before: dict[str, Any], key: str, seconds: float) -> float:
    """Return how fast *key* grows, in units a second."""
    return max(0.0, now[key] - before[key]) / seconds if seconds > 0 else 0.0


def size(count: float) -> str:
    """Return a number of bytes in the largest unit that suits it.

    >>> size(0), size(2048), size(3 << 20)
    ('0 B', '2.0 KiB', '3.0 MiB')
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError


def _pace(now: dict[str, Any], before: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    if before is None:
        for key in ("lines", "matches", "failures", "bans"):
            yield key, str(now[key])
        yield "read", size(now["bytes"])
    else:
        seconds = now["at"] - before["at"]
        for key in ("lines", "matches", "failures", "bans"):
            yield key, f"{_number(rate(now, before, key, seconds))}/s"
        yield "read", f"{size(rate(now, before, 'bytes', seconds))}/s"
        yield "cpu", f"{100 * rate(now, before, 'cpu_seconds', seconds):.1f} %"
    if now["read_to_ban"] is not None:
        yield "ban after", f"{1000 * now['read_to_ban']:.1f} ms"


def _jails(now: dict[str, Any], before: dict[str, Any] | None, paint: Paint, rows: int) -> Iterator[str]:
    earlier = {row["name"]: row for row in before["jails"]} if before else {}
    seconds = now["at"] - before["at"] if before else 0.0

    def busy(row: dict[str, Any]) -> tuple[float, int, int]:
        known = earlier.get(row["name"])
        return (row["failures"] - known["failures"] if known else 0, row["banned"], row["failures"])

    def cell(row: dict[str, Any], key: str) -> str:
        known = earlier.get(row["name"])
        return _number(rate(row, known, key, seconds)) if known else str(row[key])

    per = "/s" if before else ""
    head = ("jail", f"failures{per}", f"bans{per}", "failing", "banned", "in all", "ignored", "refused", "")
    cells: list[tuple[str, ...]] = [
        (
            _name(row["name"]), cell(row, "failures"), cell(row, "bans"), str(row["failed_now"]), str(row["banned"]),
            str(row["failures"]), str(row["ignored"]), str(row["refused"]), "! problem" if row["problem"] else "",
        )
        for row in sorted(now["jails"], key=busy, reverse=True)[:rows]
    ]  # fmt: skip
    yield from table([head, *cells], paint).splitlines()


def _sources(now: dict[str, Any], before: dict[str, Any] | None, paint: Paint, rows: int) -> Iterator[str]:
    earlier = {row["name"]: row for row in before["sources"]} if before else {}
    seconds = now["at"] - before["at"] if before else 0.0
    cells: list[tuple[str, ...]] = [("source", "lines/s" if before else "lines", "lag")]
    for row in sorted(now["sources"], key=lambda row: (-row["lag_bytes"], -row["lines"]))[:rows]:
        known = earlier.get(row["name"])
        pace = _number(rate(row, known, "lines", seconds)) if known else str(row["lines"])
        cells.append((visible(row["name"]), pace, size(row["lag_bytes"])))
    yield from table(cells, paint).splitlines()


def _networks(now: dict[str, Any], paint: Paint, rows: int) -> Iterator[str]:
    cells: list[tuple[str, ...]] = [("address", "jail", "failures", "last")]
    for row in now["networks"][:rows]:
        counted = f"{row['failures']} of {row['maxretry']}"
        cells.append((_name(row["address"]), _name(row["jail"]), counted, f"{left(now['at'] - row['last_at'])} ago"))
    yield from table(cells, paint).splitlines()


def _neighbours(now: dict[str, Any], paint: Paint, rows: int) -> Iterator[str]:
    cells: list[tuple[str, ...]] = [("network", "failures", "addresses")]
    cells += [(_name(row["network"]), str(row["failures"]), str(row["addresses"])) for row in now["neighbours"][:rows]]
    yield from table(cells, paint).splitlines()


def _users(now: dict[str, Any], paint: Paint, rows: int) -> Iterator[str]:
    cells: list[tuple[str, ...]] = [("user", "failures", "addresses")]
    cells += [(_name(row["user"]), str(row["failures"]), str(row["addresses"])) for row in now["users"][:rows]]
    yield from table(cells, paint).splitlines()


def _name(text: object) -> str:
    shown = visible(text)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


def _number(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"
