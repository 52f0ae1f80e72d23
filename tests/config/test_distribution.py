"""Where services log: the paths of each distribution, and the names that a jail.local written for fail2ban expects."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import pytest

import banish
from banish.config import distribution
from banish.config.jails import load
from banish.config.layers import Tree
from banish.config.scope import Scope

DATA = Path(banish.__file__).parent / "data"
NAMES = [
    "default_backend",
    "syslog_authpriv",
    "syslog_daemon",
    "syslog_user",
    "syslog_ftp",
    "syslog_mail",
    "syslog_mail_warn",
    "syslog_local0",
    "auditd_log",
    "sshd_log",
    "sshd_backend",
    "dropbear_log",
    "dropbear_backend",
    "postfix_log",
    "postfix_backend",
    "exim_main_log",
    "dovecot_log",
    "dovecot_backend",
    "solidpop3d_log",
    "roundcube_errors_log",
    "nginx_error_log",
    "nginx_access_log",
    "apache_error_log",
    "apache_access_log",
    "lighttpd_error_log",
    "suhosin_log",
    "vsftpd_log",
    "proftpd_log",
    "proftpd_backend",
    "pureftpd_log",
    "pureftpd_backend",
    "wuftpd_log",
    "wuftpd_backend",
    "mysql_log",
    "mysql_backend",
]
"""What the files of people refer to."""
FAMILIES = ("debian", "fedora", "arch", "opensuse", "freebsd")


@pytest.mark.parametrize(
    ("fields", "family"),
    [
        ({"ID": "debian"}, "debian"),
        ({"ID": "ubuntu", "ID_LIKE": "debian"}, "debian"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "debian"),
        ({"ID": "fedora"}, "fedora"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "fedora"),
        ({"ID": "amzn", "ID_LIKE": "centos rhel fedora"}, "fedora"),
        ({"ID": "manjaro", "ID_LIKE": "arch"}, "arch"),
        ({"ID": "opensuse-leap", "ID_LIKE": "suse opensuse"}, "opensuse"),
        ({"ID": "gentoo"}, "debian"),
        ({}, "debian"),
    ],
)
def test_the_family_of_a_distribution(fields: dict[str, str], family: str) -> None:
    assert distribution.family(lambda: fields) == family


def test_a_machine_that_does_not_say() -> None:
    def read() -> dict[str, str]:
        raise FileNotFoundError

    assert distribution.family(read) == "debian"


@pytest.mark.parametrize("family", FAMILIES)
def test_every_name_has_a_path_everywhere(tmp_path: Path, family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distribution, "family", lambda: family)
    files = Tree(tmp_path, DATA).read("jail")
    assert files is not None
    assert str(DATA / f"paths-{family}.conf") in files.files
    scope = Scope(files, ("sshd",))
    values = {name: text.text for name in NAMES if (text := scope.get(name)) is not None}
    assert values.keys() == set(NAMES)
    assert all(re.fullmatch(r"(?:/\S+\s*)+", value) for name, value in values.items() if name.endswith("_log")), values


@pytest.mark.parametrize("family", FAMILIES)
def test_a_jail_local_may_name_the_paths_itself(tmp_path: Path, family: str) -> None:
    (tmp_path / "jail.local").write_text(
        f"[INCLUDES]\nbefore = paths-{family}.conf\n[web]\nenabled = true\nfilter =\nfailregex = x <HOST>\n"
        "logpath = %(apache_error_log)s\n"
    )
    loaded = load(tmp_path, DATA)
    assert loaded.problems == ()
    (web,) = (jail for jail in loaded.jails if jail.name == "web")
    assert web.logpaths[0].pattern.startswith("/var/log/")


@pytest.mark.parametrize("name", ["paths-overrides.local", "paths-common.local", "jail.local"])
def test_a_path_of_ones_own_reaches_every_jail(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("[DEFAULT]\nsyslog_authpriv = /srv/log/auth\n")
    files = Tree(tmp_path, DATA).read("jail")
    assert files is not None
    text = Scope(files, ("sshd",)).get("logpath")
    assert text is not None
    assert text.text == "/srv/log/auth"


def test_paths_of_the_machine_s_own_distribution_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distribution, "family", lambda: "fedora")
    (sshd,) = load(tmp_path, DATA).jails
    assert [path.pattern for path in sshd.logpaths] == ["/var/log/secure"]


def test_os_release_is_shell_assignments(tmp_path: Path) -> None:
    text = '# who we are\n\nID="opensuse-leap"\nID_LIKE=\'suse opensuse\'\nNAME="a \\"b\\""\nVERSION=12\nBAD="open\nno field\n'
    file = tmp_path / "os-release"
    file.write_text(text)
    found = distribution.os_release([str(tmp_path / "none"), str(file)])
    assert found == {"ID": "opensuse-leap", "ID_LIKE": "suse opensuse", "NAME": 'a "b"', "VERSION": "12"}
    assert distribution.family(lambda: found) == "opensuse"


def test_this_machine_is_read_as_the_standard_library_reads_it() -> None:
    assert distribution.family() == distribution.family(platform.freedesktop_os_release)


def test_without_os_release_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no os-release"):
        distribution.os_release([str(tmp_path / "none")])
