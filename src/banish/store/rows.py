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
from collections.abc import Sequence
from typing import Any, cast, get_args

from banish import addresses
from banish.model import Cursor, Decision, Origin, Position

Key = tuple[str, str]
"""(jail, id)"""

_ORIGINS: frozenset[str] = frozenset(get_args(Origin))
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
        str(decision.network) if decision.network is not None else None,
        float(decision.at),
        float(decision.expires_at) if decision.expires_at < math.inf else None,
        decision.origin,
        text(decision.reason),
        min(decision.ban_count, _LARGEST),
        min(decision.failures, _LARGEST),
        _json(decision.matches),
        _json(dict(decision.fields)),
    )


def decision(row: Sequence[Any]) -> Decision | None:
    """Return the decision that *row* of table ``bans`` stands for; None when there is no making sense of it.

    Damaged matches or fields do not cost the ban: they are evidence, and come back empty.
    """
    jail, ident, network, at, expires_at, origin, reason, ban_count, failures, matches, fields = row
    if not (isinstance(jail, str) and isinstance(ident, str)):
        return None
    try:
        begin, end = float(at), math.inf if expires_at is None else float(expires_at)
        counts = int(ban_count), int(failures)
    except (TypeError, ValueError, OverflowError):
        return None
    lines, groups = _from_json(matches), _from_json(fields)
    return Decision(
        jail=jail,
        id=ident,
        network=addresses.parse(network) if isinstance(network, str) else None,
        at=begin,
        expires_at=end,
        origin=cast(Origin, origin) if origin in _ORIGINS else "jail",
        reason=str(reason),
        ban_count=counts[0],
        failures=counts[1],
        matches=tuple(map(str, lines)) if isinstance(lines, list) else (),
        fields=groups if isinstance(groups, dict) else {},
    )


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
    return json.dumps(value, default=_plain, skipkeys=True, separators=(",", ":"))


def _from_json(value: object) -> object:
    try:
        return json.loads(value) if isinstance(value, str) else None
    except (ValueError, RecursionError):
        return None


def _plain(value: object) -> object:
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "surrogateescape")
    return str(value)


def _signed(value: int) -> int:
    """SQLite's INTEGER has 64 bits with a sign; inode numbers (stat(2), ``ino_t``) use all 64 on some file systems."""
    value &= 2**64 - 1
    return value - 2**64 if value > _LARGEST else value


def _unsigned(value: int) -> int:
    return value & (2**64 - 1)
