"""What may be written, and who a line is for.

A line whose first visible character is an @ is private or it is refused: it must never reach a room by a typo
(promise 3 of the design). Both sides ask `starts_with_at`, so that a careless client is stopped by the server.
"""

from __future__ import annotations

import re
import unicodedata

from talk.protocol.errors import Code, Refused
from talk.protocol.limits import MAX_TEXT_BYTES, MAX_TEXT_POINTS, MAX_TITLE_BYTES

# Drawn as nothing although Unicode calls them letters or symbols: Hangul fillers, the blank Braille pattern, the
# stand-in for an object, blank hieroglyphs and the musical null notehead.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800\ufffc\U00013441\U00013442\U0001d159")
# What may not stand in a text: controls but for line ends and tabs, halves of surrogates, and the overrides and
# embeddings that make a line read as something else than it says (CVE-2021-42574). One search of a pattern: asking for
# the category of each character took 31 µs of the 36 that a text of 100 cost.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def is_visible(char: str) -> bool:
    """Whether this one code point draws something of its own: not a space, control, format or combining character."""
    return unicodedata.category(char)[0] in "LNPS" and char not in _BLANK


def starts_with_at(text: str) -> bool:
    """Whether the first visible character is an @ in any of its widths (@ ＠ ﹫)."""
    first = next((char for char in text if is_visible(char)), "")
    return unicodedata.normalize("NFKC", first) == "@"


def has_forbidden(text: str) -> bool:
    """Whether anything in it may not stand in a text: a control, a change of direction, half a surrogate."""
    return _FORBIDDEN.search(text) is not None


def check_text(text: str) -> None:
    """Refuse a text that is empty, too long, or holds characters that could hide what it says.

    Errors: Refused with TEXT_EMPTY, TEXT_TOO_LONG or TEXT_FORBIDDEN.
    """
    if len(text) > MAX_TEXT_POINTS:
        raise Refused(Code.TEXT_TOO_LONG, length=len(text), limit=MAX_TEXT_POINTS)
    if has_forbidden(text):
        raise Refused(Code.TEXT_FORBIDDEN)
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise Refused(Code.TEXT_TOO_LONG, length=len(text.encode()), limit=MAX_TEXT_BYTES)
    if not any(is_visible(char) for char in text):
        raise Refused(Code.TEXT_EMPTY)


def check_room_text(text: str) -> None:
    """`check_text`, and refuse a line that was meant for one person.

    Errors: those of `check_text`, and Refused with STARTS_WITH_AT.
    """
    check_text(text)
    if starts_with_at(text):
        raise Refused(Code.STARTS_WITH_AT)


def clean_text(text: str) -> str:
    """The text as a client sends it: line ends made one kind, forbidden characters and outer blank lines dropped."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return _FORBIDDEN.sub("", lines).strip("\n").rstrip()


def printable(text: str) -> str:
    """The text made safe for a screen, whoever wrote it: what could move the cursor or turn the line shows as �."""
    return _FORBIDDEN.sub("\ufffd", text)


def clean_title(text: str) -> str:
    """The title of a chat as it is announced and shown: one line, at most MAX_TITLE_BYTES; "" where nothing is left."""
    kept = _FORBIDDEN.sub("", " ".join(text.split()))
    cut = (
        unicodedata.normalize("NFC", " ".join(kept.split())).encode()[:MAX_TITLE_BYTES].decode(errors="ignore").strip()
    )
    return cut if any(map(is_visible, cut)) else ""


def is_title(text: str) -> bool:
    """Whether this can be the title of a chat as it stands."""
    return text != "" and clean_title(text) == text
