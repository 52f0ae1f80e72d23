"""Which distribution this is, as far as the places of logs go: os-release(5).

``[INCLUDES] after = paths-<distribution>.conf`` brings in the paths of the machine's own distribution. Its relatives are known by
``ID_LIKE``; what is related to none of these is taken for Debian, whose paths are the most common.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

TAG = "<distribution>"
_FAMILIES = {
    "debian": "debian",
    "ubuntu": "debian",
    "fedora": "fedora",
    "rhel": "fedora",
    "centos": "fedora",
    "amzn": "fedora",
    "arch": "arch",
    "suse": "opensuse",
    "opensuse": "opensuse",
    "opensuse-leap": "opensuse",
    "opensuse-tumbleweed": "opensuse",
    "sles": "opensuse",
    "freebsd": "freebsd",
}


def os_release(places: Iterable[str] = ("/etc/os-release", "/usr/lib/os-release")) -> dict[str, str]:
    """Return the fields of the first of *places* that can be read, which are shell assignments; raises OSError when none can.

    As ``platform.freedesktop_os_release`` does it, without what it takes to import that module.
    """
    for place in places:
        with suppress(OSError):
            return dict(_fields(Path(place).read_text("utf-8", "replace")))
    raise OSError("there is no os-release")


def _fields(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            with suppress(ValueError):  # a quote without its end
                yield name, "".join(shlex.split(value)[:1])


def family(read: Callable[[], Mapping[str, str]] = os_release) -> str:
    """Return the name for which there is a ``paths-NAME.conf``."""
    try:
        fields = read()
    except OSError:
        return "debian"
    names = [fields.get("ID", ""), *fields.get("ID_LIKE", "").split()]
    return next((_FAMILIES[name] for name in names if name in _FAMILIES), "debian")
