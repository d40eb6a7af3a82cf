"""The panel at the right: one at a time, beside the conversation; in a narrow window over it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import customtkinter as ctk

from talk.apps.desktop.look import HEADER, PANEL, both
from talk.apps.desktop.widgets import Button, Label
from talk.apps.desktop.words import _


class Panel:
    """An empty panel with a title; what is in it is up to whoever opens it."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._closed: Callable[[], object] | None = None
        self.kind = ""
        self.widget = ctk.CTkFrame(root, width=PANEL, corner_radius=0, fg_color=both("panel"))
        self.widget.grid_propagate(False)
        self.widget.grid_columnconfigure(0, weight=1)
        self.widget.grid_rowconfigure(1, weight=1)
        head = ctk.CTkFrame(self.widget, height=HEADER, corner_radius=0, fg_color=both("panel"))
        head.grid(row=0, column=0, sticky="ew")
        head.grid_propagate(False)
        head.grid_columnconfigure(0, weight=1)
        head.grid_rowconfigure(0, weight=1)
        self._title = Label(head, size=16, bold=True)
        self._title.widget.grid(row=0, column=0, sticky="w", padx=(20, 8))
        self._close = Button(head, icon="close", style="quiet", height=36, command=self.close, tip=_("Close"))
        self._close.widget.grid(row=0, column=1, padx=(0, 12))
        self._body: Any = None

    def open(self, kind: str, title: str, *, narrow: bool, scroll: bool = False) -> Any:
        """A new empty body."""
        if self._body is not None:
            self._body.destroy()
        self.kind = kind
        self._title.set(title)
        if scroll:
            self._body = ctk.CTkScrollableFrame(
                self.widget, fg_color="transparent", corner_radius=0, scrollbar_button_color=both("line")
            )
        else:
            self._body = ctk.CTkFrame(self.widget, fg_color="transparent", corner_radius=0)
        self._body.grid(row=1, column=0, sticky="nsew")
        self._body.grid_columnconfigure(0, weight=1)
        if narrow:
            self.widget.place(relx=1.0, x=0, y=0, relheight=1.0, anchor="ne")
            self.widget.lift()
        else:
            self.widget.place_forget()
            self.widget.grid(row=0, column=2, sticky="ns")
        return self._body

    def close(self) -> None:
        """Take it away."""
        if self._body is not None:
            self._body.destroy()
        self._body, self.kind = None, ""
        self.widget.place_forget()
        self.widget.grid_forget()
