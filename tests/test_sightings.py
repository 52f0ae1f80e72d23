"""A whole stretch judged at once comes to the same as line after line: sightings, times, warnings, and what is remembered."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banish.lines.reader import LineReader, LineSettings
from banish.lines.stretch import Stretch
from banish.matching.filter import FilterSettings, Sighting
from banish.matching.fused import pcre2
from banish.matching.fused.program import Program, _program, program
from banish.model import Line
from tests.matching.fused.both import DATE, LOCK, NOW, Source, both, log

FILTER = FilterSettings(
    prefregex=r"^ <F-MLFID>sshd\[\d+\]</F-MLFID>: <F-CONTENT>.+</F-CONTENT>$",
    failregex=(
        r"^Failed \S+ for (?P<invalid>invalid user )?<F-USER>.*</F-USER> from <HOST>(?: port <F-PORT/>)?$",
        r"^<F-NOFAIL>Connection closed</F-NOFAIL> by <ADDR>",
        r"Bye from <HOST>\s*$",
    ),
)
OTHER = FilterSettings(failregex=(r"from <ADDR>",), ignoreregex=("192.0.2.9",))

FAILED = " sshd[12]: Failed password for root from 192.0.2.7"


def test_lines_of_an_attack_are_not_judged_one_by_one() -> None:
    lines = [
        FAILED,
        " sshd[1]: Failed none for invalid user x from ::1 port 22",
        " cron[1]: x",
        " sshd[1]: Bye from host",
    ] * 5
    plain, fused = both(FILTER, [LOCK, (log(*lines), NOW, True)])
    assert len(fused.seen[0]) == 15
    assert fused.plain == 1 < plain.plain
    sighting, undated, at = fused.seen[0][1]
    assert (undated, at, sighting.regex) == (None, NOW, 0)
    assert sighting.fields == {"mlfid": "sshd[1]", "invalid": "invalid user ", "user": "x", "ip6": "::1", "fport": "22"}
    assert sighting.lines == (DATE + lines[1],)


def test_the_first_batch_of_a_source_is_read_line_by_line() -> None:
    _, fused = both(FILTER, [(log(*[FAILED] * 20), NOW, True)])
    assert fused.plain == 20


def test_small_stretches_are_read_line_by_line() -> None:
    source = Source([FILTER], LineSettings(), fused=False)
    source.feed([LOCK, (log(FAILED), NOW, True)])
    assert source.plain == 2


def test_a_line_without_date_counts_for_the_time_of_the_line_before() -> None:
    early, late = "2026-05-28 20:26:10", "2026-05-28 20:26:30"
    data = log(FAILED, " nothing", date=early) + log(" nothing", date=late) + f"{FAILED}\n".encode() + log(FAILED)
    _, fused = both(FILTER, [LOCK, (data, NOW, True)])
    assert [at - NOW for _, _, at in fused.seen[0]] == [-30, -10, 0]
    assert [undated is None for _, undated, _ in fused.seen[0]] == [True, False, True]


def test_what_looks_like_a_date_but_is_none_stays_in_the_text_of_a_line_that_borrows_another_date() -> None:
    within = FilterSettings(failregex=(r"^(?:2026-02-30 \S+)? sshd: bad <ADDR>$",))
    impossible = log(*[" sshd: bad 192.0.2.2"] * 2, date="2026-02-30 20:26:41")
    data = log(" sshd: bad 192.0.2.1") + impossible + log(" x")
    _, fused = both(within, [LOCK, (data * 3, NOW, True)])
    assert len(fused.seen[0]) == 9


def test_a_date_of_another_form_changes_what_is_expected_from_there_on() -> None:
    american, european = "05-28-2026 20:26:40", "28-05-2026 20:26:40"
    data = log(FAILED) + log(FAILED, FAILED, date=european) + log(FAILED) + log(FAILED, date=american)
    both(FILTER, [LOCK, (data, NOW, True), (data, NOW + 1, True)])
    both([FILTER, OTHER, FILTER], [LOCK, (data, NOW, True), (data, NOW + 1, True)])


def test_jails_of_one_source_see_the_same_dates_whichever_way_they_judge() -> None:
    several = FilterSettings(failregex=(r"Failed .* from <ADDR>",), maxlines=2)
    data = log(FAILED, " x") + log(FAILED, date="28/05/2026 20:26:40") + b"\xc3\xa9\xff" + log(FAILED) * 2
    for order in ([FILTER, several, OTHER], [several, FILTER, OTHER], [FILTER, FILTER, several]):
        both(order, [LOCK, (data, NOW, True), (log(FAILED) * 3 + b"\xff\n", NOW, True)])


def test_old_and_odd_dates_are_warned_of_in_lines_that_are_nothing_to_the_filter_too() -> None:
    old = "2026-05-28 08:00:00"
    data = log(FAILED) + log(" nothing", date=old) + log(FAILED, date=old) + log(FAILED)
    for live in (True, False):
        _, fused = both(FILTER, [LOCK, (data, NOW, live), (data, NOW + 90_000, live)])
        assert fused.events[0]


def test_ignoreregex_is_asked_about_what_was_found() -> None:
    data = log(" from 192.0.2.8", " from 192.0.2.9", " nothing") * 4
    _, fused = both(OTHER, [LOCK, (data, NOW, True)])
    assert [sighting.fields["ip4"] for sighting, _, _ in fused.seen[0]] == ["192.0.2.8"] * 4
    assert fused.plain == 1 + 8


def test_a_year_that_ends_in_a_batch_ends_both_ways() -> None:
    lines = [
        f"{date}{FAILED}\n" for date in ("Dec 31 23:59:59", "Jan  1 00:00:00", "Feb 29 00:00:00", "Dec 31 23:59:58")
    ]
    data = "".join(lines * 3).encode()
    both(
        FILTER,
        [(data, now, live) for now in (1_798_761_598.0, 1_798_761_601.0, 1_798_800_000.0) for live in (True, False)],
    )


def test_encodings_in_which_ascii_is_not_ascii_are_read_line_by_line() -> None:
    data = log(FAILED) * 20
    for encoding in ("utf-16-le", "utf-7", "shift_jis"):
        wide = data.decode().encode(encoding)
        source = Source([FILTER], LineSettings(encoding=encoding), fused=True)
        source.feed([(wide, NOW, True)] * 2)
        assert source.plain == 40
    _, fused = both(FILTER, [(data, NOW, True)] * 2, encoding="latin-1")
    assert fused.plain == 20


def test_a_line_that_is_too_hard_is_handed_to_who_judges_such() -> None:
    hard = FilterSettings(failregex=(r"^ (?:\w+[\s,]*)+ from <ADDR>$",))
    source = Source([hard], LineSettings(), fused=True)
    source.feed([LOCK])
    asked: list[Line] = []

    def find(line: Line, suspected: object) -> Sighting:
        asked.append(line)
        return Sighting(0, {"ip4": "192.0.2.1"}, (line.text,))

    source.ways[0]._filter.find = find  # type: ignore[method-assign, assignment]
    data = log(*[" a b from 192.0.2.2"] * 40, f" {'a' * 40} from", *[" c from 192.0.2.3"] * 40)
    source.feed([(data, NOW, True)])
    assert [line.message for line in asked] == [f" {'a' * 40} from"]
    assert [sighting.fields["ip4"][-1] for sighting, _, _ in source.seen[0]] == ["2"] * 40 + ["1"] + ["3"] * 40


def test_without_the_library_every_line_goes_the_plain_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcre2, "library", lambda: None)
    _program.cache_clear()
    plain, fused = both(FILTER, [LOCK, (log(FAILED) * 20, NOW, True)])
    _program.cache_clear()
    assert fused.plain == plain.plain == 21


PIECES = st.sampled_from(
    [DATE, "2026-05-28 20:26:10", "2026-02-30 20:26:10", "28/05/2026 20:26:40",
     "[", "2026-05-28 20:26:40.5", "May 28 20:26:40", "20:26:40",
     FAILED, FAILED, "x", "1", "N", "S", "\n", "\n", " sshd[1]: Bye from ::1", " ", "\t", "\x1c", "\x1d", "\x1e",
     "\x1f", "\x85", "\r", "\x0b",
     "é", "\x00", "\ufeff", "\u2028",
     " sshd[1]: Connection closed by 192.0.2.7", " sshd[1]: Failed x for invalid user a\x1fN\x1f from 192.0.2.7"]
)  # fmt: skip
LINES = st.lists(
    st.one_of(st.tuples(st.just(DATE), PIECES, PIECES), st.tuples(PIECES, PIECES), st.tuples(PIECES)), max_size=12
)


@given(st.lists(st.tuples(LINES, st.sampled_from([0.0, 1.0, 61.0, 90_000.0]), st.booleans()), max_size=3))
@settings(max_examples=300, deadline=None)
def test_whatever_stands_in_a_log_both_ways_agree(batches: list[tuple[list[tuple[str, ...]], float, bool]]) -> None:
    fed = [
        ("".join("".join(pieces) + "\n" for pieces in lines).encode() + b"\xff\xfe\n" * (number % 2), NOW + later, live)
        for number, (lines, later, live) in enumerate(batches)
    ]
    both([FILTER, OTHER], [LOCK, *fed])


def test_a_stretch_dates_single_lines_only_while_that_changes_nothing() -> None:
    reader = LineReader(LineSettings())
    for _ in Stretch(log(" x"), reader, NOW):
        pass
    stretch = Stretch(log(" a") + b"no date\n" + log(" b", date="28/05/2026 20:26:40") + log(" c"), reader, NOW)
    assert stretch.template is reader.detector.locked
    assert stretch.line(0) is not None
    assert stretch.line(1) == Line("no date", "no date", None)
    assert stretch.line(2) is None
    assert [line.message for line in stretch.lines] == [" a", "no date", " b", " c"]
    assert stretch.line(1) is None  # reading has changed what is expected


def test_programs_are_made_once() -> None:
    source = Source([FILTER, FILTER], LineSettings(), fused=True)
    source.feed([LOCK])
    template = source.reader.detector.locked
    assert template is not None
    one, other = (program(way._filter, template.regex) for way in source.ways)
    assert isinstance(one, Program)
    assert one is other


BEHIND = FilterSettings(
    prefregex=r"^(?:\[\]|<>)? ?<F-MLFID>sshd\[\d+\]</F-MLFID>: <F-CONTENT>.+</F-CONTENT>$",
    failregex=FILTER.failregex,
)
BEGINS = ("[", "<", "", "[[", "[[[")


def test_dates_behind_a_bracket_are_judged_at_once_too() -> None:
    lines = "".join(f"[{DATE}]{text}\n" for text in (FAILED, " sshd[1]: Bye from host", " x"))
    _, fused = both(BEHIND, [(f"[{DATE}] x\n".encode(), NOW, True), (lines.encode() * 5, NOW, True)], ("{^LN-BEG}",))
    assert fused.plain == 1, "only the line that told the source what its dates are like"
    sighting, _, at = fused.seen[0][0]
    assert (at, sighting.fields["ip4"], sighting.lines) == (NOW, "192.0.2.7", (f"[{DATE}]{FAILED}",))


@given(
    st.sampled_from(BEGINS),
    st.lists(st.tuples(st.sampled_from(BEGINS), PIECES, PIECES, PIECES, PIECES), max_size=8),
    st.sampled_from([0.0, 61.0, 90_000.0]),
    st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_whatever_stands_before_and_behind_a_date_both_ways_agree(
    begin: str, lines: list[tuple[str, ...]], later: float, live: bool
) -> None:
    ends = {"[": "]", "<": ">"}.get(begin, "")
    lock = f"{begin}{DATE}{ends}{FAILED}\n".encode()
    data = lock + "".join("".join(pieces) + "\n" for pieces in lines).encode() + lock
    both([BEHIND, OTHER], [(lock, NOW, True), (data, NOW + later, live)], ("{^LN-BEG}",))


REQUESTS = FilterSettings(
    failregex=(
        r'^<ADDR> \S+ <F-USER>\S*</F-USER> \[\] "[A-Z]+ /admin[^"]*"',
        r"^\S+ \[\] <ADDR>",
        r"Bye \[\] from <ADDR>",
    )
)
REQUEST = '192.0.2.7 - root [28/May/2026:20:26:40 +0000] "GET /admin HTTP/1.1" 401 1 "-" "x"'
COMBINED = (r"^[^\[]*\[(%d/%b/%Y:%H:%M:%S(?: %z)?)\]",)


def test_dates_that_lines_always_have_something_before_are_judged_at_once_too() -> None:
    others = (
        '::1 - - [28/May/2026:20:26:41 +0000] "POST /admin/x HTTP/1.1"',
        'x - - [28/May/2026:20:26:40 +0000] "GET / "',
    )
    lines = "".join(f"{line}\n" for line in (REQUEST, *others)).encode()
    _, fused = both(REQUESTS, [(f"{REQUEST}\n".encode(), NOW, True), (lines * 5, NOW + 1, True)], COMBINED)
    assert fused.plain == 1, "only the line that told the source what its dates are like"
    assert [(at, sighting.fields["user"]) for sighting, _, at in fused.seen[0][1:3]] == [(NOW, "root"), (NOW + 1, "-")]
    assert fused.seen[0][1][0].lines == (REQUEST,)


PARTS = st.sampled_from(
    ["192.0.2.7 - - ", "[28/May/2026:20:26:40 +0000]", "[28/May/2026:20:26:41 +0000]", "[28/May/2026:20:26:40]",
     "[28/Feb/2026:20:26:40 +0000]", "[31/Feb/2026:20:26:40 +0000]", "28/May/2026:20:26:40", "[", "]", DATE, REQUEST, REQUEST,
     ' "GET /admin"', "Bye ", " from ::1", "x ", " 192.0.2.9", "", "\x1e", "\x1f", "\r", "é", "\x00"]
)  # fmt: skip


@given(
    st.lists(st.tuples(PARTS, PARTS, PARTS, PARTS), max_size=10),
    st.sampled_from([r"^[^\[]*\[({})\]", r"^[^\[]*\[({})", r"^.*?({})", r"^.*({})", r"^\S*? ?\S*? ?({})", r"^\W?({})"]),
    st.sampled_from(["", "() "]),
    st.sampled_from([0.0, 61.0, 90_000.0]),
    st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_whatever_stands_around_a_date_in_mid_line_both_ways_agree(
    lines: list[tuple[str, ...]], pattern: str, begin: str, later: float, live: bool
) -> None:
    lock = f"{begin}{REQUEST}\n".encode()
    data = lock + "".join("".join(parts) + "\n" for parts in lines).encode() + lock
    dates = (pattern.format("%d/%b/%Y:%H:%M:%S(?: %z)?"),)
    message = FilterSettings(failregex=(r"^<F-USER>.*</F-USER>from <ADDR>",))
    both([REQUESTS, message], [(lock, NOW, True), (data, NOW + later, live)], dates)


def test_of_several_dates_the_one_is_moved_that_is_found_line_by_line() -> None:
    lock = f"() {REQUEST}\n".encode()
    twice = b"28/May/2026:20:26:30 [28/May/2026:20:26:35] from 192.0.2.8\n( 28/May/2026:20:26:31 28/May/2026:20:26:36 from ::1\n"
    for pattern, times in ((r"^.*?({})", [30, 31]), (r"^.*[ \[]({})", [35, 36])):
        dates = (pattern.format("%d/%b/%Y:%H:%M:%S"),)
        filter_ = FilterSettings(failregex=(r"^<F-USER>.*</F-USER>from <ADDR>",))
        _, fused = both(filter_, [(lock, NOW, True), (lock + twice, NOW, True)], dates)
        assert [at - NOW for *_, at in fused.seen[0][-2:]] == [second - 40 for second in times]
