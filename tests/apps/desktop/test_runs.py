"""Texts cut into pieces and laid out in lines: nothing is lost or drawn twice, and no line is wider than allowed."""

from __future__ import annotations

import sys
import unicodedata

import pytest
import regex  # type: ignore[import-untyped]
from hypothesis import example, given
from hypothesis import strategies as st

from talk.apps.desktop.runs import EMOJI, Kind, Piece, lay_out, link_at, pieces_of

FAMILY, ENGLAND, KEY = "👨‍👩‍👧", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "1️⃣"
WHOLE = (
    "😀", FAMILY, "🇮🇳", KEY, "#️⃣", "*⃣", "👍🏽", "👩🏽‍🚀", ENGLAND, "❤️", "☎️", "❤️‍🔥", "❤‍🔥", "🏳️‍🌈", "🏴‍☠️", "⛹🏿‍♀️",
    "🧑🏽‍❤️‍💋‍🧑🏻", "©️", "🇮",
)  # fmt: skip
TEXTS = ("❤", "☎", "©", "1", "12", "#", "*", "5*3#", "1️", "a‍b", "é", "नमस्ते", "\u200d", "\ufe0f", "")
LINKS = ("https://talk.example/a_(b)", "http://x", "https://a.b/?c=d&e#f")
_SHAPED = regex.compile(r"\p{Script=Devanagari}")


def shapes(text: str) -> bool:
    return bool(_SHAPED.search(text))


def wide(kind: Kind, text: str) -> int:
    """A made-up font: letters are ten pixels, those of Hindi seven, an emoji twenty, accents nothing."""
    if kind == Kind.EMOJI:
        return 20
    each = 7 if kind == Kind.SHAPED else 10
    return each * sum(unicodedata.category(char) not in ("Mn", "Mc", "Cf") for char in text)


def close(kind: Kind, text: str) -> int:
    """A font in which words that are drawn as one are narrower than apart."""
    return max(1, wide(kind, text) - (4 * text.count(" ") if text.strip() else 0))


def kinds(word: str) -> list[tuple[Kind, str]]:
    return [(kind, text) for kind, text, _ in pieces_of(word, 0, shapes)]


@pytest.mark.parametrize("emoji", WHOLE)
def test_an_emoji_is_one_piece_whatever_it_is_made_of(emoji: str) -> None:
    assert kinds(emoji) == [(Kind.EMOJI, emoji)]
    assert kinds(f"a{emoji}b{emoji}") == [(Kind.TEXT, "a"), (Kind.EMOJI, emoji), (Kind.TEXT, "b"), (Kind.EMOJI, emoji)]


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_no_emoji_by_itself_stays_text(text: str) -> None:
    assert not EMOJI.findall(text)
    assert all(kind in (Kind.TEXT, Kind.SHAPED) for kind, _ in kinds(text))


@pytest.mark.parametrize(
    ("word", "pieces"),
    [
        ("नमस्ते!", ["नमस्ते!"]),
        ("@नाम", ["@", "नाम"]),
        ("सिर्फ़ bob पढ़ें", ["सिर्फ़ ", "bob", " पढ़ें"]),
        ("नमस्ते(VPS)ठीक", ["नमस्ते", "(VPS)", "ठीक"]),
    ],
)
def test_latin_letters_are_not_drawn_with_another_scripts_font(word: str, pieces: list[str]) -> None:
    assert kinds(word) == [(Kind.TEXT if piece.isascii() else Kind.SHAPED, piece) for piece in pieces]


@pytest.mark.parametrize(
    ("word", "emoji"),
    [
        ("1🏻", ["🏻"]),
        ("🇮🇳🇩🇪🇮", ["🇮🇳", "🇩🇪", "🇮"]),
        (f"7{KEY}7", [KEY]),
        (FAMILY + "‍", [FAMILY]),
        ("😀\ufe0e", ["😀"]),
    ],
)
def test_where_emoji_end(word: str, emoji: list[str]) -> None:
    assert [text for kind, text in kinds(word) if kind == Kind.EMOJI] == emoji


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("https://a.b", ["<https://a.b>"]),
        ("https://a.b.", ["<https://a.b>", "."]),
        ("(https://a.b),", ["(", "<https://a.b>", "),"]),
        ("https://a.b/c_(d)", ["<https://a.b/c_(d)>"]),
        ("(https://a.b/c_(d))", ["(", "<https://a.b/c_(d)>", ")"]),
        ("https://a.b/c_(d)).", ["<https://a.b/c_(d)>", ")."]),
        ("https://a.b/)(", ["<https://a.b/)(>"]),
        ('"https://a.b"', ['"', "<https://a.b>", '"']),
        ("<https://a.b>https://c.d!", ["<", "<https://a.b>", ">", "<https://c.d>", "!"]),
        ("see:https://a.b/?c=d;e", ["see:", "<https://a.b/?c=d;e>"]),
        ("https://a.b?!”", ["<https://a.b>", "?!”"]),
        ("नhttps://a.b/न।", ["न", "<https://a.b/न।>"]),
        ("https://", ["https://"]),
        ("https://...", ["https://..."]),
        ("http://:", ["http://:"]),
        ("ftp://a.b", ["ftp://a.b"]),
        ("HTTPS://a.b", ["HTTPS://a.b"]),
        ("javascript://https", ["javascript://https"]),
        ("https://a.b/🎉/c", ["<https://a.b/>", "🎉", "</c>"]),
    ],
)
def test_a_link_ends_where_its_sentence_goes_on(word: str, parts: list[str]) -> None:
    assert [f"<{text}>" if kind == Kind.LINK else text for kind, text in kinds(word)] == parts


def test_a_word_of_many_links_needs_no_deep_stack() -> None:
    word = "http://a<" * 444
    depth = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(300)
        assert len(kinds(word)) == 888
    finally:
        sys.setrecursionlimit(depth)


def test_a_link_is_opened_whole_however_it_was_cut() -> None:
    link = "https://talk.example/" + "a" * 100
    text = f"see ({link}) or http://b."
    lines = lay_out(text, 150, wide, shapes)
    cut = [piece for line in lines for piece in line.pieces if piece.kind == Kind.LINK]
    assert len(cut) > 5
    assert [link_at(text, piece.start) for piece in cut] == [link] * (len(cut) - 1) + ["http://b"]
    assert link_at(text, 0) == link_at(text, text.index(")")) == link_at(text, len(text) - 1) == ""


# ---- lines

PARTS = st.sampled_from(
    [*WHOLE, *TEXTS, *LINKS, " ", "  ", "\t", "\n", "\n\n", "ok", "हिन्दी", "क्षत्रिय", "e\u0301", "x" * 30, "(", ")", "."]
)
SOME_TEXT = st.one_of(st.lists(PARTS, max_size=25).map("".join), st.text(max_size=60))


def shown(line_pieces: tuple[Piece, ...]) -> dict[int, str]:
    """Which character stands at which place of the text, as drawn."""
    return {piece.start + at: char for piece in line_pieces for at, char in enumerate(piece.text)}


@given(SOME_TEXT, st.integers(1, 400), st.sampled_from([wide, close]))
@example("a\tb  c", 400, wide)
@example("x" * 4000, 40, wide)
@example("क" * 4000, 40, close)
@example("नमस्ते " * 500, 40, wide)
@example("\n\n\n", 40, wide)
def test_every_visible_character_is_drawn_once_and_in_its_place(text: str, most: int, measure: object) -> None:
    assert callable(measure)
    lines = lay_out(text, most, measure, shapes)
    drawn: dict[int, str] = {}
    for line in lines:
        here = shown(line.pieces)
        assert not drawn.keys() & here.keys()
        assert all(line.start <= place < line.end for place in here)
        drawn.update(here)
    for place, char in enumerate(text):
        if char in " \t\n":
            assert drawn.get(place, " ") == " "
        else:
            assert drawn[place] == char
    assert not drawn.keys() - set(range(len(text)))


@given(SOME_TEXT, st.integers(1, 400), st.sampled_from([wide, close]))
@example("हिन्दी" * 600, 70, wide)
@example("    return x", 100, wide)
@example(" " * 4000 + "x", 100, wide)
@example("aa bb", 45, close)
def test_no_line_is_wider_than_allowed_unless_one_letter_is(text: str, most: int, measure: object) -> None:
    assert callable(measure)
    for line in lay_out(text, most, measure, shapes):
        x = 0
        for piece in line.pieces:
            assert piece.x >= x
            assert piece.width == measure(piece.kind, piece.text)
            x = piece.x + piece.width
        assert line.width == x
        if x > most:
            assert len(line.pieces) == 1
            piece = line.pieces[0]
            letters = regex.findall(r"\X", piece.text)
            assert piece.kind == Kind.EMOJI or len(letters) == 1
            assert piece.x == 0


@given(SOME_TEXT, st.integers(1, 400))
def test_lines_follow_each_other_without_a_gap(text: str, most: int) -> None:
    lines = lay_out(text, most, wide, shapes)
    assert lines[0].start == 0
    assert lines[-1].end == len(text) + 1
    assert [line.end for line in lines[:-1]] == [line.start for line in lines[1:]]
    assert len(lines) >= text.count("\n") + 1


@given(
    st.lists(st.sampled_from(["ok", "हिन्दी", "क्षत्रिय", "😀", "abcdef"]), min_size=1, max_size=12), st.integers(60, 400)
)
def test_words_that_fit_in_a_line_are_not_cut(words: list[str], most: int) -> None:
    for line in lay_out(" ".join(words), most, wide, shapes):
        texts = " ".join(piece.text for piece in line.pieces).split()
        assert all(text in words for text in texts)


def drawn(text: str, most: int = 1000) -> list[list[tuple[int, str, int]]]:
    return [[(p.x, p.text, p.width) for p in line.pieces] for line in lay_out(text, most, wide, shapes)]


def test_where_pieces_stand() -> None:
    assert drawn("one two") == [[(0, "one two", 70)]]
    assert drawn("one two", 60) == [[(0, "one", 30)], [(0, "two", 30)]]
    assert drawn("one two", 70) == [[(0, "one two", 70)]]
    assert drawn("a😀b 😀") == [[(0, "a", 10), (10, "😀", 20), (30, "b", 10), (50, "😀", 20)]]
    assert drawn("नम नम a") == [[(0, "नम नम", 35), (45, "a", 10)]]
    assert drawn("a  b") == [[(0, "a  b", 40)]]
    assert drawn("a\tb") == [[(0, "a b", 30)]]
    assert drawn("") == [[]]
    assert drawn("\n \n") == [[], [], []]


def test_a_pasted_program_keeps_its_indent() -> None:
    assert drawn("if x:\n    y") == [[(0, "if x:", 50)], [(40, "y", 10)]]
    assert drawn("    long_word b", 95) == [[(0, "long_word", 90)], [(0, "b", 10)]]


def test_words_that_are_drawn_as_one_move_what_follows_up() -> None:
    (line,) = lay_out("ab cd 😀 e", 1000, close, shapes)
    assert [(piece.x, piece.text) for piece in line.pieces] == [(0, "ab cd"), (56, "😀"), (86, "e")]
    assert line.width == 96


def test_a_word_too_long_for_a_line_begins_on_its_own_and_is_cut_between_letters() -> None:
    assert [[text for _, text, _ in line] for line in drawn("ok " + "x" * 7, 30)] == [["ok"], ["xxx"], ["xxx"], ["x"]]
    accents = "e\u0301" * 4
    assert [[text for _, text, _ in line] for line in drawn(accents, 30)] == [["e\u0301" * 3], ["e\u0301"]]
    hindi = drawn("क्षत्रिय" * 3, 50)
    assert len(hindi) > 1
    assert all(line[0][1].startswith(("क्ष", "त्रि", "य")) for line in hindi)
    assert drawn("x" * 4000, 1)[0] == [(0, "x", 10)]
