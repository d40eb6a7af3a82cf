"""JSON that came from outside, read into one type. Whatever comes in, only `Malformed` comes out.

How deep it is nested is bounded before anything is decoded: what one program's stack can just take may end another's.
"""

from __future__ import annotations

import re
from typing import Generic, TypeVar

import msgspec

from talk.protocol.errors import Malformed
from talk.protocol.limits import MAX_DETAIL, MAX_NESTING
from talk.protocol.text import printable

T = TypeVar("T")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ONE_KIND = bytes.maketrans(b"{}", b"[]")


class Reader(Generic[T]):
    """Reads one type."""

    def __init__(self, type: object) -> None:
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(type)

    def read(self, data: bytes | str | msgspec.Raw) -> T:
        """Errors: Malformed."""
        raw = data.encode(errors="surrogatepass") if isinstance(data, str) else bytes(data)
        if is_too_deep(raw):
            raise Malformed(f"it is nested more than {MAX_NESTING} deep")
        try:
            return self._decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise Malformed(detail(error)) from None


def is_too_deep(data: bytes) -> bool:
    """Whether objects and lists stand more than MAX_NESTING deep in each other. It takes time linear in the length.

    What has unbalanced brackets is no JSON, and may count as too deep.
    """
    if data.count(b"[") + data.count(b"{") <= MAX_NESTING:
        return False
    brackets = _STRING.sub(b"", data).translate(_ONE_KIND, _NOT_BRACKETS)
    for _ in range(MAX_NESTING):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")  # the innermost of each
    return bool(brackets)


def detail(error: Exception) -> str:
    """What an error says, bounded and made safe for a screen: it may quote what came in."""
    return printable(str(error))[:MAX_DETAIL]
