"""How the window looks: colours, sizes and fonts, in the dark and in the light."""

from __future__ import annotations

import tkinter as tk
import tkinter.font as tkfont
import zlib
from collections.abc import Callable
from dataclasses import dataclass

FAMILY = "Noto Sans"

# Shapes, in pixels at 100 %
SIDEBAR = 300
SIDEBAR_HIDES_UNDER = 760
HEADER = 60
PANEL = 320
ROW = 64
BUBBLE_MOST = 520
RADIUS = 16


@dataclass(frozen=True, slots=True)
class Palette:
    """Every colour there is. `them`, `me` and `sealed` are bubbles: others', one's own, one's own private ones."""

    back: str
    panel: str
    raised: str
    hover: str
    selected: str
    line: str
    knob: str
    text: str
    soft: str
    accent: str
    accent_hover: str
    on_accent: str
    private: str
    private_soft: str
    on_private: str
    them: str
    me: str
    me_text: str
    me_soft: str
    sealed: str
    sealed_text: str
    sealed_soft: str
    link: str
    me_link: str
    pill: str
    mark: str
    me_mark: str
    warn: str
    warn_text: str
    bad: str
    danger: str
    good: str
    people: tuple[str, ...]


DARK = Palette(
    back="#0f141e",
    panel="#171d2a",
    raised="#202839",
    hover="#232c3f",
    selected="#2a3550",
    line="#262f42",
    knob="#ffffff",
    text="#f1f4fa",
    soft="#8e9bb3",
    accent="#5b7cfa",
    accent_hover="#4a6aea",
    on_accent="#ffffff",
    private="#2bb597",
    private_soft="#12312f",
    on_private="#04201a",
    them="#1f2738",
    me="#3a55c4",
    me_text="#ffffff",
    me_soft="#b9c6f5",
    sealed="#17695a",
    sealed_text="#ffffff",
    sealed_soft="#a5ddcf",
    link="#82a4ff",
    me_link="#dbe4ff",
    pill="#1c2434",
    mark="#46599a",
    me_mark="#7089f0",
    warn="#4a3a12",
    warn_text="#ffdf92",
    bad="#ff6b6b",
    danger="#c94455",
    good="#3ecf8e",
    people=("#f0857d", "#7bc862", "#62b0ee", "#ee7fb2", "#ab9bf2", "#f5a96b", "#5fc9c2", "#d3b64f"),
)
LIGHT = Palette(
    back="#eef1f7",
    panel="#ffffff",
    raised="#f0f3f9",
    hover="#f1f4fa",
    selected="#e2e9fd",
    line="#d5dce8",
    knob="#5a6880",
    text="#141a26",
    soft="#677389",
    accent="#3f61e0",
    accent_hover="#3352c8",
    on_accent="#ffffff",
    private="#0c8f74",
    private_soft="#e0f4ee",
    on_private="#ffffff",
    them="#ffffff",
    me="#d9e3ff",
    me_text="#121a33",
    me_soft="#5a6fae",
    sealed="#cdf0e4",
    sealed_text="#0b2a22",
    sealed_soft="#33806d",
    link="#2b52d6",
    me_link="#2b52d6",
    pill="#dde3ee",
    mark="#b9ccff",
    me_mark="#a9c0ff",
    warn="#fff0c9",
    warn_text="#6a4b00",
    bad="#c92a3a",
    danger="#c92a3a",
    good="#16985f",
    people=("#c9463d", "#3c8a2e", "#1f76b8", "#b83f79", "#6f57cf", "#b86a1d", "#16857d", "#8a6f0c"),
)


def both(name: str) -> tuple[str, str]:
    """A colour as CustomTkinter takes it: for light and for dark."""
    return getattr(LIGHT, name), getattr(DARK, name)


class Look:
    """The look in use. Whoever draws on a canvas listens; CustomTkinter's own widgets follow by themselves."""

    def __init__(self, *, dark: bool, scale: float, text_size: int) -> None:
        self.dark, self.scale, self.text_size = dark, scale, text_size
        self._fonts: dict[tuple[int, bool], tkfont.Font] = {}
        self._users: list[tk.Label] = []
        self._listeners: list[Callable[[], None]] = []

    @property
    def palette(self) -> Palette:
        return DARK if self.dark else LIGHT

    def px(self, size: float) -> int:
        """Pixels on this screen for pixels at 100 %."""
        return round(size * self.scale)

    def font(self, size: int, *, bold: bool = False) -> tkfont.Font:
        """A font for canvases; `size` in pixels at 100 %."""
        wanted = (self.px(size), bold)
        if wanted not in self._fonts:
            font = tkfont.Font(family=FAMILY, size=-wanted[0], weight="bold" if bold else "normal")
            # Tk closes a font that no widget uses, and opens it for each text it measures: 0.93 ms instead of 0.004.
            self._users.append(tk.Label(font=font))
            self._fonts[wanted] = font
        return self._fonts[wanted]

    def listen(self, changed: Callable[[], None]) -> None:
        """Have this called whenever the look has changed."""
        self._listeners.append(changed)

    def forget_listeners(self) -> None:
        """Everything that listened is about to be built anew."""
        self._listeners.clear()
        self._users.clear()
        self._fonts.clear()

    def change(self, *, dark: bool | None = None, scale: float | None = None, text_size: int | None = None) -> None:
        self.dark = self.dark if dark is None else dark
        self.scale = scale or self.scale
        self.text_size = text_size or self.text_size
        for changed in self._listeners:
            changed()


def person_colour(palette: Palette, account: str) -> str:
    """The same person has the same colour everywhere."""
    return palette.people[zlib.crc32(account.encode()) % len(palette.people)]
