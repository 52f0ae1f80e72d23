from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banish.enforcement.ports import joined, parse_ports, parse_protocols, service_port


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("22", ((22, 22),)),
        ("ssh", ((22, 22),)),
        ("http,https", ((80, 80), (443, 443))),
        ("  443 , http\t8080\n", ((80, 80), (443, 443), (8080, 8080))),
        ("8000:8080", ((8000, 8080),)),
        ("8000-8080", ((8000, 8080),)),
        ("ftp:ssh", ((21, 22),)),
        ("ftp-data", ((20, 20),)),
        ("80,81,82-90,85", ((80, 90),)),
        ("0:65535", ()),
        ("1-65535", ()),
        ("0:30000 30001:65535", ()),
        ("0", ((0, 0),)),
        ("65535", ((65535, 65535),)),
    ],
)
def test_ports_as_jail_conf_writes_them(text: str, ports: tuple[tuple[int, int], ...]) -> None:
    assert parse_ports(text) == ports


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no port is given"),
        (" , ", "no port is given"),
        ("htpp", "'htpp' is not a port: no such service"),
        ("22,65536", "'65536' is not a port: ports go up to 65535"),
        ("9" * 5000, "ports go up to 65535"),
        ("90:80", "'90:80' is not a range of ports: it ends before it begins"),
        (":80", "':80' is not a port"),
        ("80:", "'80:' is not a port"),
        ("1:2:3", "'1:2:3' is not a port"),
        ("-1", "'-1' is not a port"),
        ("٢٢", "is not a port"),
        ("ss\0h", "is not a port"),
    ],
)
def test_what_is_no_port_is_named(text: str, words: str) -> None:
    with pytest.raises(ValueError, match="port") as caught:
        parse_ports(text)
    assert words in str(caught.value)


def test_common_services_are_known_where_there_is_no_services_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody_knows(name: str) -> int:
        raise OSError("service/proto not found")

    monkeypatch.setattr("socket.getservbyname", nobody_knows)
    assert (service_port("ssh"), service_port("submission"), service_port("gopher")) == (22, 587, None)


@given(st.text())
def test_any_text_is_read_or_refused_with_words(text: str) -> None:
    try:
        ports, words = parse_ports(text), ""
    except ValueError as error:
        ports, words = (), str(error)
    assert words or all(0 <= low <= high <= 65535 for low, high in ports)
    assert words or text.strip(" ,")


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)).map(lambda ends: (min(ends), max(ends))), max_size=12)
)
def test_joining_keeps_every_port_and_leaves_gaps_between_ranges(ranges: list[tuple[int, int]]) -> None:
    result = joined(ranges)
    assert {port for low, high in result for port in range(low, high + 1)} == {
        port for low, high in ranges for port in range(low, high + 1)
    }
    assert all(result[i][1] + 1 < result[i + 1][0] for i in range(len(result) - 1))


@pytest.mark.parametrize(
    ("text", "protocols"),
    [
        ("tcp", ("tcp",)),
        ("TCP, udp tcp", ("tcp", "udp")),
        ("all", ()),
        ("tcp,all", ()),
        ("icmpv6", ("ipv6-icmp",)),
        ("6,17", ("tcp", "udp")),
    ],
)
def test_protocols(text: str, protocols: tuple[str, ...]) -> None:
    assert parse_protocols(text) == protocols


@pytest.mark.parametrize("text", ["", "tpc", "tcp/udp", "256"])
def test_what_is_no_protocol_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="protocol"):
        parse_protocols(text)
