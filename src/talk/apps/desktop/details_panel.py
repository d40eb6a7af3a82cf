"""Who a private conversation is with: whose keys, since when, the emoji to compare, and a change that waits for an
answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import customtkinter as ctk

from talk.apps.desktop.look import DARK, LIGHT, PANEL, both, person_colour
from talk.apps.desktop.pictures import avatar_image
from talk.apps.desktop.said import said
from talk.apps.desktop.widgets import SHARP, Button, Label, Switch, rule
from talk.apps.desktop.words import _, full_time, ngettext
from talk.client import Details

AVATAR = 84
WRAP = PANEL - 56


@dataclass(frozen=True, slots=True)
class Listener:
    """What the panel asks for."""

    compare: Callable[[str], object]
    accept: Callable[[Details], object]
    block: Callable[[Details, bool], object]
    mute: Callable[[str, bool], object]
    export: Callable[[str], object]


class DetailsPanel:
    """Lives in a panel's scrolling body."""

    def __init__(self, body: Any, details: Details, listener: Listener, *, here: bool, muted: bool) -> None:
        self.details, self.here, self._listener = details, here, listener
        self._row = 0
        self._body = body
        self._head(details)
        if details.moved:
            self._warning(details)
        self._keys(details)
        self._compare(details, here)
        self._devices(details)
        self._line()
        self._add(Switch(body, _("Notify me"), not muted, lambda on: listener.mute(details.account, not on)).widget)
        self._button(_("Export chat…"), lambda: listener.export(details.account))
        if details.blocked:
            self._button(_("Show their messages again"), lambda: listener.block(details, False))
        else:
            self._button(_("Block"), lambda: listener.block(details, True), style="danger")

    def _add(self, widget: Any, *, pady: tuple[int, int] = (4, 4), sticky: str = "ew") -> None:
        widget.grid(row=self._row, column=0, sticky=sticky, padx=20, pady=pady)
        self._row += 1

    def _words(self, text: str, *, size: int = 13, colour: str = "text", bold: bool = False) -> None:
        self._add(Label(self._body, text, size=size, colour=colour, bold=bold, wrap=WRAP).widget, pady=(2, 2))

    def _button(self, text: str, act: Callable[[], object], *, style: str = "plain") -> Button:
        button = Button(self._body, text, act, style=style, height=40)
        self._add(button.widget)
        return button

    def _line(self) -> None:
        self._add(rule(self._body), pady=(12, 8))

    def _head(self, details: Details) -> None:
        light, dark = (
            avatar_image(details.name[:1].upper() or "?", person_colour(palette, details.account), AVATAR * SHARP)
            for palette in (LIGHT, DARK)
        )
        picture = ctk.CTkLabel(self._body, text="", image=ctk.CTkImage(light, dark, size=(AVATAR, AVATAR)))
        self._add(picture, pady=(8, 4), sticky="")
        self._add(Label(self._body, details.name, size=20, bold=True, anchor="center").widget, sticky="")

    def _warning(self, details: Details) -> None:
        """The keys have changed: nothing is sent until the person has decided."""
        card = ctk.CTkFrame(self._body, corner_radius=14, fg_color=both("warn"))
        card.grid_columnconfigure(0, weight=1)
        title = Label(card, _("The keys have changed"), size=14, bold=True, colour="warn_text")
        title.widget.grid(row=0, column=0, sticky="w", padx=16, pady=(12, 2))
        Label(card, said(details.moved), size=13, colour="warn_text", wrap=WRAP - 32).widget.grid(
            row=1, column=0, sticky="w", padx=16
        )
        accept = Button(card, _("I have asked them: accept"), lambda: self._listener.accept(details), style="danger")
        accept.widget.grid(row=2, column=0, sticky="ew", padx=16, pady=(10, 4))
        self.accept_button = accept
        words = _("If you are not sure, do nothing. Nothing is sent meanwhile.")
        Label(card, words, size=12, colour="warn_text", wrap=WRAP - 32).widget.grid(
            row=3, column=0, sticky="w", padx=16, pady=(0, 12)
        )
        self._add(card, pady=(8, 8))

    def _keys(self, details: Details) -> None:
        self._line()
        self._words(_("Key of this person"), size=12, colour="soft", bold=True)
        self._words(details.fingerprint, size=14)
        since = _("Pinned since {when}, when you first met them here.").format(when=full_time(details.since))
        self._words(since, size=12, colour="soft")

    def _compare(self, details: Details, here: bool) -> None:
        if details.verified:
            when = full_time(details.verified)
            self._words(_("You compared emoji on {when}: it is really them.").format(when=when), colour="private")
        else:
            words = _("To be sure that nobody is in between, compare seven emoji with them, on the phone or in person.")
            self._words(words, size=12, colour="soft")
        self.compare_button = self._button(
            _("Compare emoji"), lambda: self._listener.compare(details.account), style="private"
        )
        if not here or details.moved:
            self.compare_button.enable(False)
            self._words(_("They have to be here for that."), size=12, colour="soft")

    def _devices(self, details: Details) -> None:
        count = len(details.devices)
        self._words(ngettext("{} device", "{} devices", count).format(count), size=12, colour="soft", bold=True)
        for device in details.devices:
            self._words(device, size=12, colour="soft")
