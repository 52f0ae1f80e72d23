"""The language of ``datepattern`` (jail.conf(5)): patterns in, compiled templates out.

A pattern is a regular expression with the tokens of strptime(3) in it. Around that:

* no pattern at all or ``{DEFAULT}`` stands for the formats of ``templates``, ``{^LN-BEG}`` alone for those at the line's begin;
* ``{DATE}`` inside a pattern stands for each default format in turn, so that one pattern becomes several templates;
* ``{^LN-BEG}`` before a pattern ties it to the line's begin, two characters that are no word allowed before it; ``^`` allows none;
* a date must not begin or end within a word; ``**`` at an end of the pattern gives that boundary up, ``{UNB}`` before it both;
* ``EPOCH``, ``LEPOCH`` and ``TAI64N`` alone are Unix seconds (with thousandths or millionths) and DJB's labels, ``{EPOCH}`` and so
  on the same inside a pattern; ``EPOCH`` alone is looked for only where a time stamp can be expected, because any long number
  would do otherwise: at the line's begin and after ``audit(``;
* ``{NONE}``: the lines have no date.

If the pattern has a capture group, its first group is the date that is cut out of the line, otherwise all that matches is.
An empty group (``^WARNING:()``) is for lines that have no date of their own, such as the second of a pair.
Upper and lower case are the same when names are involved (``%a %A %b %B %p %c``). Names of days and months are English ones.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from re import _constants as sre  # type: ignore[attr-defined]  # the only door to the tree; no stubs
from re import _parser  # type: ignore[attr-defined]
from typing import Any

from banish.errors import ConfigError, Problem
from banish.lines import zones
from banish.lines.templates import DEFAULTS, Format

MONTHS = ("January", "February", "March", "April", "May", "June",
          "July", "August", "September", "October", "November", "December")  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


_HOUR = "2[0-3]|[01][0-9]|[0-9]"
_HOUR12 = "1[0-2]|0[1-9]|[1-9]"
_ZONE = "Z|UTC|GMT|[-+][01][0-9](?::?[0-5][0-9])?"
_TOKENS: dict[str, str] = {
    "a": f"(?P<a>{'|'.join(day[:3] for day in DAYS)})",
    "A": f"(?P<A>{'|'.join(DAYS)})",
    "b": f"(?P<b>{'|'.join(month[:3] for month in MONTHS)})",
    "B": f"(?P<B>{'|'.join(MONTHS)})",
    "d": "(?P<d>3[01]|[12][0-9]|0[1-9]|[1-9]| [1-9])",
    "f": "(?P<f>[0-9]{1,6})",
    "G": "(?P<G>[0-9]{4})",
    "H": f"(?P<H>{_HOUR})",
    "I": f"(?P<I>{_HOUR12})",
    "j": "(?P<j>36[0-6]|3[0-5][0-9]|[12][0-9][0-9]|0[1-9][0-9]|00[1-9]|[1-9][0-9]|0[1-9]|[1-9])",
    "k": f" ?(?P<H>{_HOUR})",
    "l": f" ?(?P<I>{_HOUR12})",
    "m": "(?P<m>1[0-2]|0[1-9]|[1-9])",
    "M": "(?P<M>[0-5][0-9]|[0-9])",
    "p": "(?P<p>AM|PM)",
    "S": "(?P<S>[0-5][0-9]|6[01]|[0-9])",
    "u": "(?P<u>[1-7])",
    "U": "(?P<U>5[0-3]|[0-4][0-9]|[0-9])",
    "V": "(?P<V>5[0-3]|[0-4][0-9]|[1-9])",
    "w": "(?P<w>[0-6])",
    "W": "(?P<W>5[0-3]|[0-4][0-9]|[0-9])",
    "y": "(?P<y>[0-9]{2})",
    "Y": "(?P<Y>[0-9]{4})",
    "z": f"(?P<z>(?-i:{_ZONE}))",
    "Z": f"(?P<Z>{zones.pattern()})",
    "Exd": "(?P<d>3[01]|[12][0-9]|0[1-9])",
    "ExH": "(?P<H>2[0-3]|[01][0-9])",
    "Exk": " ?(?P<H>2[0-3]|[01]?[0-9])",
    "Exl": " ?(?P<I>1[0-2]|0?[1-9])",
    "Exm": "(?P<m>1[0-2]|0[1-9])",
    "ExM": "(?P<M>[0-5][0-9])",
    "ExS": "(?P<S>[0-5][0-9]|6[01])",
    "Exy": "(?P<y>[0-9]{2})",
    # fail2ban narrows this to the years around the present; old logs are read with the same templates here.
    "ExY": "(?P<Y>(?:19|20)[0-9]{2})",
    "Exz": f"(?P<z>(?:{zones.pattern()})?[-+][01][0-9](?::?[0-5][0-9])?|{zones.pattern()})",
    "ExZ": f"(?P<Z>{zones.pattern()})",
    "%": "%",
}
_COMPOUND = {"c": "%a %b %d %H:%M:%S %Y", "x": "%m/%d/%y", "X": "%H:%M:%S"}  # as the C locale has them
_NAMES = frozenset("aAbBpc")

_EPOCH = r"(?P<epoch>[0-9]{10,11}\b(?:\.[0-9]{3,6}\b)?)"
_LONG_EPOCH = r"(?P<lepoch>[0-9]{10,11}(?:[0-9]{3}(?:\.[0-9]{1,6}|[0-9]{3})?)?(?![0-9]))"
_TAI64N = "(?P<tai64n>@4[0-9a-f]{23})"
_WORDS = {"EPOCH": _EPOCH, "LEPOCH": _LONG_EPOCH, "TAI64N": _TAI64N}
_PARTS = frozenset(_TOKENS) - {"S", "f", "%"} | {"epoch", "lepoch", "tai64n"}
_EPOCH_PLACE = r"(?:^|(?<=^\[)|(?<=\baudit\())"

_LINE_BEGIN = "{^LN-BEG}"
_LINE_BEGIN_REGEX = r"^\W{0,2}"
LEFT_BOUNDARY = r"(?=^|\b|\W)"
RIGHT_BOUNDARY = r"(?=\b|\W|$)"
_UNBOUND = "{UNB}"
_WORD = re.compile(r"(?P<anchor>\^|\{\^LN-BEG\})?\{?(?P<word>EPOCH|LEPOCH|TAI64N)\}?", re.IGNORECASE)
_BRACED = re.compile(r"\{(EPOCH|LEPOCH|TAI64N)\}", re.IGNORECASE)
_TOKEN = re.compile(r"%(?P<token>Ex.|.|$)", re.DOTALL)
_FLAGS = re.compile(r"\(\?(?P<flags>[aimsux]+)\)")
_NAMED = re.compile(r"\(\?P<\w+>")
_PIECE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?[<!=]|\(\?|[()|]", re.DOTALL)


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """One compiled format; group 1 of *regex* is the date."""

    name: str
    """The pattern; a default format has taken the place of ``{DATE}``."""
    regex: re.Pattern[str]
    anchored: bool
    """Can only match where the line begins."""
    known: bool
    """One of the default formats, on its own."""
    clock: bool
    """See ``templates.Format.clock``; False when that cannot be told."""
    whole: bool
    """The text of group 1 alone settles all other groups."""
    parts: tuple[str, ...]
    """The named groups that say when, apart from seconds and their fractions."""
    has_seconds: bool


def compile_patterns(patterns: Sequence[str]) -> tuple[Template, ...]:
    """Return the templates for *patterns* in the order in which they are tried; none at all for ``{NONE}``.

    Raises ConfigError, naming the pattern and the reason, when one cannot be used.
    """
    return _compiled(tuple(pattern.strip() for pattern in patterns if pattern.strip()) or ("{DEFAULT}",))


@lru_cache(maxsize=64)  # detectors of many sources share what they compile
def _compiled(patterns: tuple[str, ...]) -> tuple[Template, ...]:
    return tuple(template for pattern in patterns for template in _templates(pattern))


@lru_cache(maxsize=8)
def places(templates: tuple[Template, ...]) -> re.Pattern[str]:
    """Return an expression that matches wherever one of *templates*, default formats that may stand anywhere, could.

    One pass over a line with it takes a fraction of the time of a pass with each. It may match in vain (it takes the second dash
    of a date to be free), but never passes a place over.
    """
    tied: list[str] = []
    free: list[str] = []
    for template in templates:
        body = _rough(template, template.regex.pattern)
        (tied if LEFT_BOUNDARY in body else free).append(body.replace(LEFT_BOUNDARY, ""))
    return re.compile("|".join([f"{LEFT_BOUNDARY}(?:{'|'.join(tied) or '(?!)'})", *free]))


@lru_cache(maxsize=8)
def begins(templates: tuple[Template, ...]) -> re.Pattern[str]:
    """Return the same for default formats at the line's begin, to be matched there."""
    behind: list[str] = []
    alone: list[str] = []
    for template in templates:
        pattern = template.regex.pattern
        bodies = behind if pattern.startswith(_LINE_BEGIN_REGEX) else alone
        bodies.append(_rough(template, pattern.removeprefix(_LINE_BEGIN_REGEX)))
    return re.compile("|".join([f"{_LINE_BEGIN_REGEX}(?:{'|'.join(behind) or '(?!)'})", *alone]))


def _rough(template: Template, pattern: str) -> str:
    """Return *pattern* with the flags of *template*, without names, and as if the second dash of a date were free."""
    body = _NAMED.sub("(?:", pattern).replace("(?P=dash)", "[-/.]")
    return f"(?i:{body})" if template.regex.flags & re.IGNORECASE else body


def _templates(pattern: str) -> Iterator[Template]:
    if pattern == "{NONE}":
        return
    if pattern in ("{DEFAULT}", _LINE_BEGIN):
        yield from _defaults(everywhere=pattern == "{DEFAULT}")
    elif "{DATE}" in pattern:
        yield from _each_default(pattern)
    else:
        yield _compile(pattern, source=pattern)


def _defaults(*, everywhere: bool) -> Iterator[Template]:
    for known in DEFAULTS:
        prefix = "^" if known.place == "start" else _LINE_BEGIN
        yield _compile(prefix + known.pattern, source=known.pattern, known=known)
    if everywhere:
        for known in DEFAULTS:
            if known.place == "anywhere":
                yield _compile(known.pattern, source=known.pattern, known=known)


def _each_default(pattern: str) -> Iterator[Template]:
    alone = pattern in ("{DATE}", "^{DATE}", _LINE_BEGIN + "{DATE}")
    for known in DEFAULTS:
        # Within other text a date at the line's start makes no sense, nor does a number that only its place makes a date.
        if alone or _fits_inside(known):
            anchor = "^" if known.place == "start" else ""
            yield _compile(pattern.replace("{DATE}", anchor + known.pattern), source=pattern)


def _fits_inside(known: Format) -> bool:
    return known.place != "start" and known.pattern not in _WORDS


def _compile(pattern: str, *, source: str, known: Format | None = None) -> Template:
    try:
        regex, anchored, looks, wrapped = _expression(pattern)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # "possible nested set": harmless, and re tells it on stderr
            compiled = re.compile(*regex)
            whole = not looks and (wrapped or _holds_all(compiled))
    except (ValueError, re.error, OverflowError, RecursionError) as error:
        raise _unusable(source, str(error) or type(error).__name__) from None
    return Template(
        name=pattern,
        regex=compiled,
        anchored=anchored,
        known=known is not None,
        clock=known is not None and known.clock,
        whole=whole,
        parts=tuple(name for name in compiled.groupindex if name in _PARTS),
        has_seconds="S" in compiled.groupindex,
    )


def _expression(pattern: str) -> tuple[tuple[str, int], bool, bool, bool]:
    """Return (regex, flags), whether it can match at the line's begin only, whether it looks at more than what it finds, and whether
    all its groups are within group 1 because we made that; else nobody knows.
    """
    word = _WORD.fullmatch(pattern)
    if word is not None:
        return _lone_word(word)
    anchor = ""
    left = right = True
    while True:
        if pattern.startswith(_UNBOUND):
            pattern = pattern.removeprefix(_UNBOUND)
            left = right = False
        elif pattern.startswith(_LINE_BEGIN):
            anchor, pattern = _LINE_BEGIN_REGEX, pattern.removeprefix(_LINE_BEGIN)
        elif pattern.startswith("**"):
            left, pattern = False, pattern.removeprefix("**")
        else:
            break
    if pattern.endswith("**"):
        right, pattern = False, pattern.removesuffix("**")
    flags = 0
    stated = _FLAGS.match(pattern)
    if stated is not None:  # flags of the whole expression may only stand at its very start, which is ours
        flags, pattern = _flags(stated["flags"]), pattern[stated.end() :]
    if any(found["token"] in _NAMES for found in _TOKEN.finditer(pattern)):
        flags |= re.IGNORECASE
    captures, alternatives, looks = _shape(pattern)
    anchored = bool(anchor) or (pattern.startswith("^") and not alternatives)
    body = _expand(pattern)
    if not captures:
        body = f"({body})"
    elif alternatives:
        body = f"(?:{body})"
    before = LEFT_BOUNDARY if left and not anchored else ""
    after = RIGHT_BOUNDARY if right else ""
    return (f"{anchor}{before}{body}{after}", flags), anchored, looks, not captures


def _holds_all(regex: re.Pattern[str]) -> bool:
    """Tell whether all named groups of *regex* are within group 1."""
    for op, argument in _parser.parse(regex.pattern, regex.flags):
        if op is sre.SUBPATTERN and argument[0] == 1:
            return set(regex.groupindex.values()) <= set(_numbers(argument[3]))
    return False


def _numbers(nodes: Any) -> Iterator[int]:
    for op, argument in nodes:
        if op is sre.SUBPATTERN:
            yield from (argument[0] or 0, *_numbers(argument[3]))
        elif op is sre.BRANCH:
            yield from (number for each in argument[1] for number in _numbers(each))
        elif op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            yield from _numbers(argument[2])
        elif op is sre.ATOMIC_GROUP:
            yield from _numbers(argument)


def _lone_word(word: re.Match[str]) -> tuple[tuple[str, int], bool, bool, bool]:
    kind = word["word"].upper()
    braced = "{" in word.group().removeprefix(_LINE_BEGIN)
    body = f"({_WORDS[kind]}){RIGHT_BOUNDARY}"
    if word["anchor"]:
        return (_LINE_BEGIN_REGEX + body, 0), True, False, True
    if kind == "TAI64N":
        return (body, 0), False, False, True
    return ((LEFT_BOUNDARY if braced else _EPOCH_PLACE) + body, 0), False, False, True


def _expand(pattern: str) -> str:
    def token(found: re.Match[str]) -> str:
        name = found["token"]
        if name in _COMPOUND:
            return _expand(_COMPOUND[name])
        regex = _TOKENS.get(name)
        if regex is None and name.startswith("Ex"):
            raise ValueError(f"unknown token %{name}")
        if regex is None:
            raise ValueError(
                f"unknown token %{name} (a percent sign itself is %%)" if name else "a single % at the end"
            )
        return regex

    # The words come second: what they stand for holds no percent sign, but tokens hold no braces they could mistake either.
    return _BRACED.sub(lambda found: _WORDS[found[1].upper()], _TOKEN.sub(token, pattern))


def _shape(pattern: str) -> tuple[bool, bool, bool]:
    """Tell whether *pattern* has a capture group without a name, alternatives outside all groups, and look-around or backreferences.

    Named groups do not count as the user's choice of what the date is: tokens are named groups themselves.
    """
    captures = alternatives = looks = False
    depth = 0
    for found in _PIECE.finditer(pattern):
        piece = found.group()
        if piece == "(":
            captures = True
            depth += 1
        elif piece.startswith("(?"):
            looks = looks or piece != "(?"
            depth += 1
        elif piece == ")":
            depth -= 1
        elif piece == "|" and depth == 0:
            alternatives = True
    return captures, alternatives, looks


def _flags(letters: str) -> int:
    flags = 0
    for letter in letters:
        flags |= re.RegexFlag[letter.upper()].value
    return flags


def _unusable(pattern: str, reason: str) -> ConfigError:
    return ConfigError(
        Problem(
            f"cannot be used: {reason}",
            remedy="see datepattern in jail.conf(5)",
            option="datepattern",
            value=pattern,
        )
    )
