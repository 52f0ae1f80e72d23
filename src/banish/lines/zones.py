"""Time zones, as log lines and ``logtimezone`` spell them.

A date says ``Z``, ``+0100``, ``-03:30`` or an abbreviation such as ``CEST``; all of these are fixed distances from UTC, and an
abbreviation followed by an offset (``UTC+02:00``) is the sum of both. Abbreviations are ambiguous by nature (``CST`` is also
China's); the table holds the readings fail2ban uses, which are RFC 822's where that has one and the IANA database's otherwise,
and leaves out what nobody agrees on (``IST``, ``BST``).

``logtimezone`` may also name a zone of the IANA database (``Europe/Berlin``), with its rules for summer time.

The machine's own zone is *not* found here. Callers pass it as a ``tzinfo``, or pass None, which means that ``datetime`` asks the
C library (the ``TZ`` variable, then /etc/localtime). A local time that occurs twice, when clocks go back, is read as the first
of the two, and one that is skipped, when they go forward, as if the old offset still held; mktime(3) does the same as long as
it is fed times in order (for a doubled time it goes by whatever it converted last, which is no rule to copy).
"""

from __future__ import annotations

import re
from datetime import timedelta, timezone, tzinfo
from functools import lru_cache

from banish.errors import ConfigError, Problem

_BY_HOURS: dict[float, str] = {
    -12: "BIT IDLW",
    -11: "NUT SST",
    -10: "CKT HAST HST TAHT TKT",
    -9.5: "MART MIT",
    -9: "AKST GAMT GIT HADT HDT",
    -8: "AKDT CIST PST",
    -7: "MST PDT",
    -6: "CST EAST GALT MDT",
    -5: "CDT COT EASST ECT EST PET",
    -4.5: "VET",
    -4: "AST BOT CLT COST EDT FKT GYT",
    -3.5: "NST",
    -3: "ADT ART BRT CLST FKST GFT PMST ROTT SRT UYT",
    -2.5: "NDT",
    -2: "BRST FNT PMDT UYST",
    -1: "AZOST CVT EGT",
    0: "EGST GMT UCT UTC WET Z",
    1: "CET DFT MET WAT WEDT WEST",
    2: "CAT CEDT CEST EET HAEC MEST SAST WAST",
    3: "EAT EEDT EEST FET IDT MSK SYOT",
    3.5: "IRST",
    4: "AMT AZT GET MSD MUT RET SAMT SCT VOLT",
    4.5: "AFT IRDT",
    5: "AMST MAWT MVT ORAT PKT TFT TJT TMT UZT YEKT",
    5.5: "SLST",
    5.75: "NPT",
    6: "BIOT BTT IOT KGT OMST VOST",
    6.5: "CCT MMT",
    7: "CXT DAVT HOVT ICT KRAT THA WIB",
    8: "ACT AWST BDT BNT CHOT HKT IRKT MYT PHT SGT ULAT WITA WST",
    8.75: "ACWST CWST",
    9: "AWDT JST KST TLT WIT YAKT",
    9.5: "ACST",
    10: "AEST CHST CHUT DDUT PGT VLAT",
    10.5: "ACDT LHST",
    11: "AEDT KOST LHDT MAGT NCT PONT SAKT SBT SRET VUT",
    11.5: "NFT",
    12: "ANAT FJT GILT MHT NRT NZST PETT TVT WAKT",
    12.75: "CHAST",
    13: "NZDT PHOT TOT",
    13.75: "CHADT",
    14: "LINT",
}
OFFSETS: dict[str, int] = {name: int(hours * 3600) for hours, names in _BY_HOURS.items() for name in names.split()}
"""Seconds east of UTC by abbreviation."""

_FIXED = re.compile(r"(?P<name>[A-Z]{1,5})?(?:(?P<sign>[-+])(?P<hours>[0-9]{2}):?(?P<minutes>[0-9]{2})?)?")


@lru_cache(maxsize=1024)
def fixed(text: str) -> timezone | None:
    """Return the zone that *text* states as an offset or abbreviation; None when it states none.

    >>> fixed("+0130"), fixed("CEST"), fixed("UTC-02:00"), fixed("Mars")
    (datetime.timezone(datetime.timedelta(seconds=5400)), datetime.timezone(datetime.timedelta(seconds=7200)), \
datetime.timezone(datetime.timedelta(days=-1, seconds=79200)), None)
    """
    found = _FIXED.fullmatch(text)
    if found is None or not text:
        return None
    name, sign, hours, minutes = found.groups()
    seconds = OFFSETS.get(name) if name else 0
    if seconds is None:
        return None
    if sign:
        distance = int(hours) * 3600 + int(minutes or 0) * 60
        seconds += -distance if sign == "-" else distance
    # datetime allows less than a day; a stated +99:00 is no zone.
    return timezone(timedelta(seconds=seconds)) if abs(seconds) < 86400 else None


def configured(text: str) -> tzinfo:
    """Return the zone that ``logtimezone = text`` names; raises ConfigError when there is no such zone."""
    zone = fixed(text)
    if zone is not None:
        return zone
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - few logs need it, and every start would pay for it

    try:
        return ZoneInfo(text)
    # ZoneInfoNotFoundError is a KeyError; a directory of the database ("Europe") or an odd name gives OSError or ValueError.
    except (KeyError, ValueError, OSError):
        raise ConfigError(
            Problem(
                "unknown time zone",
                remedy="write an offset (+0100, UTC+01:00), an abbreviation (CET) or an IANA name (Europe/Berlin)",
                option="logtimezone",
                value=text,
            )
        ) from None


def pattern() -> str:
    """Return an expression that matches exactly the abbreviations known here, in capitals."""
    by_first: dict[str, list[str]] = {}
    for name in sorted(OFFSETS, key=lambda name: (-len(name), name)):
        if name.isalpha():
            by_first.setdefault(name[0], []).append(name[1:])
    branches = "|".join(f"{first}(?:{'|'.join(rests)})" for first, rests in sorted(by_first.items()))
    # The look-ahead makes the many places where no abbreviation can begin cheap.
    return f"(?-i:(?=[A-Z])(?:{branches})(?![A-Za-z]))"
