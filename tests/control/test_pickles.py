"""fail2ban's frames: plain data of every protocol comes through, and nothing else does."""

import pickle
import pickletools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banish.control import pickles

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**200), 2**200) | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=20,
)


def read(frame: bytes) -> tuple[int, Any]:
    reading = pickles.read(frame)
    while True:
        try:
            next(reading)
        except StopIteration as ended:
            result: tuple[int, Any] = ended.value
            return result


@settings(max_examples=300, deadline=None)
@given(PLAIN, st.integers(0, 5))
def test_plain_data_comes_through_as_it_is(value: Any, protocol: int) -> None:
    found, data = read(pickle.dumps(value, protocol=protocol))
    assert (found, data) == (protocol if protocol > 1 else 0, value)


def test_what_python_2_sends_is_text() -> None:
    # pickle.dumps(['get', 'sshd', 'banip', 'caf\\xc3\\xa9'], protocol=HIGHEST_PROTOCOL) of Python 2.7, and its protocol 0
    assert read(b"\x80\x02]q\x00(U\x03getq\x01U\x04sshdq\x02U\x05banipq\x03U\x05caf\xc3\xa9q\x04e.")[1][3] == "café"
    assert read(b"(lp0\nS'get'\np1\naS'caf\\xc3\\xa9'\np2\na.") == (0, ["get", "café"])


def test_bytes_are_text_too() -> None:
    assert read(pickle.dumps([b"ping"], protocol=5)) == (5, ["ping"])


@pytest.mark.parametrize(
    "value",
    [{1, 2}, frozenset(), bytearray(b"x"), 1j, range(3), len, dict, Exception("x"), [object()], {1: 2}],
    ids=repr,
)
@pytest.mark.parametrize("protocol", range(6))
def test_what_is_not_plain_is_refused(value: Any, protocol: int) -> None:
    with pytest.raises(ValueError, match="a pickle"):
        read(pickle.dumps(value, protocol=protocol))


def test_every_instruction_is_plain_or_refused() -> None:
    dangerous = {
        *("GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "PERSID", "BINPERSID"),
        *("EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER"),
    }
    assert dangerous <= {code.name for code in pickletools.opcodes}
    for code in pickletools.opcodes:
        if code.name in dangerous:
            with pytest.raises(ValueError, match="plain data only"):
                read(b"(" + code.code.encode("latin-1") + b"os\nsystem\n" + bytes(8))


def test_things_that_are_used_twice_count_twice() -> None:
    value: list[Any] = ["x"]
    for _ in range(9):
        value = [value] * 10
    with pytest.raises(ValueError, match="holds too much"):
        read(pickle.dumps(value))


def test_a_list_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    for protocol in range(6):
        with pytest.raises(ValueError, match="too deep"):
            read(pickle.dumps(value, protocol=protocol))


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=60), st.lists(st.sampled_from([code.code for code in pickletools.opcodes]), max_size=40))
def test_nonsense_is_plain_or_refused(noise: bytes, codes: list[str]) -> None:
    for frame in (noise, "".join(codes).encode("latin-1") + noise, b"\x80\x04" + noise + b"."):
        try:
            read(frame)
        except ValueError:
            continue


@pytest.mark.parametrize("protocol", range(6))
def test_replies_are_what_a_client_of_that_protocol_reads(protocol: int) -> None:
    value = [("Number of jail", 2), ("Jail list", "a, b"), {"é": [None, True, 1.5]}]
    framed = pickles.reply(value, protocol)
    assert pickle.loads(framed.removesuffix(pickles.END)) == (0, value)  # noqa: S301 - what we have written


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("text", ["Invalid command", "zwei\nZeilen \\ mit é und \U0001f600", ""])
def test_an_exception_is_what_a_client_of_that_protocol_raises(protocol: int, text: str) -> None:
    for name, kind in (("Exception", Exception), ("ValueError", ValueError), ("IndexError", IndexError)):
        framed = pickles.failure("builtins", name, text, protocol)
        code, raised = pickle.loads(framed.removesuffix(pickles.END))  # noqa: S301 - what we have written
        assert (code, type(raised), raised.args) == (1, kind, (text,))
        assert pickletools.optimize(framed.removesuffix(pickles.END))  # it is well-formed
