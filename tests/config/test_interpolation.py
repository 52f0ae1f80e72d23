"""``%(name)s``, in the view of one section."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banish.config import ini
from banish.config.layers import Sections
from banish.config.scope import Scope
from banish.config.text import Text
from banish.errors import ConfigError, Origin


def scope(*contents: str, section: str = "sshd") -> Scope:
    files = tuple(ini.parse(content.encode(), f"{number}.conf") for number, content in enumerate(contents))
    return Scope(Sections(files), (section,))


def value(option: str, *contents: str) -> str | None:
    text = scope(*contents).get(option)
    return None if text is None else text.text


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("plain", "plain"),
        ("100%%", "100%"),
        ("%%(port)s", "%(port)s"),
        ("%%%%d", "%%d"),
        ("%(port)s,%(port)s", "ssh,ssh"),
        ("%(PORT)s", "ssh"),
        ("%(backend)s", "auto"),
        ("%(__name__)s-tcp", "sshd-tcp"),
        ("%(nested)s!", "<ssh>!"),
        ("%(other/port)s", "http"),
        ("%(other/backend)s", "auto"),
        ("%(other/greeting)s", "hello sshd on ssh"),
        ("%(default/port)s", "0:65535"),
        ("%(known/backend)s", "auto"),
    ],
)
def test_references_are_followed(raw: str, expected: str) -> None:
    content = f"""
[DEFAULT]
port = 0:65535
backend = auto
[other]
port = http
greeting = hello %(__name__)s on %(port)s
[sshd]
port = ssh
nested = <%(port)s>
x = {raw}
"""
    assert value("x", content) == expected


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("50% off", "a stray % before ' off' (write %% for a percent sign)"),
        ("50%", "a stray % before '' (write %% for a percent sign)"),
        ("%(port", "a stray % before '(port' (write %% for a percent sign)"),
        ("%(nosuch)s", "%(nosuch)s names no option (check the spelling, or define it)"),
        ("%(nosuch/port)s", "%(nosuch/port)s names no option (check the spelling, or define it)"),
        ("%(known/x)s", "%(known/x)s names no option (check the spelling, or define it)"),
        ("%(x)s", "refers to itself (x)"),
    ],
)
def test_a_bad_reference_is_told_with_its_place(raw: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        value("x", f"[sshd]\nport = ssh\nx = {raw}\n")
    assert str(error.value) == f"0.conf:3 [sshd] x = {raw}: {told}"


def test_a_bad_reference_harms_no_other_option() -> None:
    view = scope("[sshd]\na = %(b)s\nb = %(a)s\nc = fine\n")
    with pytest.raises(ConfigError, match=r"refers to itself \(a -> b\)"):
        view.get("a")
    assert view.get("c") == Text.at("fine", Origin("0.conf", 4))


def test_a_value_that_doubles_with_every_step_ends_in_an_error() -> None:
    steps = "".join(f"x{n} = %(x{n + 1})s%(x{n + 1})s\n" for n in range(40))
    with pytest.raises(ConfigError, match="grows beyond"):
        value("x0", f"[sshd]\n{steps}x40 = aaaaaaaa\n")


def test_known_is_what_was_known_before_the_file_that_asks() -> None:
    base, local, last = "[sshd]\nx = base\n", "[sshd]\nx = %(known/x)s local\n", "[sshd]\nx = %(known/x)s last\n"
    assert value("x", base, local) == "base local"
    assert value("x", base, local, last) == "base local last"


def test_known_in_default_extends_what_default_said_before() -> None:
    assert value(
        "ignoreip", "[DEFAULT]\nignoreip = 192.0.2.1\n[sshd]\n", "[DEFAULT]\nignoreip = %(known/ignoreip)s 192.0.2.2\n"
    ) == ("192.0.2.1 192.0.2.2")


def test_known_falls_back_to_default() -> None:
    assert value("x", "[DEFAULT]\nx = a\n[sshd]\nx = %(known/x)s b\n") == "a b"


def test_the_filter_is_known_to_its_jail_before_a_plain_earlier_value() -> None:
    view = scope("[sshd]\nfailregex = ^jail\n", "[sshd]\nfailregex = %(known/failregex)s\n  ^more\n")
    view.known = {"failregex": Text.at("^filter %d", Origin("sshd.conf", 2))}.get
    text = view.get("failregex")
    assert text is not None
    assert list(text.entries()) == [("^filter %d", Origin("sshd.conf", 2)), ("^more", Origin("1.conf", 3))]


def test_extensions_of_the_filter_in_two_files_add_up() -> None:
    extend = "[sshd]\nfailregex = %(known/failregex)s\n  ^{}\n"
    view = scope("[sshd]\n", extend.format("local"), extend.format("last"))
    view.known = {"failregex": Text.at("^filter", Origin("sshd.conf", 2))}.get
    text = view.get("failregex")
    assert text is not None
    assert text.text.split() == ["^filter", "^local", "^last"]


RAW = st.lists(
    st.sampled_from(["%", "%%", "%(a)s", "%(b)s", "%(known/a)s", "%(t/a)s", "%(", ")s", "x", "\n  y"]), max_size=5
).map("".join)


@settings(max_examples=200)
@given(RAW, RAW, RAW)
def test_any_value_is_followed_or_told(first: str, second: str, third: str) -> None:
    view = scope(
        f"[DEFAULT]\na = {third}\n[sshd]\na = {first}\nb = {second}\n[t]\na = {second}\n", f"[sshd]\na = {second}\n"
    )
    for option in ("a", "b"):
        with suppress(ConfigError):
            view.get(option)


@given(st.text(max_size=20))
def test_a_value_with_doubled_percent_signs_is_read_as_written(text: str) -> None:
    line = " ".join(text.replace(";", "").replace("\x00", "").split())
    assert value("x", "[sshd]\nx = a" + line.replace("%", "%%") + "\n") == "a" + line
