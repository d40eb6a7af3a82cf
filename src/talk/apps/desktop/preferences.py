"""Carrying out the settings: theme, sizes, language, and where the window was the last time."""

from __future__ import annotations

import contextlib
import ctypes
import sys
import tkinter as tk
from typing import TYPE_CHECKING, Any

import customtkinter as ctk

from talk.apps.desktop import words
from talk.apps.desktop.settings import save
from talk.apps.desktop.settings_page import Listener, settings_page

if TYPE_CHECKING:
    from talk.apps.desktop.window import Window

PER_MONITOR = 2  # PROCESS_PER_MONITOR_DPI_AWARE
SMALLEST, USUAL = (420, 480), (1080, 740)
MOST_OF_SCREEN = 0.9  # of its width and height, for a window that was never placed


def use_own_scaling() -> None:
    """Sizes are ours to decide, before the first window: CustomTkinter would multiply by the screen's dots again."""
    ctk.deactivate_automatic_dpi_awareness()
    if sys.platform == "win32":
        with contextlib.suppress(OSError):  # it was decided already
            ctypes.windll.shcore.SetProcessDpiAwareness(PER_MONITOR)


def screen_scale(root: Any) -> float:
    """How much larger than at 96 dots an inch things have to be on this screen, in quarters."""
    dots: float = root.winfo_fpixels("1i")
    return max(1.0, round(dots / 96 * 4) / 4)


class Preferences:
    """What the settings do to the window."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._scaled = 1.0  # what CustomTkinter begins with

    def show(self) -> None:
        """The page of all settings."""
        window = self._window
        settings_page(
            window.overlay,
            window.settings,
            Listener(
                theme=self.set_theme,
                scale=self._set_scale,
                text_size=self._set_text_size,
                language=self._set_language,
                changed=self._save,
                rename=window.actions.ask_name,
                forget=window.actions.ask_forget,
            ),
            dark=window.look.dark,
            language=window.settings.language or words.system_language(),
            me=window.chat.client.name if window.chat else "",
        )

    def _save(self) -> None:
        save(self._window.folder, self._window.settings)

    def set_theme(self, theme: str) -> None:
        """Dark or light."""
        self._window.settings.theme = theme
        self._save()
        self._window.look.change(dark=theme == "dark")
        ctk.set_appearance_mode(theme)
        self._window.pane.refresh()

    def _set_scale(self, scale: float) -> None:
        self._window.settings.scale = scale
        self._save()
        self._window.look.change(scale=scale or screen_scale(self._window.root))
        self.give_look_to_ctk()
        self._rebuild_soon()

    def _set_text_size(self, size: int) -> None:
        self._window.settings.text_size = size
        self._save()
        self._window.look.change(text_size=size)

    def _set_language(self, language: str) -> None:
        self._window.settings.language = language
        self._save()
        words.use_language(language)
        self._rebuild_soon()

    def _rebuild_soon(self) -> None:
        # Not while the button that was pressed is still at work.
        self._window.root.after(1, self._rebuild)

    def _rebuild(self) -> None:
        were_open = self._window.overlay.is_open
        self._window.rebuild()
        if were_open:
            self.show()

    def give_look_to_ctk(self) -> None:
        """Let CustomTkinter's own widgets look alike."""
        look = self._window.look
        ctk.set_appearance_mode("dark" if look.dark else "light")
        if look.scale != self._scaled:  # every widget is drawn anew by it, 60 ms
            self._scaled = look.scale
            ctk.set_widget_scaling(look.scale)

    # ---- the window's place

    def place_window(self) -> None:
        """Put the window where it was the last time."""
        root, look, settings = self._window.root, self._window.look, self._window.settings
        root.minsize(*SMALLEST)
        # For a second after a scaling is set, CustomTkinter would hold the window at 600x500, and then let it jump.
        root.maxsize(1_000_000, 1_000_000)
        wide = min(look.px(USUAL[0]), round(root.winfo_screenwidth() * MOST_OF_SCREEN))
        tall = min(look.px(USUAL[1]), round(root.winfo_screenheight() * MOST_OF_SCREEN))
        root.geometry(f"{wide}x{tall}")
        with contextlib.suppress(tk.TclError):  # of a screen that is gone, or no geometry at all
            if settings.geometry:
                tk.Wm.geometry(root, settings.geometry)
            if settings.maximized:
                root.attributes("-zoomed", True)

    def remember_place(self) -> None:
        """Keep where the window is."""
        root, settings = self._window.root, self._window.settings
        with contextlib.suppress(tk.TclError):  # macOS knows no such attribute
            settings.maximized = bool(root.attributes("-zoomed"))
        if not settings.maximized:
            settings.geometry = tk.Wm.geometry(root)
        self._save()
