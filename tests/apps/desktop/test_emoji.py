"""Every emoji that can be picked is drawn by our font, is one emoji, and is found by its names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from talk.apps.desktop.emoji import GROUPS, MOST_FOUND, all_emoji, search
from talk.apps.desktop.fonts import EMOJI as FONT
from talk.apps.desktop.fonts import EMOJI_SIZE, pillow_font
from talk.apps.desktop.pictures import emoji_image
from talk.apps.desktop.runs import EMOJI
from talk.apps.desktop.words import use_language

EVERY = [emoji for group in all_emoji().values() for emoji in group]


def test_there_are_many_and_each_once_in_a_group_with_a_name() -> None:
    assert len(EVERY) > 1_500
    assert len({emoji.text for emoji in EVERY}) == len({emoji.name for emoji in EVERY}) == len(EVERY)
    assert list(all_emoji()) == list(GROUPS)
    assert all(len(group) > 50 for group in all_emoji().values())


def test_each_is_one_emoji_in_texts() -> None:
    assert not [emoji for emoji in EVERY if not EMOJI.fullmatch(emoji.text)]


def test_each_is_drawn_as_one_picture() -> None:
    font = pillow_font(FONT, EMOJI_SIZE)
    usual = font.getlength("😀")
    assert usual > 0
    assert not [emoji for emoji in EVERY if font.getlength(emoji.text) != usual]
    assert not [emoji for emoji in EVERY if emoji_image(emoji.text, 8).getbbox() is None]


def test_each_is_found_by_its_own_name() -> None:
    found = {emoji.name: [each.text for each in search(emoji.name)] for emoji in EVERY}
    assert not [emoji for emoji in EVERY if emoji.text not in found[emoji.name]]


def is_hindi(text: str) -> bool:
    return any("\u0900" <= char <= "\u097f" for char in text)


def test_each_has_a_name_and_words_in_hindi() -> None:
    assert not [emoji for emoji in EVERY if not (is_hindi(emoji.hindi) and is_hindi(emoji.words))]


def test_each_is_found_by_its_name_in_hindi() -> None:
    lost = [emoji for emoji in EVERY if len(found := search(emoji.hindi)) < MOST_FOUND and emoji not in found]
    assert not lost


@pytest.fixture
def hindi() -> Iterator[None]:
    use_language("hi")
    yield
    use_language("en")


def test_names_are_shown_in_the_language_in_use(hindi: None) -> None:
    (cricket,) = [emoji for emoji in EVERY if emoji.text == "🏏"]
    assert cricket.shown_name == "क्रिकेट"
    for other in ("en", "hi_Latn"):
        use_language(other)
        assert cricket.shown_name == "cricket game"


@pytest.mark.parametrize(
    ("typed", "emoji"),
    [
        ("grin", "😀"), ("  GRINNING face ", "😀"), ("face grinning", "😀"), ("खुश", "😀"), ("पिज़्ज़ा", "🍕"),
        ("namaste", "🙏"), ("khushi ke aansoo", "😂"),
        ("india", "🇮🇳"), ("flag india", "🇮🇳"), ("भारत", "🇮🇳"), ("heart", "❤️"), ("#", "#️⃣"),
    ],
)  # fmt: skip
def test_finding(typed: str, emoji: str) -> None:
    assert emoji in [each.text for each in search(typed)]


def test_what_begins_with_the_word_comes_first() -> None:
    found = search("cat")
    assert found[0].name.startswith("cat")
    begins = [emoji.name.startswith("cat") for emoji in found]
    assert begins == sorted(begins, reverse=True)
    assert not all(begins)


@pytest.mark.parametrize("typed", ["zzzz", "rinning", "grin zzzz"])
def test_what_fits_nothing(typed: str) -> None:
    assert search(typed) == []


def test_no_more_are_found_than_can_be_shown() -> None:
    assert len(search("")) == len(search("f")) == MOST_FOUND
