"""A word is cut by the fonts that have its letters."""

from __future__ import annotations

import pytest

from talk.apps.desktop.fonts import _COMPLEX
from talk.apps.desktop.runs import Kind, pieces_of

TEXT, SHAPED, EMOJI = Kind.TEXT, Kind.SHAPED, Kind.EMOJI


@pytest.mark.parametrize(
    ("word", "pieces"),
    [
        ("bob", [(TEXT, "bob")]),
        ("नमस्ते!", [(SHAPED, "नमस्ते!")]),
        ("@नाम", [(TEXT, "@"), (SHAPED, "नाम")]),
        ("सिर्फ़ bob पढ़ें", [(SHAPED, "सिर्फ़ "), (TEXT, "bob"), (SHAPED, " पढ़ें")]),
        ("नमस्ते(VPS)👋ठीक", [(SHAPED, "नमस्ते"), (TEXT, "(VPS)"), (EMOJI, "👋"), (SHAPED, "ठीक")]),
        ("سلام!", [(SHAPED, "سلام!")]),
        ("Zoë", [(TEXT, "Zoë")]),
    ],
)
def test_latin_letters_are_not_drawn_with_another_scripts_font(word: str, pieces: list[tuple[Kind, str]]) -> None:
    cut = list(pieces_of(word, 3, lambda text: _COMPLEX.search(text) is not None))
    assert [(kind, text) for kind, text, _ in cut] == pieces
    assert [start for *_, start in cut] == [
        3 + sum(len(text) for _, text in pieces[:number]) for number in range(len(cut))
    ]
