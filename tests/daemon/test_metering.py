"""The daemon's metrics: Prometheus' own parser reads them, old names mean what they did, and the board uses only what there is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser

from banish.config.jails import JailConfig
from banish.daemon import metering
from banish.daemon.assembly import Running
from banish.daemon.supervisor import Supervisor
from banish.decisions.bantime import BanTimeSettings
from banish.enforcement.actions import ActionSettings
from banish.errors import Problem
from banish.failures.window import WindowSettings
from banish.jail import JailSettings
from banish.sources.files import FileStatus
from tests.daemon.test_pipeline import LOG, House

ROOT = Path(__file__).parents[2]
openmetrics: Callable[[str], Iterable[Metric]] = openmetrics_parser.text_string_to_metric_families
_NAME = re.compile(r"\b(?:f2b|banish)_\w+")
_EXPORTER = {
    "f2b_up", "f2b_errors", "f2b_jail_count", "f2b_jail_banned_current", "f2b_jail_banned_total", "f2b_jail_failed_current",
    "f2b_jail_failed_total", "f2b_config_jail_ban_time", "f2b_config_jail_find_time", "f2b_config_jail_max_retries", "f2b_version",
}  # fmt: skip


@pytest.fixture
def daemon(tmp_path: Path) -> Supervisor:
    """Whatever the metrics ask of a daemon, around a real pipeline that has banned somebody."""
    house = House(tmp_path / "log")
    house.feed("192.0.2.7", "192.0.2.8", "192.0.2.7")
    settings = JailSettings("web", window=WindowSettings(maxretry=2), bantime=BanTimeSettings(bantime=float("inf")))
    config = JailConfig(settings, actions=(ActionSettings("nftables", "nftables", "nftables"),))
    problems = [Problem("a log that is missing", section="web", severity="warning"), Problem("the disk\nis full")]
    return cast(
        Supervisor,
        SimpleNamespace(
            running={"web": Running(config, house.jails[0])},
            broken={"mail": Problem("no such filter")},
            ledger=house.ledger,
            pipeline=house.pipeline,
            store=house.book,
            dispatch=house.pipeline._dispatch,
            started_at=1.0,
            sources_of=lambda name: [FileStatus(LOG, 100, 40, found=True, problem=None)],
            problems=lambda: problems,
        ),
    )


def samples(text: str) -> dict[tuple[str, ...], Any]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in openmetrics(text)
        for sample in family.samples
    }


def test_openmetrics_is_what_the_parser_of_prometheus_reads(daemon: Supervisor) -> None:
    found = samples(metering.text(daemon, True))
    for name, value in {
        ("f2b_up",): 1,
        ("f2b_jail_count",): 1,
        ("f2b_jail_banned_current", "web"): 1,
        ("f2b_jail_banned_total", "web"): 1,
        ("f2b_jail_failed_current", "web"): 1,
        ("f2b_jail_failed_total", "web"): 3,
        ("f2b_config_jail_ban_time", "web"): -1,
        ("f2b_config_jail_find_time", "web"): 600,
        ("f2b_config_jail_max_retries", "web"): 2,
        ("banish_matches_total", "web"): 3,
        ("banish_lines_total", LOG): 3,
        ("banish_lag_bytes", LOG): 40,
        ("banish_read_to_ban_seconds_count",): 1,
        ("banish_line_to_ban_seconds_bucket", "+Inf"): 1,
        ("banish_jail_up", "mail"): 0,
        ("banish_jail_up", "web"): 0,
        ("banish_firewall_errors_total", "nftables"): 0,
        ("banish_problems", "error"): 1,
    }.items():
        assert found[name] == value, name
    assert found["banish_filter_seconds_total", "web"] > 0


def test_every_name_of_the_exporter_is_there(daemon: Supervisor) -> None:
    assert {name for name, *_ in samples(metering.text(daemon, True))} >= _EXPORTER
    old = metering.text(daemon, False)
    assert all(re.search(rf"^{name}[ {{]", old, re.MULTILINE) for name in _EXPORTER)


def test_the_board_and_the_page_use_and_name_what_there_is(daemon: Supervisor) -> None:
    there = {name for family in metering.families(daemon) for name in family.sample_names}
    board = json.loads((ROOT / "docs" / "grafana.json").read_text())
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    expressions += [variable["query"] for variable in board["templating"]["list"] if variable["type"] == "query"]
    used = {name for expression in expressions for name in _NAME.findall(expression)}
    assert len(used) > 15
    assert used <= there
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    described = set(re.findall(r"`((?:f2b|banish)_\w+)", page))
    suffixes = ("_bucket", "_count", "_sum")
    assert {name for name in there if not name.endswith(suffixes) or name in ("f2b_jail_count",)} <= described
    assert {name for name in described if name not in there} <= {
        "banish_line_to_ban_seconds",
        "banish_read_to_ban_seconds",
    }


def test_healthz_names_errors_and_no_warnings(daemon: Supervisor) -> None:
    assert metering.health(daemon) == (False, "the disk is full\n")
