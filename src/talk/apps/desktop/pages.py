"""Pages on the overlay that show or ask one thing: a message's details, emoji to compare, help, a question."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import customtkinter as ctk

from talk.apps.chat import COMMANDS
from talk.apps.desktop.look import both
from talk.apps.desktop.overlay import Overlay
from talk.apps.desktop.pictures import emoji_image
from talk.apps.desktop.said import emoji_name, said
from talk.apps.desktop.widgets import SHARP, Button, Field, Label
from talk.apps.desktop.words import _, full_time, later, ngettext
from talk.client import Comparing, Line, ServerRecord

WIDTH = 520
WRAP = WIDTH - 80
EMOJI = 46
MARK_WORDS = {
    "sending": later("On its way: kept on this computer until the server has it."),
    "stored": later("Stored: it is on the server's disk."),
    "delivered": later("Delivered: a device of theirs has opened it."),
    "failed": later("Not sent."),
}


def fact(body: Any, row: int, name: str, value: str) -> None:
    """One line of a page: what it is, and its value."""
    Label(body, name, size=12, colour="soft").widget.grid(row=row, column=0, sticky="nw", pady=3, padx=(0, 16))
    Label(body, value, size=13, wrap=WRAP - 130).widget.grid(row=row, column=1, sticky="w", pady=3)


def message_page(overlay: Overlay, line: Line, seen: ServerRecord | None, *, is_room: bool) -> None:
    """All that is known of a message, and, for a private one, exactly what the server held of it."""
    body = overlay.open(_("Message"), width=WIDTH)
    body.grid_columnconfigure(0, weight=0)
    body.grid_columnconfigure(1, weight=1)
    fact(body, 0, _("From"), line.name)
    fact(body, 1, _("When"), full_time(line.at))
    if line.mine and line.mark:
        fact(body, 2, _("State"), _(MARK_WORDS[line.mark]) + (f" {said(line.reason)}" if line.reason else ""))
    if is_room:
        words = _("Lobby messages can be read by the server and by everybody here.")
        Label(body, words, size=13, colour="soft", wrap=WRAP).widget.grid(row=3, column=0, columnspan=2, pady=10)
        return
    _server_card(body, seen)


def _server_card(body: Any, seen: ServerRecord | None) -> None:
    card = ctk.CTkFrame(body, corner_radius=14, fg_color=both("private_soft"))
    card.grid(row=4, column=0, columnspan=2, sticky="ew", pady=(14, 4))
    card.grid_columnconfigure(1, weight=1)
    head = ctk.CTkFrame(card, fg_color="transparent")
    head.grid(row=0, column=0, columnspan=2, sticky="ew", padx=16, pady=(12, 4))
    Label(head, _("What the server saw"), size=14, bold=True, colour="private").widget.pack(side="left")
    inner = ctk.CTkFrame(card, fg_color="transparent")
    inner.grid(row=1, column=0, columnspan=2, sticky="ew", padx=16, pady=(0, 14))
    inner.grid_columnconfigure(1, weight=1)
    if seen is None:
        words = _("It has not reached the server yet, so the server has seen nothing of it.")
        Label(inner, words, size=13, colour="soft", wrap=WRAP - 40).widget.grid(row=0, column=0, columnspan=2)
        return
    fact(inner, 0, _("From"), seen.sender)
    fact(inner, 1, _("To"), seen.recipient)
    fact(inner, 2, _("When"), full_time(seen.at))
    sizes = list(seen.sizes.values())
    words = ngettext("{} sealed copy, {} bytes", "{} sealed copies, {} bytes", len(sizes))
    fact(inner, 3, _("Size"), words.format(len(sizes), " + ".join(map(str, sizes))))
    fact(inner, 4, _("Content"), f"{seen.ciphertext}…")
    explained = _(
        "This is all. The text is sealed on your devices; its length is rounded up, and the server cannot open it."
    )
    Label(inner, explained, size=12, colour="private", wrap=WRAP - 40).widget.grid(
        row=5, column=0, columnspan=2, sticky="w", pady=(8, 0)
    )


class ComparePage:
    """Comparing emoji with somebody, step by step. It follows the events of the client."""

    def __init__(
        self,
        overlay: Overlay,
        *,
        agree: Callable[[str], object],
        confirm: Callable[[str], object],
        stop: Callable[[str, bool], object],
    ) -> None:
        self._overlay, self._agree, self._confirm, self._stop = overlay, agree, confirm, stop
        self.id = ""
        self.step = ""

    def show(self, event: Comparing) -> None:
        """Show this step."""
        self.id, self.step = event.id, event.step
        done = event.step in ("verified", "ended")
        closed = None if done else lambda: self._stop(event.id, False)
        body = self._overlay.open(_("Compare emoji with {name}").format(name=event.name), width=WIDTH, closed=closed)
        match event.step:
            case "asked":
                words = _("{name} wants to compare emoji with you, to be sure that nobody is in between.")
                self._say(body, words.format(name=event.name))
                self._buttons(body, (_("Compare"), "private", lambda: self._agree(event.id)))
            case "waiting":
                self._say(body, _("Waiting for {name} to agree…").format(name=event.name))
            case "emoji":
                self._emoji(body, event)
            case "confirmed":
                self._say(
                    body, _("You say they are the same. Waiting for {name} to say so too…").format(name=event.name)
                )
            case "verified":
                self._say(body, _("It is really {name}, and nobody is in between.").format(name=event.name))
                self._buttons(body, (_("Good"), "private", self._overlay.close))
            case _:
                self._say(body, said(event) or _("It was stopped. Nothing has changed."))
                self._buttons(body, (_("Close"), "plain", self._overlay.close))

    def _say(self, body: Any, words: str) -> None:
        Label(body, words, size=14, wrap=WRAP).widget.grid(row=0, column=0, sticky="w", pady=(6, 12))

    def _buttons(self, body: Any, *buttons: tuple[str, str, Callable[[], object]]) -> None:
        row = ctk.CTkFrame(body, fg_color="transparent")
        row.grid(row=9, column=0, sticky="ew", pady=(10, 0))
        for column, (words, style, act) in enumerate(buttons):
            row.grid_columnconfigure(column, weight=1)
            button = Button(row, words, act, style=style, height=42)
            button.widget.grid(row=0, column=column, sticky="ew", padx=4)
            if column == 0:
                button.widget._canvas.focus_set()

    def _emoji(self, body: Any, event: Comparing) -> None:
        self._say(body, _("Call {name}, or stand beside them. Do both of you see these seven?").format(name=event.name))
        for start in (0, 4):
            row = ctk.CTkFrame(body, fg_color="transparent")
            row.grid(row=1 + start, column=0)
            for column, (emoji, name) in enumerate(event.emoji[start : start + 4]):
                drawn = emoji_image(emoji, EMOJI * SHARP)
                picture = ctk.CTkImage(drawn, drawn, size=(drawn.width // SHARP, EMOJI))
                ctk.CTkLabel(row, text="", image=picture, width=104).grid(row=0, column=column, pady=(8, 0))
                Label(row, emoji_name(name), size=12, colour="soft", anchor="center").widget.grid(row=1, column=column)
        self._buttons(
            body,
            (_("They are the same"), "private", lambda: self._confirm(event.id)),
            (_("They differ"), "danger", lambda: self._stop(event.id, True)),
        )


def help_page(overlay: Overlay) -> None:
    """What can be typed, and the keys."""
    body = overlay.open(_("Help"), width=WIDTH)
    body.grid_columnconfigure(0, weight=0)
    body.grid_columnconfigure(1, weight=1)
    lines = [
        (_("@name …"), _("to that person alone; nobody else can read it, not even the server")),
        *((f"?{word}", _(words)) for word, words in COMMANDS.items()),
        (_("Enter"), _("send")),
        (_("Shift+Enter"), _("a new line")),
        (_("Up"), _("from an empty composer: to the messages; Enter there opens what can be done with one")),
        (_("Ctrl+K"), _("search")),
        (_("Escape"), _("close what is open")),
    ]
    for row, (what, words) in enumerate(lines):
        fact(body, row, what, words)


def ask(overlay: Overlay, title: str, words: str, yes: str, act: Callable[[], object], *, danger: bool = False) -> None:
    """A question with one way to say yes; closing is no."""
    body = overlay.open(title, width=WIDTH)
    Label(body, words, size=14, wrap=WRAP).widget.grid(row=0, column=0, sticky="w", pady=(2, 14))
    row = ctk.CTkFrame(body, fg_color="transparent")
    row.grid(row=1, column=0, sticky="e")
    Button(row, _("Cancel"), overlay.close, height=40).widget.pack(side="left", padx=6)

    def do() -> None:
        overlay.close(tell=False)
        act()

    button = Button(row, yes, do, style="danger" if danger else "accent", height=40)
    button.widget.pack(side="left")
    button.widget._canvas.focus_set()


def ask_text(
    overlay: Overlay,
    title: str,
    words: str,
    hint: str,
    yes: str,
    act: Callable[[str], object],
    *,
    text: str = "",
    secret: bool = False,
    closed: Callable[[], object] | None = None,
) -> None:
    """A question that is answered with one line."""
    body = overlay.open(title, width=WIDTH, closed=closed)
    Label(body, words, size=14, wrap=WRAP).widget.grid(row=0, column=0, sticky="w", pady=(2, 8))

    def do() -> None:
        typed = field.text
        overlay.close(tell=False)
        act(typed)

    field = Field(body, hint, entered=do, secret=secret)
    field.set(text)
    field.widget.grid(row=1, column=0, sticky="ew", pady=(2, 12))
    Button(body, yes, do, style="accent", height=42).widget.grid(row=2, column=0, sticky="ew")
    field.focus()


def ask_host_close(overlay: Overlay, *, go_on: Callable[[], object], stop: Callable[[], object]) -> None:
    """Closing the window of somebody whose computer is the server."""
    body = overlay.open(_("Your chat runs on this computer"), width=WIDTH)
    words = _("Friends can go on talking when this window is closed, as long as this computer is on.")
    Label(body, words, size=14, wrap=WRAP).widget.grid(row=0, column=0, sticky="w", pady=(2, 14))
    keep = Button(body, _("Close the window, keep the chat running"), go_on, style="accent", height=42)
    keep.widget.grid(row=1, column=0, sticky="ew", pady=3)
    Button(body, _("Stop the chat too"), stop, style="danger", height=42).widget.grid(
        row=2, column=0, sticky="ew", pady=3
    )
    keep.widget._canvas.focus_set()
