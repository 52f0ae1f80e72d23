"""The date formats that are looked for when no ``datepattern`` is set: data, in the language of ``datepattern``.

The order matters: of two formats that fit at the same place the earlier one wins. ``%k`` is an hour without its leading zero,
``%ExY`` a four-digit year of this or the last century, ``%Exy``, ``%ExH`` and so on have exactly two digits (see ``datepattern``).
Fractions of a second are taken in, so that they are cut out of the line too, and then dropped.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Place = Literal["anywhere", "line begin", "start"]
"""Where a format may stand: ``line begin`` allows two characters before it that are no word, ``start`` none."""


class Format(NamedTuple):
    pattern: str
    place: Place = "anywhere"
    """``anywhere`` formats are tried at the line's begin first, all of them, and then elsewhere."""
    clock: bool = True
    """Whether the format always holds hours, minutes and seconds with colons between; a line without any need not be searched."""


_TIME = "%H:%M:%S"
_SHORT_TIME = "%k:%M:%S"
_FRACTION = r"(?:\.%f)?"
_ANY_FRACTION = "(?:[.,]%f)?"
_ZONE = r"(?:\s*%z)?"
_SYSLOG = rf"(?:%a )?%b %d {_SHORT_TIME}{_FRACTION}(?: %ExY)?"

DEFAULTS: tuple[Format, ...] = (
    # 2005-01-23T21:59:59.981746Z, 2005-01-23 21:59:59,123, 2005/01/23 21:59:59, 2005.01.23 21:59:59
    Format(rf"%ExY(?P<dash>[-/.])%m(?P=dash)%d(?:T| {{1,2}}){_TIME}{_ANY_FRACTION}{_ZONE}"),
    # Jan 23 21:59:59, Sun Jan 23 21:59:59.011 2005
    Format(_SYSLOG),
    # Sun Jan 23 2005 21:59:59.011
    Format(rf"(?:%a )?%b %d %ExY {_SHORT_TIME}{_FRACTION}"),
    # 23/01/2005 21:59:59, 23-01-05 21:59:59
    Format(rf"%d(?P<dash>[-/])%m(?P=dash)(?:%ExY|%Exy) {_SHORT_TIME}"),
    # 23/Jan/2005:21:59:59 +0100, 23-Jan-2005 21:59:59.02
    Format(rf"%d(?P<dash>[-/])%b(?P=dash)%ExY[ :]?{_TIME}{_FRACTION}(?: %z)?"),
    # 01/23/2005:21:59:59
    Format(rf"%m/%d/%ExY:{_TIME}"),
    # 01-23-2005 21:59:59.252
    Format(rf"%m-%d-%ExY {_SHORT_TIME}{_FRACTION}"),
    # 1106513999, [1106513999.123], audit(1106513999.123:987)
    Format("EPOCH", clock=False),
    # 21:59:59
    Format(_TIME, place="line begin"),
    # <01/23/05@21:59:59>
    Format(rf"<%m/%d/%Exy@{_TIME}>", place="start"),
    # 050123 21:59:59
    Format(rf"%Exy%Exm%Exd {{1,2}}{_TIME}"),
    # Jan 23, 2005 9:59:59 PM
    Format("%b %d, %ExY %I:%M:%S %p"),
    # Jan-23-05 21:59:59
    Format(rf"%b-%d-%Exy {_SHORT_TIME}", place="start"),
    # 20050123T215959, 20050123-21:59:59, 20050123215959
    Format(rf"%ExY%Exm%Exd(?:[-T]| {{0,2}})%ExH:?%ExM:?%ExS{_ANY_FRACTION}{_ZONE}", clock=False),
    # PST Jan 23 21:59:59 2005
    Format(rf"(?:%Z )?{_SYSLOG}"),
    # +01:00 Jan 23 21:59:59 2005
    Format(rf"(?:%z )?{_SYSLOG}"),
    # @4000000041f4104f00000000
    Format("TAI64N", clock=False),
)
