"""JSON that came from outside, read into one type. Whatever comes in, only `Malformed` comes out.

How deep it is nested is bounded before anything is decoded: what one program's stack can just take may end another's.
"""

from __future__ import annotations

import re
from typing import Generic, TypeVar

import msgspec

from talk.protocol.errors import Malformed
from talk.protocol.limits import MAX_NESTING
from talk.protocol.text import printable

T = TypeVar("T")
MAX_QUOTED = 200  # characters of what came in that an error repeats
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
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
            raise Malformed(quoted(str(error))) from None


def is_too_deep(data: bytes) -> bool:
    """Whether objects and lists stand more than MAX_NESTING deep in each other. It takes time linear in the length.

    What has unbalanced brackets is no JSON, and may count as too deep.
    """
    if _has_few(data, b"{") and _has_few(data, b"["):
        return False
    brackets = _STRING.sub(b"", data).translate(_ONE_KIND, _NOT_BRACKETS)
    if b"[" * (MAX_NESTING + 1) in brackets:
        return True
    for _ in range(MAX_NESTING):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")  # the innermost of each
    return bool(brackets)


def _has_few(data: bytes, opening: bytes) -> bool:
    """Whether so few open that both kinds together cannot be too deep: true of nearly every frame, and soon found."""
    at = -1
    for _ in range(MAX_NESTING // 2 + 1):
        at = data.find(opening, at + 1)
        if at < 0:
            return True
    return False


def quoted(text: str) -> str:
    """What came in, or quotes it, made short and safe for a screen."""
    return printable(text)[:MAX_QUOTED]
