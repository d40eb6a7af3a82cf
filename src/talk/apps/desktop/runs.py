"""A text cut into pieces and laid out in lines: words, links, emoji, and words of scripts that Tk cannot shape.

Pure: how wide a piece is, it is told. Every piece knows its place in the text, so that what is drawn can be selected.
"""

from __future__ import annotations

from bisect import bisect_right
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


# UTS 51, ED-15 and 1.4.9: what is an emoji by default, or is made one by what follows it. A digit is one as a key only.
_ELEMENT = (
    r"(?:\p{RI}\p{RI}|[0-9#*]\uFE0F?\u20E3"
    r"|(?:\p{Emoji_Presentation}|(?![0-9#*])\p{Emoji}\uFE0F|\p{EBase}\p{EMod})"
    r"(?:\p{EMod}|\uFE0F)?(?:[\U000E0020-\U000E007E]+\U000E007F)?)"
)
_JOINED = r"(?:\p{Extended_Pictographic}(?:\p{EMod}|\uFE0F)?)"
EMOJI = regex.compile(rf"{_ELEMENT}(?:\u200D{_JOINED})*|{_JOINED}(?:\u200D{_JOINED})+")
LINK = regex.compile(r"https?://[^\s<>\"]+")
_AFTER_LINK = ".,;:!?'\")]}»”’"
_WORD = regex.compile(r"[^ \t\n]+")
# The fonts of other scripts have no Latin letters.
_LATIN = regex.compile(r"[!-~]*[A-Za-z@#$%&_][!-~]*")
_LETTER = regex.compile(r"\X")  # UAX 29: what a reader takes for one, with its accents and joined signs


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


Part = tuple[Kind, str, int]


def pieces_of(word: str, start: int, shapes: Callable[[str], bool]) -> Iterator[Part]:
    """A word cut by how its parts are drawn, each with its place. `shapes` says what Tk would draw wrong."""

    def plain(text: str, start: int) -> Iterator[Part]:
        return _plain(text, start, shapes)

    place = 0
    for begin, end in _links(word):
        yield from _around_emoji(word[place:begin], start + place, plain)
        yield from _around_emoji(word[begin:end], start + begin, _as_link)
        place = end
    yield from _around_emoji(word[place:], start + place, plain)


def words_to_shape(text: str, shapes: Callable[[str], bool]) -> Iterator[str]:
    """The parts of a text that `lay_out` will have drawn as pictures of words."""
    for found in _WORD.finditer(text):
        yield from (part for kind, part, _ in pieces_of(found[0], 0, shapes) if kind == Kind.SHAPED)


def link_at(text: str, place: int) -> str:
    """The whole link of which this place of the text is a part, however it was cut into lines; "" for none."""
    return next((text[begin:end] for begin, end in _links(text) if begin <= place < end), "")


def _links(text: str) -> Iterator[tuple[int, int]]:
    if "://" not in text:
        return
    for found in LINK.finditer(text):
        link = _without_punctuation(found[0])
        if not link.endswith("://"):
            yield found.start(), found.start() + len(link)


def _without_punctuation(link: str) -> str:
    """The link without what belongs to the sentence around it. A bracket that was opened inside stays."""
    while link[-1] in _AFTER_LINK and not link.endswith("://"):
        if link[-1] == ")" and link.count("(") >= link.count(")"):
            break
        link = link[:-1]
    return link


def _around_emoji(text: str, start: int, cut: Callable[[str, int], Iterator[Part]]) -> Iterator[Part]:
    place = 0
    for found in () if text.isascii() else EMOJI.finditer(text):
        if found.start() > place:
            yield from cut(text[place : found.start()], start + place)
        yield Kind.EMOJI, found[0], start + found.start()
        place = found.end()
    if place < len(text):
        yield from cut(text[place:], start + place)


def _as_link(text: str, start: int) -> Iterator[Part]:
    yield Kind.LINK, text, start


def _plain(text: str, start: int, shapes: Callable[[str], bool]) -> Iterator[Part]:
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


class _Lines:
    """Puts pieces one after the other, and begins a new line where the next one does not fit."""

    def __init__(self, most: int, measure: Measure, space: int) -> None:
        self._most, self._measure, self._space = most, measure, space
        self._pieces: list[Piece] = []
        self._x = self._start = 0
        self.lines: list[TextLine] = []

    def word(self, parts: list[tuple[Kind, str, int]], spaces: int) -> None:
        """Add one word; `spaces` stand before it. Those that begin a line of the text indent it, if there is room."""
        widths = [self._measure(kind, text) for kind, text, _ in parts]
        gap = spaces * self._space
        fits = self._x + gap + sum(widths) <= self._most
        if self._pieces and not fits and sum(widths) <= self._most:
            self.break_at(parts[0][2])
        elif self._pieces or fits:
            self._x += gap
        for (kind, text, start), width in zip(parts, widths, strict=True):
            self._add(kind, text, start, width)

    def _add(self, kind: Kind, text: str, start: int, width: int) -> None:
        if self._pieces and self._x + width > self._most:
            self.break_at(start)
        if width <= self._most or kind == Kind.EMOJI:
            self._put(kind, text, start, width)
            return
        ends = [found.end() for found in _LETTER.finditer(text)]
        first = begin = 0
        while True:
            after = self._first_that_does_not_fit(kind, text, ends, first)
            part = text[begin : ends[after - 1]]
            self._put(kind, part, start + begin, self._measure(kind, part))
            if after == len(ends):
                return
            first, begin = after, ends[after - 1]
            self.break_at(start + begin)

    def _first_that_does_not_fit(self, kind: Kind, text: str, ends: list[int], first: int) -> int:
        """Of the letters from number `first` on; one always fits. A letter is taken to be a pixel wide at least."""
        begin = ends[first - 1] if first else 0
        last = min(len(ends), first + 1 + self._most)
        return bisect_right(ends, self._most, first + 1, last, key=lambda end: self._measure(kind, text[begin:end]))

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
            lines.word(list(pieces_of(found[0], start, shapes)), found.start() - end)
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
