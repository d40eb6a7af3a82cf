"""Where one writes: it grows with the text, says who will read it, and completes names and commands.

Emoji stand in the text as pictures, because Tk draws most of them wrong and some old X libraries die of them.
"""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import customtkinter as ctk

from talk.apps.desktop import pictures
from talk.apps.desktop.fonts import needs_shaping
from talk.apps.desktop.look import Look, both
from talk.apps.desktop.rows import Row
from talk.apps.desktop.runs import EMOJI
from talk.apps.desktop.sidebar import RowList
from talk.apps.desktop.typed import Audience, Suggestion
from talk.apps.desktop.widgets import RING, Button, Label, focused, icon, text_picture
from talk.apps.desktop.words import _, ngettext
from talk.protocol.limits import MAX_TEXT_POINTS

MOST_LINES = 8
POPUP_ROW, POPUP_ROWS = 44, 6
NEARLY_FULL = 300  # characters, from which on it is said how many are left
PREVIEW = 400  # characters of a text in a script that Tk cannot shape


@dataclass(frozen=True, slots=True)
class Listener:
    """What the composer tells the window, and asks it."""

    send: Callable[[str], object]
    typed: Callable[[str], object]
    suggest: Callable[[str], list[Suggestion]]
    up: Callable[[], object]
    escape: Callable[[], object]
    emoji: Callable[[], object]


class Composer:
    """`widget` is what is placed; `popup` floats above it."""

    def __init__(self, master: Any, look: Look, listener: Listener) -> None:
        self._look, self._listener = look, listener
        self._audience = Audience("")
        self._emoji: dict[str, str] = {}
        self._held: list[object] = []
        self._quiet = False
        self._last = ""
        self.widget = ctk.CTkFrame(
            master, corner_radius=22, fg_color=both("panel"), border_width=RING, border_color=both("panel")
        )
        self.widget.grid_columnconfigure(1, weight=1)
        self._build_top()
        self._build_row()
        self._build_popup(master)
        look.listen(self._look_changed)

    def _build_top(self) -> None:
        top = ctk.CTkFrame(self.widget, fg_color="transparent")
        top.grid(row=0, column=0, columnspan=3, sticky="ew", padx=18, pady=(7, 0))
        top.grid_columnconfigure(1, weight=1)
        self._icon = ctk.CTkLabel(top, text="", width=16, height=18)
        self._icon.grid(row=0, column=0, padx=(0, 6))
        self._who = Label(top, size=12, colour="soft")
        self._who.widget.grid(row=0, column=1, sticky="w")
        self._left = Label(top, size=12, colour="soft")
        self._left.widget.grid(row=0, column=2, sticky="e")
        self._preview = ctk.CTkLabel(self.widget, text="", anchor="w", justify="left")

    def _build_row(self) -> None:
        self.emoji_button = Button(
            self.widget, icon="smile", style="quiet", height=38, size=17, command=self._listener.emoji, tip=_("Emoji")
        )
        self.emoji_button.widget.grid(row=2, column=0, sticky="s", padx=(11, 0), pady=(0, 9))
        palette = self._look.palette
        self.text = tk.Text(
            self.widget,
            height=1,
            wrap="word",
            bd=0,
            highlightthickness=0,
            undo=True,
            maxundo=200,
            padx=8,
            pady=self._look.px(8),
            font=self._look.font(self._look.text_size),
            background=palette.panel,
            foreground=palette.text,
            insertbackground=palette.accent,
            selectbackground=palette.mark,
            selectforeground=palette.text,
        )
        self.text.grid(row=2, column=1, sticky="ew", pady=(0, 8))
        self.send_button = Button(
            self.widget, icon="send", style="accent", height=38, size=15, command=self.send, tip=_("Send")
        )
        self.send_button.widget.grid(row=2, column=2, sticky="s", padx=(4, 11), pady=(0, 9))
        self._bind_keys()

    def _bind_keys(self) -> None:
        text = self.text
        text.bind("<<Modified>>", lambda _: self._modified())
        for key in ("<Return>", "<KP_Enter>"):
            text.bind(key, lambda _: self._entered())
        text.bind("<Shift-Return>", lambda _: None)
        text.bind("<Tab>", lambda _: self._tabbed())
        text.bind("<Shift-Tab>", lambda event: self._leave(event.widget.tk_focusPrev()))
        text.bind("<Up>", lambda _: self._moved(-1))
        text.bind("<Down>", lambda _: self._moved(1))
        text.bind("<Escape>", lambda _: self._escaped())
        text.bind("<Control-a>", lambda _: self._select_all())
        text.bind("<Configure>", lambda _: self._resized())
        # Tk on X11 inserts what is marked elsewhere on a middle click; as one paste that is fine.
        text.bind("<FocusIn>", lambda _: self._show_audience(), add="+")
        text.bind("<FocusOut>", lambda _: self._show_audience(), add="+")

    def _build_popup(self, master: Any) -> None:
        self.popup = ctk.CTkFrame(
            master, corner_radius=14, fg_color=both("panel"), border_width=1, border_color=both("line")
        )
        self._rows = RowList(self.popup, self._look, self._pick, width=320, row_height=POPUP_ROW)
        self._rows.configure(takefocus=0)
        self._rows.outlined = False
        self._rows.pack(fill="both", expand=True, padx=6, pady=6)
        self._suggestions: list[Suggestion] = []

    # ---- the text

    def get(self) -> str:
        """What is written, with its emoji."""
        parts = []
        for kind, value, _index in self.text.dump("1.0", "end-1c", text=True, image=True):
            parts.append(value if kind == "text" else self._emoji.get(value, ""))
        return "".join(parts)

    def set(self, text: str) -> None:
        """Show another text, with the cursor at its end."""
        self.text.delete("1.0", "end")
        self._emoji.clear()
        self._held.clear()
        self.text.insert("1.0", text)
        self.text.edit_reset()
        self.text.mark_set("insert", "end-1c")
        self._last = "" if text else " "
        self._modified()
        self.text.see("insert")

    def insert(self, text: str) -> None:
        """Add to the text where the cursor is."""
        self.text.insert("insert", text)
        self.focus()

    def focus(self) -> None:
        self.text.focus_set()

    def _modified(self) -> None:
        if self._quiet:
            return
        self._quiet = True  # setting the flag back is a change too
        self._draw_emoji()
        self.text.edit_modified(False)
        self._quiet = False
        text = self.get()
        if text == self._last:
            return
        self._last = text
        self._grow()
        self._show_preview(text)
        left = MAX_TEXT_POINTS - len(text)
        words = (
            ngettext("{} character left", "{} characters left", abs(left)).format(left) if left < NEARLY_FULL else ""
        )
        self._left.set(words, "bad" if left < 0 else "soft")
        self._suggest(text)
        self._listener.typed(text)

    def _draw_emoji(self) -> None:
        """Put pictures in place of emoji that were typed or pasted."""
        raw = self.text.get("1.0", "end-1c")
        if raw.isascii():
            return
        for cluster in dict.fromkeys(EMOJI.findall(raw)):
            while start := self.text.search(cluster, "1.0", "end", exact=True):
                # Columns count some characters twice before Tcl 9; "c" counts each once.
                self.text.delete(start, f"{start}+{len(cluster)}c")
                picture = pictures.emoji(cluster, self._look.px(self._look.text_size * 1.35))
                name = self.text.image_create(start, image=picture, padx=1)
                self._emoji[name] = cluster
                self._held.append(picture)

    def _resized(self) -> None:
        self._who.wrap(max(100, round(self.text.winfo_width() / self._look.scale)))
        self._grow()

    def _grow(self) -> None:
        counted = self.text.count("1.0", "end", "displaylines")
        lines = counted[0] if isinstance(counted, tuple) else (counted or 1)
        height = max(1, min(MOST_LINES, int(lines)))
        if int(self.text["height"]) != height:
            self.text.configure(height=height)
            self.text.see("insert")

    def _show_preview(self, text: str) -> None:
        """Tk shows these scripts letter by letter; this is how it will look."""
        if not needs_shaping(text):
            self._preview.grid_forget()
            return
        width = max(100, round(self.text.winfo_width() / self._look.scale))
        self._preview.configure(image=text_picture(text[-PREVIEW:], self._look.text_size, "text", wrap=width))
        self._preview.grid(row=1, column=0, columnspan=3, sticky="ew", padx=58)

    # ---- keys

    def _entered(self) -> str:
        if not self._pick_selected():
            self.send()
        return "break"

    def send(self) -> None:
        """Give the text to the window, which takes it away once it is sent."""
        text = self.get()
        if text.strip():
            self._listener.send(text)
        self.focus()

    def _tabbed(self) -> str:
        if self._pick_selected():
            return "break"
        return self._leave(self.text.tk_focusNext())

    def _leave(self, to: tk.Misc | None) -> str:
        if to is not None:
            to.focus_set()
        return "break"

    def _moved(self, step: int) -> str | None:
        if self._suggestions:
            self._rows._step(step)
            return "break"
        if step < 0 and not self.get():
            self._listener.up()
            return "break"
        return None

    def _escaped(self) -> str:
        if self._suggestions:
            self._hide_popup()
        else:
            self._listener.escape()
        return "break"

    def _select_all(self) -> str:
        self.text.tag_add("sel", "1.0", "end-1c")
        return "break"

    # ---- completing

    def _suggest(self, text: str) -> None:
        self._suggestions = self._listener.suggest(text)[:50]
        if not self._suggestions:
            self._hide_popup()
            return
        rows = [
            Row(each.text, each.name + (f"  {each.hint}" if each.hint else ""), account=each.account, here=each.here,
                is_room=not each.account)
            for each in self._suggestions
        ]  # fmt: skip
        self._rows.show(rows, "")
        if self._rows._focused not in [row.key for row in rows]:
            self._rows._focus_row(rows[0].key)
        tall = min(POPUP_ROWS, len(rows)) * POPUP_ROW + 12
        self.popup.configure(height=tall, width=340)
        self.popup.pack_propagate(False)
        self.popup.place(x=14, rely=1.0, y=-self.widget.winfo_height() / self._look.scale - 20, anchor="sw")
        self.popup.lift()

    def _hide_popup(self) -> None:
        self._suggestions = []
        self._rows._focused = ""
        self.popup.place_forget()

    def _pick_selected(self) -> bool:
        """Take the suggestion that is chosen, unless it is what stands there already."""
        key = self._rows._focused
        if not self._suggestions or not key or key.strip() == self.get().strip():
            self._hide_popup()
            return False
        self._pick(key)
        return True

    def _pick(self, text: str) -> None:
        self.set(text)
        self.focus()

    # ---- who reads it

    def show_audience(self, audience: Audience) -> None:
        """Say who will read this, or why nobody will."""
        if audience != self._audience:
            self._audience = audience
            self._show_audience()

    @property
    def audience(self) -> Audience:
        return self._audience

    def _show_audience(self) -> None:
        audience = self._audience
        colour = "bad" if audience.problem else "private" if audience.private else "soft"
        name = "warning" if audience.problem else "lock" if audience.private else "people"
        self._icon.configure(image=icon(name, 15, colour))
        self._who.set(audience.problem or audience.words, colour)
        back = "private_soft" if audience.private and not audience.problem else "panel"
        has_focus = focused(self.text) is self.text
        edge = "bad" if audience.problem else "private" if audience.private else "accent" if has_focus else back
        self.widget.configure(fg_color=both(back), border_color=both(edge))
        self.text.configure(background=getattr(self._look.palette, back))
        for button in (self.emoji_button,):
            button.widget.configure(border_color=both(back), bg_color=both(back))
            button._resting = both(back)
        fill = both("private" if audience.private else "accent")
        self.send_button.widget.configure(fg_color=fill, border_color=fill)
        self.send_button._resting = fill

    def _look_changed(self) -> None:
        palette, look = self._look.palette, self._look
        self.text.configure(
            font=look.font(look.text_size),
            foreground=palette.text,
            insertbackground=palette.accent,
            selectbackground=palette.mark,
            selectforeground=palette.text,
        )
        self._show_audience()
        self.set(self.get())
