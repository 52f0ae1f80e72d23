"""The text of ``banish why``: what is known of an address, as sentences a person reads from top to bottom.

The law of ``render`` holds: whatever came from a log, a file name or a configuration passes `visible`.
"""

from __future__ import annotations

from banish.control.render import left, table, time_, visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from banish.control.render import Paint

_BY = {
    "jail": "the jail's own counting",
    "admin": "an administrator, by hand",
    "restored": "an earlier run",
    "fleet": "another host",
}
_INDENT = "  "


def why(result: dict[str, Any], _arguments: dict[str, Any], paint: Paint, _now: float) -> str:
    now = result["now"]
    lines = [*_head(result, paint)]
    for row in result["jails"]:
        lines += ["", paint(visible(row["jail"]), "bold"), *(_INDENT + line for line in _jail(row, now, paint))]
    if result["nothing"]:
        names = ", ".join(map(visible, result["nothing"]))
        lines += ["", f"Nothing is known of it in: {names}"]
    if result["events"]:
        lines += ["", *_events(result["events"], paint)]
    return "\n".join(lines) + "\n"


def _head(result: dict[str, Any], paint: Paint) -> Iterator[str]:
    address = visible(result["address"])
    jails = [visible(row["jail"]) for row in result["jails"] if row["state"] == "banned"]
    if jails:
        yield paint(f"{address} is banned", "red") + f" in {', '.join(dict.fromkeys(jails))}."
    else:
        yield paint(f"{address} is not banned.", "green")
    if result["protected"]:
        yield f"No jail bans it, whatever a log says: {visible(result['protected'])}."


def _jail(row: dict[str, Any], now: float, paint: Paint) -> Iterator[str]:
    state = row["state"]
    if state == "banned":
        yield from _standing(row, now, paint)
    elif state == "expired":
        yield from _expired(row, now)
    if row["count"]:
        yield from _count(row, now)
    if row["ignored"]:
        yield f"ignored   {visible(row['ignored'])}: its failures are not counted"
    if row["paused"]:
        yield paint(f"paused    {visible(row['paused'])}: this jail bans nobody until banish resume", "yellow")
    if state in ("counting", "paused") and row["ban"]:
        yield from _expired(row, now)
    yield _rule(row)
    yield from _evidence(row["evidence"], row, paint)


def _standing(row: dict[str, Any], now: float, paint: Paint) -> Iterator[str]:
    ban = row["ban"]
    end = ban["expires_at"]
    until = "for ever" if end is None else f"until {time_(end)} ({left(end - now)} left)"
    yield f"banned    {visible(ban['network'])} since {time_(ban['banned_at'])}, {until}"
    by = _BY.get(ban["origin"], visible(ban["origin"]))
    more = ", restored from an earlier run" if ban["restored"] and ban["origin"] != "restored" else ""
    yield f"by        {by}{more}{', forced' if ban['forced'] else ''}"
    if ban["reason"]:
        yield f"because   {visible(ban['reason'])}"
    if ban["ban_count"] > 1:
        yield f"before    it is the {_ordinal(ban['ban_count'])} ban of it in this jail" + (
            "; that is why it lasts longer" if ban["basis"] == "increased" else ""
        )
    yield from _kernel(row, paint)


def _kernel(row: dict[str, Any], paint: Paint) -> Iterator[str]:
    for held in row["kernel"]:
        name = visible(held["enforcer"])
        if not held["stands"]:
            yield paint(f"firewall  {name}: the ban is NOT in force", "red")
            continue
        how = "for ever" if held["left"] is None else f"for {left(held['left'])} more"
        yield f"firewall  {name}: blocked {how}"
    if row["dropped_packets"] is not None:
        yield (
            f"dropped   {_many(row['dropped_packets'], 'packet')} ({_many(row['dropped_bytes'], 'byte')}) of all that this jail "
            "bans, since its rules were made"
        )
    for action in row["actions"]:
        if action["served"] != "natively":
            yield f"action    {visible(action['name'])}, carried out as written"


def _expired(row: dict[str, Any], now: float) -> Iterator[str]:
    ban = row["ban"]
    end = ban["expires_at"]
    ago = f" ({left(now - end)} ago)" if end is not None else ""
    yield f"expired   its last ban, from {time_(ban['banned_at'])}, ended {time_(end or now)}{ago}"
    if ban["reason"]:
        yield f"because   {visible(ban['reason'])}"
    yield f"before    {_many(ban['ban_count'], 'ban')} of it in this jail so far"


def _count(row: dict[str, Any], now: float) -> Iterator[str]:
    count = row["count"]
    counted = f"{count['failures']} of {row['maxretry']} failures"
    yield f"counting  {counted}, the last {left(now - count['last_at'])} ago: below the limit, so it is not banned"
    gone = count["forgotten_at"]
    yield f"until     {time_(gone)} ({left(gone - now)}), when they are forgotten unless another one follows"


def _rule(row: dict[str, Any]) -> str:
    bantime = "for ever" if row["bantime"] is None else span(row["bantime"])
    name = f"filter {visible(row['filter'])}" if row["filter"] else "its own failregex"
    return f"rule      {name}: {row['maxretry']} failures within {span(row['findtime'])} (findtime) ban for {bantime} (bantime)"


def _evidence(lines: list[dict[str, Any]], row: dict[str, Any], paint: Paint) -> Iterator[str]:
    if not lines:
        if row["state"] == "banned" and row["ban"]["origin"] == "jail":
            yield "lines     none are kept (dbmaxmatches = 0, or the ban was made by an earlier version)"
        return
    yield (
        f"lines     {_many(len(lines), 'line')} led to it:"
        if row["ban"]
        else f"lines     {_many(len(lines), 'line')} so far:"
    )
    expressions: dict[int, str] = {}
    for each in lines:
        yield f"  {paint(_place(each), 'yellow')}"
        yield f"    {visible(each['line'])}"
        if each["regex"] is not None and each["expression"]:
            origin = f" ({visible(each['origin'])})" if each["origin"] else ""
            expressions[each["regex"]] = f"{visible(each['expression'])}{origin}"
    for number, expression in sorted(expressions.items()):
        yield f"failregex {number}: {expression}"


def _place(each: dict[str, Any]) -> str:
    if each["source"] is None:
        return "its place is not known"
    where = visible(each["source"])
    if each["offset"] is not None:
        where += f" at byte {each['offset']}" if each["exact"] else f" after byte {each['offset']}"
    return where + (f", failregex {each['regex']}" if each["regex"] is not None else ", a line of the same session")


def _events(events: list[dict[str, Any]], paint: Paint) -> Iterator[str]:
    rows = [(time_(row["at"]), *(visible(row[key]) for key in ("jail", "kind", "address", "reason"))) for row in events]
    yield from table([("history", "jail", "event", "address", "reason"), *rows], paint).splitlines()


def span(seconds: float) -> str:
    """Return *seconds* as ``left`` does, without a second unit that says nothing: ``10m``, not ``10m 0s``."""
    first, _, second = left(seconds).partition(" ")
    return first if second.startswith("0") else f"{first} {second}".rstrip()


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"
