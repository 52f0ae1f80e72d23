"""Who can tell others of bans, by the names that an action's option ``reporter`` uses.

A new one is a module with a class derived from ``reporter.Reporter``, a line in ``REPORTERS``, and a file in ``data/action.d``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import cast

from banish.errors import ConfigError, Problem
from banish.reporting.reporter import Reporter

REPORTERS = {
    "abuseipdb": "banish.reporting.abuseipdb:AbuseIPDB",
    "blocklist_de": "banish.reporting.blocklist_de:BlocklistDe",
    "cloudflare": "banish.reporting.cloudflare:Cloudflare",
    "sendmail": "banish.reporting.mail:Sendmail",
    "smtp": "banish.reporting.smtp:Smtp",
    "webhook": "banish.reporting.webhook:Webhook",
}


def load(name: str) -> type[Reporter]:
    """Return the class of that *name*. Raises ConfigError when there is none."""
    path = REPORTERS.get(name)
    if path is None:
        raise ConfigError(Problem("unknown reporter", f"one of {', '.join(REPORTERS)}", option="reporter", value=name))
    module, _, attribute = path.partition(":")
    return cast("type[Reporter]", getattr(import_module(module), attribute))


def validate(action: str, name: str, options: Mapping[str, str]) -> Iterator[Problem]:
    """Yield what is wrong with *options* for the reporter *name*, of an action called *action*."""
    try:
        wrong = load(name).wrong(options)
    except ConfigError as error:
        yield error.problem
        return
    for option, text, remedy in wrong:
        # A warning: the jail bans all the same, and a ban is worth more than its report.
        yield Problem(f"action {action}: {text}", remedy, option=option, severity="warning")
