"""Nouns to rows and back.

One side speaks ``Decision`` and ``Position``, the other tuples in the order of the columns in ``schema.sql``.

The law: whatever the model can hold can be written, and whatever the database holds can be read. Log text and file names are
bytes that somebody else chose, so text may hold what UTF-8 cannot (lone surrogates); it is passed as bytes (`text`) and cast to
TEXT by the statement. A row that somebody edited beyond recognition is None, never an exception.

JSON has no sets, tuples or bytes: a set comes back as a sorted list, a tuple as a list, bytes as text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, repeat
from operator import itemgetter
from typing import Any, cast, get_args

from banish import addresses
from banish.addresses import Network, stored
from banish.model import NO_FIELDS, Basis, Cursor, Decision, Origin, Place, Position

Key = tuple[str, str]
"""(jail, id)"""

_ORIGINS: frozenset[str] = frozenset(get_args(Origin))
_BASES: frozenset[str] = frozenset(get_args(Basis))
_BASES_AS_THEY_ARE: Mapping[str, Basis] = {basis: basis for basis in get_args(Basis)}
_LARGEST = 2**63 - 1

# The types of what a row holds, and the one way to half a million decisions that does not pass Python code for each.
_TEXTS, _TIMES, _COUNTS, _PACKED = frozenset({str}), frozenset({float}), frozenset({int}), frozenset({bytes})
_ENDS = frozenset({float, type(None)})
_HOSTS = frozenset({(5, 32), (17, 128)})
"""Length and last byte of a `Network` that is one address."""
_LAST = itemgetter(-1)
_DECISION = partial(cast(Callable[..., Decision], tuple.__new__), Decision)


def text(value: str) -> bytes:
    """Return *value* for ``CAST(? AS TEXT)``; `untext` is its inverse for every str there is."""
    return value.encode("utf-8", "surrogatepass")


def untext(value: bytes) -> str:
    """Return the str for a TEXT value of the database, whatever its bytes (sqlite3's ``text_factory``)."""
    try:
        return value.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return value.decode("utf-8", "replace")


def ban_row(decision: Decision) -> tuple[Any, ...]:
    """Return the row of table ``bans`` for *decision*."""
    return (
        text(decision.jail),
        text(decision.id),
        decision.network,
        float(decision.at),
        float(decision.expires_at) if decision.expires_at < math.inf else None,
        decision.origin,
        decision.basis,
        float(decision.at if decision.set_at is None else decision.set_at),
        text(decision.reason),
        min(decision.ban_count, _LARGEST),
        min(decision.failures, _LARGEST),
    )


def evidence_row(decision: Decision, most: int | None = None) -> tuple[Any, ...]:
    """Return the row of table ``evidence`` for *decision*, with its last lines: *most* of them, or all."""
    matches = decision.matches if most is None else decision.matches[-most:] if most else ()
    lines = _placed(matches, decision.places[-len(matches) :]) if decision.places and matches else matches
    return text(decision.jail), text(decision.id), _json(lines), _json(dict(decision.fields))


def _placed(matches: Sequence[str], places: Sequence[Place | None]) -> list[object]:
    """Return the lines with their places: a line alone, or a list of the line and what its `Place` holds."""
    return [line if place is None else [line, *place] for line, place in zip(matches, places, strict=True)]


def _evidence(found: object) -> tuple[tuple[str, ...], tuple[Place | None, ...]]:
    """Return the lines and their places that `_placed` wrote; what is damaged is a line without a place."""
    lines: list[str] = []
    places: list[Place | None] = []
    for each in found if isinstance(found, list) else ():
        match each:
            case [str() as line, str() as source, int() | None as start, int() | None as stop, int() | None as regex]:
                lines.append(line)
                places.append(Place(source, start, stop, regex))
            case _:
                lines.append(str(each))
                places.append(None)
    return tuple(lines), tuple(places) if any(places) else ()


def decisions(found: Iterable[Sequence[Any]], known: dict[str, str] | None = None) -> Iterator[Decision]:
    """Yield the decisions that rows of table ``bans`` stand for, restored ones, without evidence.

    A row that makes no sense is left out. Equal texts become one object, by way of *known*.
    """
    known = {} if known is None else known
    for jail, ident, network, at, expires_at, basis, set_at, reason, ban_count, failures in found:
        if not (isinstance(jail, str) and isinstance(ident, str)):
            continue
        try:
            begin = float(at)
            end = math.inf if expires_at is None else float(expires_at)
            counts = int(ban_count), int(failures)
        except (TypeError, ValueError, OverflowError):
            continue
        why = str(reason)
        yield Decision(
            known.setdefault(jail, jail),
            ident,
            None if network is None else stored(network),
            begin,
            end,
            "restored",
            known.setdefault(why, why),
            counts[0],
            counts[1],
            (),
            NO_FIELDS,
            basis=cast(Basis, basis) if basis in _BASES else "said",
            set_at=set_at if isinstance(set_at, float) and set_at != begin else None,
        )


def page(found: Sequence[Sequence[Any]], known: dict[str, str]) -> Iterable[Decision]:
    """Return what `decisions` makes of the rows *found*, by whole columns where all are as `ban_row` writes them.

    *known* is where equal texts become one object, for all pages of a table.
    """
    jails, ids, networks, begins, ends, bases, set_at, reasons, ban_counts, failures = zip(*found, strict=True)
    plain = (
        _TEXTS.issuperset(map(type, chain(jails, ids, reasons)))
        and _TIMES.issuperset(map(type, chain(begins, set_at)))
        and _ENDS.issuperset(map(type, ends))
        and _COUNTS.issuperset(map(type, chain(ban_counts, failures)))
        and _BASES.issuperset(bases)
    )
    if not plain:
        return decisions(found, known)
    columns = (
        map(known.setdefault, jails, jails),
        ids,
        _networks(networks),
        begins,
        [math.inf if end is None else end for end in ends] if None in ends else ends,
        repeat("restored"),
        map(known.setdefault, reasons, reasons),
        ban_counts,
        failures,
        repeat(()),
        repeat(NO_FIELDS),
        repeat(None),
        map(_BASES_AS_THEY_ARE.__getitem__, bases),
        [None if at == begin else at for at, begin in zip(set_at, begins, strict=True)],
        repeat(False),
        repeat(()),
    )
    return map(_DECISION, zip(*columns, strict=False))


def _networks(values: Sequence[object]) -> Iterable[Network | None]:
    """Return what `stored` makes of *values*, which are hosts as a rule."""
    if _PACKED.issuperset(map(type, values)):
        packed = cast(Sequence[bytes], values)
        if b"" not in packed and _HOSTS.issuperset(zip(map(len, packed), map(_LAST, packed), strict=True)):
            return map(Network, packed)
    return map(stored, values)


def whole(row: Sequence[Any]) -> Decision | None:
    """Return the decision that a row of ``bans`` stands for, with its origin, its evidence and whether it was forced behind the others.

    Evidence that is damaged comes back empty.
    """
    *ours, origin, matches, fields, forced = row
    for decision in decisions([ours]):
        known = decision._replace(origin=cast(Origin, origin) if origin in _ORIGINS else "jail", forced=bool(forced))
        return with_evidence(known, matches, fields)
    return None


def with_evidence(decision: Decision, matches: object, fields: object) -> Decision:
    """Return *decision* with what the columns *matches* and *fields* of table ``evidence`` say."""
    lines, places = _evidence(_from_json(matches))
    groups = _from_json(fields)
    return decision._replace(matches=lines, places=places, fields=groups if isinstance(groups, dict) else NO_FIELDS)


def network_of_text(value: object) -> bytes | None:
    """Return the bytes of the network that version 1 wrote as text, for the step to version 2."""
    return addresses.parse(value.decode("utf-8", "replace")) if isinstance(value, bytes) else None


def position_row(source: str, position: Position) -> tuple[Any, ...]:
    """Return the row of table ``positions`` for *position* in *source*."""
    device, inode, offset, head, anchor = position
    return text(source), _signed(device), _signed(inode), _signed(offset), bytes(head), bytes(anchor)


def position(row: Sequence[Any]) -> tuple[str, Position] | None:
    """Return the source and the position that *row* of table ``positions`` stands for; None when it makes no sense."""
    source, device, inode, offset, head, anchor = row
    if not (isinstance(source, str) and isinstance(head, bytes) and isinstance(anchor, bytes)):
        return None
    if not (isinstance(device, int) and isinstance(inode, int) and isinstance(offset, int)):
        return None
    return source, Position(_unsigned(device), _unsigned(inode), _unsigned(offset), head, anchor)


def cursor_row(source: str, cursor: Cursor) -> tuple[Any, ...]:
    """Return the row of table ``cursors`` for *cursor* in *source*."""
    return text(source), text(cursor.text), float(cursor.at)


def cursor(row: Sequence[Any]) -> tuple[str, Cursor] | None:
    """Return the source and the cursor that *row* of table ``cursors`` stands for; None when it makes no sense."""
    source, place, at = row
    if not (isinstance(source, str) and isinstance(place, str) and isinstance(at, (int, float))):
        return None
    return source, Cursor(place, float(at))


def _json(value: object) -> str:
    return _ENCODER.encode(value)


def _from_json(value: object) -> object:
    try:
        return json.loads(value) if isinstance(value, str) else None
    except (ValueError, RecursionError):
        return None


def _plain(value: object) -> object:
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    if isinstance(value, Network):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "surrogateescape")
    return str(value)


_ENCODER = json.JSONEncoder(default=_plain, skipkeys=True, separators=(",", ":"))
"""Made once: ``json.dumps`` would make one for every value."""


def _signed(value: int) -> int:
    """SQLite's INTEGER has 64 bits with a sign; inode numbers (stat(2), ``ino_t``) use all 64 on some file systems."""
    value &= 2**64 - 1
    return value - 2**64 if value > _LARGEST else value


def _unsigned(value: int) -> int:
    return value & (2**64 - 1)
