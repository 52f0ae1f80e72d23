"""A tree of filters, and rules out of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from banish.replay.rules import Rules, load

COMMON = "[DEFAULT]\n_daemon = \\S+\n__prefix = \\s*\\S+ %(_daemon)s:\n[Init]\nlogtype = file\n"
GATE = """\
[INCLUDES]
before = common.conf
[DEFAULT]
_daemon = gate
[Definition]
failregex = ^%(__prefix)s denied <F-USER>\\S*</F-USER> from <HOST>$
            <more-<mode>>
ignoreregex = from 192\\.0\\.2\\.99$
more-calm =
more-strict = ^%(__prefix)s knock from <HOST>$
mode = calm
"""


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def packaged(tmp_path: Path) -> Path:
    """The packaged tree: a filter ``gate`` with the modes ``calm`` and ``strict``, and what it includes."""
    directory = tmp_path / "packaged" / "filter.d"
    directory.mkdir(parents=True)
    (directory / "common.conf").write_text(COMMON)
    (directory / "gate.conf").write_text(GATE)
    return directory.parent


Load = Callable[..., Rules]


@pytest.fixture
def rules(packaged: Path) -> Load:
    """Load rules by their words on the command line; ``config`` is the user's tree."""

    def load_rules(
        wanted: str, ignoreregex: str | None = None, *, config: Path | None = None, raw_host: bool = False
    ) -> Rules:
        return load(wanted, ignoreregex, config, packaged, raw_host=raw_host)

    return load_rules
