"""The strip of chats at the left edge, there when there are several."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from typing import Any

from talk.apps.desktop import pictures
from talk.apps.desktop.look import Look, person_colour

WIDTH, CELL, AVATAR = 64, 60, 42


class Rail(tk.Canvas):
    """One round picture per chat, and a plus for another one."""

    def __init__(self, master: Any, look: Look, chosen: Callable[[int], object], add: Callable[[], object]) -> None:
        super().__init__(
            master, highlightthickness=0, bd=0, width=look.px(WIDTH), background=look.palette.back, takefocus=1
        )
        self._look, self._chosen, self._add = look, chosen, add
        self._chats: list[tuple[str, int]] = []
        self._current = self._focused = -1
        self._held: list[object] = []
        self.bind("<Button-1>", self._click)
        self.bind("<Up>", lambda _: self._step(-1))
        self.bind("<Down>", lambda _: self._step(1))
        for key in ("<Return>", "<space>"):
            self.bind(key, lambda _: self._press(self._focused))
        self.bind("<FocusIn>", lambda _: self._focus(max(0, self._current)))
        self.bind("<FocusOut>", lambda _: self._focus(-1))
        look.listen(self._draw)

    def show(self, chats: list[tuple[str, int]], current: int) -> None:
        """`chats` are titles with how much is unread."""
        if len(chats) < 2:
            self.grid_forget()
            return
        self.grid(row=0, column=0, rowspan=2, sticky="ns")
        if (chats, current) != (self._chats, self._current):
            self._chats, self._current = chats, current
            self._draw()

    def _draw(self) -> None:
        px, palette = self._look.px, self._look.palette
        self.configure(background=palette.back)
        self.delete("all")
        self._held.clear()
        middle = px(WIDTH) // 2
        for number, (title, unread) in enumerate(self._chats):
            y = px(CELL) * number + px(CELL) // 2 + px(6)
            if number == self._current:
                self.create_rectangle(0, y - px(14), px(4), y + px(14), fill=palette.accent, width=0)
            if number == self._focused:
                reach = px(AVATAR) // 2 + px(3)
                self.create_oval(middle - reach, y - reach, middle + reach, y + reach, outline=palette.text, width=2)
            self._image(pictures.avatar(title[:1].upper() or "?", person_colour(palette, title), px(AVATAR)), middle, y)
            if unread:
                self._image(pictures.disc(px(14), palette.bad, palette.back), middle + px(16), y - px(16))
        y = px(CELL) * len(self._chats) + px(CELL) // 2 + px(6)
        self._image(pictures.disc(px(AVATAR), palette.raised), middle, y)
        self._image(pictures.icon("plus", px(20), palette.soft), middle, y)

    def _image(self, picture: Any, x: int, y: int) -> None:
        self._held.append(picture)
        self.create_image(x, y, image=picture)

    def _click(self, event: tk.Event[Any]) -> None:
        self._press((event.y - self._look.px(6)) // self._look.px(CELL))

    def _press(self, number: int) -> str:
        if 0 <= number < len(self._chats):
            self._chosen(number)
        elif number == len(self._chats):
            self._add()
        return "break"

    def _focus(self, number: int) -> None:
        self._focused = number
        self._draw()

    def _step(self, step: int) -> str:
        self._focus(max(0, min(len(self._chats), self._focused + step)))
        return "break"
