"""The page for joining a chat: paste a link, or pick a server of this network, or host one here; type a name; Join."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import customtkinter as ctk
from PIL import Image

from talk.apps.desktop.look import both
from talk.apps.desktop.overlay import Overlay
from talk.apps.desktop.pictures import LOGO
from talk.apps.desktop.said import said
from talk.apps.desktop.widgets import Button, Field, Label, font, rule
from talk.apps.desktop.words import _
from talk.client.nearby import Found
from talk.protocol.errors import Refused
from talk.protocol.link import Link, LinkError, parse_link
from talk.protocol.names import check_name

WIDTH = 460
LOGO_SIZE = 72  # pixels at 100 %
MOST_SHOWN = 4  # servers of this network


@dataclass(frozen=True, slots=True)
class Listener:
    """What the page asks for. `join` gets a link and a name."""

    join: Callable[[str, str], object]
    host: Callable[[str], object]
    closed: Callable[[], object]


class StartPage:
    """Opens on the overlay. `failed` says why joining did not work, and lets the person try again."""

    def __init__(self, overlay: Overlay, listener: Listener, *, first: bool) -> None:
        self._overlay, self.listener, self.first = overlay, listener, first
        self.found: list[Found] = []
        body = overlay.open("" if first else _("Join a chat"), width=WIDTH, may_close=not first, closed=listener.closed)
        if first:
            self._welcome(body)
        self.link = Field(
            body, _("Paste the invitation's link"), icon_name="", changed=self._changed, entered=self._next
        )
        self.link.widget.grid(row=2, column=0, sticky="ew", pady=(10, 6))
        self.name = Field(body, _("Your name in this chat"), changed=self._changed, entered=self.join)
        self.name.widget.grid(row=3, column=0, sticky="ew", pady=6)
        self._problem = Label(body, size=13, colour="bad", wrap=WIDTH - 70)
        self._problem.widget.grid(row=4, column=0, sticky="ew", pady=(2, 0))
        self.join_button = Button(body, _("Join"), self.join, style="accent", height=44, size=15)
        self.join_button.widget.grid(row=5, column=0, sticky="ew", pady=(8, 6))
        self._nearby = ctk.CTkFrame(body, fg_color="transparent", width=0, height=0)
        self._nearby.grid(row=6, column=0, sticky="ew")
        self._nearby.grid_columnconfigure(0, weight=1)
        self._or(body)
        self.host_button = Button(body, _("Host a chat here"), self._host, icon="host", height=44, size=14)
        self.host_button.widget.grid(row=8, column=0, sticky="ew", pady=(6, 0))
        Label(
            body, _("Your own chat on this computer, for friends to join."), size=12, colour="soft", anchor="center"
        ).widget.grid(row=9, column=0, pady=(4, 0))
        self._suggest_name()
        self.link.focus()

    def _welcome(self, body: Any) -> None:
        with Image.open(LOGO) as logo:
            picture = ctk.CTkImage(logo.copy(), size=(LOGO_SIZE, LOGO_SIZE))
        title = ctk.CTkLabel(
            body, text="TAlk", image=picture, compound="top", font=font(34, bold=True), text_color=both("text")
        )
        title.grid(row=0, column=0, pady=(24, 0))
        words = _("A chat of your own. No account, no password; private messages stay private.")
        Label(body, words, size=14, colour="soft", wrap=WIDTH - 80, anchor="center").widget.grid(
            row=1, column=0, pady=(2, 10)
        )

    def _or(self, body: Any) -> None:
        line = ctk.CTkFrame(body, fg_color="transparent")
        line.grid(row=7, column=0, sticky="ew", pady=4)
        line.grid_columnconfigure((0, 2), weight=1)
        for column in (0, 2):
            rule(line).grid(row=0, column=column, sticky="ew")
        Label(line, _("or"), size=12, colour="soft").widget.grid(row=0, column=1, padx=12)

    def _suggest_name(self) -> None:
        try:
            name = check_name(getpass.getuser())
        except (OSError, KeyError, ImportError, Refused):  # some systems know no name for the user
            return
        if name != "root":
            self.name.set(name)

    # ---- servers of this network

    def show_nearby(self, found: list[Found]) -> None:
        """Offer these servers."""
        if found == self.found:
            return
        self.found = found
        for child in self._nearby.winfo_children():
            child.destroy()
        if not found:
            return
        Label(self._nearby, _("On this network"), size=12, bold=True, colour="soft").widget.grid(
            row=0, column=0, sticky="w", pady=(6, 2)
        )
        for number, server in enumerate(found[:MOST_SHOWN]):
            words = server.title + ("  ·  " + _("needs an invitation") if server.invite_needed else "")
            button = Button(
                self._nearby,
                words,
                partial(self._pick, server),
                icon="host",
                anchor="w",
                size=13,
            )
            button.widget.grid(row=number + 1, column=0, sticky="ew", pady=2)

    def _pick(self, server: Found) -> None:
        if server.invite_needed:
            self.failed(_("{title} needs an invitation. Ask its owner for the link, and paste it above.").format(
                title=server.title
            ))  # fmt: skip
            self.link.focus()
            return
        self.link.set(server.link)
        self.name.focus()

    # ---- joining

    @property
    def is_there(self) -> bool:
        """Whether it is on the screen, and nothing else came in its place."""
        return bool(self._problem.widget.winfo_exists())

    def fill(self, link: str, name: str) -> None:
        """Put in what was typed before."""
        self.link.set(link)
        self.name.set(name)
        self.name.focus()

    def _changed(self, _text: str) -> None:
        self._problem.set("")

    def _next(self) -> None:
        if self.name.text.strip():
            self.join()
        else:
            self.name.focus()

    def join(self) -> None:
        """Join with what was typed, or say what is wrong with it."""
        try:
            link = self._read_link()
            name = check_name(self.name.text.strip())
        except (LinkError, Refused) as error:
            self.failed(said(error))
            return
        self.busy(_("Joining…"))
        self.listener.join(link.text, name)

    def _read_link(self) -> Link:
        if not self.link.text.strip():
            raise LinkError(_("Paste the link that came with the invitation, or host a chat of your own."))
        return parse_link(self.link.text)

    def _host(self) -> None:
        try:
            name = check_name(self.name.text.strip())
        except Refused as error:
            self.failed(_("Type your name first.") if not self.name.text.strip() else said(error))
            self.name.focus()
            return
        self.listener.host(name)

    def busy(self, words: str) -> None:
        """Something is on its way."""
        self._problem.set(words, "soft")
        for button in (self.join_button, self.host_button):
            button.enable(False)

    def failed(self, words: str) -> None:
        """Say why it did not work."""
        if self.is_there:
            self._problem.set(words, "bad")
            for button in (self.join_button, self.host_button):
                button.enable(True)
