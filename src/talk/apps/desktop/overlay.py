"""Pages that cover the window: a card in the middle, one at a time. Tab stays inside."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from typing import Any

import customtkinter as ctk

from talk.apps.desktop.look import both
from talk.apps.desktop.scrolled import BAR, Scrolled
from talk.apps.desktop.widgets import Button, Label, focused
from talk.apps.desktop.words import _

MARGIN = 24
PADDING = 28


class Overlay:
    """Covers the window with a card while it is open. `uncovered` is called when what is under it can be seen again."""

    def __init__(self, root: Any, uncovered: Callable[[], object]) -> None:
        self._root, self._uncovered = root, uncovered
        self._cover = ctk.CTkFrame(root, corner_radius=0, fg_color=both("back"))
        self._cover.grid_rowconfigure(0, weight=1)
        self._cover.grid_columnconfigure(0, weight=1)
        self._card: Any = None
        self._page: Scrolled | None = None
        self._closed: Callable[[], object] | None = None
        self._focus_before: tk.Misc | None = None
        self._may_close = True

    @property
    def is_open(self) -> bool:
        return self._card is not None

    def open(
        self,
        title: str,
        *,
        width: int = 460,
        closed: Callable[[], object] | None = None,
        may_close: bool = True,
    ) -> Any:
        """A new empty card with this title; what is placed into it is up to the caller."""
        self.close(tell=False)
        self._closed, self._may_close = closed, may_close
        self._focus_before = focused(self._root)
        card = ctk.CTkFrame(self._cover, corner_radius=22, fg_color=both("panel"), width=width)
        card.grid(row=0, column=0, pady=MARGIN)
        card.grid_columnconfigure(0, weight=1)
        card.grid_rowconfigure(1, weight=1)
        self._card = card
        if title or may_close:
            self._head(card, title)
        self._page = Scrolled(card, width=width - 2 * PADDING)
        self._page.widget.grid(row=1, column=0, sticky="nsew", padx=(PADDING, PADDING - BAR), pady=(4, 26))
        self._cover.place(x=0, y=0, relwidth=1, relheight=1)
        self._cover.lift()
        card.focus_set()  # so that Escape and Tab come here
        self._bind()
        return self._page.body

    def _head(self, card: Any, title: str) -> None:
        head = ctk.CTkFrame(card, fg_color="transparent")
        head.grid(row=0, column=0, sticky="ew", padx=(PADDING, 16), pady=(18, 2))
        head.grid_columnconfigure(0, weight=1)
        Label(head, title, size=20, bold=True).widget.grid(row=0, column=0, sticky="w")
        if self._may_close:
            close = Button(head, icon="close", style="quiet", height=36, command=self.close, tip=_("Close"))
            close.widget.grid(row=0, column=1)

    def _bind(self) -> None:
        self._root.bind_class("Overlay", "<Tab>", lambda event: self._step(event, forward=True))
        self._root.bind_class("Overlay", "<Shift-Tab>", lambda event: self._step(event, forward=False))
        for wheel in ("<Button-4>", "<Button-5>", "<MouseWheel>"):
            self._root.bind_class("Overlay", wheel, lambda event: self._wheel(event))
        self._root.bind_class("Overlay", "<FocusIn>", lambda event: self._focused(event))
        self._root.after_idle(self._tag_all)
        if self._page is not None:
            self._page.body.bind("<Configure>", lambda _: self._tag_all())

    def _tag_all(self) -> None:
        """Let Tab and the wheel inside the card be ours, also on what comes later."""
        waiting: list[tk.Misc] = [self._card] if self._card is not None else []
        while waiting:
            widget = waiting.pop()
            if "Overlay" not in widget.bindtags():
                widget.bindtags(("Overlay", *widget.bindtags()))
            waiting.extend(tk.Misc.winfo_children(widget))  # CustomTkinter's own leaves out what is drawn on

    def _wheel(self, event: tk.Event[tk.Misc]) -> None:
        if self._page is not None:
            self._page.wheel(event)

    def _focused(self, event: tk.Event[tk.Misc]) -> None:
        """What the keyboard is on can be seen."""
        if self._page is not None and str(event.widget).startswith(str(self._page.body)):
            self._page.see(event.widget)

    def _step(self, event: tk.Event[tk.Misc], *, forward: bool) -> str:
        """The next widget that takes the focus and is on the card."""
        start: Any = event.widget
        widget = start
        for _turn in range(500):
            widget = widget.tk_focusNext() if forward else widget.tk_focusPrev()
            if widget is None or widget is start:
                break
            if str(widget).startswith(str(self._card)):
                widget.focus_set()
                break
        return "break"

    def escape(self) -> None:
        """Close it as Escape does, where that may be."""
        if self._may_close:
            self.close()

    def close(self, *, tell: bool = True) -> None:
        """Take the card away, and give the focus back."""
        card, self._card = self._card, None
        self._page = None
        closed, self._closed = self._closed, None
        if card is None:
            return
        self._cover.place_forget()
        card.destroy()
        if self._focus_before is not None and self._focus_before.winfo_exists():
            self._focus_before.focus_set()
        if tell and closed is not None:
            closed()
        if not self.is_open:
            self._uncovered()
