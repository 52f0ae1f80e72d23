"""IP access rules at Cloudflare, of a zone, an account or a user (https://developers.cloudflare.com/api/, "IP Access Rules").

This one blocks, rather than reports: whoever is banned at the edge never reaches a server behind it. A ban adds a rule, its end
deletes the rules that have the same ``notes``. Bans of an earlier run are sent again: a rule that is there already will do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any
from urllib.parse import quote, urlencode

import banish
from banish.reporting import http
from banish.reporting.outbox import Limits, Refused
from banish.reporting.reporter import Info, Reporter, Wrong

URL = "https://api.cloudflare.com/client/v4"
DUPLICATE = 10009
"""The code of "firewallaccessrules.api.duplicate_of_existing"."""
MODES = ("block", "challenge", "js_challenge", "managed_challenge")
_RANGES = frozenset({(4, 16), (4, 24), (6, 32), (6, 48), (6, 64)})
"""Networks that a rule can have: IP version and prefix length."""


class Cloudflare(Reporter):
    service = "cloudflare"
    required = ("cftoken",)
    secrets = ("cftoken",)
    events = "ban unban"
    lasting = False
    # 1,200 requests in five minutes are allowed to one user, for everything he does; an unban takes two.
    limits = Limits(waiting=20_000, per_minute=100, attempts=10)
    patience = 20.0

    @classmethod
    def wrong(cls, options: Mapping[str, str]) -> Iterator[Wrong]:
        yield from super().wrong(options)
        if options.get("cfmode", "block") not in MODES:
            yield Wrong("cfmode", "cfmode is not known", f"one of {', '.join(MODES)}")
        if options.get("cfzone") and options.get("cfaccount"):
            yield Wrong("cfzone", "there are both cfzone and cfaccount", "a rule belongs to a zone or to an account")

    def prepare(self, event: str, info: Info) -> Callable[[], None]:
        address = str(info["ip"])
        if event == "ban":
            return lambda: self._add(_configuration(address))
        return lambda: self._remove(_configuration(address))

    @property
    def _notes(self) -> str:
        return self.options.get("notes") or f"banish {self.jail}"

    @property
    def _rules(self) -> str:
        base = (self.options.get("url") or URL).rstrip("/")
        if zone := self.options.get("cfzone"):
            owner = f"zones/{quote(zone, safe='')}"
        elif account := self.options.get("cfaccount"):
            owner = f"accounts/{quote(account, safe='')}"
        else:
            owner = "user"
        return f"{base}/{owner}/firewall/access_rules/rules"

    def _add(self, configuration: Mapping[str, str]) -> None:
        mode = self.options.get("cfmode", "block")
        rule = {"mode": mode, "configuration": configuration, "notes": self._notes}
        try:
            self._ask("POST", self._rules, json.dumps(rule).encode())
        except http.Failed as error:
            if DUPLICATE not in _codes(error.answer.json()):
                raise

    def _remove(self, configuration: Mapping[str, str]) -> None:
        query = {f"configuration.{name}": value for name, value in configuration.items()}
        query |= {"notes": self._notes, "per_page": "50"}
        found = self._ask("GET", f"{self._rules}?{urlencode(query)}")
        for rule in found if isinstance(found, list) else ():
            # The service looks for notes that contain ours.
            if (
                rule.get("notes") == self._notes
                and rule.get("configuration", {}).get("value") == configuration["value"]
            ):
                try:
                    self._ask("DELETE", f"{self._rules}/{quote(str(rule['id']), safe='')}")
                except http.Failed as error:
                    if error.answer.status != 404:
                        raise

    def _ask(self, method: str, url: str, body: bytes | None = None) -> Any:
        token, user = self.secret("cftoken"), self.options.get("cfuser", "").strip()
        headers = {"Content-Type": "application/json", "User-Agent": f"banish/{banish.__version__}"}
        headers |= {"X-Auth-Email": user, "X-Auth-Key": token} if user else {"Authorization": f"Bearer {token}"}
        answer = http.send(method, url, body, headers, cafile=self.options.get("cafile", "")).json()
        if not isinstance(answer, dict) or not answer.get("success"):
            raise Refused(f"Cloudflare did not do it: {str(answer)[:200]}")
        return answer.get("result")


def _configuration(address: str) -> dict[str, str]:
    """Return what a rule says of *address*; raises Refused for what no rule can hold."""
    try:
        network = ip_network(address)
    except ValueError as error:
        raise Refused(f"{address!r} is no address") from error
    if network.num_addresses == 1:
        return {"target": "ip" if network.version == 4 else "ip6", "value": str(network.network_address)}
    if (network.version, network.prefixlen) not in _RANGES:
        raise Refused(f"{network}: Cloudflare takes networks of /16, /24, /32, /48 and /64 only")
    return {"target": "ip_range", "value": str(network)}


def _codes(answer: Any) -> list[Any]:
    errors = answer.get("errors") if isinstance(answer, dict) else None
    return [error.get("code") for error in errors or () if isinstance(error, dict)]
