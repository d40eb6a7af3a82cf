"""What the window remembers from one time to the next: nothing secret, in one small file."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from talk.apps.desktop.words import LANGUAGES
from talk.local.errors import FolderError
from talk.local.folders import make_private, write_private

FILE = "window.json"
MOST_BYTES = 64 * 1024
SCALES = (0.0, 1.0, 1.25, 1.5, 1.75, 2.0)  # 0: that of the screen
TEXT_SIZES = (12, 14, 16, 19, 22)  # pixels at 100 %
_GEOMETRY = re.compile(r"[0-9]{2,5}x[0-9]{2,5}([+-]-?[0-9]{1,5}){2}")  # as Tk writes it


class Settings(Struct):
    """`theme` is "dark" or "light", "" until it was chosen: then the system's. `language` is "" likewise.

    `hosting` says that this window started the server of this computer, and starts it again when it is not running.
    """

    theme: Annotated[str, Meta(max_length=16)] = ""
    scale: float = 0.0
    text_size: int = 14
    language: Annotated[str, Meta(max_length=16)] = ""
    geometry: Annotated[str, Meta(max_length=64)] = ""
    maximized: bool = False
    chat: Annotated[str, Meta(max_length=4096)] = ""
    notify: bool = True
    notify_private_text: bool = False
    sound: bool = False
    hosting: bool = False
    recent_emoji: Annotated[list[Annotated[str, Meta(max_length=32)]], Meta(max_length=64)] = []


def load(folder: Path) -> Settings:
    """The settings in this folder. What cannot be read counts as never set: nothing here is worth an error."""
    try:
        with (folder / FILE).open("rb") as file:
            settings = msgspec.json.decode(file.read(MOST_BYTES), type=Settings)
    except (OSError, msgspec.DecodeError, UnicodeError, RecursionError):
        return Settings()
    if settings.scale not in SCALES:
        settings.scale = 0.0
    if settings.text_size not in TEXT_SIZES:
        settings.text_size = Settings().text_size
    if not _GEOMETRY.fullmatch(settings.geometry):
        settings.geometry = ""
    if settings.language not in LANGUAGES:
        settings.language = ""
    if settings.theme not in ("dark", "light"):
        settings.theme = ""
    return settings


def save(folder: Path, settings: Settings) -> None:
    """Keep the settings. Where that fails the next window looks like the first one; nothing else is lost."""
    with contextlib.suppress(OSError, FolderError, UnicodeError):  # a path may be no text
        make_private(folder)
        write_private(folder / FILE, msgspec.json.encode(settings))
