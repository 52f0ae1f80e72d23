"""The daemon's numbers as metrics.

Two sets of names. ``f2b_…`` are those of the fail2ban exporter that most Grafana boards are made for
(https://gitlab.com/hectorjsmith/fail2ban-prometheus-exporter), with its labels, so that boards go on to work; what it calls a gauge
and only ever grows is a counter here. ``banish_…`` are ours. docs/reference/metrics.md has them all.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import banish
from banish.enforcement.actions import ActionSettings
from banish.telemetry import exposition
from banish.telemetry.exposition import Family, Labels
from banish.telemetry.measures import Histogram

if TYPE_CHECKING:
    from banish.daemon.supervisor import Supervisor

_FOR_EVER = -1.0
"""A ban time without end, as the exporter has it from fail2ban."""


def text(daemon: Supervisor, openmetrics: bool) -> str:
    """Return what ``/metrics`` says."""
    return exposition.render(families(daemon), openmetrics=openmetrics)


def health(daemon: Supervisor) -> tuple[bool, str]:
    """Return what ``/healthz`` says: that all is well, or a line for each problem because of which somebody may be unprotected."""
    errors = [str(problem) for problem in daemon.problems() if problem.severity == "error"]
    return not errors, "".join(f"{' '.join(error.split())}\n" for error in errors) or "ok\n"


def families(daemon: Supervisor) -> Iterator[Family]:
    """Yield all there is."""
    yield from _exporter(daemon)
    yield from _jails(daemon)
    yield from _sources(daemon)
    yield from _house(daemon)


def _exporter(daemon: Supervisor) -> Iterator[Family]:
    running = daemon.running
    ledger = daemon.ledger

    def by_jail(name: str, help_: str, value: Callable[[str], float], *, counter: bool = False) -> Family:
        samples = [({"jail": jail}, value(jail)) for jail in sorted(running)]
        return Family(name, "counter" if counter else "gauge", help_, samples)

    def seconds(value: float) -> float:
        return _FOR_EVER if math.isinf(value) else value

    errors = {
        "db": int(daemon.store.problem is not None),
        "socket_conn": 0,
        "socket_req": 0,
    }
    yield Family("f2b_up", "gauge", "Check if the fail2ban server is up", [({}, 1)])
    # The exporter's counter has no _total, which OpenMetrics has for every counter: so it is a gauge.
    yield Family(
        "f2b_errors", "gauge", "Number of errors found", [({"type": kind}, count) for kind, count in errors.items()]
    )
    yield Family("f2b_jail_count", "gauge", "Number of defined jails", [({}, len(running))])
    yield by_jail("f2b_jail_banned_current", "Number of IPs currently banned in this jail", ledger.banned)
    yield by_jail("f2b_jail_banned", "Total number of IPs banned by this jail", ledger.banned_total, counter=True)
    yield by_jail(
        "f2b_jail_failed_current", "Number of current failures in this jail", lambda jail: running[jail].jail.failed_now
    )
    yield by_jail(
        "f2b_jail_failed",
        "Number of total failures in this jail",
        lambda jail: running[jail].jail.failed_total,
        counter=True,
    )
    yield by_jail(
        "f2b_config_jail_ban_time",
        "How long an IP is banned for in this jail (in seconds)",
        lambda jail: seconds(running[jail].config.settings.bantime.bantime),
    )
    yield by_jail(
        "f2b_config_jail_find_time",
        "How far back will the filter look for failures in this jail (in seconds)",
        lambda jail: running[jail].config.settings.window.findtime,
    )
    yield by_jail(
        "f2b_config_jail_max_retries",
        "The number of failures allowed until the IP is banned by this jail",
        lambda jail: running[jail].config.settings.window.maxretry,
    )
    version = {"exporter": banish.__version__, "fail2ban": banish.__version__}
    yield Family("f2b_version", "gauge", "Version of the exporter and fail2ban", [(version, 1)])


def _jails(daemon: Supervisor) -> Iterator[Family]:
    measures = daemon.pipeline.measures
    names = sorted(daemon.running)
    failures = {name: daemon.running[name].jail.failed_total for name in names}
    ignored, refused, seconds = measures.ignored, measures.refused, measures.filter_seconds
    blind = {problem.section for problem in daemon.problems() if problem.section}

    def by_jail(
        name: str,
        help_: str,
        value: Callable[[str], float],
        kind: exposition.Kind = "counter",
        jails: list[str] = names,
    ) -> Family:
        return Family(name, kind, help_, [({"jail": jail}, value(jail)) for jail in jails])

    yield by_jail(
        "banish_matches",
        "Lines in which a failure was found, ignored ones included",
        lambda jail: failures[jail] + ignored[jail],
    )
    yield by_jail("banish_failures", "Failures that were counted", failures.__getitem__)
    yield by_jail("banish_ignored", "Failures that were not counted because of who it was", ignored.__getitem__)
    yield by_jail("banish_refused_bans", "Bans refused because they would lock somebody out", refused.__getitem__)
    yield by_jail("banish_bans", "Bans made since the start, restored ones included", daemon.ledger.banned_total)
    yield by_jail("banish_bans_in_force", "Bans in force", daemon.ledger.banned, "gauge")
    yield by_jail("banish_filter_seconds", "Time spent judging lines", lambda jail: seconds.get(jail, 0.0))
    yield by_jail(
        "banish_jail_up",
        "1 for a jail that runs as it should, 0 for one that does not run or has a problem",
        lambda jail: int(jail in daemon.running and jail not in blind),
        "gauge",
        sorted({*names, *daemon.broken}),
    )
    dropped = daemon.dispatch.dropped()
    rows: list[tuple[Labels, float | Histogram]] = [
        ({"jail": jail}, count) for jail, (count, _) in sorted(dropped.items())
    ]
    yield Family("banish_dropped_packets", "counter", "Packets of banned addresses since the firewall was set up", rows)
    rows = [({"jail": jail}, size) for jail, (_, size) in sorted(dropped.items())]
    yield Family("banish_dropped_bytes", "counter", "Bytes of these packets", rows)


def _sources(daemon: Supervisor) -> Iterator[Family]:
    judged = daemon.pipeline.judged
    lags: dict[str, int] = {}
    for jail in daemon.running:
        lags.update({row.path: row.lag_bytes for row in daemon.sources_of(jail)})
    names = sorted({*lags, *judged})
    yield Family(
        "banish_lines",
        "counter",
        "Lines read and judged",
        [({"source": name}, judged[name].lines if name in judged else 0) for name in names],
    )
    yield Family(
        "banish_read_bytes",
        "counter",
        "Bytes read and judged",
        [({"source": name}, judged[name].bytes if name in judged else 0) for name in names],
    )
    yield Family(
        "banish_lag_bytes",
        "gauge",
        "Bytes written and not yet judged",
        [({"source": name}, lag) for name, lag in sorted(lags.items())],
    )


def _house(daemon: Supervisor) -> Iterator[Family]:
    measures = daemon.pipeline.measures
    yield Family(
        "banish_line_to_ban_seconds",
        "histogram",
        "From the time that a line states until its ban is in force",
        [({}, measures.line_to_ban)],
    )
    yield Family(
        "banish_read_to_ban_seconds",
        "histogram",
        "From when a line was read until its ban is in force",
        [({}, measures.read_to_ban)],
    )
    yield Family("banish_judging_seconds", "counter", "Time spent on lines in all", [({}, measures.judging_seconds)])
    yield Family("banish_batches", "counter", "Stretches of logs that were judged", [({}, measures.batches)])
    errors = daemon.dispatch.errors
    enforcers = sorted({action.enforcer for action in _actions(daemon) if action.enforcer} | set(errors))
    yield Family(
        "banish_firewall_errors",
        "counter",
        "Times that the firewall refused",
        [({"enforcer": name}, errors[name]) for name in enforcers],
    )
    problems = daemon.problems()
    yield Family(
        "banish_problems",
        "gauge",
        "What a person should mend at present",
        [
            ({"severity": severity}, sum(problem.severity == severity for problem in problems))
            for severity in ("error", "warning")
        ],
    )
    yield Family(
        "banish_unsaved", "gauge", "Bans and positions that wait for the database", [({}, daemon.store.pending)]
    )
    yield Family(
        "banish_start_time_seconds", "gauge", "When the daemon started, Unix seconds", [({}, daemon.started_at)]
    )
    yield Family("banish_cpu_seconds", "counter", "Processor time used", [({}, time.process_time())])
    yield Family("banish_build", "info", "The version", [({"version": banish.__version__}, 1)])


def _actions(daemon: Supervisor) -> Iterator[ActionSettings]:
    for running in daemon.running.values():
        yield from running.config.actions
