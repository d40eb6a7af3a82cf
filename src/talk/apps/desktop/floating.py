"""What floats over the window for a moment: a menu at the mouse, and a short notice."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from typing import Any

import customtkinter as ctk

from talk.apps.desktop.look import Look, both
from talk.apps.desktop.widgets import Button, Label, focused
from talk.apps.desktop.words import _

TOAST_MS = 6_000
TOAST_Y = 72
MENU_WIDTH = 250


class Menu:
    """A list of actions at a place on the screen. It goes with a choice, with Escape, or with a click elsewhere."""

    def __init__(self, root: Any, look: Look) -> None:
        self._root, self._look = root, look
        self._frame: Any = None
        self._binding = ""
        self._focus_before: tk.Misc | None = None

    @property
    def is_open(self) -> bool:
        return self._frame is not None

    def open(self, x: int, y: int, actions: list[tuple[str, str, Callable[[], object]]]) -> None:
        """`actions` are (icon, words, what to do); x and y are places on the screen."""
        self.close()
        self._focus_before = focused(self._root)
        self._frame = ctk.CTkFrame(
            self._root, corner_radius=14, fg_color=both("panel"), border_width=1, border_color=both("line")
        )
        buttons: list[Button] = []
        for icon, words, act in actions:
            button = Button(
                self._frame,
                words,
                lambda act=act: self._do(act),  # type: ignore[misc]
                icon=icon,
                style="plain",
                width=MENU_WIDTH,
                height=38,
                anchor="w",
                size=13,
            )
            button.widget.configure(fg_color="transparent", border_color=both("panel"))
            button._resting = both("panel")
            button.widget.pack(padx=6, pady=(6 if not buttons else 0, 0))
            buttons.append(button)
        ctk.CTkFrame(self._frame, height=6, width=10, fg_color="transparent").pack()
        self._frame.update_idletasks()
        self._place(x, y)
        self._bind(buttons)

    def _place(self, x: int, y: int) -> None:
        root, frame, scale = self._root, self._frame, self._look.scale
        left = min(x - root.winfo_rootx(), root.winfo_width() - frame.winfo_reqwidth() - 8)
        top = min(y - root.winfo_rooty(), root.winfo_height() - frame.winfo_reqheight() - 8)
        frame.place(x=max(4, left) / scale, y=max(4, top) / scale)
        frame.lift()

    def _bind(self, buttons: list[Button]) -> None:
        inner = [button.widget._canvas for button in buttons]
        for number, canvas in enumerate(inner):
            canvas.bind("<Escape>", self._escaped)
            for key, step in (("<Down>", 1), ("<Up>", -1), ("<Tab>", 1)):
                to = inner[(number + step) % len(inner)]
                canvas.bind(key, lambda _, to=to: (to.focus_set(), "break")[1])
        if inner:
            inner[0].focus_set()
        self._binding = self._root.bind("<Button-1>", self._clicked, add="+")

    def _escaped(self, _event: object) -> str:
        self.close()
        return "break"

    def _clicked(self, event: tk.Event[tk.Misc]) -> None:
        if self._frame is not None and not str(event.widget).startswith(str(self._frame)):
            self.close()

    def _do(self, act: Callable[[], object]) -> None:
        self.close()
        act()

    def close(self) -> None:
        frame, self._frame = self._frame, None
        if frame is None:
            return
        # Unbinding one of several takes all of them away (bpo-31485), so the window binds its own once more.
        self._root.unbind("<Button-1>", self._binding)
        # Not now: the button that was pressed is a part of it, and is still at work.
        frame.place_forget()
        self._root.after(200, lambda: frame.destroy() if frame.winfo_exists() else None)
        if self._focus_before is not None and self._focus_before.winfo_exists():
            self._focus_before.focus_set()


class Toast:
    """A notice at the upper edge, with something to do about it perhaps."""

    def __init__(self, root: Any, over: Any) -> None:
        self._root, self._over = root, over
        self._frame = ctk.CTkFrame(
            root, corner_radius=16, fg_color=both("raised"), bg_color=both("back"), border_width=1
        )
        self._words = Label(self._frame, size=13, wrap=420)
        self._words.widget.pack(side="left", padx=(18, 10), pady=10)
        self._act: Callable[[], object] | None = None
        self._button = Button(self._frame, "", self._do, style="accent", height=30, size=12)
        self._close = Button(self._frame, icon="close", style="quiet", height=30, size=12, command=self.hide)
        self._later = ""

    @property
    def words(self) -> str:
        """What is on the screen now."""
        return self._words.text if self._frame.winfo_manager() else ""

    def show(
        self, words: str, *, action: str = "", act: Callable[[], object] | None = None, stay: bool = False
    ) -> None:
        """Say something; it goes by itself unless it should stay."""
        self.hide()
        self._words.set(words)
        self._frame.configure(border_color=both("line"))
        self._act = act
        self._button.widget.pack_forget()
        self._close.widget.pack_forget()
        if act is not None:
            self._button.set(action or _("Look"))
            self._button.widget.pack(side="left", padx=4)
        self._close.widget.pack(side="left", padx=(4, 10))
        self._frame.place(in_=self._over, relx=0.5, y=TOAST_Y, anchor="n")
        self._frame.lift()
        if not stay:
            self._later = self._root.after(TOAST_MS, self.hide)

    def _do(self) -> None:
        self.hide()
        if self._act is not None:
            self._act()

    def hide(self) -> None:
        """Take it away."""
        if self._later:
            self._root.after_cancel(self._later)
            self._later = ""
        self._frame.place_forget()
