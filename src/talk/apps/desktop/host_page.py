"""The page of one's own server: the invitation as a link and a QR code, who can join, taking it back, stopping."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from pathlib import Path
from tkinter import filedialog
from typing import Any

import customtkinter as ctk
from PIL import Image

from talk.apps.desktop.look import both
from talk.apps.desktop.overlay import Overlay
from talk.apps.desktop.said import said
from talk.apps.desktop.widgets import Button, Label, font
from talk.apps.desktop.words import _
from talk.apps.qr import QUIET_ZONE, qr_matrix

WIDTH = 520
WRAP = WIDTH - 80
QR = 220  # pixels at 100 %
SAVED_MODULE = 10  # pixels


def qr_image(link: str, module: int) -> Image.Image | None:
    """The link as a QR code, black on white, its squares so many pixels wide; None for a link that is too long."""
    matrix = qr_matrix(link)
    if not matrix:
        return None
    side = len(matrix) + 2 * QUIET_ZONE
    image = Image.new("L", (side, side), 255)
    for y, row in enumerate(matrix):
        for x, dark in enumerate(row):
            if dark:
                image.putpixel((x + QUIET_ZONE, y + QUIET_ZONE), 0)
    return image.resize((side * module, side * module), Image.Resampling.NEAREST)


def invitation_page(
    overlay: Overlay,
    words: str,
    link: str,
    who_can_join: tuple[str, ...],
    *,
    revoke: Callable[[], object],
    stop: Callable[[], object],
) -> None:
    """Show an invitation under these words. `revoke` takes back all links so far, `stop` stops the server."""
    body = overlay.open(_("Invite friends"), width=WIDTH)
    Label(body, words, size=14, wrap=WRAP).widget.grid(row=0, column=0, sticky="w")
    _link(body, link)
    _buttons(body, link)
    _code(body, link)
    for number, sentence in enumerate(dict.fromkeys(who_can_join)):
        who = _("Who can join: {who}.").format(who=said(sentence))
        Label(body, who, size=12, colour="soft", wrap=WRAP).widget.grid(row=10 + number, column=0, sticky="w")
    good = _("A link is good for 7 days and 25 new people. Open this page again for a fresh one.")
    Label(body, good, size=12, colour="soft", wrap=WRAP).widget.grid(row=30, column=0, sticky="w", pady=(6, 0))
    take_back = Button(body, _("Take back all links so far"), revoke, height=40)
    take_back.widget.grid(row=31, column=0, sticky="ew", pady=(14, 0))
    button = Button(body, _("Stop this server"), stop, style="danger", height=40)
    button.widget.grid(row=32, column=0, sticky="ew", pady=(8, 0))


def _link(body: Any, link: str) -> None:
    # Not CTkTextbox: it looks at its scrollbars five times a second, and once more after its end. By then the name of
    # its callback may belong to another one of the window's, which is called instead.
    shown = ctk.CTkEntry(
        body, height=42, corner_radius=12, border_width=0, fg_color=both("raised"), text_color=both("text"),
        font=font(13), textvariable=tk.StringVar(body, link), state="readonly",
    )  # fmt: skip
    shown.grid(row=1, column=0, sticky="ew", pady=8)


def _buttons(body: Any, link: str) -> None:
    row = ctk.CTkFrame(body, fg_color="transparent")
    row.grid(row=2, column=0, sticky="ew", pady=(0, 8))
    row.grid_columnconfigure((0, 1), weight=1)

    def copy() -> None:
        body.clipboard_clear()
        body.clipboard_append(link)
        button.set(_("Copied"), "check")

    button = Button(row, _("Copy the link"), copy, icon="copy", style="accent", height=42)
    button.widget.grid(row=0, column=0, sticky="ew", padx=(0, 4))
    code = qr_image(link, SAVED_MODULE)
    if code is not None:
        save = Button(row, _("Save the picture…"), lambda: _save(code), height=42)
        save.widget.grid(row=0, column=1, sticky="ew", padx=(4, 0))
    button.widget._canvas.focus_set()


def _code(body: Any, link: str) -> None:
    picture = qr_image(link, 4)
    if picture is None:
        return
    card = ctk.CTkFrame(body, corner_radius=16, fg_color="#ffffff")
    card.grid(row=3, column=0, pady=8)
    label = ctk.CTkLabel(card, text="", image=ctk.CTkImage(picture, picture, size=(QR, QR)), fg_color="#ffffff")
    label.pack(padx=8, pady=8)


def _save(code: Image.Image) -> None:
    chosen = filedialog.asksaveasfilename(
        title=_("Save the picture"), defaultextension=".png", initialfile="talk-invitation.png"
    )
    if chosen:
        code.save(Path(chosen))
