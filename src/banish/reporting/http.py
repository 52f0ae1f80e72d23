"""One request over HTTP, by the standard library: certificates are verified, redirections are not followed, answers are bounded.

What comes of it is an answer of 2xx, or ``TryAgain`` (no connection, 408, 425, 429 and 5xx, with what Retry-After says), or
``Refused`` (all else). Their texts name the host alone: paths and headers may hold keys.
"""

from __future__ import annotations

import email.utils
import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit

from banish.reporting.outbox import Refused, TryAgain

TIMEOUT = 20.0
ANSWER_BYTES = 65536
_LATER = frozenset({408, 425, 429})


class Answer(NamedTuple):
    status: int
    body: bytes

    def json(self) -> Any:
        """Return what the body says; None when it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Failed(Refused):
    """The service answered, and said no."""

    def __init__(self, text: str, answer: Answer) -> None:
        super().__init__(text)
        self.answer = answer


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(  # noqa: PLR0917 -- as it is there
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        return None


def wrong_with(url: str) -> str:
    """Return why *url* cannot be asked; empty when it can."""
    try:
        parts = urlsplit(url)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        return "is no URL"
    if parts.scheme not in ("http", "https"):
        return "must begin with https:// or http://"
    if not parts.hostname or not port_fits:
        return "names no host"
    return "" if url.isascii() and url.isprintable() and " " not in url else "holds what a URL cannot hold"


def send(
    method: str, url: str, body: bytes | None, headers: Mapping[str, str], *, cafile: str = "", timeout: float = TIMEOUT
) -> Answer:
    """Do the request. *cafile* has certificates to trust beside the system's."""
    if why := wrong_with(url):
        raise Refused(f"the URL {why}")
    where = urlsplit(url).hostname
    request = urllib.request.Request(url, body, dict(headers), method=method)  # noqa: S310 -- see wrong_with
    try:
        context = ssl.create_default_context()
        if cafile:
            context.load_verify_locations(cafile)
        opener = urllib.request.build_opener(_NoRedirects, urllib.request.HTTPSHandler(context=context))
        with opener.open(request, timeout=timeout) as response:
            return Answer(response.status, response.read(ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            answer = Answer(error.code, _read(error))
        text = f"{where} answered {error.code} {_printable(error.reason)}: {_printable(answer.body[:200].decode('utf-8', 'replace'))}"
        if error.code in _LATER or error.code >= 500:
            raise TryAgain(text, retry_after(error.headers.get("Retry-After", ""), time.time())) from error
        raise Failed(text, answer) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise TryAgain(f"{where} cannot be reached: {_printable(str(reason) or repr(reason))}") from error


def retry_after(text: str, now: float) -> float | None:
    """Return the seconds that Retry-After asks for (RFC 9110, 10.2.3), None when it asks for nothing that is understood.

    >>> retry_after("120", 0.0)
    120.0
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def _read(error: urllib.error.HTTPError) -> bytes:
    try:
        return error.read(ANSWER_BYTES)
    except (OSError, http.client.HTTPException):
        return b""


def _printable(text: Any) -> str:
    return "".join(character if character.isprintable() else " " for character in str(text)).strip()
