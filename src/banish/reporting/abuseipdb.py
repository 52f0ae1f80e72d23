"""Reports to AbuseIPDB, API version 2 (https://docs.abuseipdb.com/#report-endpoint)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from threading import Lock
from urllib.parse import urlencode

from banish.reporting import http
from banish.reporting.outbox import Limits
from banish.reporting.reporter import Info, Reporter, Wrong, must_be_address

URL = "https://api.abuseipdb.com/api/v2/report"
COMMENT = 1024
"""Characters of a comment that are kept."""
ONCE_IN = 15 * 60.0
"""Seconds in which one address is taken once from one account."""
REMEMBERED = 5000

_reported: dict[tuple[str, str], float] = {}
"""When an address was last reported with a key, the longest ago first."""
_lock = Lock()


class AbuseIPDB(Reporter):
    service = "abuseipdb"
    required = ("abuseipdb_apikey", "abuseipdb_category")
    secrets = ("abuseipdb_apikey",)
    limits = Limits(waiting=1000, per_minute=30, attempts=8)

    @classmethod
    def wrong(cls, options: Mapping[str, str]) -> Iterator[Wrong]:
        yield from super().wrong(options)
        category = options.get("abuseipdb_category", "")
        if category and not all(number.strip().isdigit() for number in category.split(",")):
            yield Wrong("abuseipdb_category", "abuseipdb_category is not a list of numbers", 'for example "18,22"')

    def prepare(self, event: str, info: Info) -> Callable[[], None]:
        form = {
            "ip": str(info["ip"]),
            "categories": self.options["abuseipdb_category"].replace(" ", ""),
            "timestamp": datetime.fromtimestamp(float(info["time"]), UTC).isoformat(timespec="seconds"),
            "comment": self.fill(self.options.get("comment", "<matches>"), info)[:COMMENT],
        }
        return lambda: self._report(form)

    def _report(self, form: Mapping[str, str]) -> None:
        must_be_address(form["ip"])
        key = self.secret("abuseipdb_apikey")
        if not _is_news(key, form["ip"], time.monotonic()):
            return
        headers = {
            "Key": key,
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
            "User-Agent": self.options.get("agent") or "banish",
        }
        url = self.options.get("url") or URL
        http.send("POST", url, urlencode(form).encode(), headers, cafile=self.options.get("cafile", ""))
        _remember(key, form["ip"], time.monotonic())


def _is_news(key: str, address: str, now: float) -> bool:
    with _lock:
        return now - _reported.get((key, address), -ONCE_IN) >= ONCE_IN


def _remember(key: str, address: str, now: float) -> None:
    with _lock:
        _reported.pop((key, address), None)
        _reported[key, address] = now
        while len(_reported) > REMEMBERED:
            del _reported[next(iter(_reported))]
