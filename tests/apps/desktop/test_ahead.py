"""What comes from the network has its words drawn before the window needs them."""

from __future__ import annotations

import asyncio

from talk.apps.desktop import pictures
from talk.apps.desktop.ahead import draw_ahead
from talk.apps.desktop.fonts import needs_shaping
from talk.apps.desktop.runs import Kind, TextLine, lay_out

SIZE = 15
TEXT = "अध्यापिका ने कहा, “परीक्षाएँ” कल हैं😀। see https://example.org/पाठ and தமிழ் too\nठीक-ठाक"


def _lay_out(text: str) -> list[TextLine]:
    def measure(kind: Kind, part: str) -> int:
        return pictures.shaped_width(part, SIZE) if kind == Kind.SHAPED else 8 * len(part)

    return lay_out(text, 200, measure, needs_shaping)


def _drawn() -> tuple[int, int]:
    return pictures._word.cache_info().misses, pictures._advance.cache_info().misses


def test_nothing_is_left_to_measure_or_draw_for_the_window() -> None:
    asyncio.run(draw_ahead([TEXT], SIZE))
    before = _drawn()
    shaped = [piece.text for line in _lay_out(TEXT) for piece in line.pieces if piece.kind == Kind.SHAPED]
    for text in shaped:
        pictures.shaped_image(text, SIZE, "#fff")
    assert shaped
    assert _drawn() == before


def test_a_text_that_tk_can_draw_costs_nothing() -> None:
    before = _drawn()
    asyncio.run(draw_ahead(["plain words, and an emoji 😀"], SIZE))
    assert _drawn() == before


def test_a_text_is_as_wide_as_its_words_and_what_is_drawn_fits() -> None:
    text = "नमस्ते दोस्तों कल मिलते हैं"
    image, _base = pictures.shaped_image(text, SIZE, "#fff")
    box = image.getchannel("A").getbbox()
    assert box is not None
    assert box[2] <= pictures.shaped_width(text, SIZE) + 2
    assert pictures.shaped_width(text, SIZE) < sum(pictures.shaped_width(word + " ", SIZE) for word in text.split()) + 5
