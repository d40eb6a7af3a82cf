"""A page that is scrolled where it is taller than its place, and fitted where the place is narrower than it."""

from __future__ import annotations

import tkinter as tk
from typing import Any

import customtkinter as ctk

from talk.apps.desktop.look import both

WHEEL = 60  # pixels at 100 %
BAR = 20  # pixels at 100 %, for the scroll bar; they are kept free
AROUND = 12  # pixels at 100 %, around what is brought into view


class Scrolled:
    """`widget` is what is placed, `body` what things are put into.

    A widget with a method `fit` is told how wide it may be at most, in pixels at 100 %. CustomTkinter's own frame has
    one height for everything, keeps its handlers for ever, and does not follow the keyboard.
    """

    def __init__(self, master: Any, *, width: int) -> None:
        self.widget = ctk.CTkFrame(master, fg_color="transparent")
        self.widget.grid_columnconfigure(0, weight=1)
        self.widget.grid_columnconfigure(1, minsize=BAR)
        self.widget.grid_rowconfigure(0, weight=1)
        self._scale = float(ctk.ScalingTracker.get_widget_scaling(self.widget))
        self._canvas = tk.Canvas(self.widget, highlightthickness=0, bd=0, width=self._px(width), height=1)
        self._canvas.grid(row=0, column=0, sticky="nsew")
        self.body = ctk.CTkFrame(self._canvas, corner_radius=0, fg_color=both("panel"), bg_color=both("panel"))
        self.body.grid_columnconfigure(0, weight=1)
        self._canvas.configure(background=self.body._apply_appearance_mode(both("panel")))
        self._item = self._canvas.create_window(0, 0, anchor="nw", window=self.body)
        self._bar = ctk.CTkScrollbar(self.widget, height=1, command=self._canvas.yview, fg_color="transparent")
        self._bar.grid(row=0, column=1, sticky="ns")
        self._is_bar_shown: bool | None = None
        self._canvas.configure(yscrollcommand=self._bar.set)
        self._fitted = 0
        self._canvas.bind("<Configure>", lambda _: self._place())
        self.body.bind("<Configure>", lambda _: self._place())

    def _px(self, size: float) -> int:
        return round(size * self._scale)

    def _place(self) -> None:
        """Let the body be as wide as the place and as tall as it has to be; where that is taller, with a scroll bar."""
        wide, tall = self._canvas.winfo_width(), self._canvas.winfo_height()
        if wide <= 1:
            return
        if wide != self._fitted:
            self._fitted = wide
            self._fit_all(wide)
        needed = self.body.winfo_reqheight()
        self._canvas.configure(height=needed, scrollregion=(0, 0, wide, max(needed, tall)))
        # Setting the height may have come back here already: what was read above is old then.
        self._show_bar(self.body.winfo_reqheight() > self._canvas.winfo_height())

    def _show_bar(self, show: bool) -> None:
        # Not by taking it away: each step of it makes Tk lay out everything, and in the midst of that it would stay.
        if show != self._is_bar_shown:
            self._is_bar_shown = show
            colour = both("line" if show else "panel")
            self._bar.configure(button_color=colour, button_hover_color=both("soft") if show else colour)

    def _fit_all(self, wide: int) -> None:
        # Only its width is set, so the body grows with what comes later, and tells it.
        self._canvas.itemconfigure(self._item, width=wide)
        self._canvas.update_idletasks()  # so that everything is where it will be
        left = self.body.winfo_rootx()
        waiting: list[Any] = [self.body]
        while waiting:
            widget = waiting.pop()
            waiting.extend(widget.winfo_children())
            if hasattr(widget, "fit"):
                widget.fit(round((wide - (widget.winfo_rootx() - left)) / self._scale))

    def wheel(self, event: tk.Event[tk.Misc]) -> None:
        """Scroll by a step of the mouse's wheel."""
        up = event.num == 4 or event.delta > 0
        self._scroll_to(self._canvas.canvasy(0) + self._px(-WHEEL if up else WHEEL))

    def see(self, widget: tk.Misc) -> None:
        """Bring a widget on the body into view."""
        top = widget.winfo_rooty() - self.body.winfo_rooty() - self._px(AROUND)
        below = top + widget.winfo_height() + 2 * self._px(AROUND)
        start, tall = self._canvas.canvasy(0), self._canvas.winfo_height()
        if top < start:
            self._scroll_to(top)
        elif below > start + tall:
            self._scroll_to(min(top, below - tall))

    def _scroll_to(self, y: float) -> None:
        whole = max(1, self.body.winfo_height())
        if whole > self._canvas.winfo_height():
            self._canvas.yview_moveto(max(0.0, y) / whole)
