"""Reports to blocklist.de by its HTTP form (https://www.blocklist.de/en/httpreports.html)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from banish.reporting import http
from banish.reporting.outbox import Limits, Refused
from banish.reporting.reporter import Info, Reporter, must_be_address

URL = "https://www.blocklist.de/en/httpreports.html"
LOGS = 32768
"""Characters of log lines that are sent."""


class BlocklistDe(Reporter):
    service = "blocklist.de"
    required = ("email", "apikey", "service")
    secrets = ("apikey",)
    limits = Limits(waiting=1000, per_minute=30, attempts=8)

    def prepare(self, event: str, info: Info) -> Callable[[], None]:
        lines = self.redaction(info)(str(info["matches"]))[:LOGS]
        form = {
            "server": self.options["email"],
            "service": self.options["service"],
            "ip": str(info["ip"]),
            "logs": lines,
            "format": "text",
        }
        return lambda: self._report(form)

    def _report(self, form: Mapping[str, str]) -> None:
        must_be_address(form["ip"])
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "User-Agent": self.options.get("agent") or "banish",
        }
        body = urlencode({**form, "apikey": self.secret("apikey")}).encode()
        url = self.options.get("url") or URL
        answer = http.send("POST", url, body, headers, cafile=self.options.get("cafile", ""))
        # It answers 200 whatever it thinks of a report, and says so in the text.
        if b"error" in answer.body.lower():
            raise Refused(f"blocklist.de did not take it: {answer.body[:200].decode('utf-8', 'replace')!r}")
