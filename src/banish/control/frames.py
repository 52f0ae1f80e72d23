"""What travels on the socket: one JSON document a line, in each direction.

::

    request   {"command": "status", "arguments": {"jail": "sshd"}}
              {"words": ["get", "sshd", "bantime"]}                            fail2ban's dialect; an error has a "kind" as well
    reply     {"ok": true, "result": ...}
              {"ok": false, "error": {"text": "...", "code": 5, "hint": "..."}}

A connection carries any number of requests, each answered before the next is read. The first byte of a request is ``{``, which
tells it from fail2ban's frames (``pickles``), of which none begins like that; a connection may carry both.
"""

from __future__ import annotations

import json
from itertools import islice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

REQUEST_LIMIT = 1 << 20
"""The longest request, in bytes. Whoever has more addresses than fit asks more than once."""
REPLY_LIMIT = 1 << 28
"""The longest reply a client takes: more than a million bans."""

_ROWS = 1000


def encode(document: object) -> bytes:
    """Return the frame of *document*; ValueError or TypeError when it is not JSON (infinity is not)."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"


def pieces(result: Any) -> Iterator[bytes]:
    """Yield the frame of a reply with *result* bit by bit, so that many rows (a list or an iterator) do not hold up who sends it."""
    if isinstance(result, (dict, str, int, float)) or result is None:
        yield encode({"ok": True, "result": result})
        return
    yield b'{"ok":true,"result":['
    rows = iter(result)
    comma = b""
    while some := list(islice(rows, _ROWS)):
        yield comma + encode(some)[1:-2]
        comma = b","
    yield b"]}\n"


def failure(text: str, code: int, hint: str = "") -> dict[str, Any]:
    """Return the reply that says no; *code* is the client's exit code."""
    return {"ok": False, "error": {"text": text, "code": code, "hint": hint}}


def decode(frame: bytes) -> dict[str, Any]:
    """Return the object that *frame* holds; ValueError when there is none in it."""
    try:
        document = json.loads(frame.decode("utf-8"))  # of bytes, json would guess the encoding
    except (ValueError, RecursionError):
        raise ValueError("not a JSON document") from None
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    return document
