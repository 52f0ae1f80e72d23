"""Bans as JSON, to a URL of the administrator's.

The body is one object (documented in docs/reference/actions.md), or what option ``body`` says, its tags filled in as JSON needs it.
With a ``secret``, header X-Signature-256 has ``sha256=`` and the HMAC of the body in hexadecimal digits, as GitHub's webhooks do it
(there X-Hub-Signature-256).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import banish
from banish.reporting import http
from banish.reporting.reporter import Info, Reporter, Wrong

_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e]*)")


class Webhook(Reporter):
    service = "webhook"
    required = ("url",)
    secrets = ("url", "header", "secret")

    @classmethod
    def wrong(cls, options: Mapping[str, str]) -> Iterator[Wrong]:
        yield from super().wrong(options)
        url = options.get("url", "").strip()
        if url and not url.startswith("file:") and (why := http.wrong_with(url)):
            yield Wrong("url", f"url {why}", "write it as https://host/path")
        header = options.get("header", "").strip()
        if header and not header.startswith("file:") and not _HEADER.fullmatch(header):
            yield Wrong("header", "header is no header", "write it as Name: value")

    def destination(self) -> str:
        url = self.options.get("url", "")
        return f"webhook {urlsplit(url).netloc.rpartition('@')[2] or url}"

    def prepare(self, event: str, info: Info) -> Callable[[], None]:
        template = self.options.get("body", "").strip()
        if template:
            text = self.fill(template.replace("<event>", event), info, _escaped)
        else:
            text = json.dumps(self._news(event, info), ensure_ascii=False)
        body = text.encode("utf-8", "replace")
        return lambda: self._post(body)

    def _news(self, event: str, info: Info) -> dict[str, Any]:
        redact = self.redaction(info)
        bantime = int(info["bantime"])
        return {
            "event": event,
            "uuid": str(uuid.uuid4()),
            "host": redact(self.hostnames()[0]),
            "jail": self.jail,
            "id": str(info["fid"]),
            "address": str(info["ip"]),
            "family": info["family"],
            "time": float(info["time"]),
            "seconds": None if bantime < 0 else bantime,
            "failures": info["failures"],
            "bans": info["bancount"],
            "restored": bool(info["restored"]),
            "lines": redact(str(info["matches"])).splitlines(),
        }

    def _post(self, body: bytes) -> None:
        headers = {"Content-Type": "application/json", "User-Agent": f"banish/{banish.__version__}"}
        if found := _HEADER.fullmatch(self.secret("header")):
            headers[found[1]] = found[2]
        if secret := self.secret("secret"):
            digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
            headers["X-Signature-256"] = f"sha256={digest}"
        http.send("POST", self.secret("url"), body, headers, cafile=self.options.get("cafile", ""))


def _escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]
