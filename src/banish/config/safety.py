"""Options that keep bans from doing harm: ``breaker.*`` of a jail, ``spare_*`` of banish.conf."""

from __future__ import annotations

from banish.config.options import Options
from banish.safety.breaker import BreakerSettings
from banish.safety.guard import RULES, SpareSettings

_SWITCH = {"yes": True, "no": False, "true": True, "false": False, "on": True, "off": False, "1": True, "0": False}


def breaker(options: Options) -> BreakerSettings:
    """Return the limits at which a jail's bans are paused."""
    default = BreakerSettings()
    peers = options.integer("breaker.peers", default.peers, least=0)
    if peers > 100:
        options.warn("breaker.peers", "is more than 100 per cent; 100 is used", "write 0 (off) to 100")
    return BreakerSettings(
        bans=options.integer("breaker.bans", default.bans, least=0),
        peers=min(peers, 100),
        leastpeers=options.integer("breaker.leastpeers", default.leastpeers, least=1),
    )


def spare(options: Options) -> SpareSettings:
    """Return whom no jail bans. Only a plain no switches a rule off: a slip of the pen must not lock anybody out."""
    return SpareSettings(**{rule: options.choice(rule, True, _SWITCH, otherwise=True) for rule in RULES})
