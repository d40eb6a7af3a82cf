"""Rows on one canvas: conversations with last line, time and what is unread; people; suggestions."""

from __future__ import annotations

import tkinter as tk
import tkinter.font as tkfont
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from talk.apps.desktop import pictures
from talk.apps.desktop.fonts import needs_shaping
from talk.apps.desktop.look import ROW, Look, person_colour
from talk.apps.desktop.rows import Row
from talk.apps.desktop.runs import Kind, pieces_of

AVATAR, INSET, TEXT_X = 46, 14, 72
NAME, LAST, TIME, BADGE, HEADING = 14, 13, 11, 11, 12
HEADING_HEIGHT = 30
WHEEL = 60
DOTS = "…"
MOST_SHOWN = 200  # characters


@dataclass(slots=True)
class _Drawn:
    """A row on the canvas: all that it was drawn from but its height in the view; its items' tag, and its pictures."""

    state: tuple[object, ...]
    y: int
    tag: str
    held: list[object] = field(default_factory=list)


class RowList(tk.Canvas):
    """Rows on a canvas; only those in view are drawn. `chosen` is called with a row's key.

    Measured by bench/desktop.py: drawing ten rows takes 15 ms, so a row that is the same stays and is only moved (1 ms
    where one row has changed). Where each of 5,000 rows stands is summed up once, not at each step of scrolling
    (7.5 ms).
    """

    def __init__(
        self,
        master: tk.Misc,
        look: Look,
        chosen: Callable[[str], object],
        menu: Callable[[str, int, int], object] | None = None,
        *,
        width: int,
        row_height: int = ROW,
    ) -> None:
        super().__init__(
            master, highlightthickness=0, bd=0, takefocus=1, background=look.palette.panel, width=look.px(width)
        )
        self.look, self._chosen, self._menu = look, chosen, menu
        self._row_height = row_height
        self.outlined = True  # whether the row that the keyboard is on has an edge
        self.rows: list[Row] = []
        self.selected = self._hovered = self._focused = ""
        self._offset = 0
        self._tops = [0]  # where each row begins, and where the last one ends
        self._drawn: dict[tuple[str, str], _Drawn] = {}
        self._drawing = _Drawn((), 0, "")
        self._number = 0
        self.bind("<Configure>", lambda _: self.draw())
        self.bind("<Button-1>", self._click)
        self.bind("<Button-3>", self._right_click)
        self.bind("<Motion>", self._motion)
        self.bind("<Leave>", lambda _: self._hover(""))
        self.bind("<Button-4>", lambda _: self._scroll(-WHEEL))
        self.bind("<Button-5>", lambda _: self._scroll(WHEEL))
        self.bind("<MouseWheel>", lambda event: self._scroll(-event.delta * WHEEL // max(120, abs(event.delta))))
        self.bind("<Up>", lambda _: self._step(-1))
        self.bind("<Down>", lambda _: self._step(1))
        for key in ("<Return>", "<space>", "<KP_Enter>"):
            self.bind(key, lambda _: self._press())
        self.bind("<FocusIn>", lambda _: self._focus_in())
        self.bind("<FocusOut>", lambda _: self._focus_row(""))
        look.listen(self._look_changed)

    def show(self, rows: list[Row], selected: str | None = None) -> None:
        """Show these rows; nothing is drawn when nothing has changed."""
        selected = self.selected if selected is None else selected
        if rows == self.rows and selected == self.selected:
            return
        self.rows, self.selected = rows, selected
        self._add_up()
        self.draw()

    def _look_changed(self) -> None:
        self.configure(background=self.look.palette.panel)
        self.delete("all")
        self._drawn.clear()
        self._add_up()
        self.draw()

    # ---- where things are

    def _add_up(self) -> None:
        row, heading = self.look.px(self._row_height), self.look.px(HEADING_HEIGHT)
        self._tops = list(accumulate((row if each.key else heading for each in self.rows), initial=0))

    def _height(self, row: Row) -> int:
        return self.look.px(self._row_height if row.key else HEADING_HEIGHT)

    def _places(self) -> list[tuple[int, Row]]:
        """The rows in view, each with its y."""
        visible, height = [], self.winfo_height()
        for number in range(max(0, bisect_right(self._tops, self._offset) - 1), len(self.rows)):
            y = self._tops[number] - self._offset
            if y >= height:
                break
            visible.append((y, self.rows[number]))
        return visible

    def _at(self, y: int) -> str:
        return next((row.key for top, row in self._places() if top <= y < top + self._height(row)), "")

    def _scroll(self, pixels: int) -> str:
        most = max(0, self._tops[-1] - self.winfo_height())
        offset = max(0, min(most, self._offset + self.look.px(pixels)))
        if offset != self._offset:
            self._offset = offset
            self.draw()
        return "break"

    # ---- mouse and keyboard

    def _click(self, event: tk.Event[RowList]) -> None:
        key = self._at(event.y)
        if key:
            self._chosen(key)

    def _right_click(self, event: tk.Event[RowList]) -> None:
        key = self._at(event.y)
        if key and self._menu is not None:
            self._menu(key, event.x_root, event.y_root)

    def _motion(self, event: tk.Event[RowList]) -> None:
        self._hover(self._at(event.y))

    def _hover(self, key: str) -> None:
        if key != self._hovered:
            self._hovered = key
            self.configure(cursor="hand2" if key else "")
            self.draw()

    def _focus_in(self) -> None:
        keys = [row.key for row in self.rows if row.key]
        self._focus_row(self.selected if self.selected in keys else (keys[0] if keys else ""))

    def _focus_row(self, key: str) -> None:
        self._focused = key
        self.draw()

    def _step(self, step: int) -> str:
        keys = [row.key for row in self.rows if row.key]
        if keys:
            now = keys.index(self._focused) if self._focused in keys else -step
            self._focused = keys[max(0, min(len(keys) - 1, now + step))]
            self._bring_into_view(self._focused)
            self.draw()
        return "break"

    def _bring_into_view(self, key: str) -> None:
        y = 0
        for row in self.rows:
            tall = self._height(row)
            if row.key == key:
                self._offset = min(self._offset, y)
                self._offset = max(self._offset, y + tall - self.winfo_height())
                return
            y += tall

    def _press(self) -> str:
        if self._focused:
            self._chosen(self._focused)
        return "break"

    # ---- drawing

    def draw(self) -> None:
        """Draw what is in view and was not drawn like that already."""
        self._offset = max(0, min(self._offset, self._tops[-1] - self.winfo_height()))
        width = self.winfo_width()
        wanted = {(row.key, row.name): (y, row) for y, row in self._places()}
        states = {
            key: (
                row,
                width,
                row.key == self.selected,
                row.key in (self._hovered, self._focused),
                row.key == self._focused,
            )
            for key, (_y, row) in wanted.items()
        }
        for key in [key for key, drawn in self._drawn.items() if drawn.state != states.get(key)]:
            self.delete(self._drawn.pop(key).tag)
        for key, (y, row) in wanted.items():
            known = self._drawn.get(key)
            if known is None:
                self._number += 1
                self._drawing = self._drawn[key] = _Drawn(states[key], y, f"r{self._number}")
                self._draw_any(y, row)
            elif known.y != y:
                self.move(known.tag, 0, y - known.y)
                known.y = y

    def _draw_any(self, y: int, row: Row) -> None:
        if row.key:
            self._draw_row(y, row)
        else:
            self._text(row.name, self.look.px(INSET + 4), y + self.look.px(16), HEADING, "soft", bold=True)

    def _draw_row(self, y: int, row: Row) -> None:
        px, palette = self.look.px, self.look.palette
        selected = row.key == self.selected
        width, tall = self.winfo_width(), self._height(row)
        if selected or row.key in (self._hovered, self._focused):
            fill = palette.selected if selected else palette.hover
            self._rounded(px(6), y + px(1), width - px(6), y + tall - px(1), px(12), fill)
        if row.key == self._focused:
            self.create_rectangle(
                *(px(8), y + px(3), width - px(8), y + tall - px(3)),
                outline=palette.accent,
                width=px(2),
                tags=self._drawing.tag,
            )
        small = self._row_height < ROW
        size = px(34 if small else AVATAR)
        middle = y + tall // 2
        self._draw_avatar(row, middle, size, palette.selected if selected else palette.panel)
        x = px(INSET) + size + px(12)
        if small:
            self._text(row.name, x, middle, NAME, "text", most=width - x - px(INSET))
            return
        self._draw_words(row, x, y, width)

    def _draw_avatar(self, row: Row, middle: int, size: int, behind: str) -> None:
        px, palette = self.look.px, self.look.palette
        x = px(INSET)
        if row.is_room:
            self._image(pictures.disc(size, palette.accent), x, middle, "w")
            self._image(pictures.icon("people", size * 6 // 10, palette.on_accent), x + size // 2, middle, "center")
        else:
            colour = person_colour(palette, row.account)
            self._image(pictures.avatar(row.name[:1].upper(), colour, size), x, middle, "w")
        if row.here:
            dot = px(14)
            place = (x + size - dot // 2 - px(2), middle + size // 2 - dot // 2)
            self._image(pictures.disc(dot, palette.good, behind), *place, "center")

    def _draw_words(self, row: Row, x: int, y: int, width: int) -> None:
        px, palette = self.look.px, self.look.palette
        right, upper, lower = width - px(INSET + 2), y + px(21), y + px(43)
        if row.when:
            self._text(row.when, right, upper, TIME, "soft", anchor="e")
        room_right = right - self.look.font(TIME).measure(row.when) - px(10)
        if row.muted:
            room_right -= px(18)
            self._image(pictures.icon("bell_off", px(14), palette.soft), room_right + px(4), upper, "w")
        if row.private:
            self._image(pictures.icon("lock", px(15), palette.private), x, upper, "w")
            x_name = x + px(20)
        else:
            x_name = x
        self._text(row.name, x_name, upper, NAME, "text", bold=True, most=room_right - x_name)
        if row.unread:
            right -= self._draw_badge(row, right, lower)
        elif row.warning:
            self._image(pictures.icon("warning", px(18), palette.bad), right, lower, "e")
            right -= px(24)
        if row.mark and not row.draft:
            colour = palette.bad if row.mark == "failed" else palette.private if row.private else palette.accent
            icon = {"sending": "clock", "stored": "check", "delivered": "checks", "failed": "failed"}[row.mark]
            self._image(pictures.icon(icon, px(16), colour), x, lower, "w")
            x += px(20)
        self._text(row.last, x, lower, LAST, "bad" if row.draft else "soft", most=right - x)

    def _draw_badge(self, row: Row, right: int, y: int) -> int:
        px, palette = self.look.px, self.look.palette
        words = str(row.unread) if row.unread < 1000 else "999+"
        width = max(px(21), self.look.font(BADGE, bold=True).measure(words) + px(13))
        fill = palette.soft if row.muted else palette.private if row.private else palette.accent
        self._rounded(right - width, y - px(10), right, y + px(11), px(10), fill)
        ink = "on_private" if row.private else "on_accent"
        self._text(words, right - width // 2, y, BADGE, ink, bold=True, anchor="center")
        return width + px(8)

    def _rounded(self, x1: int, y1: int, x2: int, y2: int, radius: int, fill: str) -> None:
        radius = min(radius, (y2 - y1) // 2)
        tag = self._drawing.tag
        self.create_rectangle(x1 + radius, y1, x2 - radius, y2, fill=fill, width=0, tags=tag)
        self.create_rectangle(x1, y1 + radius, x2, y2 - radius, fill=fill, width=0, tags=tag)
        for where, x, y in (("nw", x1, y1), ("ne", x2, y1), ("sw", x1, y2), ("se", x2, y2)):
            self._image(pictures.corner(radius, fill, where), x, y, where)

    def _image(self, picture: Any, x: int, y: int, anchor: Any) -> None:
        self._drawing.held.append(picture)
        self.create_image(x, y, image=picture, anchor=anchor, tags=self._drawing.tag)

    def _text(
        self, text: str, x: int, y: int, size: int, colour: str, *, bold: bool = False, most: int = 0, anchor: Any = "w"
    ) -> None:
        """One line of text, cut where there is no more room."""
        ink = getattr(self.look.palette, colour)
        font = self.look.font(size, bold=bold)
        if anchor != "w":
            self._piece(text, x, y, font, size, ink, bold, anchor)
            return
        parts = [(kind, part, self._width(kind, part, font, size, bold)) for kind, part in _parts(text)]
        end = x + most if most else x + sum(width for *_rest, width in parts)
        if sum(width for *_rest, width in parts) > end - x:
            end -= font.measure(DOTS)
        for kind, part, width in parts:
            if x + width > end:
                self._cut(part if kind in (Kind.TEXT, Kind.LINK) else "", x, y, end, font, ink)
                return
            if kind == Kind.EMOJI:
                self._image(pictures.emoji(part, self.look.px(size * 1.2)), x, y, "w")
            else:
                self._piece(part, x, y, font, size, ink, bold, "w")
            x += width

    def _width(self, kind: Kind, part: str, font: tkfont.Font, size: int, bold: bool) -> int:
        if kind == Kind.EMOJI:
            return pictures.emoji_width(part, self.look.px(size * 1.2)) + 1
        if kind == Kind.SHAPED:
            return pictures.shaped_width(part, self.look.px(size), bold=bold)
        return font.measure(part)

    def _piece(
        self, text: str, x: int, y: int, font: tkfont.Font, size: int, ink: str, bold: bool, anchor: Any
    ) -> None:
        if needs_shaping(text):
            picture, _base = pictures.shaped(text, self.look.px(size), ink, bold=bold)
            self._image(picture, x, y, anchor)
        else:
            self.create_text(x, y, text=text, font=font, fill=ink, anchor=anchor, tags=self._drawing.tag)

    def _cut(self, part: str, x: int, y: int, end: int, font: tkfont.Font, ink: str) -> None:
        """As many letters as there is room for, and three dots."""
        # By halves: letter by letter, a text of 200 letters took 70 ms.
        fits, most = 0, len(part)
        while fits < most:
            middle = (fits + most + 1) // 2
            if x + font.measure(part[:middle]) <= end:
                fits = middle
            else:
                most = middle - 1
        text = part[:fits].rstrip() + DOTS
        self.create_text(x, y, text=text, font=font, fill=ink, anchor="w", tags=self._drawing.tag)


def _parts(text: str) -> Iterator[tuple[Kind, str]]:
    """The pieces of one line of text, spaces included; line ends are spaces."""
    shown = " ".join(text[:MOST_SHOWN].split())
    if needs_shaping(shown):
        for number, word in enumerate(shown.split(" ")):
            if number:
                yield Kind.TEXT, " "
            for kind, part, _start in pieces_of(word, 0, needs_shaping):
                yield kind, part
        return
    for kind, part, _start in pieces_of(shown, 0, needs_shaping):
        yield kind, part
