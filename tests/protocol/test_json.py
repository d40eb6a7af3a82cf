"""JSON from outside: bounded in depth before it is decoded, and refused in one way only."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talk.protocol.errors import Malformed
from talk.protocol.json import Reader, is_too_deep
from talk.protocol.limits import MAX_NESTING

_any: Reader[object] = Reader(object)


def lists(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def depth_of(value: object) -> int:
    match value:
        case dict():
            return 1 + max(map(depth_of, value.values()), default=0)
        case list():
            return 1 + max(map(depth_of, value), default=0)
    return 0


@pytest.mark.parametrize("opening", [b"[", b'{"x":'])
def test_nesting_ends_at_the_bound(opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    _any.read(opening * MAX_NESTING + b"1" + closing * MAX_NESTING)
    for depth in (MAX_NESTING + 1, 980, 10_000, 200_000):
        with pytest.raises(Malformed, match="nested"):
            _any.read(opening * depth + b"1" + closing * depth)


def test_the_bound_does_not_depend_on_the_stack_of_python() -> None:
    before = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(50_000)
        with pytest.raises(Malformed, match="nested"):
            _any.read(lists(MAX_NESTING + 1))
    finally:
        sys.setrecursionlimit(before)


@pytest.mark.parametrize("text", ["[" * 100, '"[' * 50, "\\", '\\"[' * 40, "}{" * 40])
def test_brackets_in_a_text_do_not_count(text: str) -> None:
    assert _any.read(json.dumps([text, {text: text}])) == [text, {text: text}]


@pytest.mark.parametrize("data", [b"", b"[", b"{]", b"[" * 40, b"\xff", b'"\\ud800"', b"1e999999", '["\ud800"]'])
def test_what_is_no_json_is_malformed(data: bytes | str) -> None:
    with pytest.raises(Malformed):
        _any.read(data)


values = st.recursive(
    st.none() | st.integers(-(2**53), 2**53) | st.text(alphabet='a"\\[]{}é', max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet='a"\\[{', max_size=3), inner),
    max_leaves=60,
)


@given(values, st.integers(0, 24))
def test_exactly_what_is_deeper_is_refused(value: object, more: int) -> None:
    for _ in range(more):
        value = [value]
    assert is_too_deep(json.dumps(value, ensure_ascii=False).encode()) == (depth_of(value) > MAX_NESTING)
