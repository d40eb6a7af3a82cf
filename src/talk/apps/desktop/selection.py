"""Choosing a part of the texts on the message canvas with the mouse, and copying it; clicks on what a message holds."""

from __future__ import annotations

import tkinter as tk
from dataclasses import dataclass
from typing import TYPE_CHECKING

import regex  # type: ignore[import-untyped]

from talk.apps.desktop.words import clock
from talk.client import Line

if TYPE_CHECKING:
    from talk.apps.desktop.messages import MessageList

WORD = regex.compile(r"[\p{L}\p{M}\p{N}_]+|\S")
DRAG = 4  # pixels from which on a click is a drag
EDGE_SCROLL = 26  # pixels a step, while the mouse is dragged beyond an edge
AGAIN = 40  # milliseconds between those steps


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a text: the line's id and its sender, and how many characters stand before it."""

    key: tuple[str, str]
    offset: int


class Selection:
    """What is chosen on a message list, from one place to another."""

    def __init__(self, canvas: MessageList) -> None:
        self._canvas = canvas
        self._from: Place | None = None
        self._to: Place | None = None
        self._pressed: tuple[int, int] | None = None
        self._mouse = (0, 0)
        self._scrolling = self._on_thumb = False
        canvas.bind("<Button-1>", self._press)
        canvas.bind("<B1-Motion>", self._drag)
        canvas.bind("<ButtonRelease-1>", self._release)
        canvas.bind("<Double-Button-1>", self._word)
        canvas.bind("<Triple-Button-1>", self._whole)
        canvas.bind("<Motion>", self._hover)
        for button in ("<Button-3>", "<Control-Button-1>" if canvas.tk.call("tk", "windowingsystem") == "aqua" else ""):
            if button:
                canvas.bind(button, self._menu)
        for key in ("<Control-c>", "<Control-Insert>", "<Command-c>"):
            if key != "<Command-c>" or canvas.tk.call("tk", "windowingsystem") == "aqua":
                canvas.bind(key, lambda _: self.copy())
        for key in ("<Return>", "<Shift-F10>", "<Menu>", "<space>"):
            try:
                canvas.bind(key, lambda _: self._menu_of_chosen())
            except tk.TclError:  # a keyboard of this system has no such key
                continue

    # ---- what is chosen

    def clear(self) -> None:
        if self._from is not None:
            before = self._keys()
            self._from = self._to = None
            self._redraw(before)

    def _order(self) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """Both ends as (index of the line, offset), the earlier first."""
        if self._from is None or self._to is None or self._from == self._to:
            return None
        ends = []
        for place in (self._from, self._to):
            index = self._canvas.feed.index(place.key[1], place.key[0])
            if index is None:
                return None
            ends.append((index, place.offset))
        first, second = sorted(ends)
        return first, second

    def part_of(self, index: int, line: Line) -> tuple[int, int] | None:
        """From where to where this line is chosen."""
        ends = self._order()
        if ends is None or not ends[0][0] <= index <= ends[1][0]:
            return None
        start = ends[0][1] if index == ends[0][0] else 0
        end = ends[1][1] if index == ends[1][0] else len(line.text)
        return (start, end) if start < end else None

    def text(self) -> str:
        """What is chosen, as it is copied: from several messages with who said it when."""
        ends = self._order()
        if ends is None:
            return ""
        parts = []
        for index in range(ends[0][0], ends[1][0] + 1):
            line = self._canvas.feed.lines[index]
            part = self.part_of(index, line)
            if part is not None:
                parts.append((line, line.text[part[0] : part[1]]))
        if len(parts) == 1:
            return parts[0][1]
        return "\n".join(f"[{clock(line.at)}] {line.name}: {text}" for line, text in parts)

    def copy(self) -> str:
        """Put what is chosen, or else the message chosen with the keyboard, into the clipboard."""
        chosen = self._canvas.chosen()
        text = self.text() or (chosen.text if chosen else "")
        if text:
            self._canvas.clipboard_clear()
            self._canvas.clipboard_append(text)
        return "break"

    def _keys(self) -> set[tuple[str, str]]:
        ends = self._order()
        if ends is None:
            return set()
        return {(line.account, line.id) for line in self._canvas.feed.lines[ends[0][0] : ends[1][0] + 1]}

    def _choose(self, start: Place | None, end: Place | None) -> None:
        before = self._keys()
        self._from, self._to = start, end
        self._redraw(before | self._keys())

    def _redraw(self, keys: set[tuple[str, str]]) -> None:
        for _, _box, line in self._canvas.drawn():
            if (line.account, line.id) in keys:
                self.draw(line)

    def draw(self, line: Line) -> None:
        """Show which part of this line is chosen."""
        key = (line.account, line.id)
        index = self._canvas.feed.index(line.id, line.account) if self._from is not None else None
        part = None if index is None else self.part_of(index, line)
        drawn = next((found for found in self._canvas.drawn() if found[2] is line), None) if part else None
        self._canvas.painter.mark(key, drawn, part)

    # ---- the mouse

    def _press(self, event: tk.Event[MessageList]) -> None:
        self._canvas.focus_set()
        self._on_thumb = self._canvas.painter.thumb_at(event.x)
        self._pressed = None if self._on_thumb else (event.x, event.y)
        if self._on_thumb:
            self._canvas.drag_to(event.y)
        else:
            self.clear()

    def _drag(self, event: tk.Event[MessageList]) -> None:
        if self._on_thumb:
            self._canvas.drag_to(event.y)
        if self._pressed is None:
            return
        self._mouse = (event.x, event.y)
        if self._from is None:
            if abs(event.x - self._pressed[0]) + abs(event.y - self._pressed[1]) < DRAG:
                return
            self._from = self._canvas.place_at(*self._pressed)
        end = self._canvas.place_at(event.x, event.y)
        if self._from is not None and end is not None:
            self._choose(self._from, end)
        if not self._scrolling and not 0 <= event.y < self._canvas.winfo_height():
            self._scrolling = True
            self._scroll_on()

    def _scroll_on(self) -> None:
        x, y = self._mouse
        height = self._canvas.winfo_height()
        if self._pressed is None or 0 <= y < height:
            self._scrolling = False
            return
        self._canvas.scroll_by(EDGE_SCROLL if y >= height else -EDGE_SCROLL)
        end = self._canvas.place_at(x, max(0, min(height - 1, y)))
        if self._from is not None and end is not None:
            self._choose(self._from, end)
        self._canvas.after(AGAIN, self._scroll_on)

    def _release(self, event: tk.Event[MessageList]) -> None:
        was_click, self._pressed = self._pressed is not None and self._from is None, None
        if was_click:
            self._click(event.x, event.y)

    def _click(self, x: int, y: int) -> None:
        found = self._canvas.at(y)
        if found is None:
            return
        listener, line = self._canvas.listener, found[2]
        match self._canvas.painter.part_at(*found, x, y):
            case "link", link:
                listener.link(link)
            case "retry", _:
                listener.retry(line)
            case "person", _:
                listener.person(line)

    def _hover(self, event: tk.Event[MessageList]) -> None:
        found = self._canvas.at(event.y)
        part = ("", "") if found is None else self._canvas.painter.part_at(*found, event.x, event.y)
        cursor = {"text": "xterm", "": ""}.get(part[0], "hand2")
        if self._canvas["cursor"] != cursor:
            self._canvas.configure(cursor=cursor)

    def _word(self, event: tk.Event[MessageList]) -> None:
        place = self._canvas.place_at(event.x, event.y)
        found = self._canvas.at(event.y)
        self._pressed = None
        if place is None or found is None:
            return
        for word in WORD.finditer(found[2].text):
            if word.start() <= place.offset <= word.end():
                self._choose(Place(place.key, word.start()), Place(place.key, word.end()))
                return

    def _whole(self, event: tk.Event[MessageList]) -> None:
        found = self._canvas.at(event.y)
        self._pressed = None
        if found is not None:
            key = (found[2].account, found[2].id)
            self._choose(Place(key, 0), Place(key, len(found[2].text)))

    def _menu(self, event: tk.Event[MessageList]) -> None:
        self._canvas.focus_set()
        found = self._canvas.at(event.y)
        if found is not None:
            self._canvas.listener.menu(found[2], event.x_root, event.y_root)

    def _menu_of_chosen(self) -> str:
        chosen = self._canvas.chosen()
        for y, box, line in self._canvas.drawn():
            if line is chosen:
                x = self._canvas.winfo_rootx() + box.x
                self._canvas.listener.menu(line, x, self._canvas.winfo_rooty() + max(0, y + box.y))
        return "break"
