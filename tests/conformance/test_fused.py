"""The installed tree's filters and ours, judged a whole buffer at a time: as many as possible, and always as line by line.

How many filters and expressions are judged at once, and why the others are not, is printed: ``pytest -s -k judged_at_once``.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC
from importlib import resources
from pathlib import Path

import pytest

from banish.config.jails import load
from banish.lines.datepattern import Template
from banish.lines.detector import DateDetector
from banish.matching.filter import Filter
from banish.matching.fused import pcre2
from banish.matching.fused.program import Program, program
from tests.conformance.corpus import STOCK, Author, Variant, mutated, variants
from tests.conformance.generation import PHRASES
from tests.matching.fused.both import NOW, Batch, both

DATA = Path(str(resources.files("banish"))) / "data"
SEED = 20260528
LINES = 120
DATES = (
    "2026-05-28 20:26:40", "May 28 20:26:40", "1780000000", "May-28-26 20:26:40", "05/28/2026 20:26:40", "L 28/05/2026 - 20:26:40",
    "2026:05:28-20:26:40", "t=2026-05-28T20:26:40+0000", "[28/May/2026 20:26:40]", "<W>2026-05-28 20:26:40", "28/May/2026:20:26:40 +0000",
    '<co ts="2026-05-28T20:26:40.1" ', "<34>1 2026-05-28T20:26:40Z",
)  # fmt: skip
ODD = [
    "",
    " ",
    "\r",
    "x\x1e\x1f",
    "\x1f0\x1f",
    "\x1c\x1d\x0b\x0c",
    "\x00",
    "é\u2028\ud800".replace("\ud800", "\udced"),
    "a" * 600,
]

pytestmark = pytest.mark.skipif(pcre2.library() is None, reason="needs libpcre2-8 that may make machine code")


def ours(work: Path) -> list[Variant]:
    user = work / "ours"
    user.mkdir()
    names = sorted(path.stem for path in (DATA / "filter.d").glob("*.conf") if not path.stem.endswith("common"))
    jails = "".join(f"[{name}]\nfilter = {name}\nlogpath = {work}/log\nenabled = true\n" for name in names)
    (user / "jail.local").write_text(f"[DEFAULT]\nbackend = auto\naction =\n{jails}")
    found = [
        Variant(jail.name, jail.settings.filter, jail.settings.lines.datepattern) for jail in load(user, DATA).jails
    ]
    assert "sshd" in [variant.name for variant in found]
    return found


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> list[Variant]:
    work = tmp_path_factory.mktemp("variants")
    return ours(work) + (variants(work) if (STOCK / "filter.d").is_dir() else [])


def fused(variant: Variant) -> tuple[str, Template] | str:
    """Return a date, and the template it is found with, that lead to a program for *variant*; or why none does."""
    judge = Filter(variant.filter)
    reasons = []
    for date in DATES:
        detector = DateDetector(variant.datepattern, UTC)
        detector.find(date + " x", NOW)
        if (template := detector.locked) is not None and template.anchored and template.whole:
            found = program(judge, template.regex)
            if isinstance(found, Program):
                return date, template
            reasons.append(found.reason)
    return reasons[0] if reasons else "dates are not at the line's begin"


def test_most_filters_can_be_judged_at_once(every: list[Variant]) -> None:
    accepted = {variant.name for variant in every if not isinstance(fused(variant), str)}
    reasons = {variant.name: reason for variant in every if isinstance(reason := fused(variant), str)}
    expressions = {expression for variant in every for expression in variant.filter.failregex}
    served = {expression for variant in every if variant.name in accepted for expression in variant.filter.failregex}
    print(f"\n{len(every) - len(reasons)} of {len(every)} filters, {len(served)} of {len(expressions)} failregex; not:")
    for name, reason in reasons.items():
        print(f"  {name}: {reason}")
    for name in ("sshd", "postfix", "dovecot"):
        assert {variant.name for variant in every if variant.name.startswith(name)} <= accepted
    assert len(reasons) < len(every) / 10


def _plainer(letter: str) -> str:
    """Return a letter that can be judged at once, of the same kind as *letter*."""
    if letter.isascii():
        return letter.replace("\r", "\x1c").replace("\x00", "\x01")
    return " " if letter.isspace() else "3" if letter.isdigit() else "e"


def batches(variant: Variant, date: str) -> Iterator[Batch]:
    """Yield batches of lines that *variant* should match, near misses and noise; the first one only shows the date."""
    chance = random.Random(f"{SEED} {variant.name}")
    author = Author(variant, SEED)
    judge = Filter(variant.filter)
    yield f"{date} x\n".encode(), NOW, True
    for number in range(LINES // 30):
        lines: list[str] = []
        while len(lines) < 30:
            message = author.message(judge, chance.randrange(len(judge.failregex))).replace("\n", " ")
            if chance.random() < 0.9:
                message = "".join(_plainer(letter) for letter in message)
            if message[:1].isalnum() and chance.random() < 0.9:  # no date ends within a word
                message = " " + message
            text = date + message
            luck = chance.random()
            if luck < 0.4:
                text = date + mutated(message, chance)
            elif luck < 0.45 and number == 3:  # another date changes what the rest of the batch is dated by
                text = mutated(text, chance)
            elif luck < 0.55:
                text = f"{date} {chance.choice(PHRASES)}"
            elif luck < 0.65:
                text = date + message + chance.choice(ODD)
            elif luck < 0.67:
                text = chance.choice(ODD)
            lines.append(text.replace("\n", " "))
        yield "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"), NOW + 70 * number, number != 1


@pytest.mark.timeout(600)
def test_every_filter_finds_the_same_at_once_as_line_by_line(every: list[Variant]) -> None:
    found = Counter[str]()
    one_by_one = 0
    for variant in every:
        way = fused(variant)
        if isinstance(way, str):
            continue
        plain, at_once = both(variant.filter, list(batches(variant, way[0])), variant.datepattern)
        found[variant.name] += len(at_once.seen[0])
        one_by_one += at_once.plain
        assert at_once.plain < plain.plain, variant.name
    # Those whose lines do not begin with their date.
    assert {name for name, hits in found.items() if not hits} <= {"tine20", "cpanel"}
    assert found.total() > LINES * len(found) / 4
    # The rest is what cannot be judged at once: odd characters, no date.
    assert one_by_one < LINES * len(found) / 3
