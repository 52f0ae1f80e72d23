"""What date patterns do to lines, told beforehand."""

from __future__ import annotations

import random
import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banish.lines.cuts import habits
from banish.lines.datepattern import Template, compile_patterns
from banish.lines.form import learn
from tests.conformance.generation import Writer

DEFAULTS = compile_patterns(())
BEGINNING = compile_patterns(("{^LN-BEG}",))
CUSTOM = compile_patterns((
    r"^[^\[]*\[({DATE})", r"^<\d+>\d+\s+{DATE}", r"{^LN-BEG}%Y-%m-%d %H:%M:%S(?:\s*%z)?", r"^L %d/%m/%Y - %H:%M:%S",
    r"\[%d/%b/%Y:%H:%M:%S %z\]", "{UNB}%Y%m%d%H%M%S", r"**%d/%b/%Y %H:%M:%S", r"%d/%b/%Y %H:%M:%S**", r"^t=(%Y-%m-%dT%H:%M:%S%z)x",
    r"^(%H:%M)|^(%S)", r"EPOCH", r"(?:x(%Y-%m-%d))+",
))  # fmt: skip


def only(pattern: str) -> Template:
    (template,) = compile_patterns((pattern,))
    return template


@pytest.mark.parametrize(
    ("pattern", "cut"),
    [
        ("%Y-%m-%d %H:%M:%S", (False, False)),
        ("{^LN-BEG}%Y-%m-%d %H:%M:%S", (False, False)),
        ("^%Y-%m-%d %H:%M:%S", None),
        ("^%Y-%m-%d %H:%M:%S**", None),
        ("%d/%m/%Y", (True, False)),
        ("**%Y-%m-%d", (True, False)),
        ("%Y-%m-%d**", (False, True)),
        ("{UNB}%Y-%m-%d", (True, True)),
        (r"\[%Y-%m-%d\]", (True, True)),
        (r"\[(%Y-%m-%d)\]", (False, False)),
        (r"^[^\[]*\[(%Y-%m-%d)", (False, False)),
        (r"^\w+(%Y-%m-%d)", (True, False)),
        (r"date=(%Y-%m-%d)x", (False, True)),
    ],
)
def test_between_which_characters_a_date_is_cut_out(pattern: str, cut: tuple[bool, bool] | None) -> None:
    assert habits(only(pattern)).cut == cut


@settings(deadline=None)
@given(st.sampled_from([*DEFAULTS, *CUSTOM]), st.randoms(use_true_random=False), st.data())
def test_no_cut_is_elsewhere(template: Template, chance: random.Random, data: st.DataObject) -> None:
    writer = Writer(chance)
    around = st.text(st.sampled_from(string.ascii_letters + " []:-_(<é"), max_size=4)
    text = data.draw(around) + writer.write(template.regex) + data.draw(around)
    found = template.regex.search(text)
    if found is None or found.start(1) < 0:
        return
    start, end = found.span(1)
    before, behind = text[start - 1 : start], text[end : end + 1]
    known = habits(template)
    if known.at_begin:
        assert start <= 2
        assert not any(map(_is_word, text[:start]))
    if known.cut is None:
        assert start == 0
    elif before and behind and start < end:
        assert _is_word(before) <= known.cut[0]
        assert _is_word(behind) <= known.cut[1]


def _is_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


def test_which_dates_are_clear_by_themselves() -> None:
    clear = {"%d/%b/%Y:%H:%M:%S", "%Y-%m-%d", "%y%m%d %H", "EPOCH", "TAI64N"}
    unclear = {"%d/%m/%Y", "%m-%d-%Y %H:%M:%S", "%b %d %H:%M:%S", "%H:%M:%S", "^WARNING:()", "%d/%b %H:%M:%S"}
    assert {pattern for pattern in clear | unclear if habits(only(pattern)).clear} == clear


@settings(deadline=None)
@given(
    st.sampled_from(BEGINNING),
    st.randoms(use_true_random=False),
    st.sampled_from(["", " x", "] x", ",5", " 2026 x", ".5 x", " AM", "-x"]),
)
def test_distinct_dates_at_the_begin_are_read_by_no_other_format_as_something_else(
    template: Template, chance: random.Random, after: str
) -> None:
    text = Writer(chance).write(template.regex) + after
    match = template.regex.match(text)
    if match is None or not habits(template).distinct:
        return
    for other in BEGINNING:
        found = other.regex.match(text)
        if found is not None:
            ours, theirs = (_said(each) for each in (match, found))
            assert theirs == ours, f"{text!r}: {template.name} and {other.name}"


def _said(match: re.Match[str]) -> dict[str, str | None]:
    return {name.replace("Z", "z"): text for name, text in match.groupdict().items() if text is not None}


def test_which_dates_are_at_the_line_begin() -> None:
    at_begin = {"{^LN-BEG}%Y-%m-%d", "^%Y-%m-%d", "^(%Y-%m-%d)x"}
    elsewhere = {"%Y-%m-%d", r"^\[(%Y-%m-%d)", r"^[^\[]*\[(%Y-%m-%d)", "^%Y-%m-%d|x%y"}
    assert {pattern for pattern in at_begin | elsewhere if habits(only(pattern)).at_begin} == at_begin


@settings(deadline=None)
@given(st.sampled_from([*DEFAULTS, *CUSTOM]), st.randoms(use_true_random=False), st.data())
def test_a_template_finds_its_date_in_every_line_of_a_form_learnt_with_it(
    template: Template, chance: random.Random, data: st.DataObject
) -> None:
    text = Writer(chance).write(template.regex) + chance.choice(["", " x", "] x", ",5"])
    form = learn(template, text)
    if form is None:
        return
    assert habits(template).at_begin
    begin = b"".join([data.draw(st.sampled_from(sorted(texts))) for texts in form]).decode()
    assert template.regex.match(begin + data.draw(st.text(max_size=4)))


def test_a_form_allows_for_other_times_of_the_month() -> None:
    template = only("{^LN-BEG}%b %d %H:%M:%S")
    form = learn(template, "[Nov  5 23:59:59] x")
    assert form is not None
    assert [len(texts) for texts in form] == [1, 1, 1, 1, 1, 40, 1, 24, 1, 60, 1, 62, 1]
    assert learn(template, "x Nov  5 23:59:59 x") is None
    assert learn(template, "Nov  5 23:59:59") is None, "nothing behind it tells where the date ends"
    assert learn(only("%b %d %H:%M:%S"), "Nov  5 23:59:59 x") is None
