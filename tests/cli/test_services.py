"""THE TABLE of services: which program is which, and that it knows the jails that ship."""

from __future__ import annotations

import re

import pytest

import banish
from banish.cli.services import SERVICES, service
from banish.config.layers import Tree
from banish.lookups.listeners import Program
from tests.samples.catalogue import DATA

ON_THEIR_OWN = frozenset({"recidive", "pam-generic", "pass2allow-ftp"})
"""Jails that are for no service in particular, or open a door to those who knock."""


@pytest.mark.parametrize(
    ("name", "path", "command", "expected"),
    [
        ("sshd", "/usr/sbin/sshd", "sshd: /usr/sbin/sshd -D [listener]", "OpenSSH"),
        ("nginx", "/usr/sbin/nginx", "nginx: master process /usr/sbin/nginx", "nginx"),
        ("nginx", "", "", "nginx"),
        ("master", "/usr/lib/postfix/sbin/master", "/usr/lib/postfix/sbin/master -w", "Postfix"),
        ("master", "/usr/libexec/postfix/master", "", "Postfix"),
        ("master", "/opt/x/master", "", None),
        ("master", "", "", None),
        ("apache2", "/usr/sbin/apache2", "", "Apache"),
        ("exim4", "/usr/sbin/exim4", "", "Exim"),
        ("pure-ftpd (SERV", "/usr/sbin/pure-ftpd", "pure-ftpd (SERVER)", "Pure-FTPd"),
        ("miniserv.pl", "/usr/bin/perl", "/usr/bin/perl /usr/share/webmin/miniserv.pl /etc/webmin/miniserv.conf", "Webmin"),
        ("java", "/usr/lib/jvm/java-17/bin/java", "java -cp x.jar io.quarkus org.keycloak.Main", "Keycloak"),
        ("python3", "/usr/bin/python3.11", "python3 -m http.server", None),
        ("vsftpd", "/usr/sbin/vsftpd", "", "vsftpd"),
        ("mumble-server", "/usr/bin/mumble-server", "", "Mumble"),
        ("gitlab-workhors", "", "", "GitLab"),
        ("vim", "/usr/bin/vim", "vim nginx.conf", None),
    ],
)  # fmt: skip
def test_a_program_is_known(name: str, path: str, command: str, expected: str | None) -> None:
    found = service(Program(1, name, path, command, "", False))
    assert (found.name if found else None) == expected


def test_a_name_stands_for_one_service() -> None:
    names = [row.name for row in SERVICES]
    assert len(names) == len(set(names))
    words = [word for row in SERVICES for word in row.jails.split()]
    assert len(words) == len(set(words)), "no jail is switched on by two services"


def test_rows_are_well_formed() -> None:
    for row in SERVICES:
        assert row.jails, row
        assert row.programs or row.by_log, row
        assert not row.held or re.fullmatch(r"\d+/\S+", row.held), row


def test_every_jail_that_ships_is_in_the_table() -> None:
    files = Tree(None, DATA).read("jail")
    assert files is not None
    known = {word for row in SERVICES for word in (*row.jails.split(), *row.more.split())} | ON_THEIR_OWN
    missing = [name for name in files.names() if name not in known]
    assert not missing, f"add them to a row of {banish.__name__}/cli/services.py, or a row"
