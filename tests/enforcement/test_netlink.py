from __future__ import annotations

import errno
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banish.enforcement import rules
from banish.enforcement.layout import AddressSet
from banish.enforcement.netlink import (
    Message,
    Netlink,
    Refused,
    attribute,
    attributes,
    chunks,
    nested,
    refusal,
    text,
    u32,
)
from tests.conftest import Nft

SSHD = AddressSet("sshd", 4, 32)


def test_an_attribute_is_padded_and_its_length_is_not() -> None:
    assert attribute(1, b"abcde")[4:] == b"abcde\0\0\0"
    assert list(attributes(attribute(1, b"abcde") + u32(2, 7))) == [(1, b"abcde"), (2, b"\0\0\0\7")]


def test_nested_attributes_come_out_as_they_went_in() -> None:
    ((kind, value),) = attributes(nested(4, text(1, "cmp"), u32(2, -310)))
    assert (kind, list(attributes(value))) == (4, [(1, b"cmp\0"), (2, b"\xff\xff\xfe\xca")])


def test_an_attribute_too_long_for_its_length_field_is_refused() -> None:
    with pytest.raises(ValueError, match="65531"):
        attribute(1, bytes(65532))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_to_their_end_and_no_further(data: bytes) -> None:
    assert sum(4 + len(value) for _, value in attributes(data)) <= len(data)


@given(st.lists(st.binary(min_size=3, max_size=3)), st.integers(3, 40))
def test_pieces_are_whole_items_and_none_is_too_large(items: list[bytes], room: int) -> None:
    pieces = list(chunks(items, 3, room))
    assert b"".join(pieces) == b"".join(items)
    assert all(0 < len(piece) <= room and len(piece) % 3 == 0 for piece in pieces)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EPERM, "CAP_NET_ADMIN"),
        (errno.EPROTONOSUPPORT, "the kernel lacks nf_tables"),
        (errno.EOPNOTSUPP, "the kernel lacks nf_tables"),
        (errno.ENOENT, "another program has removed it"),
    ],
)
def test_an_errno_that_is_known_comes_with_a_remedy(number: int, words: str) -> None:
    error = refusal(number, "table banish")
    assert error.errno == number
    assert str(error).startswith("nf_tables: table banish: ")
    assert words in str(error)


def test_a_socket_that_cannot_be_opened_is_a_firewall_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_protocol(*_: object) -> socket.socket:
        raise OSError(errno.EPROTONOSUPPORT, "Protocol not supported")

    monkeypatch.setattr("socket.socket", no_such_protocol)
    with pytest.raises(Refused, match=r"opening a netlink socket: Protocol not supported .*kernel lacks"):
        Netlink()


@pytest.mark.netns
def test_a_batch_with_one_bad_message_changes_nothing_and_names_it(nft: Nft) -> None:
    link = Netlink()
    element = rules.set_elements(SSHD, {bytes((192, 0, 2, 7)): 0}, empty=True)[0]
    with pytest.raises(Refused) as caught:
        link.transaction([rules.add_table(), rules.add_chain(), element, rules.accept_loopback()])
    assert (caught.value.errno, caught.value.index) == (errno.ENOENT, 2)
    assert "add elements to sshd-ip4" in str(caught.value)
    assert nft("list", "ruleset") == ""
    link.close()


@pytest.mark.netns
def test_the_kernel_says_where_in_a_message_it_stumbled() -> None:
    link = Netlink()
    missing = rules.delete_table()
    with pytest.raises(Refused) as caught:
        link.transaction([rules.add_table(), rules.delete_table(), missing])
    # 16 bytes of nlmsghdr and 4 of nfgenmsg lie before the first attribute, the table's name.
    assert (caught.value.errno, caught.value.index, caught.value.offset) == (errno.ENOENT, 2, 20)
    link.close()


@pytest.mark.netns
def test_ten_thousand_errors_in_a_batch_are_one_error_and_the_socket_still_works(nft: Nft) -> None:
    link = Netlink()
    with pytest.raises(Refused) as caught:
        link.transaction([rules.delete_table()] * 10_000)
    assert (caught.value.errno, caught.value.index) == (errno.ENOENT, 0)
    link.transaction([rules.add_table()])
    assert "table inet banish" in nft("list", "tables")
    link.close()


@pytest.mark.netns
def test_a_message_the_kernel_does_not_know_is_refused() -> None:
    link = Netlink()
    with pytest.raises(Refused) as caught:
        link.transaction([Message(200, 0, b"", "nonsense")])
    assert caught.value.errno == errno.EINVAL
    with pytest.raises(Refused, match="no such set: No such file or directory"):
        link.dump(rules.NFT_MSG_GETSETELEM, rules.elements_request(SSHD), "no such set")
    link.close()


@pytest.mark.netns
def test_no_messages_are_no_transaction() -> None:
    link = Netlink()
    link.transaction([])
    assert link.get(rules.NFT_MSG_GETGEN, rules.NFTA_GEN_ID, "generation") == b"\0\0\0\1"
    link.close()
