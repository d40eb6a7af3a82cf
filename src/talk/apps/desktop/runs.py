"""A text cut into pieces and laid out in lines: words, links, emoji, and words of scripts that Tk cannot shape.

Pure: how wide a piece is, it is told. Every piece knows its place in the text, so that what is drawn can be selected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

import regex  # type: ignore[import-untyped]


class Kind(Enum):
    """How a piece is drawn."""

    TEXT = "text"
    LINK = "link"
    EMOJI = "emoji"
    SHAPED = "shaped"


# UTS 51, ED-15 and 1.4.9: what is an emoji by default, or is made one by what follows it.
_ELEMENT = (
    r"(?:\p{RI}\p{RI}|[0-9#*]\uFE0F?\u20E3"
    r"|(?:\p{Emoji_Presentation}|\p{Emoji}\uFE0F|\p{Emoji}\p{EMod})(?:\p{EMod}|\uFE0F)?(?:[\U000E0020-\U000E007E]+\U000E007F)?)"
)
_JOINED = r"(?:\p{Extended_Pictographic}(?:\p{EMod}|\uFE0F)?)"
EMOJI = regex.compile(rf"{_ELEMENT}(?:\u200D{_JOINED})*|{_JOINED}(?:\u200D{_JOINED})+")
LINK = regex.compile(r"https?://[^\s<>\"]+")
_AFTER_LINK = ".,;:!?'\")]}»”’"
_WORD = regex.compile(r"[^ \t\n]+")
# The fonts of other scripts have no Latin letters.
_LATIN = regex.compile(r"[!-~]*[A-Za-z@#$%&_][!-~]*")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a line that is drawn as one. `start` is its place in the text; `x` and `width` in pixels."""

    kind: Kind
    text: str
    start: int
    x: int
    width: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of a laid-out text, and how wide it is. It holds the text from `start` up to `end`."""

    pieces: tuple[Piece, ...]
    width: int
    start: int
    end: int


Measure = Callable[[Kind, str], int]


def pieces_of(word: str, start: int, shapes: Callable[[str], bool]) -> Iterator[tuple[Kind, str, int]]:
    """A word cut by how its parts are drawn, each with its place. `shapes` says what Tk would draw wrong."""
    if word.isascii() and "://" not in word and not word[:1].isdigit():
        yield Kind.TEXT, word, start
        return
    link = LINK.search(word)
    if link is not None:
        yield from _around_link(word, start, link.start(), _end_of_link(link), shapes)
        return
    place = 0
    for found in EMOJI.finditer(word):
        if found.start() > place:
            yield from _plain(word[place : found.start()], start + place, shapes)
        yield Kind.EMOJI, found[0], start + found.start()
        place = found.end()
    if place < len(word):
        yield from _plain(word[place:], start + place, shapes)


def _plain(text: str, start: int, shapes: Callable[[str], bool]) -> Iterator[tuple[Kind, str, int]]:
    if not shapes(text):
        yield Kind.TEXT, text, start
        return
    place = 0
    for found in _LATIN.finditer(text):
        if found.start() > place:
            yield Kind.SHAPED, text[place : found.start()], start + place
        yield Kind.TEXT, found[0], start + found.start()
        place = found.end()
    if place < len(text):
        yield Kind.SHAPED, text[place:], start + place


def _end_of_link(found: regex.Match[str]) -> int:
    """Where the link ends, without the punctuation of the sentence around it."""
    text = found[0]
    while text[-1] in _AFTER_LINK and not (text[-1] == ")" and "(" in text):
        text = text[:-1]
    return int(found.start()) + len(text)


def _around_link(
    word: str, start: int, begin: int, end: int, shapes: Callable[[str], bool]
) -> Iterator[tuple[Kind, str, int]]:
    if begin:
        yield from pieces_of(word[:begin], start, shapes)
    yield Kind.LINK, word[begin:end], start + begin
    if end < len(word):
        yield from pieces_of(word[end:], start + end, shapes)


class _Lines:
    """Puts pieces one after the other, and begins a new line where the next one does not fit."""

    def __init__(self, most: int, measure: Measure, space: int) -> None:
        self._most, self._measure, self._space = most, measure, space
        self._pieces: list[Piece] = []
        self._x = self._start = 0
        self.lines: list[TextLine] = []

    def word(self, parts: list[tuple[Kind, str, int]], spaces: int) -> None:
        """Add one word; `spaces` stand before it."""
        widths = [self._measure(kind, text) for kind, text, _ in parts]
        gap = spaces * self._space
        if self._pieces and self._x + gap + sum(widths) > self._most and sum(widths) <= self._most:
            self.break_at(parts[0][2])
        elif self._pieces:
            self._x += gap
        for (kind, text, start), width in zip(parts, widths, strict=True):
            self._add(kind, text, start, width)

    def _add(self, kind: Kind, text: str, start: int, width: int) -> None:
        if self._pieces and self._x + width > self._most:
            self.break_at(start)
        while width > self._most and kind in (Kind.TEXT, Kind.LINK) and len(text) > 1:
            fits = self._how_many_fit(kind, text)
            self._put(kind, text[:fits], start, self._measure(kind, text[:fits]))
            text, start = text[fits:], start + fits
            width = self._measure(kind, text)
            self.break_at(start)
        self._put(kind, text, start, width)

    def _how_many_fit(self, kind: Kind, text: str) -> int:
        low, high = 1, len(text) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self._measure(kind, text[:middle]) <= self._most:
                low = middle
            else:
                high = middle - 1
        return low

    def _put(self, kind: Kind, text: str, start: int, width: int) -> None:
        self._pieces.append(Piece(kind, text, start, self._x, width))
        self._x += width

    def break_at(self, start: int) -> None:
        """End this line; the next one begins at this place of the text."""
        self.lines.append(TextLine(tuple(self._pieces), self._x, self._start, start))
        self._pieces, self._x, self._start = [], 0, start


def lay_out(text: str, most: int, measure: Measure, shapes: Callable[[str], bool]) -> list[TextLine]:
    """The lines of a text that is at most so many pixels wide; at least one line."""
    lines = _Lines(most, measure, measure(Kind.TEXT, " "))
    paragraph_start = 0
    for paragraph in text.split("\n"):
        end = 0
        for found in _WORD.finditer(paragraph):
            start = paragraph_start + found.start()
            lines.word(list(pieces_of(found[0], start, shapes)), found.start() - end if end or found.start() else 0)
            end = found.end()
        paragraph_start += len(paragraph) + 1
        lines.break_at(paragraph_start)
    return [_joined(line, text, measure) for line in lines.lines]


def _joined(line: TextLine, text: str, measure: Measure) -> TextLine:
    """Neighbours that are drawn alike become one piece: fewer things to draw, and right order in right-to-left.

    Joined they may be narrower than apart, so what follows moves up.
    """
    alike: list[list[Piece]] = []
    for piece in line.pieces:
        if alike and alike[-1][0].kind == piece.kind and piece.kind in (Kind.TEXT, Kind.SHAPED):
            alike[-1].append(piece)
        else:
            alike.append([piece])
    joined: list[Piece] = []
    x = end = 0  # `end` is where the piece before ended when it stood alone
    for pieces in alike:
        first, last = pieces[0], pieces[-1]
        x, end = x + first.x - end, last.x + last.width
        if len(pieces) > 1:  # measured once: with each word that is added, a long text in Hindi took 20 ms
            whole = text[first.start : last.end].replace("\t", " ")
            first = replace(first, text=whole, width=measure(first.kind, whole))
        joined.append(replace(first, x=x))
        x += first.width
    return replace(line, pieces=tuple(joined), width=x)
