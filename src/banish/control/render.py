"""Results to text, for people and for the scripts that read what people read.

``status`` and ``status JAIL`` are what fail2ban-client prints, to the tab, because scripts cut it up; what it does not know (a jail
that was left out and why) follows after it, and only when there is something to say. There is one function here for each method
of THE TABLE, under its name: ``(result, arguments, paint, now) -> text``, the text ending in a newline unless it is empty.

The law: text that came from a log, a file name or another host passes `visible` first, so that it cannot command the terminal.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TextIO

    Paint = Callable[[str, str], str]
    """(text, colour) -> text, perhaps coloured"""

_COLOURS = {"bold": "1", "red": "31", "green": "32", "yellow": "33"}
_OUTCOME_COLOURS = {
    "banned": "green",
    "unbanned": "green",
    "already banned": "yellow",
    "not banned": "yellow",
    "refused": "red",
    "invalid": "red",
}


def visible(text: object) -> str:
    """Return *text* with everything escaped that a terminal would obey instead of show.

    That is what ``str.isprintable`` denies: C0, DEL and C1, what turns the writing direction or has no width, line separators,
    and lone surrogates (undecodable bytes of a log).

    >>> visible("root\\x1b[2J")
    'root\\\\x1b[2J'
    """
    shown = str(text)
    return shown if shown.isprintable() else "".join(c if c.isprintable() else _escape(ord(c)) for c in shown)


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def plain(text: str, _colour: str) -> str:
    return text


def coloured(text: str, colour: str) -> str:
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def painter(stream: TextIO, environment: Mapping[str, str]) -> Paint:
    """Return `coloured` for a terminal that wants colour, else `plain` (https://no-color.org)."""
    wanted = not environment.get("NO_COLOR") and environment.get("TERM", "dumb") != "dumb"
    return coloured if wanted and stream.isatty() else plain


def status(result: dict[str, Any], arguments: dict[str, Any], paint: Paint, _now: float) -> str:
    told = [row["text"] for row in result.get("problems", ())]
    problems = list(dict.fromkeys((*told, *(jail["problem"] for jail in result["jails"] if jail["problem"]))))
    short = arguments.get("flavor") == "short"
    if (arguments.get("jail") is not None or arguments.get("everything")) and result["jails"]:
        shown = [_jail(jail, short=short) for jail in result["jails"] if jail["enabled"] or arguments.get("jail")]
        return "\n".join(shown) + _problems(problems, paint)
    names = sorted(jail["name"] for jail in result["jails"] if jail["enabled"])
    return (f"Status\n|- Number of jail:\t{len(names)}\n`- Jail list:\t{', '.join(map(visible, names))}\n") + _problems(
        problems, paint
    )


def _jail(jail: dict[str, Any], *, short: bool = False) -> str:
    journal = jail.get("journalmatches")
    if journal:
        read = f"Journal matches:\t{' '.join(map(visible, journal))}"
    else:
        read = f"File list:\t{' '.join(visible(source['name']) for source in jail['sources'])}"
    return (
        f"Status for the jail: {visible(jail['name'])}\n"
        "|- Filter\n"
        f"|  |- Currently failed:\t{jail['failed_now']}\n"
        f"|  |- Total failed:\t{jail['failed_total']}\n"
        f"|  `- {read}\n"
        "`- Actions\n"
        f"   |- Currently banned:\t{jail['banned_now']}\n"
        f"   {'`-' if short else '|-'} Total banned:\t{jail['banned_total']}\n"
        + ("" if short else f"   `- Banned IP list:\t{' '.join(map(visible, jail.get('banned', ())))}\n")
    )


def _problems(texts: list[str], paint: Paint) -> str:
    if not texts:
        return ""
    branches = ["|-"] * (len(texts) - 1) + ["`-"]
    lines = [f"{branch} {visible(text)}" for branch, text in zip(branches, texts, strict=True)]
    return "\n".join([paint("Problems", "red"), *lines]) + "\n"


def banned(result: list[dict[str, Any]], arguments: dict[str, Any], paint: Paint, now: float) -> str:
    if not result:
        asked = arguments.get("network")
        return f"{visible(asked)} is not banned\n" if asked else "no bans\n"
    rows: list[tuple[str, ...]] = [("jail", "network", "since", "until", "left", "count", "origin", "reason")]
    known: dict[float, str] = {}  # many begin and end together
    for row in result:
        since, until = row["banned_at"], row["expires_at"]
        for at in (since, until):
            if at is not None and at not in known:
                known[at] = time_(at)
        rows.append(
            (
                visible(row["jail"]),
                visible(_short(row["network"])),
                known[since],
                "for ever" if until is None else known[until],
                "" if until is None else left(until - now),
                str(row["ban_count"]),
                visible(row["origin"]),
                visible(row["reason"]),
            )
        )
    return table(rows, paint)


def table(rows: list[tuple[str, ...]], paint: Paint) -> str:
    """Return *rows* in columns; the first is the head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([paint(lines[0], "bold"), *lines[1:]]) + "\n"


def ban(result: list[dict[str, Any]], _arguments: dict[str, Any], paint: Paint, _now: float) -> str:
    return "".join(_outcome(row, paint) for row in result)


def unban(result: list[dict[str, Any]], arguments: dict[str, Any], paint: Paint, _now: float) -> str:
    if not arguments.get("everything"):
        return "".join(_outcome(row, paint) for row in result)
    done = paint("unbanned", _OUTCOME_COLOURS["unbanned"])
    return "".join(f"{done} {row['unbanned']} in {visible(row['jail'])}\n" for row in result) or "no bans\n"


def _outcome(row: dict[str, Any], paint: Paint) -> str:
    outcome = row["outcome"]
    words = [paint(visible(outcome), _OUTCOME_COLOURS.get(outcome, "bold")), visible(row["address"])]
    if row["jail"]:
        words.append(f"in {visible(row['jail'])}")
    if "expires_at" in row:
        words.append("for ever" if row["expires_at"] is None else f"until {time_(row['expires_at'])}")
    reason = f": {visible(row['reason'])}" if row["reason"] else ""
    problem = f" ({paint('not in force yet', 'red')}: {visible(row['problem'])})" if "problem" in row else ""
    return " ".join(words) + reason + problem + "\n"


def import_(result: dict[str, Any], _arguments: dict[str, Any], paint: Paint, _now: float) -> str:
    rows = [(result["banned"] + result["prolonged"], paint("in force", "green"))]
    told = {
        "already_banned": "in force before",
        "refused": paint("refused", "red") + ", because their ids are spared here",
        "over": "over, and counted",
    }
    rows += [(result[name], what) for name, what in told.items() if result[name]]
    for jail, count in sorted(result["waiting"].items()):
        rows.append((count, f"{paint('waiting', 'yellow')} for the jail {visible(jail)} to run"))
    if result["events"]:
        rows.append((result["events"], "events for the history"))
    return f"Bans from {visible(result['file'])}\n" + "".join(f"{count:7}  {what}\n" for count, what in rows)


def resume(result: dict[str, Any], _arguments: dict[str, Any], _paint: Paint, _now: float) -> str:
    jail, withheld = visible(result["jail"]), result["withheld"]
    return f"{jail} was not paused\n" if withheld is None else f"{jail} bans again; {withheld} bans were withheld\n"


def log(result: list[dict[str, Any]], _arguments: dict[str, Any], paint: Paint, _now: float) -> str:
    if not result:
        return "nothing happened\n"
    cells = [
        (time_(row["at"]), *(visible(row[key]) for key in ("jail", "kind", "address", "reason"))) for row in result
    ]
    return table([("time", "jail", "event", "address", "reason"), *cells], paint)


def reload(result: dict[str, Any], _arguments: dict[str, Any], paint: Paint, _now: float) -> str:
    return "OK\n" + _problems([row["text"] for row in result["problems"]], paint)


def stats(result: list[dict[str, Any]], _arguments: dict[str, Any], paint: Paint, _now: float) -> str:
    if not result:
        return "No jails found.\n"
    head = ("Jail", "Backend", "Failed now", "Failed", "Banned now", "Banned")
    keys = ("failed_now", "failed_total", "banned_now", "banned_total")
    rows = [(visible(row["name"]), visible(row["backend"]), *(str(row[key]) for key in keys)) for row in result]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def line(left: str, between: str, right: str) -> str:
        return left + between.join("─" * (width + 2) for width in widths) + right

    def cells(row: tuple[str, ...]) -> str:
        shown = (
            f" {cell.ljust(width) if place < 2 else cell.rjust(width)} "
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return "│" + "│".join(shown) + "│"

    lines = [line("┌", "┬", "┐"), paint(cells(head), "bold"), line("├", "┼", "┤")]
    return "\n".join([*lines, *map(cells, rows), line("└", "┴", "┘")]) + "\n"


def restart(result: dict[str, Any], _arguments: dict[str, Any], paint: Paint, _now: float) -> str:
    return "OK\n" + _problems([row["text"] for row in result["problems"]], paint)


def start(_result: dict[str, Any], _arguments: dict[str, Any], _paint: Paint, _now: float) -> str:
    return "Jail started\n"


def add(result: dict[str, Any], _arguments: dict[str, Any], _paint: Paint, _now: float) -> str:
    return f"Added jail {visible(result['jails'][0])}\n"


def flushlogs(result: dict[str, Any], _arguments: dict[str, Any], _paint: Paint, _now: float) -> str:
    return f"logs: {result['logs']}\n"


def version(result: dict[str, Any], _arguments: dict[str, Any], _paint: Paint, _now: float) -> str:
    return f"{visible(result['version'])}\n"


def echo(result: dict[str, Any], _arguments: dict[str, Any], _paint: Paint, _now: float) -> str:
    return f"{visible(' '.join(result['words']))}\n"


def sleep(_result: dict[str, Any], _arguments: dict[str, Any], _paint: Paint, _now: float) -> str:
    return ""


def ping(result: dict[str, Any], _arguments: dict[str, Any], _paint: Paint, _now: float) -> str:
    return f"Server replied: {visible(result['reply'])}\n"


def stop(result: dict[str, Any], _arguments: dict[str, Any], _paint: Paint, _now: float) -> str:
    return "Jail stopped\n" if "jails" in result else "Shutdown successful\n"


def error(text: str, hint: str, paint: Paint) -> str:
    """Return the line that tells of a failure: ``banish: TEXT; HINT``."""
    return f"{paint('banish:', 'red')} {visible(text)}" + (f"; {visible(hint)}" if hint else "") + "\n"


def _short(network: str) -> str:
    """A host without its prefix, as ``addresses.show`` has it, but without the cost of ipaddress."""
    return network.removesuffix("/128" if ":" in network else "/32")


def time_(at: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
    except (OverflowError, OSError, ValueError):
        return f"{at:.0f}"


def left(seconds: float) -> str:
    """The two largest units: ``3d 4h``, ``12m 5s``."""
    rest = max(0, round(seconds))
    words: list[str] = []
    for name, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count or words or size == 1:
            words.append(f"{count}{name}")
    return " ".join(words[:2])
