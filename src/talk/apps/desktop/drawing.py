"""Putting messages on the canvas: bubbles, texts, pills, marks, the scroll bar's thumb; and what of it is where."""

from __future__ import annotations

import time
import tkinter as tk
import tkinter.font as tkfont
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from talk.apps.desktop import pictures
from talk.apps.desktop.bubbles import AVATAR, EDGE, NAME_SIZE, PAD_X, PILL, PILL_SIZE, TIME_SIZE, Box
from talk.apps.desktop.fonts import needs_shaping
from talk.apps.desktop.look import RADIUS, Look, person_colour
from talk.apps.desktop.runs import Kind, Piece, TextLine, link_at
from talk.apps.desktop.selection import Place
from talk.apps.desktop.words import clock
from talk.client import Line

JOINED_RADIUS = 6  # of corners between bubbles of one group
ICON = 15
THUMB, THUMB_LEAST = 5, 36
MARKS = {"sending": "clock", "stored": "check", "delivered": "checks", "failed": "failed"}

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Later:
    """A piece whose picture is still to be drawn; `y` from the top of the message that had this tag then."""

    key: Key
    tag: str
    piece: Piece
    x: int
    y: int
    box: Box
    ink: str


class Painter:
    """Draws in one look. What it has drawn of a message it can move and remove as one."""

    def __init__(self, canvas: tk.Canvas, look: Look) -> None:
        self._canvas, self._look = canvas, look
        self._call, self._path = canvas.tk.call, str(canvas)
        self._palette = look.palette
        self._text = look.font(look.text_size)
        self._ascent = self._text.metrics("ascent")
        self._name = look.font(NAME_SIZE, bold=True)
        self._small = look.font(TIME_SIZE)
        self._pill = look.font(PILL_SIZE)
        self._tags: dict[Key, str] = {}
        self._held: dict[Key, list[object]] = {}
        self._bubbles: dict[Key, int] = {}
        self._number = 0
        self._later: deque[_Later] = deque()
        self._until = 0.0

    def forget(self) -> None:
        self._later.clear()
        self._tags.clear()
        self._held.clear()
        self._bubbles.clear()

    def move(self, key: Key, distance: int) -> None:
        self._canvas.move(self._tags[key], 0, distance)

    def remove(self, key: Key) -> None:
        self._canvas.delete(self._tags.pop(key))
        del self._held[key], self._bubbles[key]

    # ---- within a time

    def pictures_within(self, seconds: float) -> None:
        """What is drawn from now on leaves words and emoji that are pictures for `draw_rest`, once so long has passed.

        A word in Hindi that was never seen takes 0.4 ms: a long message would stop a frame for 20.
        """
        self._until = time.perf_counter() + seconds

    @property
    def is_unfinished(self) -> bool:
        return bool(self._later)

    def draw_rest(self, tops: Mapping[Key, int]) -> None:
        """Draw of what was left as much as there is time for. `tops` says where each message is now."""
        while self._later:
            later = self._later.popleft()
            if self._tags.get(later.key) == later.tag and later.key in tops:
                self._draw_piece(later.key, later.piece, later.x, tops[later.key] + later.y, later.box, later.ink)
            if time.perf_counter() > self._until:
                return

    # ---- a message

    def draw(self, key: Key, top: int, box: Box, line: Line, *, is_room: bool) -> None:
        """Draw a message whose box begins at this height."""
        self._number += 1
        self._tags[key] = f"m{self._number}"
        self._held[key] = []
        for kind, text, y in box.pills:
            self._draw_pill(key, kind, text, top + y)
        y = top + box.y
        fill, ink, soft, link = self._colours(line, is_room)
        self._draw_bubble(key, box, y, fill, line)
        text_x = box.x + self._look.px(PAD_X)
        if box.name:
            self._draw_name(key, box, line, text_x, y)
        for number, text_line in enumerate(box.lines):
            self._draw_text(key, text_line, text_x, top, number, box, (ink, link))
        self._draw_stamp(key, box, y, line, soft, fill)
        for number, reason in enumerate(box.reason):
            words = " ".join(piece.text for piece in reason.pieces)
            right, below = box.x + box.width, y + box.bubble + self._look.px(5 + number * (TIME_SIZE + 5))
            self._write(key, words, right, below, self._small, self._palette.bad, "ne")

    def _colours(self, line: Line, is_room: bool) -> tuple[str, str, str, str]:
        palette = self._palette
        if not line.mine:
            return palette.them, palette.text, palette.soft, palette.link
        if is_room:
            return palette.me, palette.me_text, palette.me_soft, palette.me_link
        return palette.sealed, palette.sealed_text, palette.sealed_soft, palette.sealed_text

    def _tagged(self, key: Key) -> tuple[str, str]:
        return "message", self._tags[key]

    def _write(self, key: Key, text: str, x: int, y: int, font: tkfont.Font, colour: str, anchor: Any) -> None:
        if needs_shaping(text):
            size = -int(font.cget("size"))
            picture, _ = pictures.shaped(text, size, colour, bold=font.cget("weight") == "bold")
            self._picture(key, picture, x, y, anchor)
        else:
            self._create(key, "text", x, y, "-text", text, "-font", font, "-fill", colour, "-anchor", anchor)

    def _create(self, key: Key, kind: str, *words: object) -> int:
        """One item of a message. tkinter's own create_… looks at every option anew; this takes a third of the time."""
        return int(self._call(self._path, "create", kind, *words, "-tags", self._tagged(key)))

    def _picture(self, key: Key, picture: Any, x: int, y: int, anchor: Any = "nw") -> int:
        self._held[key].append(picture)
        return self._create(key, "image", x, y, "-image", str(picture), "-anchor", anchor)

    def _draw_pill(self, key: Key, kind: str, text: str, y: int) -> None:
        look, palette = self._look, self._palette
        middle, height = self._canvas.winfo_width() // 2, look.px(PILL)
        half = self._measure_small(text) // 2 + look.px(14)
        fill, ink = (palette.warn, palette.warn_text) if kind == "missed" else (palette.pill, palette.soft)
        if kind == "new":
            edge = look.px(EDGE)
            width = self._canvas.winfo_width()
            line = y + height // 2
            ink = palette.accent
            tags = self._tagged(key)
            self._canvas.create_line(edge, line, middle - half, line, fill=palette.line, tags=tags)
            self._canvas.create_line(middle + half, line, width - edge, line, fill=palette.line, tags=tags)
        else:
            self.rounded(key, middle - half, y, middle + half, y + height, [height // 2] * 4, fill)
        self._write(key, text, middle, y + height // 2, self._pill, ink, "center")

    def _measure_small(self, text: str) -> int:
        if needs_shaping(text):
            return pictures.shaped_width(text, self._look.px(PILL_SIZE))
        return self._pill.measure(text)

    def _draw_bubble(self, key: Key, box: Box, y: int, fill: str, line: Line) -> None:
        large, small = self._look.px(RADIUS), self._look.px(JOINED_RADIUS)
        above, below = (large if box.first else small), (large if box.last else small)
        radii = [large, above, large, below] if line.mine else [above, large, below, large]
        self._bubbles[key] = self.rounded(key, box.x, y, box.x + box.width, y + box.bubble, radii, fill)
        if getattr(self._canvas, "current", "") == line.id:
            reach = self._look.px(3)
            self._canvas.create_rectangle(
                box.x - reach,
                y - reach,
                box.x + box.width + reach,
                y + box.bubble + reach,
                outline=self._palette.accent,
                width=2,
                tags=self._tagged(key),
            )

    def rounded(self, key: Key, x1: int, y1: int, x2: int, y2: int, radii: Sequence[int], fill: str) -> int:
        """A rounded rectangle, its radii from the upper left in reading order; the topmost item of it."""
        most = (y2 - y1) // 2
        nw, ne, sw, se = (min(radius, most) for radius in radii)
        # All but the corners as one item: each costs 0.1 ms to make, and again whenever it is moved.
        top = self._create(
            key,
            "polygon",
            *(x1 + nw, y1, x2 - ne, y1, x2 - ne, y1 + ne, x2, y1 + ne, x2, y2 - se, x2 - se, y2 - se),
            *(x2 - se, y2, x1 + sw, y2, x1 + sw, y2 - sw, x1, y2 - sw, x1, y1 + nw, x1 + nw, y1 + nw),
            "-fill",
            fill,
            "-outline",
            "",
        )
        corners = (("nw", nw, x1, y1), ("ne", ne, x2, y1), ("sw", sw, x1, y2), ("se", se, x2, y2))
        for where, radius, x, y in corners:
            if radius:
                top = self._picture(key, pictures.corner(radius, fill, where, self._palette.back), x, y, where)
        return top

    def _draw_name(self, key: Key, box: Box, line: Line, x: int, y: int) -> None:
        colour = person_colour(self._palette, line.account)
        self._write(key, box.name, x, y + self._look.px(7), self._name, colour, "nw")
        letter = box.name[:1].upper()
        picture = pictures.avatar(letter, colour, self._look.px(AVATAR), self._palette.back)
        self._picture(key, picture, self._look.px(EDGE), y)

    def _draw_text(
        self, key: Key, line: TextLine, x: int, top: int, number: int, box: Box, inks: tuple[str, str]
    ) -> None:
        y = box.y + box.text_y + number * box.line_height
        for piece in line.pieces:
            if piece.kind in (Kind.TEXT, Kind.LINK):
                ink = inks[1] if piece.kind == Kind.LINK else inks[0]
                self._write(key, piece.text, x + piece.x, top + y, self._text, ink, "nw")
            elif time.perf_counter() > self._until:
                self._later.append(_Later(key, self._tags[key], piece, x, y, box, inks[0]))
            else:
                self._draw_piece(key, piece, x, top + y, box, inks[0])

    def _draw_piece(self, key: Key, piece: Piece, x: int, y: int, box: Box, ink: str) -> None:
        size = self._look.text_size
        if piece.kind == Kind.EMOJI:
            picture = pictures.emoji(piece.text, box.emoji or self._look.px(size * 1.35))
            self._picture(key, picture, x + piece.x, y + box.line_height // 2 - 1, "w")
        else:
            shaped, base = pictures.shaped(piece.text, self._look.px(size), ink)
            self._picture(key, shaped, x + piece.x, y + self._ascent - base)

    def _draw_stamp(self, key: Key, box: Box, y: int, line: Line, soft: str, fill: str) -> None:
        px = self._look.px
        right, bottom = box.x + box.width - px(PAD_X - 3), y + box.bubble - px(6)
        if line.mine:
            colour = self._palette.bad if line.mark == "failed" else soft
            size = px(ICON)
            icon = pictures.icon(MARKS.get(line.mark, "check"), size, colour, fill)
            self._picture(key, icon, right, bottom - px(TIME_SIZE) // 2 - 1, "e")
            right -= size + px(3)
        words = ("-text", clock(line.at), "-font", self._small, "-fill", soft, "-anchor", "se")
        self._create(key, "text", right, bottom + px(2), *words)

    # ---- what is chosen

    def mark(self, key: Key, drawn: tuple[int, Box, Line] | None, part: tuple[int, int] | None) -> None:
        """Show this part of a text as chosen; None takes that away."""
        if key not in self._tags:
            return
        tag = f"mark{self._tags[key]}"
        self._canvas.delete(tag)
        if drawn is None or part is None:
            return
        top, box, drawn_line = drawn
        x, y = box.x + self._look.px(PAD_X), top + box.y + box.text_y
        for number, line in enumerate(box.lines):
            start, end = max(part[0], line.start), min(part[1], line.end)
            if start >= end or not line.pieces:
                continue
            x1, x2 = self._x_of(line, start, box), self._x_of(line, end, box)
            upper = y + number * box.line_height
            item = self._canvas.create_rectangle(
                x + x1,
                upper,
                x + x2,
                upper + box.line_height,
                fill=self._palette.me_mark if drawn_line.mine else self._palette.mark,
                width=0,
                tags=("message", self._tags[key], tag),
            )
            # Over the bubble, under the letters.
            self._canvas.tag_raise(item, self._bubbles[key])

    def _x_of(self, line: TextLine, offset: int, box: Box) -> int:
        """Where in a line, in pixels, this place of the text is."""
        for piece in line.pieces:
            if offset <= piece.start:
                return piece.x
            if offset < piece.end:
                return piece.x + self._width_of(piece, offset - piece.start)
        return line.width

    def _width_of(self, piece: Piece, count: int) -> int:
        if piece.kind in (Kind.TEXT, Kind.LINK):
            return self._text.measure(piece.text[:count])
        return piece.width * count // max(1, len(piece.text))

    # ---- what is where

    def place_at(self, top: int, box: Box, line: Line, x: int, y: int) -> Place:
        """The nearest place in the text of a message."""
        number = (y - top - box.y - box.text_y) // max(1, box.line_height)
        key = (line.account, line.id)
        if number < 0:
            return Place(key, 0)
        if number >= len(box.lines):
            return Place(key, len(line.text))
        text_line = box.lines[number]
        left = x - box.x - self._look.px(PAD_X)
        for piece in text_line.pieces:
            if left < piece.x + piece.width:
                return Place(key, piece.start + self._count_within(piece, left - piece.x))
        return Place(key, text_line.pieces[-1].end if text_line.pieces else text_line.start)

    def _count_within(self, piece: Piece, x: int) -> int:
        """How many characters of a piece stand before this pixel of it; an emoji is whole or not at all."""
        if x <= 0:
            return 0
        if piece.kind == Kind.EMOJI:
            return len(piece.text) if x > piece.width / 2 else 0
        low, high = 0, len(piece.text)
        while low < high:
            middle = (low + high) // 2
            if (self._width_of(piece, middle) + self._width_of(piece, middle + 1)) / 2 < x:
                low = middle + 1
            else:
                high = middle
        return low

    def part_at(self, top: int, box: Box, line: Line, x: int, y: int) -> tuple[str, str]:
        """What a click here is on: ("link", address), ("retry", ""), ("person", ""), ("text", "") or ("", "")."""
        upper = top + box.y
        if box.reason and box.x <= x <= box.x + box.width and y > upper + box.bubble - self._look.px(22):
            return "retry", ""
        if box.name and self._is_on_name(box, x, y - upper):
            return "person", ""
        if not (box.x <= x <= box.x + box.width and upper + box.text_y <= y <= upper + box.bubble):
            return "", ""
        number = (y - upper - box.text_y) // max(1, box.line_height)
        left = x - box.x - self._look.px(PAD_X)
        for piece in box.lines[number].pieces if number < len(box.lines) else ():
            if piece.kind == Kind.LINK and piece.x <= left <= piece.x + piece.width:
                return "link", link_at(line.text, piece.start)
        return "text", ""

    def _is_on_name(self, box: Box, x: int, y: int) -> bool:
        px = self._look.px
        on_avatar = px(EDGE) <= x <= px(EDGE + AVATAR) and 0 <= y <= px(AVATAR)
        left = box.x + px(PAD_X)
        return on_avatar or (left <= x <= left + self._name.measure(box.name) and px(4) <= y <= box.text_y)

    # ---- the scroll bar

    def thumb_at(self, x: int) -> bool:
        """Whether this is where the scroll bar is."""
        return x >= self._canvas.winfo_width() - self._look.px(THUMB + 9) and bool(self._canvas.find_withtag("thumb"))

    def thumb(self, first: int, last: int, count: int, size: tuple[int, int]) -> None:
        """Show where in the conversation we are."""
        self._canvas.delete("thumb")
        width, height = size
        if count == 0 or last - first >= count:
            return
        long = max(self._look.px(THUMB_LEAST), height * (last - first) // count)
        y = (height - long) * first // max(1, count - (last - first))
        x, thick = width - self._look.px(THUMB + 3), self._look.px(THUMB)
        self._canvas.create_line(
            x, y + thick, x, y + long - thick, width=thick, capstyle="round", fill=self._palette.line, tags="thumb"
        )
