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
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast, get_args

from banish import addresses
from banish.addresses import Network, stored
from banish.model import NO_FIELDS, Basis, Cursor, Decision, Origin, Position

Key = tuple[str, str]
"""(jail, id)"""

_ORIGINS: frozenset[str] = frozenset(get_args(Origin))
_BASES: frozenset[str] = frozenset(get_args(Basis))
_LARGEST = 2**63 - 1


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
    return text(decision.jail), text(decision.id), _json(matches), _json(dict(decision.fields))


def decisions(found: Iterable[Sequence[Any]]) -> Iterator[Decision]:
    """Yield the decisions that rows of table ``bans`` stand for, restored ones, without evidence.

    A row that makes no sense is left out. Made for half a million: equal texts and times become one object.
    """
    known: dict[str, str] = {}
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


def whole(row: Sequence[Any]) -> Decision | None:
    """Return the decision that a row of ``bans`` stands for, with its origin, its evidence and whether it was forced behind the others.

    Evidence that is damaged comes back empty.
    """
    *ours, origin, matches, fields, forced = row
    lines, groups = _from_json(matches), _from_json(fields)
    for decision in decisions([ours]):
        return decision._replace(
            origin=cast(Origin, origin) if origin in _ORIGINS else "jail",
            matches=tuple(map(str, lines)) if isinstance(lines, list) else (),
            fields=groups if isinstance(groups, dict) else NO_FIELDS,
            forced=bool(forced),
        )
    return None


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
