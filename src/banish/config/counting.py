"""Options of a jail that decide who counts and for how long: ``ignore*`` and ``bantime.*``."""

from __future__ import annotations

import math
from dataclasses import replace

from banish.config.grammar import parse_options
from banish.config.options import Options
from banish.decisions import formula
from banish.decisions.bantime import BanTimeSettings
from banish.decisions.formula import Ban, Formula
from banish.errors import ConfigError
from banish.failures.ignore import CacheSettings, IgnoreSettings

_CACHE_OPTIONS = ("key", "max-count", "max-time")


def ignore(options: Options) -> IgnoreSettings:
    """Return ``ignoreip``, ``ignoreself``, ``ignorecommand`` and ``ignorecache`` of *options*."""
    return IgnoreSettings(
        ignoreip=tuple(options.word("ignoreip").replace(",", " ").split()),
        ignoreself=options.boolean("ignoreself", True),
        command=options.word("ignorecommand"),
        cache=_cache(options),
    )


def bantime(options: Options) -> BanTimeSettings:
    """Return ``bantime`` and ``bantime.*`` of *options*; what cannot be read is told, and counts as not set."""
    seconds = options.seconds("bantime", 600.0, forever=True)
    factor = _factor(options)
    return BanTimeSettings(
        bantime=seconds,
        increment=options.boolean("bantime.increment", False),
        factor=factor,
        formula=_formula(options, seconds, factor),
        multipliers=_multipliers(options),
        maxtime=options.seconds("bantime.maxtime", math.inf, forever=True),
        rndtime=options.seconds("bantime.rndtime", 0.0, forever=False, zero=True),
        overalljails=options.boolean("bantime.overalljails", False),
    )


def _factor(options: Options) -> float:
    word = options.word("bantime.factor")
    if not word:
        return 1.0
    try:
        factor = formula.constant(word)
    except ValueError as error:
        options.warn("bantime.factor", f"cannot be used: {error}; 1 is", "write a number such as 2, 1.5 or 2.0/3")
        return 1.0
    if factor <= 0:
        options.warn("bantime.factor", "is not above 0; 1 is used", "write a number such as 2, 1.5 or 2.0/3")
        return 1.0
    return factor


def _formula(options: Options, seconds: float, factor: float) -> Formula:
    word = options.word("bantime.formula")
    if not word:
        return formula.DEFAULT
    remedy = "write arithmetic with ban.Time, ban.Count and banFactor, such as ban.Time * (1 << min(ban.Count, 20)) * banFactor"
    try:
        found = formula.parse(word)
    except ValueError as error:
        options.warn("bantime.formula", f"cannot be used: {error}; each ban lasts twice as long as the last", remedy)
        return formula.DEFAULT
    try:
        found.evaluate(Ban(seconds if math.isfinite(seconds) else 600.0, 1, factor, lambda: 0.5))
    except ValueError as error:
        options.warn("bantime.formula", f"fails for a second ban: {error}; where it fails, bantime is used", remedy)
    return found


def _multipliers(options: Options) -> tuple[float, ...]:
    words = options.word("bantime.multipliers").split()
    try:
        multipliers = tuple(float(word) for word in words)
    except ValueError:
        multipliers = (math.nan,)
    if all(0 < multiplier < math.inf for multiplier in multipliers):
        return multipliers
    options.warn(
        "bantime.multipliers",
        "are not numbers above 0; bantime.formula is used",
        "write numbers with spaces between them, such as 1 2 4 8 16; the first is for a first ban, the last for all that follow",
    )
    return ()


def _cache(options: Options) -> CacheSettings | None:
    """Return ``ignorecache``, read as options of their own, so that each is told about under its own name."""
    text = options.text("ignorecache")
    if text is None or not text.text.strip():
        return None
    try:
        given = parse_options(text)
    except ConfigError as error:
        options.tell(error, "ignorecache", severity="warning")
        return None
    inner = Options(options.section, given.get)
    default = CacheSettings("")
    cache = CacheSettings(
        key=inner.word("key"),
        max_count=inner.integer("max-count", default.max_count, least=1),
        max_time=inner.seconds("max-time", default.max_time, forever=False),
    )
    options.problems += [replace(problem, option=f"ignorecache {problem.option}") for problem in inner.problems]
    for name in given:
        if name not in _CACHE_OPTIONS:
            options.warn("ignorecache", f"{name} is not known", f"one of {', '.join(_CACHE_OPTIONS)}")
    if not cache.key:
        options.warn("ignorecache", "has no key; nothing is kept", 'write key="<ip>", max-count=100, max-time=5m')
        return None
    if not options.word("ignorecommand"):
        options.warn(
            "ignorecache", "keeps what ignorecommand says, and there is none", "set ignorecommand, or remove it"
        )
    return cache
