"""Small configuration trees, written for one test each."""

from __future__ import annotations

from pathlib import Path

import pytest

from banish.config.jails import Configuration, JailConfig, load
from banish.errors import Problem

NFTABLES = """
[Definition]
enforcer = nftables

[Init]
type = multiport
port = ssh
protocol = tcp
chain = input
blocktype = reject
"""

JAIL_CONF = """
[DEFAULT]
banaction = nftables
banaction_allports = nftables[type=allports]
port = 0:65535
protocol = tcp
chain = <known/chain>
mode = normal
filter = %(__name__)s[mode=%(mode)s]
action_ = %(banaction)s[port="%(port)s", protocol="%(protocol)s", chain="%(chain)s"]
action = %(action_)s

[sshd]
port = ssh
logpath = /var/log/auth.log
"""

SSHD = """
[Definition]
failregex = <re-<mode>>
re-normal = ^Failed password for <F-USER>\\S+</F-USER> from <HOST>$
re-aggressive = %(re-normal)s
                ^Connection closed by <HOST>$
journalmatch = _SYSTEMD_UNIT=ssh.service + _COMM=sshd
datepattern = {^LN-BEG}

[Init]
mode = normal
maxlines = 1
"""


class Trees:
    """A user's directory over a packaged one that has a jail, a filter and an action."""

    def __init__(self, root: Path) -> None:
        self.user = root / "user"
        self.packaged = root / "packaged"
        self.user.mkdir()
        self.packaged.mkdir()
        self.package("jail.conf", JAIL_CONF)
        self.package("filter.d/sshd.conf", SSHD)
        self.package("action.d/nftables.conf", NFTABLES)

    def write(self, name: str, content: str) -> Path:
        """Write a file of the user's."""
        return self._write(self.user / name, content)

    def package(self, name: str, content: str) -> Path:
        return self._write(self.packaged / name, content)

    def load(self) -> Configuration:
        return load(self.user, self.packaged)

    def jail(self, content: str, name: str = "sshd") -> JailConfig:
        """Write jail.local, and return the one jail; nothing at all must be amiss."""
        self.write("jail.local", content)
        configuration = self.load()
        assert [str(problem) for problem in configuration.problems] == []
        return next(jail for jail in configuration.jails if jail.name == name)

    def problems(self, content: str) -> list[Problem]:
        """Write jail.local, and return what is amiss."""
        self.write("jail.local", content)
        return list(self.load().problems)

    @staticmethod
    def _write(path: Path, content: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    return Trees(tmp_path)
