"""The emoji picker: all emoji on one canvas, by group, with a search in English, Hinglish and Hindi."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from typing import Any

import customtkinter as ctk

from talk.apps.desktop import pictures
from talk.apps.desktop.emoji import GROUPS, Emoji, all_emoji, search
from talk.apps.desktop.fonts import needs_shaping
from talk.apps.desktop.look import Look, both
from talk.apps.desktop.widgets import Field, Label
from talk.apps.desktop.words import _

WIDTH, HEIGHT = 372, 380
CELL, SIZE, COLUMNS = 40, 26, 9
HEADING = 30
WHEEL = 80
MOST_RECENT = 27


class EmojiPicker:
    """Floats over the composer. `picked` is called with an emoji; the picker stays open until it is closed."""

    def __init__(
        self, root: Any, look: Look, recent: list[str], picked: Callable[[str], object], closed: Callable[[], object]
    ) -> None:
        self._look, self._recent, self._picked, self._closed = look, recent, picked, closed
        self.widget = ctk.CTkFrame(
            root, width=WIDTH, height=HEIGHT, corner_radius=18, fg_color=both("panel"), border_width=1,
            border_color=both("line"),
        )  # fmt: skip
        self.widget.grid_propagate(False)
        self.widget.grid_columnconfigure(0, weight=1)
        self.widget.grid_rowconfigure(1, weight=1)
        self.search = Field(self.widget, _("Search emoji"), icon_name="search", changed=self._searched)
        self.search.widget.grid(row=0, column=0, sticky="ew", padx=12, pady=(12, 6))
        self.canvas = tk.Canvas(self.widget, highlightthickness=0, bd=0, background=look.palette.panel, takefocus=0)
        self.canvas.grid(row=1, column=0, sticky="nsew", padx=8)
        self._name = Label(self.widget, size=12, colour="soft")
        self._name.widget.grid(row=2, column=0, sticky="w", padx=18, pady=(2, 10))
        self._offset = self._chosen = 0
        self._rows: list[tuple[str, list[Emoji]]] = []
        self._held: list[object] = []
        self._bind()
        self._searched("")
        self.search.focus()

    def _bind(self) -> None:
        canvas, entry = self.canvas, self.search.entry._entry
        canvas.bind("<Configure>", lambda _: self._draw())
        canvas.bind("<Button-1>", self._click)
        canvas.bind("<Motion>", self._motion)
        canvas.bind("<Button-4>", lambda _: self._scroll(-WHEEL))
        canvas.bind("<Button-5>", lambda _: self._scroll(WHEEL))
        canvas.bind("<MouseWheel>", lambda event: self._scroll(-event.delta * WHEEL // max(120, abs(event.delta))))
        for key, step in (("<Left>", -1), ("<Right>", 1), ("<Up>", -COLUMNS), ("<Down>", COLUMNS)):
            entry.bind(key, lambda _, step=step: self._step(step))
        for key in ("<Return>", "<KP_Enter>"):
            entry.bind(key, lambda _: self._pick(self._chosen))
        entry.bind("<Escape>", lambda _: (self._closed(), "break")[1])

    # ---- what is shown

    def _searched(self, text: str) -> None:
        found = search(text) if text.strip() else []
        if text.strip():
            sections = [("" if found else _("Nothing found"), found)]
        else:
            by_group = all_emoji()
            names = {emoji.text: emoji for emojis in by_group.values() for emoji in emojis}
            recent = [names[text] for text in self._recent if text in names]
            sections = [(_("Used lately"), recent)] if recent else []
            sections += [(_(GROUPS[group]), emojis) for group, emojis in by_group.items()]
        self._rows = []
        for heading, emojis in sections:
            if heading:
                self._rows.append((heading, []))
            self._rows += [("", emojis[at : at + COLUMNS]) for at in range(0, len(emojis), COLUMNS)]
        self._shown = [emoji for _heading, emojis in self._rows for emoji in emojis]
        self._offset = self._chosen = 0
        self._draw()

    def _height(self, row: tuple[str, list[Emoji]]) -> int:
        return self._look.px(CELL if row[1] else HEADING)

    def _places(self) -> list[tuple[int, int, tuple[str, list[Emoji]]]]:
        """The rows in view: y, the number of their first emoji, the row."""
        y, number, visible, height = -self._offset, 0, [], self.canvas.winfo_height()
        for row in self._rows:
            tall = self._height(row)
            if y + tall > 0:
                visible.append((y, number, row))
            y += tall
            number += len(row[1])
            if y > height:
                break
        return visible

    def _draw(self) -> None:
        canvas, px, palette = self.canvas, self._look.px, self._look.palette
        canvas.delete("all")
        self._held.clear()
        for y, number, (heading, emojis) in self._places():
            if heading:
                self._heading(heading, y)
            for column, emoji in enumerate(emojis):
                x = column * px(CELL)
                if number + column == self._chosen:
                    canvas.create_rectangle(
                        x + px(2), y + px(2), x + px(CELL - 2), y + px(CELL - 2), fill=palette.selected, width=0
                    )
                picture = pictures.emoji(emoji.text, px(SIZE))
                self._held.append(picture)
                canvas.create_image(x + px(CELL) // 2, y + px(CELL) // 2, image=picture)
        if self._shown:
            chosen = self._shown[self._chosen]
            self._name.set(chosen.shown_name)

    def _heading(self, heading: str, y: int) -> None:
        px, palette = self._look.px, self._look.palette
        if needs_shaping(heading):
            picture, _base = pictures.shaped(heading, px(12), palette.soft, bold=True)
            self._held.append(picture)
            self.canvas.create_image(px(8), y + px(HEADING) // 2, image=picture, anchor="w")
        else:
            font = self._look.font(12, bold=True)
            self.canvas.create_text(px(8), y + px(HEADING) // 2, text=heading, font=font, fill=palette.soft, anchor="w")

    # ---- choosing

    def _at(self, x: int, y: int) -> int | None:
        for top, number, row in self._places():
            column = x // self._look.px(CELL)
            if top <= y < top + self._height(row) and column < len(row[1]):
                return number + column
        return None

    def _click(self, event: tk.Event[tk.Canvas]) -> None:
        number = self._at(event.x, event.y)
        if number is not None:
            self._pick(number)

    def _motion(self, event: tk.Event[tk.Canvas]) -> None:
        number = self._at(event.x, event.y)
        if number is not None and number != self._chosen:
            self._chosen = number
            self._draw()

    def _pick(self, number: int) -> str:
        if self._shown:
            text = self._shown[number].text
            self._recent[:] = [text, *(other for other in self._recent if other != text)][:MOST_RECENT]
            self._picked(text)
        return "break"

    def _step(self, step: int) -> str:
        if self._shown:
            self._chosen = max(0, min(len(self._shown) - 1, self._chosen + step))
            self._bring_into_view()
            self._draw()
        return "break"

    def _bring_into_view(self) -> None:
        y = number = 0
        for row in self._rows:
            tall = self._height(row)
            if number <= self._chosen < number + len(row[1]):
                self._offset = max(min(self._offset, y), y + tall - self.canvas.winfo_height())
                return
            y += tall
            number += len(row[1])

    def _scroll(self, pixels: int) -> str:
        most = max(0, sum(map(self._height, self._rows)) - self.canvas.winfo_height())
        self._offset = max(0, min(most, self._offset + self._look.px(pixels)))
        self._draw()
        return "break"
