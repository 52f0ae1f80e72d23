"""Name servers: what resolv.conf(5) names, followed."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from banish.lookups.resolvers import Resolvers, servers


def test_a_stub_and_whom_it_asks(tmp_path: Path) -> None:
    stub, real = tmp_path / "resolv.conf", tmp_path / "resolve.conf"
    stub.write_text("nameserver 127.0.0.53\noptions edns0\n")
    real.write_text("nameserver 192.0.2.53\nnameserver 2001:db8::53\nsearch example.org\n")
    resolvers = Resolvers([str(stub), str(real), str(tmp_path / "none")])
    assert {str(each) for each in resolvers.look()} == {"127.0.0.53/32", "192.0.2.53/32", "2001:db8::53/128"}


def test_a_change_is_followed_and_a_file_that_goes_names_nobody(tmp_path: Path) -> None:
    path, other = tmp_path / "resolv.conf", tmp_path / "new"
    path.write_text("nameserver 192.0.2.53\n")
    resolvers = Resolvers([str(path)])
    assert {str(each) for each in resolvers.look()} == {"192.0.2.53/32"}
    other.write_text("nameserver 192.0.2.54\n")
    os.replace(other, path)
    assert {str(each) for each in resolvers.look()} == {"192.0.2.54/32"}
    path.unlink()
    assert resolvers.look() == frozenset()


def test_a_file_that_cannot_be_read_names_whom_it_named_last(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 192.0.2.53\n")
    resolvers = Resolvers([str(path)])
    before = resolvers.look()
    path.unlink()
    path.mkdir()
    assert resolvers.look() == before


@given(st.text())
def test_whatever_is_in_there(text: str) -> None:
    assert all(each.prefixlen == each.max_prefixlen for each in servers(text))
