"""What a log line costs: CPU time from the bytes of a file to decisions, on logs of which all, half or a hundredth is attack.

On our side ``Subscription``, ``Jail`` and ``Ledger``; on fail2ban's its ``Filter`` and ``FailManager``, for each jail. All set-up
stays outside. Before anything is timed both sides tell which failures and bans they found, and these must be the same.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from banish.sources.files import LARGEST
from banish.sources.follower import BLOCK
from bench import corpus
from bench.corpus import Kind
from bench.sides import OURS, THEIRS, Log, Side, must_agree, parser_seconds, sides, write
from bench.table import BenchError, Row

_NAMES = """
sshd postfix dovecot proftpd pure-ftpd vsftpd pam-generic named-refused dropbear exim courier-auth courier-smtp
cyrus-imap sieve sendmail-auth sendmail-reject uwimap-auth perdition qmail solid-pop3d wuftpd gssftpd xinetd-fail
nsd asterisk freeswitch mysqld-auth nagios stunnel squid roundcube-auth openwebmail webmin-auth phpmyadmin-syslog
drupal-auth haproxy-http-auth portsentry scanlogd screensharingd softethervpn monit assp exim-spam
bitwarden gitlab zoneminder froxlor-auth groupoffice horde znc-adminlog
"""
SYSLOG_JAILS = tuple(_NAMES.split())
"""Filters of Debian's fail2ban that a server may run over its syslog, those with attacks in our log first.

Not among them: filters whose date pattern no line of a syslog fits, and those with ``maxlines``, which must see every line.
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A row: *jails* over a log of *kind*, of which *share* is attack."""

    what: str
    kind: Kind
    share: float
    jails: tuple[str, ...]
    filters: Path
    lines: int
    """How many lines both sides are checked on, and fail2ban is timed on."""
    ours: int
    """How many lines we are timed on: enough to take a while."""

    @property
    def batch(self) -> int:
        """How many bytes the daemon reads of such a log at once, as soon as it has seen how quickly they are judged."""
        return LARGEST if self.share < 0.1 and len(self.jails) <= 10 else BLOCK


def cases() -> list[Case]:
    """Return the rows in their order."""
    few, many = 60_000, 400_000
    found = [
        Case(f"sshd, {percent} attack, {whose} filter", corpus.SSHD, share, ("sshd",), filters, *lines)
        for filters, whose in ((OURS, "our"), (THEIRS, "fail2ban's"))
        for share, percent, *lines in (
            (1.0, "100 %", 30_000, 60_000),
            (0.5, "50 %", 30_000, 60_000),
            (0.01, "1 %", few, many),
        )
    ]
    ten, fifty, bots = SYSLOG_JAILS[:10], SYSLOG_JAILS, ("nginx-botsearch",)
    found += [
        Case("nginx-botsearch, access log, 100 % attack", corpus.ACCESS, 1.0, bots, THEIRS, 30_000, 60_000),
        Case("nginx-botsearch, access log, 1 % attack", corpus.ACCESS, 0.01, bots, THEIRS, few, many),
        Case(
            "nginx-http-auth, nginx's error log, 1 % attack",
            corpus.NGINX_ERROR,
            0.01,
            ("nginx-http-auth",),
            THEIRS,
            few,
            many,
        ),
        Case(
            "apache-auth, Apache's error log, 1 % attack",
            corpus.APACHE_ERROR,
            0.01,
            ("apache-auth",),
            THEIRS,
            few,
            many,
        ),
        Case("10 jails on one syslog, 100 % attack", corpus.SERVER, 1.0, ten, THEIRS, 12_000, 40_000),
        Case("10 jails on one syslog, 1 % attack", corpus.SERVER, 0.01, ten, THEIRS, 15_000, 200_000),
        Case("50 jails on one syslog, 1 % attack", corpus.SERVER, 0.01, fifty, THEIRS, 12_000, 300_000),
    ]
    ours = tuple(name for name in SYSLOG_JAILS if (OURS / f"{name}.conf").exists())
    if len(ours) > 1:
        what = f"{len(ours)} jails on one syslog, 1 % attack, our filters"
        found.append(Case(what, corpus.SERVER, 0.01, ours, OURS, 12_000, 300_000))
    return [case for case in found if case.filters.is_dir()]


def measure(real: Path | None, runs: int, quick: bool, wanted: Callable[[Case], bool] = lambda case: True) -> list[Row]:
    """Return the rows; a case whose sides do not agree has none, and is told on standard error.

    *real* is a directory of real logs; *quick* takes fewer lines. Raises BenchError when there is no row at all.
    """
    rows = []
    with tempfile.TemporaryDirectory(prefix="banish-bench-") as name:
        for number, case in enumerate(filter(wanted, cases())):
            try:
                rows.append(_row(case, Path(name) / str(number), real, runs, 6 if quick else 1))
            except BenchError as error:
                print(f"no row: {error}", file=sys.stderr, flush=True)
    if not rows:
        raise BenchError("nothing could be measured")
    return rows


def _row(case: Case, place: Path, real: Path | None, runs: int, less: int) -> Row:
    ours, theirs = sides(place, case.filters, case.jails)
    built = corpus.build(case.kind, case.share, max(case.ours // less, 12_000), real, case.batch)
    log = write(built, place / "log")
    part = log.first(case.lines // less)
    _check(case, ours, theirs, part)
    mine, other, parser, peaks = [], [], [], []
    for _ in range(runs):
        # Before and after theirs: machines that others share become slower and faster by the second.
        before = ours.run(log)["seconds"]
        run = theirs.run(part)
        mine.append((before + ours.run(log)["seconds"]) / 2 / log.timed * 1e6)
        other.append(run["seconds"] / part.timed * 1e6)
        peaks.append(run["memory"])
        seconds = parser_seconds(log) if case.kind.write is corpus.syslog and len(case.jails) == 1 else None
        parser += [seconds / log.lines * 1e6] if seconds is not None else []
    memory = ours.run(part)["memory"], max(peaks)
    return Row(case.what, "us", mine, other, "lines", memory, parser)


def _check(case: Case, ours: Side, theirs: Side, log: Log) -> None:
    mine, other = ours.run(log, "record"), theirs.run(log, "record")
    for side, run in (("banish", mine), ("fail2ban", other)):
        if run["jails"] != len(case.jails):
            raise BenchError(f"{case.what}: {side} runs {run['jails']} jails of {len(case.jails)}")
    must_agree(case.what, mine, other)
