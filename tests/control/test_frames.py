import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from banish.control import frames

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(), JSON, max_size=3))
def test_a_frame_is_one_line_and_comes_back(document: dict[str, object]) -> None:
    frame = frames.encode(document)
    assert frame.startswith(b"{")
    assert frame.count(b"\n") == 1
    assert frame.endswith(b"\n")
    assert frames.decode(frame) == document


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=40))
def test_garbage_is_a_value_error_or_an_object(frame: bytes) -> None:
    try:
        document = frames.decode(frame)
    except ValueError:
        return
    assert isinstance(document, dict)


@pytest.mark.parametrize(
    "frame", [b"[" * 100_000, b'{"a":' * 100_000, b"[]", b"7", b"", b"\xff", b'{"a":' + b"9" * 5000 + b"}"]
)
def test_documents_made_to_hurt_are_refused(frame: bytes) -> None:
    with pytest.raises(ValueError, match="not a JSON"):
        frames.decode(frame)


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 3000])
def test_a_list_in_pieces_is_the_same_reply(count: int) -> None:
    rows = [{"network": f"2001:db8::{n:x}/128"} for n in range(count)]
    pieces = list(frames.pieces(rows))
    assert frames.decode(b"".join(pieces)) == {"ok": True, "result": rows}
    assert b"".join(pieces).index(b"\n") == len(b"".join(pieces)) - 1


def test_infinity_is_not_json() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        frames.encode({"expires_at": math.inf})


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
def test_a_frame_is_utf_8_and_nothing_is_guessed(encoding: str) -> None:
    with pytest.raises(ValueError, match=r"not a JSON document|codec|utf-8"):
        frames.decode('{"command": "ping"}'.encode(encoding))
