"""Which distribution this is, as far as the places of logs go: os-release(5).

``[INCLUDES] after = paths-<distribution>.conf`` brings in the paths of the machine's own distribution. Its relatives are known by
``ID_LIKE``; what is related to none of these is taken for Debian, whose paths are the most common.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping

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


def family(read: Callable[[], Mapping[str, str]] = platform.freedesktop_os_release) -> str:
    """Return the name for which there is a ``paths-NAME.conf``."""
    try:
        fields = read()
    except OSError:
        return "debian"
    names = [fields.get("ID", ""), *fields.get("ID_LIKE", "").split()]
    return next((_FAMILIES[name] for name in names if name in _FAMILIES), "debian")
