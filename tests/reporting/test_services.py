"""Webhook, AbuseIPDB, blocklist.de and Cloudflare: from a ban to what their servers are told."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from banish.reporting import abuseipdb
from banish.reporting.http import retry_after
from tests.enforcement.commands.rig import NOW, Rig, decision
from tests.reporting.services import Reply, Request, Service, http
from tests.shipped.conftest import Shipped

pytestmark = pytest.mark.usefixtures("at_once")

LINE = "Jan 1 00:00:00 www1 sshd[1]: Failed password for alice from 192.0.2.7 port 22 to 198.51.100.1"
FAILED = {"matches": (LINE,), "fields": {"user": "alice"}}


@pytest.fixture(autouse=True)
def _unreported() -> None:
    abuseipdb._reported.clear()


def play(rig: Rig, *steps: Callable[[], object], until: Callable[[], bool]) -> None:
    async def story() -> None:
        for step in steps:
            step()
        await rig.until(until)

    rig.play(story)


def fast(action: str, options: str) -> str:
    return f"{action}[{options}, per_minute=600000]"


# Webhook


def test_a_webhook_gets_json_with_a_signature(tmp_path: Path, shipped: Shipped, service: Service) -> None:
    (tmp_path / "secret").write_text("hush\n")
    options = f'url="{service.url}/bans?x=1", header="Authorization: Bearer t0ken", secret="file:{tmp_path}/secret"'
    rig = Rig(tmp_path, shipped(fast("webhook", options)))
    rig.ledger.apply(decision("192.0.2.99", origin="restored"), NOW)

    async def story() -> None:
        rig.ban("192.0.2.7", **FAILED)
        await rig.until(lambda: len(service.requests) == 1)
        rig.unban("192.0.2.99")
        await rig.until(lambda: len(service.requests) == 2)

    rig.play(story)
    ban, unban = service.requests
    assert (ban.method, ban.path) == ("POST", "/bans?x=1")
    assert ban.headers["Content-Type"] == "application/json"
    assert ban.headers["Authorization"] == "Bearer t0ken"
    assert ban.headers["X-Signature-256"] == f"sha256={hmac.new(b'hush', ban.body, hashlib.sha256).hexdigest()}"
    news = json.loads(ban.body)
    assert len(news.pop("uuid")) == 36
    assert news.pop("host")
    assert news == {
        "event": "ban",
        "jail": "sshd",
        "id": "192.0.2.7",
        "address": "192.0.2.7",
        "family": "inet4",
        "time": NOW,
        "seconds": 600,
        "failures": 3,
        "bans": 1,
        "restored": False,
        "lines": [LINE],
    }
    # The end of a ban of an earlier run is told, though that was not; that the daemon stops ends none.
    assert [json.loads(unban.body)[key] for key in ("event", "address", "restored")] == ["unban", "192.0.2.99", True]
    assert rig.levels("ERROR") == []


def test_a_body_of_ones_own_is_json_whatever_the_log_says(tmp_path: Path, shipped: Shipped, service: Service) -> None:
    body = '{"text": "<event> of <ip> in <jail.name>: <F-USER>", "no": "<nosuch>"}'
    rig = Rig(tmp_path, shipped(fast("webhook", f"url={service.url}, events=ban, body='{body}'")))
    name = 'x", "text": "\\owned\n<ip>'
    play(rig, lambda: rig.ban("192.0.2.7", fields={"user": name}), until=lambda: len(service.requests) == 1)
    assert json.loads(service.requests[0].body) == {"text": f"ban of 192.0.2.7 in sshd: {name}", "no": "<nosuch>"}


def test_busy_then_broken_then_well(tmp_path: Path, shipped: Shipped, service: Service) -> None:
    service.replies = [Reply(429, headers=(("Retry-After", "0"),)), Reply(503), Reply(500), Reply(204, b"")]
    rig = Rig(tmp_path, shipped(fast("webhook", f"url={service.url}, events=ban")))
    play(rig, lambda: rig.ban("192.0.2.7", "192.0.2.8"), until=lambda: len(service.requests) == 5)
    told = [json.loads(request.body)["address"] for request in service.requests]
    assert told == ["192.0.2.7"] * 4 + ["192.0.2.8"]
    assert len({request.body for request in service.requests}) == 2
    assert rig.levels("ERROR") == []


def test_a_report_is_dropped_after_so_many_attempts_and_told(
    tmp_path: Path, shipped: Shipped, service: Service
) -> None:
    service.replies = [Reply(500, b"no \x1b[31mway"), Reply(500), Reply(500), Reply(200)]
    rig = Rig(tmp_path, shipped(fast("webhook", f"url={service.url}/secret-path, events=ban, attempts=3")))
    problems: list[str] = []

    def dropped() -> bool:
        problems.extend(problem.text for problem in rig.runner.problems())
        return bool(problems) and bool(rig.levels("ERROR"))

    play(rig, lambda: rig.ban("192.0.2.7"), until=dropped)
    assert len(service.requests) == 3
    (error,) = rig.levels("ERROR")
    assert error.startswith("[sshd] webhook: the ban of 192.0.2.7 was not reported: localhost answered 500")
    assert "secret-path" not in error
    assert problems[0].startswith("webhook: 1 reports were not delivered: localhost answered 500")


@pytest.mark.parametrize(("status", "times"), [(400, 1), (401, 1), (404, 1), (302, 1), (408, 2), (502, 2)])
def test_only_what_may_pass_is_tried_again(
    tmp_path: Path, shipped: Shipped, service: Service, status: int, times: int
) -> None:
    service.replies = [Reply(status, headers=(("Location", f"{service.url}/elsewhere"),))]
    rig = Rig(tmp_path, shipped(fast("webhook", f"url={service.url}/here, events=ban, attempts=2")))
    play(rig, lambda: rig.ban("192.0.2.7"), until=lambda: bool(rig.levels("ERROR")))
    assert [request.path for request in service.requests] == ["/here"] * times


def test_certificates_are_verified(tmp_path: Path, shipped: Shipped, certificate: Path) -> None:
    with http(Service(), certificate) as service:
        options = f"url={service.url}, events=ban, attempts=1"
        rig = Rig(tmp_path, shipped(fast("webhook", options)))
        play(rig, lambda: rig.ban("192.0.2.7"), until=lambda: bool(rig.levels("ERROR")))
        assert "CERTIFICATE_VERIFY_FAILED" in rig.levels("ERROR")[0]
        assert service.requests == []
        rig = Rig(tmp_path, shipped(fast("webhook", f"{options}, cafile={certificate}.crt")))
        play(rig, lambda: rig.ban("192.0.2.7"), until=lambda: bool(service.requests))
        assert rig.levels("ERROR") == []


def test_a_ban_waits_for_nobody(tmp_path: Path, shipped: Shipped) -> None:
    """The service is out of reach; the action has done its part all the same, and the daemon stops in time."""
    rig = Rig(tmp_path, shipped("webhook[url=http://127.0.0.1:9/, events=ban]"))
    posts = rig.runner._posts

    def done() -> bool:
        post = posts["sshd"]["webhook"] if "sshd" in posts else rig.runner._posts["sshd"]["webhook"]
        return {"192.0.2.1", "192.0.2.2"} == post._standing.keys()

    play(rig, lambda: rig.ban("192.0.2.1", "192.0.2.2"), until=done)


# AbuseIPDB, blocklist.de


def test_abuseipdb(tmp_path: Path, shipped: Shipped, service: Service) -> None:
    options = f'abuseipdb_apikey="k3y", abuseipdb_category="18, 22", url="{service.url}/api/v2/report"'
    rig = Rig(tmp_path, shipped(fast("abuseipdb", options)))
    rig.ledger.apply(decision("192.0.2.99", origin="restored"), NOW)  # of an earlier run, which has reported it
    play(
        rig,
        lambda: rig.ban("192.0.2.7", **FAILED),
        lambda: rig.ban("2001:db8::7", matches=("x" * 3000,)),
        until=lambda: len(service.requests) == 2,
    )
    first, second = service.requests
    assert (first.method, first.path) == ("POST", "/api/v2/report")
    assert (first.headers["Key"], first.headers["Accept"]) == ("k3y", "application/json")
    assert first.form() == {
        "ip": "192.0.2.7",
        "categories": "18,22",
        "timestamp": "2027-01-15T08:00:00+00:00",
        "comment": "Jan 1 00:00:00 www1 sshd[1]: Failed password for [user] from 192.0.2.7 port 22 to [address]",
    }
    assert (second.form()["ip"], len(second.form()["comment"])) == ("2001:db8::7", 1024)


def test_abuseipdb_is_told_of_an_address_once_in_a_quarter_of_an_hour(
    tmp_path: Path, shipped: Shipped, service: Service
) -> None:
    action = fast("abuseipdb", f"abuseipdb_apikey=k, abuseipdb_category=18, url={service.url}")
    for ids in (["192.0.2.7"], ["192.0.2.7", "192.0.2.8"]):
        rig = Rig(tmp_path, shipped(action))
        play(rig, lambda rig=rig, ids=ids: rig.ban(*ids), until=lambda ids=ids: ids[-1] in asked(service))  # type: ignore[misc]
    assert asked(service) == ["192.0.2.7", "192.0.2.8"]
    assert abuseipdb._is_news("other", "192.0.2.7", 0.0)


def test_blocklist_de(tmp_path: Path, shipped: Shipped, service: Service) -> None:
    options = f'email="me@example.org", apikey="k3y", service="ssh", agent="banish/1", url="{service.url}/report"'
    rig = Rig(tmp_path, shipped(fast("blocklist_de", options)))
    play(rig, lambda: rig.ban("192.0.2.7", **FAILED), until=lambda: len(service.requests) == 1)
    (request,) = service.requests
    assert (request.method, request.path, request.headers["User-Agent"]) == ("POST", "/report", "banish/1")
    form = request.form()
    assert form.pop("logs").startswith("Jan 1 00:00:00 ")
    assert form == {"server": "me@example.org", "apikey": "k3y", "service": "ssh", "ip": "192.0.2.7", "format": "text"}


def test_what_blocklist_de_does_not_take_is_told(tmp_path: Path, shipped: Shipped, service: Service) -> None:
    service.replies = [Reply(200, b"error: wrong api key")]
    rig = Rig(tmp_path, shipped(fast("blocklist_de", f"email=m, apikey=k, service=ssh, url={service.url}")))
    play(rig, lambda: rig.ban("192.0.2.7"), until=lambda: bool(rig.levels("ERROR")))
    assert "wrong api key" in rig.levels("ERROR")[0]


# Cloudflare


class Edge(Service):
    """Cloudflare's rules, as far as we need them."""

    def __init__(self) -> None:
        super().__init__()
        self.rules: dict[str, dict[str, object]] = {"theirs": rule("192.0.2.7", "by hand")}

    def answer(self, request: Request) -> Reply:
        self.requests.append(request)
        path, _, query = request.path.partition("?")
        if request.method == "POST":
            wanted = json.loads(request.body)
            if any(each["configuration"] == wanted["configuration"] for each in self.rules.values()):
                duplicate = {"code": 10009, "message": "firewallaccessrules.api.duplicate_of_existing"}
                return Reply(400, json.dumps({"success": False, "errors": [duplicate]}).encode())
            self.rules[f"r{len(self.requests)}"] = wanted
            return Reply(200, b'{"success": true, "result": {}}')
        if request.method == "GET":
            asked = Request("", "", {}, query.encode()).form()
            found = [
                {"id": id_, **each}
                for id_, each in self.rules.items()
                if each["configuration"]
                == {"target": asked["configuration.target"], "value": asked["configuration.value"]}
            ]
            return Reply(200, json.dumps({"success": True, "result": found}).encode())
        del self.rules[path.rpartition("/")[2]]
        return Reply(200, b'{"success": true, "result": {}}')


def rule(address: str, notes: str, target: str = "ip", mode: str = "block") -> dict[str, object]:
    return {"mode": mode, "configuration": {"target": target, "value": address}, "notes": notes}


@pytest.mark.parametrize(
    ("options", "path", "header"),
    [
        ("cftoken=t, cfzone=z1", "/zones/z1/", ("Authorization", "Bearer t")),
        ("cftoken=t, cfaccount=a1", "/accounts/a1/", ("Authorization", "Bearer t")),
        ("cftoken=t, cfuser=me@example.org", "/user/", ("X-Auth-Key", "t")),
    ],
)
def test_cloudflare(tmp_path: Path, shipped: Shipped, options: str, path: str, header: tuple[str, str]) -> None:
    with http(edge := Edge()):
        rig = Rig(tmp_path, shipped(fast("cloudflare", f"{options}, url={edge.url}")))
        during: list[dict[str, dict[str, object]]] = []
        play(
            rig,
            lambda: rig.ban("2001:db8::7", "198.51.100.0/24", "192.0.2.7"),
            until=lambda: len(edge.requests) == 3 and not during.append(dict(edge.rules)),  # type: ignore[func-returns-value]
        )
        assert list(during[0].values()) == [
            rule("192.0.2.7", "by hand"),
            rule("2001:db8::7", "banish sshd", "ip6"),
            rule("198.51.100.0/24", "banish sshd", "ip_range"),
        ]
        # What somebody wrote by hand stays, though its address was banned as well.
        assert edge.rules == {"theirs": rule("192.0.2.7", "by hand")}
        assert rig.levels("ERROR") == []
        assert all(request.path.startswith(f"{path}firewall/access_rules/rules") for request in edge.requests)
        assert all(request.headers[header[0].title()] == header[1] for request in edge.requests)


def test_a_network_that_cloudflare_cannot_hold_is_told(tmp_path: Path, shipped: Shipped, service: Service) -> None:
    rig = Rig(tmp_path, shipped(fast("cloudflare", f"cftoken=t, url={service.url}")))
    play(rig, lambda: rig.ban("192.0.2.0/28"), until=lambda: bool(rig.levels("ERROR")))
    assert "Cloudflare takes networks of" in rig.levels("ERROR")[0]


def test_retry_after_in_both_its_forms() -> None:
    assert retry_after(" 120 ", 0.0) == 120.0
    assert retry_after("Fri, 31 Dec 1999 23:59:59 GMT", 946684799.0 - 30) == 30.0
    assert retry_after("Fri, 31 Dec 1999 23:59:59 GMT", 946684799.0 + 30) == 0.0
    assert retry_after("soon", 0.0) is None
    assert retry_after("", 0.0) is None


def asked(service: Service) -> list[str]:
    return [request.form()["ip"] for request in service.requests]


def test_a_secret_that_is_no_url_is_told_without_being_shown(tmp_path: Path, shipped: Shipped) -> None:
    (tmp_path / "url").write_text("ftp://t0ken.example.org/\n")
    rig = Rig(tmp_path, shipped(f'webhook[url="file:{tmp_path}/url"]'))
    play(rig, lambda: rig.ban("192.0.2.7"), until=lambda: bool(rig.levels("ERROR")))
    assert "the URL must begin with https:// or http://" in rig.levels("ERROR")[0]
    assert "t0ken" not in rig.levels("ERROR")[0]


@pytest.mark.parametrize(
    "action", ["abuseipdb[abuseipdb_apikey=k, abuseipdb_category=18", "blocklist_de[email=m, apikey=k, service=ssh"]
)
def test_who_is_banned_by_name_is_not_reported(tmp_path: Path, shipped: Shipped, service: Service, action: str) -> None:
    rig = Rig(tmp_path, shipped(f"{action}, url={service.url}]"))
    play(rig, lambda: rig.ban("alice"), until=lambda: bool(rig.levels("ERROR")))
    assert service.requests == []
    assert "no address" in rig.levels("ERROR")[0]
