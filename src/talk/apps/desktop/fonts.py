"""The fonts that come with TAlk: for Tk, and for Pillow, which draws what Tk cannot."""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib
import importlib.util
import os
import sys
import tempfile
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import regex  # type: ignore[import-untyped]
from PIL import ImageFont

FOLDER = Path(__file__).parent / "fonts"
REGULAR, BOLD = FOLDER / "NotoSans-Regular.ttf", FOLDER / "NotoSans-Bold.ttf"
EMOJI = FOLDER / "NotoColorEmoji.ttf"
EMOJI_SIZE = 109  # pixels; the one size that this bitmap font has
_FR_PRIVATE = 0x10  # AddFontResourceEx: for this process alone

# Tk on X11 places one glyph after the other (no HarfBuzz before Tk 9.1), so these scripts come out wrong.
NEEDS_SHAPING = sys.platform not in ("win32", "darwin")
_SCRIPTS = {
    "Devanagari": "NotoSansDevanagari-{}.ttf",
    "Arabic": "NotoSansArabic-Regular.ttf",
    "Bengali": "NotoSansBengali-Regular.ttf",
    "Gujarati": "NotoSansGujarati-Regular.ttf",
    "Gurmukhi": "NotoSansGurmukhi-Regular.ttf",
    "Kannada": "NotoSansKannada-Regular.ttf",
    "Malayalam": "NotoSansMalayalam-Regular.ttf",
    "Tamil": "NotoSansTamil-Regular.ttf",
    "Telugu": "NotoSansTelugu-Regular.ttf",
}
_BY_SCRIPT = [(regex.compile(rf"\p{{Script={script}}}"), file) for script, file in _SCRIPTS.items()]
_COMPLEX = regex.compile("[" + "".join(rf"\p{{Script={script}}}" for script in _SCRIPTS) + "]")


def needs_shaping(text: str) -> bool:
    """Whether Tk would draw this text wrong here, and one of our fonts can draw it right."""
    return NEEDS_SHAPING and not text.isascii() and _COMPLEX.search(text) is not None


@lru_cache(128)
def pillow_font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    """`size` in pixels."""
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.RAQM)


# Programs that move the points of each letter onto whole pixels, each time it is drawn: Pillow keeps no letters.
_PROGRAMS = (b"fpgm", b"prep", b"cvt ")


@lru_cache(64)
def _unhinted(path: Path, size: int) -> ImageFont.FreeTypeFont:
    """A font without its programs: a line of Hindi takes 1.7 ms instead of 6.1, and looks almost the same."""
    font = path.read_bytes()
    count = int.from_bytes(font[4:6], "big")
    entries = [font[at : at + 16] for at in range(12, 12 + 16 * count, 16)]
    # OpenType, "Table directory": a table under a name that nobody knows is passed over.
    renamed = [b"none" + entry[4:] if entry[:4] in _PROGRAMS else entry for entry in entries]
    data = font[:12] + b"".join(renamed) + font[12 + 16 * count :]
    return ImageFont.truetype(BytesIO(data), size, layout_engine=ImageFont.Layout.RAQM)


def shaping_font(text: str, size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The font for the first script in the text that needs one; `size` in pixels."""
    for pattern, file in _BY_SCRIPT:
        if pattern.search(text):
            return _unhinted(FOLDER / file.format("Bold" if bold else "Regular"), size)
    return pillow_font(BOLD if bold else REGULAR, size)


# CustomTkinter copies its fonts there at each start. Whoever shows such a file while it is copied over dies of it
# (SIGBUS), so this program uses none that lie there; and it copies none (`load_toolkit`).
_NOT_THESE = b"""<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><selectfont><rejectfont>
<glob>*/.fonts/CustomTkinter*</glob><glob>*/.fonts/Roboto-*</glob>
</rejectfont></selectfont></fontconfig>"""


def load_toolkit() -> None:
    """Load CustomTkinter for the first time, without a place to copy its fonts to."""
    home = os.environ.get("HOME", "")
    with tempfile.TemporaryDirectory(prefix="talk-") as nowhere:
        if sys.platform.startswith("linux"):
            os.environ["HOME"] = nowhere
        try:
            importlib.import_module("customtkinter")
        finally:
            if home:
                os.environ["HOME"] = home


def give_to_tk() -> bool:
    """Let Tk know our fonts, for this process alone; whether it worked. To be called before the first window."""
    if sys.platform == "win32":
        add = ctypes.windll.gdi32.AddFontResourceExW
        return all(add(str(path), _FR_PRIVATE, 0) for path in (REGULAR, BOLD))
    if sys.platform == "darwin":
        return False  # the system's own fonts are good
    name = ctypes.util.find_library("fontconfig")
    return name is not None and _give_to_fontconfig(ctypes.CDLL(name))


def _give_to_fontconfig(library: ctypes.CDLL) -> bool:
    library.FcInitLoadConfig.restype = ctypes.c_void_p
    library.FcConfigParseAndLoadFromMemory.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    library.FcConfigBuildFonts.argtypes = library.FcConfigSetCurrent.argtypes = [ctypes.c_void_p]
    library.FcConfigAppFontAddFile.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    config = library.FcInitLoadConfig()
    library.FcConfigParseAndLoadFromMemory(config, _NOT_THESE, 0)
    if not (library.FcConfigBuildFonts(config) and library.FcConfigSetCurrent(config)):
        return False
    files = [*FOLDER.glob("NotoSans*.ttf"), *_toolkit_fonts()]
    return all(library.FcConfigAppFontAddFile(None, os.fsencode(path)) for path in sorted(files))


def _toolkit_fonts() -> list[Path]:
    """The fonts that CustomTkinter draws round corners and ticks with, where it has them."""
    found = importlib.util.find_spec("customtkinter")
    if found is None or found.origin is None:
        return []
    return sorted((Path(found.origin).parent / "assets" / "fonts").rglob("*.[ot]tf"))
