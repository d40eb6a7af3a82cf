"""The widgets of the shell: CustomTkinter's, with what all of ours have in common.

Texts that Tk would draw wrong become pictures; everything that can be clicked can be reached with Tab, shows that it
has the focus, and takes Space and Return.
"""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from typing import Any

import customtkinter as ctk
from PIL import Image, ImageDraw

from talk.apps.desktop.fonts import BOLD, REGULAR, needs_shaping, pillow_font, shaping_font
from talk.apps.desktop.look import DARK, FAMILY, LIGHT, both
from talk.apps.desktop.pictures import emoji_image, icon_image
from talk.apps.desktop.runs import EMOJI, Kind, pieces_of

SHARP = 2  # pictures of texts are drawn this much larger, for screens with scaling
ICON_GAP = 8  # pixels at 100 %, between an icon and a text that is a picture
SHORTEST = 80  # pixels at 100 %, of a line that is broken
RING = 2  # pixels of a focus ring
END = 7  # pixels at 100 %, beside the first and the last button of a choice

Widget = Any  # CustomTkinter has no types


def font(size: int, *, bold: bool = False) -> Any:
    """A font for CustomTkinter's widgets; `size` in pixels at 100 %."""
    return ctk.CTkFont(family=FAMILY, size=size, weight="bold" if bold else "normal")


def needs_picture(text: str) -> bool:
    """Whether Tk cannot draw this text as it should look."""
    return needs_shaping(text) or (not text.isascii() and EMOJI.search(text) is not None)


def _parts(text: str, size: int, bold: bool) -> list[tuple[Image.Image | None, str, float]]:
    """What one line is drawn of, each with its width in a picture: an emoji, or letters of one font."""
    big = size * SHARP
    parts: list[tuple[Image.Image | None, str, float]] = []
    for kind, part, _ in pieces_of(text, 0, needs_shaping):
        if kind == Kind.EMOJI:
            picture = emoji_image(part, round(big * 1.2))
            parts.append((picture, part, picture.width))
        else:
            parts.append((None, part, _pillow_font(part, big, bold).getlength(part)))
    return parts


def _drawn(text: str, size: int, colour: str, bold: bool) -> Image.Image:
    big, parts = size * SHARP, _parts(text, size, bold)
    image = Image.new("RGBA", (int(sum(width for *_, width in parts)) + 4, round(big * 1.7)), (0, 0, 0, 0))
    drawing, x, base = ImageDraw.Draw(image), 0.0, round(big * 1.2)
    for drawn, part, width in parts:
        if drawn is not None:
            image.alpha_composite(drawn, (int(x), (image.height - drawn.height) // 2))
        else:
            drawing.text((x, base), part, font=_pillow_font(part, big, bold), fill=colour, anchor="ls")
        x += width
    return image


def _pillow_font(text: str, size: int, bold: bool) -> Any:
    return shaping_font(text, size, bold=bold) if needs_shaping(text) else pillow_font(BOLD if bold else REGULAR, size)


def text_picture(
    text: str, size: int, colour: str, *, bold: bool = False, wrap: int = 0, icon_name: str = "", icon_size: int = 0
) -> Any:
    """A text as a picture for light and dark, in a colour of the palette, with an icon before it perhaps.

    `wrap` is a width in pixels at which lines end, 0 for none.
    """
    pictures = []
    for palette in (LIGHT, DARK):
        ink = getattr(palette, colour)
        picture = _wrapped(text, size, ink, bold, wrap)
        pictures.append(_beside(icon_image(icon_name, icon_size * SHARP, ink), picture) if icon_name else picture)
    light, dark = pictures
    return ctk.CTkImage(light, dark, size=(light.width // SHARP, light.height // SHARP))


def _beside(left: Image.Image, right: Image.Image) -> Image.Image:
    gap = ICON_GAP * SHARP
    whole = Image.new("RGBA", (left.width + gap + right.width, max(left.height, right.height)), (0, 0, 0, 0))
    whole.alpha_composite(left, (0, (whole.height - left.height) // 2))
    whole.alpha_composite(right, (left.width + gap, (whole.height - right.height) // 2))
    return whole


def _wrapped(text: str, size: int, colour: str, bold: bool, wrap: int) -> Image.Image:
    lines: list[str] = []
    for paragraph in text.split("\n"):
        lines.append("")
        for word in paragraph.split(" "):
            longer = f"{lines[-1]} {word}".strip()
            fits = not wrap or sum(width for *_, width in _parts(longer, size, bold)) <= wrap * SHARP
            if fits:
                lines[-1] = longer
            else:
                lines.append(word)
    drawn = [_drawn(line or " ", size, colour, bold) for line in lines]
    whole = Image.new("RGBA", (max(line.width for line in drawn), sum(line.height for line in drawn)), (0, 0, 0, 0))
    y = 0
    for line in drawn:
        whole.alpha_composite(line, (0, y))
        y += line.height
    return whole


def icon(name: str, size: int, colour: str) -> Any:
    """An icon for light and dark; `colour` is a name of the palette."""
    light, dark = (icon_image(name, size * SHARP, getattr(palette, colour)) for palette in (LIGHT, DARK))
    return ctk.CTkImage(light, dark, size=(size, size))


class Label:
    """A text that can change. `widget` is what is placed."""

    def __init__(
        self,
        master: Widget,
        text: str = "",
        *,
        size: int = 14,
        bold: bool = False,
        colour: str = "text",
        wrap: int = 0,
        back: str = "transparent",
        anchor: str = "w",
    ) -> None:
        self._size, self._bold, self._colour, self._wrap = size, bold, colour, wrap
        self._most = wrap
        self.text = ""
        justify = "left" if anchor == "w" else "center"
        self.widget = ctk.CTkLabel(
            master,
            text="",
            anchor=anchor,
            justify=justify,
            font=font(size, bold=bold),
            text_color=both(colour),
            fg_color=back if back == "transparent" else both(back),
            wraplength=wrap,
            height=round(size * 1.5),
        )
        if wrap:
            self.widget.fit = self.fit
        self.set(text)

    def wrap(self, width: int) -> None:
        """End lines at this width, in pixels at 100 %."""
        if width != self._wrap:
            self._wrap = width
            self.widget.configure(wraplength=width)
            self._show()

    def fit(self, width: int) -> None:
        """Stay within this width, in pixels at 100 %."""
        self.wrap(max(SHORTEST, min(self._most, width)))

    def set(self, text: str, colour: str = "") -> None:
        """Show another text, in another colour of the palette where one is given."""
        if text == self.text and colour in ("", self._colour):
            return
        self.text, self._colour = text, colour or self._colour
        self.widget.words = text
        self._show()

    def _show(self) -> None:
        text = self.text
        if needs_picture(text):
            picture = text_picture(text, self._size, self._colour, bold=self._bold, wrap=self._wrap)
            self.widget.configure(text="", image=picture)
        else:
            self.widget.configure(text=text, image="", text_color=both(self._colour))


# Names of the palette: fill, fill under the mouse, ink.
STYLES = {
    "accent": ("accent", "accent_hover", "on_accent"),
    "plain": ("raised", "selected", "text"),
    "quiet": ("", "hover", "soft"),
    "private": ("private", "private", "on_private"),
    "danger": ("danger", "danger", "on_accent"),
}


class Button:
    """A rounded button with a text, an icon, or both. `style` is plain, accent, quiet, private or danger."""

    def __init__(
        self,
        master: Widget,
        text: str = "",
        command: Callable[[], object] | None = None,
        *,
        icon: str = "",
        style: str = "plain",
        width: int = 0,
        height: int = 36,
        size: int = 14,
        anchor: str = "center",
        tip: str = "",
    ) -> None:
        self._style, self._size, self._icon = style, size, icon
        self._command = command
        self._shown: tuple[str, str, str] | None = None
        self.text, self.tip = "", tip or text
        fill, hover, ink = STYLES[style]
        self._ink = ink
        self.widget = ctk.CTkButton(
            master,
            text="",
            width=width or (height if icon and not text else 0),
            height=height,
            corner_radius=height // 2 if text and anchor == "center" else 12,
            border_spacing=0 if icon and not text else 2,
            border_width=RING,
            border_color=both(fill) if fill else master_colour(master),
            fg_color=both(fill) if fill else "transparent",
            hover_color=both(hover),
            text_color=both(ink),
            font=font(size, bold=style == "accent"),
            anchor=anchor,
            command=self.invoke,
        )
        self._resting = both(fill) if fill else master_colour(master)
        self.set(text, icon)
        focusable(self.widget, self.invoke, self._ring)

    def set(self, text: str | None = None, icon_name: str | None = None) -> None:
        """Show another text or icon."""
        self.text = self.text if text is None else text
        self._icon = self._icon if icon_name is None else icon_name
        wanted = (self.text, self._icon, self._ink)
        if wanted == self._shown:  # a button of CustomTkinter takes 3 ms to show the same again
            return
        self._shown = wanted
        size = round(self._size * 1.35)
        self.widget.words = self.text or self.tip  # what it says, however that is drawn
        if self.text and needs_picture(self.text):
            bold = self._style == "accent"
            picture = text_picture(self.text, self._size, self._ink, bold=bold, icon_name=self._icon, icon_size=size)
            self.widget.configure(text="", image=picture)
        else:
            picture = icon(self._icon, size, self._ink) if self._icon else None
            self.widget.configure(text=self.text, image=picture)

    def enable(self, enabled: bool) -> None:
        self.widget.configure(state="normal" if enabled else "disabled")

    def invoke(self) -> None:
        if self._command is not None and self.widget.cget("state") != "disabled":
            self._command()

    def _ring(self, focused: bool) -> None:
        self.widget.configure(border_color=both("text") if focused else self._resting)


def master_colour(master: Widget) -> Any:
    """The colour behind a widget: that of the first one around it that has one."""
    while master is not None:
        try:
            colour = master.cget("fg_color")
        except (tk.TclError, ValueError, AttributeError):
            return both("back")
        if colour != "transparent":
            return colour
        master = master.master
    return both("back")


def focused(widget: Widget) -> tk.Misc | None:
    """What has the focus in this program; None also for a dialog of Tk's own, which tkinter does not know."""
    try:
        found: tk.Misc | None = widget.focus_get()
    except KeyError:
        return None
    return found


def focusable(widget: Widget, press: Callable[[], object], ring: Callable[[bool], object]) -> None:
    """Let Tab reach a widget, show that it is reached, and let Space and Return press it."""
    inner = widget._canvas
    inner.configure(takefocus=1)
    inner.bind("<FocusIn>", lambda _: ring(True), add="+")
    inner.bind("<FocusOut>", lambda _: ring(False), add="+")
    for key in ("<space>", "<Return>", "<KP_Enter>"):
        inner.bind(key, lambda _: (press(), "break")[1], add="+")


class Field:
    """One line to type into, with a text that stands there while it is empty."""

    def __init__(
        self,
        master: Widget,
        hint: str = "",
        *,
        height: int = 40,
        width: int = 0,
        icon_name: str = "",
        changed: Callable[[str], object] | None = None,
        entered: Callable[[], object] | None = None,
        secret: bool = False,
        back: str = "raised",
    ) -> None:
        self._changed = changed
        left = 40 if icon_name else 14
        self.widget = ctk.CTkFrame(
            master,
            height=height,
            width=width or 200,
            corner_radius=min(height // 2, 14),
            fg_color=both(back),
            border_width=RING,
            border_color=both(back),
        )
        self.widget.grid_columnconfigure(0, weight=1)
        self.widget.grid_propagate(False)
        self.widget.grid_rowconfigure(0, weight=1)
        self._value = tk.StringVar(self.widget)
        self.entry = ctk.CTkEntry(
            self.widget,
            textvariable=self._value,
            border_width=0,
            fg_color=both(back),
            text_color=both("text"),
            font=font(14),
            height=height - 8,
            show="●" if secret else "",
        )
        self.entry.grid(row=0, column=0, sticky="ew", padx=(left - 6, 10), pady=4)
        if icon_name:
            ctk.CTkLabel(self.widget, text="", image=icon(icon_name, 18, "soft")).place(x=14, rely=0.5, anchor="w")
        self._hint = Label(self.widget, hint, colour="soft", back=back)
        self._hint.widget.place(x=left + 2, rely=0.5, anchor="w")
        self._hint.widget.bind("<Button-1>", lambda _: self.focus())
        self._value.trace_add("write", lambda *_: self._typed())
        inner = self.entry._entry
        inner.bind("<FocusIn>", lambda _: self.widget.configure(border_color=both("accent")), add="+")
        inner.bind("<FocusOut>", lambda _: self.widget.configure(border_color=both(back)), add="+")
        if entered is not None:
            for key in ("<Return>", "<KP_Enter>"):
                inner.bind(key, lambda _: (entered(), "break")[1], add="+")
        select_all_with_ctrl_a(inner)

    def _typed(self) -> None:
        if self._value.get():
            self._hint.widget.place_forget()
        else:
            self._hint.widget.place(x=self._hint_x(), rely=0.5, anchor="w")
        if self._changed is not None:
            self._changed(self._value.get())

    def _hint_x(self) -> int:
        return 42 if len(self.widget.winfo_children()) > 3 else 16

    @property
    def text(self) -> str:
        return self._value.get()

    def set(self, text: str) -> None:
        self._value.set(text)

    def focus(self) -> None:
        self.entry._entry.focus_set()


def select_all_with_ctrl_a(entry: tk.Entry) -> None:
    """On X11 Tk gives this key to Emacs's beginning of the line."""

    def select(_: object) -> str:
        entry.selection_range(0, "end")
        entry.icursor("end")
        return "break"

    entry.bind("<Control-a>", select)


class Choice:
    """A few words side by side, of which one is chosen. `options` are (value, words)."""

    def __init__(
        self, master: Widget, options: list[tuple[str, str]], chosen: str, changed: Callable[[str], object]
    ) -> None:
        self._changed = changed
        self.value = chosen
        self.widget = ctk.CTkFrame(master, corner_radius=18, fg_color=both("raised"))
        self.widget.fit = self.fit
        self._buttons: dict[str, Button] = {}
        self._places: list[tuple[int, int]] = []
        for value, words in options:
            button = Button(self.widget, words, lambda value=value: self.choose(value), height=32, size=13)  # type: ignore[misc]
            self._buttons[value] = button
        self._place([(0, column) for column in range(len(options))])
        self._show()

    def _place(self, places: list[tuple[int, int]]) -> None:
        """Put each button into its row and column; at the ends the corners of a button stay inside the round ones."""
        if places == self._places:
            return
        self._places = places
        last = max(row for row, _column in places), max(column for _row, column in places)
        for button, (row, column) in zip(self._buttons.values(), places, strict=True):
            button.widget.grid(
                row=row,
                column=column,
                padx=(END if column == 0 else 1, END if column == last[1] else 1),
                pady=(4 if row == 0 else 1, 4 if row == last[0] else 1),
            )

    def fit(self, width: int) -> None:
        """Stay within this width, in pixels at 100 %: in more rows than one where it has to be."""
        scale = float(ctk.ScalingTracker.get_widget_scaling(self.widget))
        widest = max(button.widget.winfo_reqwidth() for button in self._buttons.values()) / scale + 2
        whole = sum(button.widget.winfo_reqwidth() / scale + 2 for button in self._buttons.values())
        count = len(self._buttons)
        columns = count if whole + 2 * END <= width else max(1, int((width - 2 * END) / widest))
        self._place([divmod(number, columns) for number in range(count)])

    def choose(self, value: str) -> None:
        if value != self.value:
            self.value = value
            self._show()
            self._changed(value)

    def _show(self) -> None:
        for value, button in self._buttons.items():
            colour = both("accent" if value == self.value else "raised")
            button.widget.configure(fg_color=colour, border_color=colour)
            button._resting = colour
            button._ink = "on_accent" if value == self.value else "text"
            button.widget.configure(text_color=both(button._ink))
            button.set()


class Switch:
    """Something that is on or off, with words beside it."""

    def __init__(self, master: Widget, words: str, on: bool, changed: Callable[[bool], object]) -> None:
        self._changed = changed
        self.widget = ctk.CTkFrame(master, fg_color="transparent")
        self._switch = ctk.CTkSwitch(
            self.widget,
            text="",
            width=44,
            command=lambda: changed(self.on),
            progress_color=both("accent"),
            fg_color=both("line"),
            button_color=both("knob"),
            button_hover_color=both("knob"),
            switch_width=40,
            switch_height=22,
            border_width=3,
            border_color="transparent",
        )
        if on:
            self._switch.select()
        self._switch.pack(side="right")
        self.label = Label(self.widget, words)
        self.label.widget.pack(side="left", padx=(0, 16))
        self.label.widget.bind("<Button-1>", lambda _: self._switch.toggle())
        focusable(
            self._switch,
            self._switch.toggle,
            lambda focused: self._switch.configure(border_color=both("text") if focused else "transparent"),
        )

    @property
    def on(self) -> bool:
        return bool(self._switch.get())


def rule(master: Widget) -> Widget:
    """A thin line from left to right."""
    line = ctk.CTkFrame(master, height=2, width=10, corner_radius=0, fg_color=both("line"))
    line.grid_propagate(False)
    return line
