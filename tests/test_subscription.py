"""What jails make of a log is the same whether they are shown all of it or what the prefilter leaves of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from banish import sightings, subscription
from banish.config.jails import load
from banish.failures.window import WindowSettings
from banish.jail import Jail, JailSettings
from banish.lines.entries import SETTINGS
from banish.lines.reader import LineReader, LineSettings
from banish.lines.stretch import Share
from banish.matching import scanners
from banish.matching.filter import FilterSettings
from banish.model import Event, Failure, Notice
from banish.subscription import Subscription
from tests.conformance.corpus import STOCK, Variant, variants
from tests.logs import FLOATING, START, STYLES, Log, log

REFUSED = JailSettings("web", filter=FilterSettings(("^ refused <HOST>$", "^ denied to <HOST>$")))
LINES = LineSettings(("{^LN-BEG}",))
_OF_TIME = ("Detected a log entry", "Please check a jail", "Ignoring all log entries", "these are probably")


def judged(
    settings: list[JailSettings], lines: LineSettings, made: Log, scanner: str, *, thorough: bool = False
) -> tuple[dict[str, list[Event]], int]:
    """Return what the jails say, and how many lines were shown to jails.

    Which line a warning about dates shows is left out: it may be the next one.
    """
    reader = LineReader(lines, UTC)
    jails = [Jail(each) for each in settings]
    watched = Subscription(reader, jails, scanners.load(scanner), thorough=thorough)
    said: dict[str, list[Event]] = {jail.name: [] for jail in jails}
    shown = 0
    for data, now in made.batches:
        for jail, share in watched.shares(data, now):
            shown += share.data.count(b"\n")
            said[jail.name] += [
                event
                for event in jail.feed(share, now, live=made.live)
                if not (isinstance(event, Notice) and any(text in event.text for text in _OF_TIME))
            ]
    return said, shown


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> list[Variant]:
    """Our filters, and those of Debian's fail2ban where it is installed."""
    work = tmp_path_factory.mktemp("ours")
    data = Path(__file__).parent.parent / "src" / "banish" / "data"
    names = [path.stem for path in (data / "filter.d").glob("*.conf") if not path.stem.endswith("common")]
    text = "\n".join(f"[{name}]\nfilter = {name}\nlogpath = {work}/log\nenabled = true\n" for name in names)
    (work / "jail.local").write_text(f"[DEFAULT]\nbackend = auto\n{text}")
    found = [Variant(f"our {jail.name}", jail.settings.filter, jail.settings.lines.datepattern)
             for jail in load(work, data).jails]  # fmt: skip
    assert found
    return [*found, *(variants(tmp_path_factory.mktemp("stock")) if (STOCK / "filter.d").is_dir() else ())]


@pytest.fixture(params=["line by line", "at once"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shown to a jail is judged line by line, or a stretch at once wherever that can be done."""
    monkeypatch.setattr(sightings, "WORTHWHILE", 0 if request.param == "at once" else 1 << 30)
    monkeypatch.setattr(subscription, "_FEW", 0)


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("scanner", scanners.SCANNERS)
def test_every_filter_says_the_same_of_what_it_is_shown(every: list[Variant], scanner: str) -> None:
    failures = shown = all_shown = 0
    for number, variant in enumerate(every):
        style = list(STYLES)[number % len(STYLES)]
        made = log(variant, style, number, 120, mixed=style not in FLOATING and number % 3 == 0)
        lines = LineSettings(variant.datepattern)
        settings = [JailSettings(variant.name, lines, variant.filter, WindowSettings(maxretry=3))]
        plain, everything = judged(settings, lines, made, scanner, thorough=True)
        said, some = judged(settings, lines, made, scanner)
        assert said == plain, f"{variant.name}, {style}"
        failures += sum(isinstance(event, Failure) for event in plain[variant.name])
        shown, all_shown = shown + some, all_shown + everything
    assert failures > all_shown / 10
    assert shown < all_shown * 0.9


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("style", STYLES)
def test_jails_that_share_a_source_say_what_they_say_alone(every: list[Variant], style: str) -> None:
    """Jails that step aside (maxlines, no literal) among others that do not."""
    together = [variant for variant in every if variant.datepattern == LINES.datepattern][:40]
    settings = [JailSettings(variant.name, LINES, variant.filter, WindowSettings(maxretry=3)) for variant in together]
    for seed, variant in enumerate(together[::4]):
        made = log(variant, style, seed, 60, mixed=style not in FLOATING)
        plain, _ = judged(settings, LINES, made, "plain", thorough=True)
        assert judged(settings, LINES, made, "plain")[0] == plain, f"{variant.name}, {style}"


class House:
    """Jails on a source of which a stretch has been read, so that it is known what its dates are like."""

    def __init__(
        self, *filters: FilterSettings, first: str = "Nov 30 23:58:20 up\n", lines: LineSettings = LINES
    ) -> None:
        self.reader = LineReader(lines, UTC)
        self.jails = [Jail(JailSettings(f"jail{number}", lines, each)) for number, each in enumerate(filters)]
        self.subscription = Subscription(self.reader, self.jails)
        self.shown(first)

    def shown(self, text: str, jail: int = 0) -> list[tuple[str, tuple[int, ...] | None]]:
        """Return the lines that a jail is shown of *text*, each with the failregex it may hold."""
        shares = dict(self.subscription.shares(text.encode(), START + 5))
        share = shares[self.jails[jail]]
        return list(zip([line.text for line in share], share.suspects or [None] * len(share.lines), strict=True))


ANY = None
"""Every failregex is to be tried."""
TIME: tuple[int, ...] = ()
"""The line only tells the time."""


def test_a_jail_is_shown_lines_that_it_may_want_and_the_last_one_for_its_time() -> None:
    house = House(REFUSED.filter)
    text = "Nov 30 23:58:21 a\nNov 30 23:58:22 denied to 192.0.2.7\nNov 30 23:58:23 b\nNov 30 23:58:24 c\n"
    assert house.shown(text) == [("Nov 30 23:58:22 denied to 192.0.2.7", (1,)), ("Nov 30 23:58:24 c", TIME)]
    assert house.shown("Nov 30 23:58:25 refused x") == [("Nov 30 23:58:25 refused x", (0,))]


def test_a_line_without_a_date_comes_with_the_one_that_has_its_date() -> None:
    house = House(REFUSED.filter)
    text = "Nov 30 23:58:21 a\nNov 30 23:58:22 b\n refused x\nNov 30 23:58:23 c\n refused y\nNov 30 23:58:24 d\n"
    assert house.shown(text) == [
        ("Nov 30 23:58:22 b", TIME),
        (" refused x", (0,)),
        ("Nov 30 23:58:23 c", TIME),
        (" refused y", (0,)),
        ("Nov 30 23:58:24 d", TIME),
    ]


def test_an_impossible_date_is_none() -> None:
    house = House(REFUSED.filter)
    assert house.shown("Nov 30 23:58:21 a\nFeb 30 23:58:22 refused x\nNov 30 23:58:23 b\n") == [
        ("Nov 30 23:58:21 a", TIME),
        ("Feb 30 23:58:22 refused x", (0,)),
        ("Nov 30 23:58:23 b", TIME),
    ]


def test_after_a_date_in_another_format_every_line_of_the_stretch_is_shown() -> None:
    house = House(REFUSED.filter, first="11-30-2026 23:58:20 up\n")
    text = "11-30-2026 23:58:21 a\n2026-11-30 23:58:22 b\n11-30-2026 23:58:23 c\n"
    assert house.shown(text) == [
        ("11-30-2026 23:58:21 a", TIME),
        ("2026-11-30 23:58:22 b", ANY),
        ("11-30-2026 23:58:23 c", ANY),
    ]


def test_not_so_where_no_other_format_could_mean_another_date() -> None:
    house = House(REFUSED.filter)
    text = "Nov 30 23:58:21 a\n2026-11-30 23:58:22 b\nNov 30 23:58:23 c\n"
    assert house.shown(text) == [("Nov 30 23:58:23 c", TIME)]
    text = "Nov 30 23:58:24 a\n2026-11-30 23:58:25 refused b\nNov 30 23:58:26 c\n"
    assert house.shown(text) == [
        ("Nov 30 23:58:24 a", TIME),
        ("2026-11-30 23:58:25 refused b", ANY),
        ("Nov 30 23:58:26 c", ANY),
    ]


def test_the_lines_of_a_share_are_its_data() -> None:
    house = House(REFUSED.filter)
    text = b"Nov 30 23:58:21 a\nNov 30 23:58:22 refused x\r\nNov 30 23:58:23 refused \xff"
    ((_, share),) = house.subscription.shares(text, START)
    assert isinstance(share, Share)
    assert share.data == b"Nov 30 23:58:22 refused x\r\nNov 30 23:58:23 refused \xff"
    assert [line.text for line in share] == ["Nov 30 23:58:22 refused x", "Nov 30 23:58:23 refused \ufffd"]
    assert [text[start:end] for start, end in share.spans] == share.data.splitlines(keepends=True)
    assert house.reader.undecodable == 1


@pytest.mark.parametrize(
    ("filter_", "lines", "first", "why"),
    [
        (FilterSettings(("^ refused <HOST>$",), maxlines=2), LINES, "Nov 30 23:58:20 x", "maxlines is above 1"),
        (FilterSettings(("^ refused <HOST>$", r"^ \d+ <HOST>$")), LINES, "Nov 30 23:58:20 x",
         "no text is in every line that failregex 2 finds"),
        (REFUSED.filter, LineSettings(encoding="utf-16"), "Nov 30 23:58:20 x",
         "utf-16 is not written byte by byte as ASCII is"),
        (REFUSED.filter, LINES, "no date", "no date has been seen yet"),
        (REFUSED.filter, LINES, "Nov 30 23:58:20", "how lines begin is not known yet"),
        (REFUSED.filter, LineSettings(), "host 11-30-2026 23:58:20 x",
         "other dates could change what one of the form %m-%d-%ExY %k:%M:%S(?:\\.%f)? means"),
        (REFUSED.filter, LINES, "Nov 30 23:58:20 x", ""),
        (REFUSED.filter, LineSettings(), "host [30/Nov/2026:23:58:20 +0000] x", ""),
        (REFUSED.filter, LineSettings(("{NONE}",)), "x", ""),
    ],
)  # fmt: skip
def test_why_a_jail_is_shown_every_line(filter_: FilterSettings, lines: LineSettings, first: str, why: str) -> None:
    house = House(filter_, first=f"{first}\n", lines=lines)
    assert house.subscription.aside(house.jails[0]) == why
    shown = [text for text, _ in house.shown("Nov 30 23:58:21 a\nNov 30 23:58:22 b\nNov 30 23:58:23 c\n")]
    if why and lines.encoding != "utf-16":
        assert len(shown) == 3
    elif not why:
        assert len(shown) < 2


def test_one_jail_that_sees_every_line_does_not_make_others_see_them() -> None:
    house = House(FilterSettings(("^ refused <HOST>$",), maxlines=2), REFUSED.filter)
    text = "Nov 30 23:58:21 a\nNov 30 23:58:22 refused x\n"
    assert house.shown(text, 0) == [("Nov 30 23:58:21 a", ANY), ("Nov 30 23:58:22 refused x", ANY)]
    assert house.shown(text, 1) == [("Nov 30 23:58:22 refused x", (0,))]


def test_how_lines_begin_is_learnt_anew_when_many_begin_otherwise() -> None:
    house = House(REFUSED.filter, first="11-30-2026 23:58:20 up\n")
    text = "".join(f"12-13-2026 00:00:{second:02d} a\n" for second in range(50))
    assert [len(house.shown(text)) for _ in range(3)] == [1, 1, 1], "of lines that are dated only the last is shown"
    strays = house.subscription._strays()
    assert strays is not None
    assert strays.offsets(text.encode()) == []


def test_the_rarest_literal_is_looked_for_once_a_piece_of_the_log_is_known() -> None:
    house = House(FilterSettings((r"^ very long but common text \d+ rare <HOST>$",)))
    prefilter = house.subscription._prefilter()
    assert house.subscription.aside(house.subscription.jails[0]) == ""
    assert list(prefilter.literals) == [], "who is only asked about compiles nothing"
    house.shown("Nov 30 23:58:20 up\n")
    assert [literal.text for literal in prefilter.literals] == [b" very long but common text "]
    house.shown("Nov 30 23:58:21 very long but common text \n" * 2000)
    assert [literal.text for literal in prefilter.literals] == [b" rare "]


def test_a_log_that_changes_late_is_looked_at_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("banish.matching.prefilter._AT_LAST", 1000)
    prefilter = House(FilterSettings((r"^ common text \d+ rare <HOST>$",))).subscription._prefilter()
    both = b"Nov 30 23:58:21 common text 1 rare x\n" * 2000
    for _ in range(20):
        prefilter.candidates(both)
    assert prefilter.literals[0].text in b" common text ", "the first of two that are as rare"
    for _ in range(2):
        prefilter.candidates(both.replace(b"rare", b"usual"))
    assert prefilter.literals[0].text in b" rare "


def test_one_literal_alone_is_preferred_to_several_that_are_as_rare() -> None:
    house = House(FilterSettings((r'^ user "[^"]*" (?:was not found|has no password), client: <HOST>',)))
    prefilter = house.subscription._prefilter()
    rare = b'Nov 30 23:58:21 user "x" was not found, client: 192.0.2.7\n'
    prefilter.choose(rare + b"Nov 30 23:58:21 client: x, from y\n" * 1000)
    assert [literal.text for literal in prefilter.literals] == [b" user "]
    prefilter.choose(rare + b'Nov 30 23:58:21 user "x" has come\n' * 1000)
    assert len(prefilter.literals) > 1, "that one is in every line"


def test_literals_are_shortened_to_what_seldom_looks_like_them() -> None:
    often = b"Nov 30 23:58:21 the round table, and we pound on it, bound to be sound\n" * 1000
    several = House(FilterSettings((r"^ <HOST> not found$", r"^ refused <HOST>$"))).subscription._prefilter()
    several.choose(often)
    assert [literal.text for literal in several.literals] == [b" not fo", b" refused"]
    one = House(FilterSettings((r"^ roundabout <HOST>$",))).subscription._prefilter()
    one.choose(often)
    assert [literal.text for literal in one.literals] == [b"dabout "]


def test_a_text_with_the_date_in_its_midst_is_found() -> None:
    house = House(FilterSettings((r"^\[\] refused <HOST>$",)), first="[Nov 30 23:58:20] up\n")
    assert house.shown("[Nov 30 23:58:21] refused x\n") == [("[Nov 30 23:58:21] refused x", (0,))]
    inside = House(
        FilterSettings((r"^host\[\]refused <HOST>$",)),
        first="host[30/Nov/2026:23:58:20 +0000]up\n",
        lines=LineSettings(),
    )
    text = "host[30/Nov/2026:23:58:21 +0000]refused x"
    assert inside.subscription.aside(inside.jails[0]) == ""
    assert inside.shown(f"{text}\n") == [(text, (0,))]


@pytest.mark.parametrize(
    "letters",
    ["REFUSED TO KILL", "refu\u017fed to kill", "refused to \u212aill", "refused to k\u0131ll", "refused to k\u0130ll"],
)
def test_a_text_in_other_letters_is_found_where_case_does_not_matter(letters: str) -> None:
    filter_ = FilterSettings((r"(?i)^ refused to kill <HOST>$",))
    house = House(filter_)
    text = f"Nov 30 23:58:21 {letters} 192.0.2.7"
    assert house.shown(f"{text}\n") == [(text, (0,))]
    assert [
        event
        for event in house.jails[0].feed(house.reader.read(text.encode(), START), START)
        if isinstance(event, Failure)
    ]


def test_a_line_that_nobody_wants_may_change_what_later_dates_mean() -> None:
    """The eleventh of May, or the fifth of November: as the line before was written."""
    dates = []
    for thorough in (False, True):
        reader = LineReader(LINES, UTC)
        subscription = Subscription(reader, [Jail(REFUSED)], thorough=thorough)
        for text in ("11-30-2026 23:58:20 up\n", "30-11-2026 23:58:21 x\n11-05-2026 23:58:22 refused y\n"):
            ((_, share),) = subscription.shares(text.encode(), START)
            last = share.lines[-1]
        dates.append(last.at)
    assert dates[0] == dates[1] == datetime(2026, 5, 11, 23, 58, 22, tzinfo=UTC).timestamp()


def test_entries_of_the_journal_are_passed_over_too_and_bounds_hold_for_what_is_shown() -> None:
    dates = [f"2026-11-22T12:50:{n // 20:02}.{n % 20:06}+00:00" for n in range(1200)]
    texts = ("session opened", "refused 192.0.2.7", "r\u00e9sum\u00e9", "denied to 192.0.2.8")
    lines = [f"{date} h web[1]: {texts[n % 7 % 4]}\n".encode() for n, date in enumerate(dates)]
    since = datetime(2026, 11, 22, 12, 50, tzinfo=UTC).timestamp()
    settings = JailSettings("web", filter=FilterSettings((r"web\[\d+\]: (?:refused|denied to) <HOST>$",)))
    said = []
    for thorough in (False, True):
        watched = Subscription(LineReader(SETTINGS, UTC), [Jail(settings)], thorough=thorough)
        (jail,) = watched.jails
        events: list[Event] = []
        for start in range(0, len(lines), 100):
            if start == 600:
                jail.bound(since=since + 35.000005, until=since + 50.000005)
            data = b"".join(lines[start : start + 100])
            for _, share in watched.shares(data, since + start / 20 + 5):
                events += jail.feed(share, since + start / 20 + 5)
        said.append(events)
        assert bool(watched.aside(jail)) == thorough
    assert said[0] == said[1]
    times = [event.at - since for event in said[0] if isinstance(event, Failure)]
    assert min(times) < 1
    assert max(times) < 50.00001
    assert not [time for time in times if 30 <= time < 35.000004]


def test_a_jail_that_most_lines_matter_to_has_all_of_them_though_their_dates_stand_in_the_middle() -> None:
    lines = LineSettings((r"^\S+ \[(%d/%b/%Y:%H:%M:%S)\]",))
    house = House(FilterSettings((r"^<HOST> \[\] refused$",)), first="x [30/Nov/2026:23:58:20] up\n", lines=lines)
    wanted, other = (f"192.0.2.7 [30/Nov/2026:23:58:21] {what}\n".encode() for what in ("refused", "served"))
    for data in (wanted * 100, wanted * 60 + other * 40):
        ((_, share),) = house.subscription.shares(data, START)
        assert share.data == data
    house.subscription._unsifted = 0
    ((_, share),) = house.subscription.shares(wanted * 40 + other * 60, START)
    assert isinstance(share, Share)
    assert len(share.lines) == 41, "and the last one, which tells the time"
