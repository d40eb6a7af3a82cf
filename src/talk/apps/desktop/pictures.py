"""Small pictures for canvases and labels, drawn with Pillow and kept: what Tk cannot draw, or not smoothly.

A picture lives as long as something refers to it; what is on a canvas is held by the canvas (`held`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import regex  # type: ignore[import-untyped]
from PIL import Image, ImageDraw, ImageFont, ImageTk

from talk.apps.desktop import icons
from talk.apps.desktop.fonts import BOLD, EMOJI, EMOJI_SIZE, pillow_font, shaping_font

LOGO = Path(__file__).parent / "logo.png"
SMOOTH = 4  # times larger than shown, then made small: that is what rounds off edges
_CORNERS = {"nw": (0, 0), "ne": (1, 0), "sw": (0, 1), "se": (1, 1)}


@lru_cache(512)
def corner(radius: int, colour: str, where: str, behind: str = "") -> ImageTk.PhotoImage:
    """A quarter of a disc; `where` is nw, ne, sw or se. `behind` is what it lies on, where that is known."""
    big = radius * 2 * SMOOTH
    disc = Image.new("L", (big, big), 0)
    ImageDraw.Draw(disc).ellipse((0, 0, big - 1, big - 1), fill=255)
    disc = disc.resize((2 * radius, 2 * radius), Image.Resampling.LANCZOS)
    x, y = (side * radius for side in _CORNERS[where])
    filled = Image.new("RGBA", (radius, radius), colour)
    filled.putalpha(disc.crop((x, y, x + radius, y + radius)))
    return ImageTk.PhotoImage(_on(filled, behind))


def _on(image: Image.Image, behind: str) -> Image.Image:
    """Without anything to see through: for each picture that has, Tk asks X for what is behind it, and waits.

    A canvas full of messages is drawn in 2 ms instead of 4.
    """
    if not behind:
        return image
    ground = Image.new("RGBA", image.size, behind)
    ground.alpha_composite(image)
    return ground.convert("RGB")


@lru_cache(512)
def disc(diameter: int, colour: str, ring: str = "") -> ImageTk.PhotoImage:
    """A filled circle; `ring` is the colour of an edge around it."""
    big = diameter * SMOOTH
    image = Image.new("RGBA", (big, big), (0, 0, 0, 0))
    drawing = ImageDraw.Draw(image)
    drawing.ellipse((0, 0, big - 1, big - 1), fill=ring or colour)
    if ring:
        edge = big // 6
        drawing.ellipse((edge, edge, big - 1 - edge, big - 1 - edge), fill=colour)
    return ImageTk.PhotoImage(image.resize((diameter, diameter), Image.Resampling.LANCZOS))


def avatar_image(letter: str, colour: str, diameter: int) -> Image.Image:
    """A coloured disc with the first letter of a name."""
    big = diameter * SMOOTH
    image = Image.new("RGBA", (big, big), (0, 0, 0, 0))
    drawing = ImageDraw.Draw(image)
    drawing.ellipse((0, 0, big - 1, big - 1), fill=colour)
    size = int(big * 0.46)
    font = pillow_font(BOLD, size) if letter.isascii() else shaping_font(letter, size, bold=True)
    drawing.text((big / 2, big / 2), letter, font=font, fill="white", anchor="mm")
    return image.resize((diameter, diameter), Image.Resampling.LANCZOS)


@lru_cache(512)
def avatar(letter: str, colour: str, diameter: int, behind: str = "") -> ImageTk.PhotoImage:
    return ImageTk.PhotoImage(_on(avatar_image(letter, colour, diameter), behind))


def emoji_width(cluster: str, height: int) -> int:
    """How wide an emoji of this height is, without drawing it."""
    return max(1, int(pillow_font(EMOJI, EMOJI_SIZE).getlength(cluster)) * height // 128)


@lru_cache(2048)
def emoji_image(cluster: str, height: int) -> Image.Image:
    """An emoji, whatever code points it is made of, as tall as given."""
    font = pillow_font(EMOJI, EMOJI_SIZE)
    image = Image.new("RGBA", (max(int(font.getlength(cluster)), 1), 128), (0, 0, 0, 0))
    ImageDraw.Draw(image).text((0, 0), cluster, font=font, embedded_color=True)
    return image.resize((emoji_width(cluster, height), height), Image.Resampling.LANCZOS)


@lru_cache(2048)
def emoji(cluster: str, height: int) -> ImageTk.PhotoImage:
    return ImageTk.PhotoImage(emoji_image(cluster, height))


@lru_cache(4096)
def shaped_width(text: str, size: int, *, bold: bool = False) -> int:
    """How wide `shaped` is, in pixels."""
    words = _words(text)
    widths = (sum(_advance(word, size, bold)) for word in words)
    return int(sum(widths) - _advance(words[-1], size, bold)[1]) + 1


@lru_cache(512)  # lines of 40 kB each; what is on a canvas is held by it
def shaped(text: str, size: int, colour: str, *, bold: bool = False) -> tuple[ImageTk.PhotoImage, int]:
    """A text with its letters joined and ordered as its script wants it; and how far down its base line is."""
    image, base = shaped_image(text, size, colour, bold=bold)
    return ImageTk.PhotoImage(image), base


def shaped_image(text: str, size: int, colour: str, *, bold: bool = False) -> tuple[Image.Image, int]:
    ascent, descent = shaping_font(text, size, bold=bold).getmetrics()
    ink = Image.new("L", (shaped_width(text, size, bold=bold) + 2, ascent + descent), 0)
    x = 0.0
    for word in _words(text):
        drawn, base = _word(word, size, bold)
        ink.paste(255, (round(x) - _ROUND_WORD, ascent - base), drawn)
        x += sum(_advance(word, size, bold))
    image = Image.new("RGBA", ink.size, colour)
    image.putalpha(ink)
    return image, ascent


def draw_ahead(word: str, size: int) -> None:
    """Measure and draw a word that will be part of `shaped`. Makes nothing of Tk's, so any thread may do it."""
    _word(word, size, False)


def _words(text: str) -> list[str]:
    """What is drawn as one. Most words of a text were drawn before; where a script runs to the left, their order is
    for the whole text to say.
    """
    return [text] if _TO_THE_LEFT.search(text) else text.split(" ")


_TO_THE_LEFT = regex.compile(r"[\p{Bidi_Class=R}\p{Bidi_Class=AL}]")
_ROUND_WORD = 3  # pixels at both sides: some letters reach out of their width


@lru_cache(16_384)  # each costs 0.15 ms, of words that were never seen
def _advance(word: str, size: int, bold: bool) -> tuple[float, float]:
    """How wide a word is, and a space behind it."""
    font = shaping_font(word, size, bold=bold)
    return font.getlength(word), _space(font)


@lru_cache(64)
def _space(font: ImageFont.FreeTypeFont) -> float:
    return font.getlength(" ")


@lru_cache(4096)  # 1 kB each
def _word(word: str, size: int, bold: bool) -> tuple[Image.Image, int]:
    """The ink of a word, and how far down its base line is."""
    font = shaping_font(word, size, bold=bold)
    ascent, descent = font.getmetrics()
    width = int(_advance(word, size, bold)[0]) + 1 + 2 * _ROUND_WORD
    image = Image.new("L", (width, ascent + descent), 0)
    ImageDraw.Draw(image).text((_ROUND_WORD, 0), word, font=font, fill=255)
    return image, ascent


@lru_cache(512)  # 2.4 ms each; CustomTkinter's widgets get theirs anew whenever what they show changes
def icon_image(name: str, size: int, colour: str) -> Image.Image:
    """One of `icons`, as large as given."""
    big = size * SMOOTH
    image = Image.new("RGBA", (big, big), (0, 0, 0, 0))
    draw: Callable[[icons.Pen], None] = icons.ICONS[name]
    draw(icons.Pen(ImageDraw.Draw(image), big, colour))
    return image.resize((size, size), Image.Resampling.LANCZOS)


@lru_cache(1024)
def icon(name: str, size: int, colour: str, behind: str = "") -> ImageTk.PhotoImage:
    return ImageTk.PhotoImage(_on(icon_image(name, size, colour), behind))


def forget_all() -> None:
    """Let go of every picture: they belong to a window that is closed."""
    for kept in (corner, disc, avatar, emoji, shaped, icon):
        kept.cache_clear()
