from __future__ import annotations

import sys
import unicodedata

import pytest
import regex  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from talk.protocol import text
from talk.protocol.errors import Code, Refused
from talk.protocol.limits import MAX_TEXT_BYTES, MAX_TEXT_POINTS, MAX_TITLE_BYTES

ATS = ["@", "＠", "﹫"]
NOTHING = regex.compile(r"[\p{Default_Ignorable_Code_Point}\p{White_Space}\p{Cc}\p{M}]")
INVISIBLE = [char for char in map(chr, range(sys.maxunicode + 1)) if NOTHING.match(char)]


def refusal(check: object, line: str) -> Code | None:
    try:
        check(line)  # type: ignore[operator]
    except Refused as refused:
        return refused.code
    return None


def test_nothing_that_draws_nothing_hides_an_at() -> None:
    assert len(INVISIBLE) > 6_000
    for char in INVISIBLE:
        assert text.starts_with_at(f"{char}@bob"), f"U+{ord(char):04X}"
        assert not text.starts_with_at(f"{char}b@b"), f"U+{ord(char):04X}"


@pytest.mark.parametrize("char", "\u115f\u1160\u3164\uffa0\u2800\ufffc\U0001d159\U00013441\U00013442\u180e\u200b\ufeff")
def test_letters_and_symbols_that_are_blank_count_as_nothing(char: str) -> None:
    assert not text.is_visible(char)
    assert text.starts_with_at(char + "@bob")


@pytest.mark.parametrize("at", ATS)
def test_every_width_of_the_at_counts(at: str) -> None:
    assert text.starts_with_at(at)
    assert text.starts_with_at(f" \n\t{at}bob hello")
    assert refusal(text.check_room_text, f"{at}bob hello") is Code.STARTS_WITH_AT


def test_no_other_visible_character_is_an_at() -> None:
    others = [
        char for char in map(chr, range(sys.maxunicode + 1)) if text.is_visible(char) and text.starts_with_at(char)
    ]
    assert sorted(others) == sorted(ATS)


def test_every_control_and_half_of_a_surrogate_is_forbidden_and_of_the_rest_those_that_turn_the_line() -> None:
    controls = {char for char in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(char) in ("Cc", "Cs")}
    turning = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    forbidden = {char for char in map(chr, range(sys.maxunicode + 1)) if text.has_forbidden(char)}
    assert forbidden == controls - {"\n", "\t"} | turning


@pytest.mark.parametrize("line", ["", " ", "a@b", "hello @bob", "a\n@bob", "👍 @bob", "ⓐbob", "\u00a0.@bob"])
def test_other_lines_are_for_everybody(line: str) -> None:
    assert not text.starts_with_at(line)


@pytest.mark.parametrize(
    "line",
    ["hi", "a\tb\nc", "नमस्ते", "क्\u200dष", "می\u200cخواهم", "👨\u200d👩\u200d👧", "e\u0301", "\u200eשלום", "😀" * 4_000],
    ids=ascii,
)
def test_what_people_write_is_allowed(line: str) -> None:
    assert refusal(text.check_text, line) is None
    assert refusal(text.check_room_text, line) is None


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("", Code.TEXT_EMPTY),
        (" \n\t\u3000", Code.TEXT_EMPTY),
        ("\u200b\u2800\u3164\u0301", Code.TEXT_EMPTY),
        ("x" * (MAX_TEXT_POINTS + 1), Code.TEXT_TOO_LONG),
        ("x" * 1_000_000, Code.TEXT_TOO_LONG),
        ("a\x00", Code.TEXT_FORBIDDEN),
        ("a\x1b[2J", Code.TEXT_FORBIDDEN),
        ("a\r\n", Code.TEXT_FORBIDDEN),
        ("a\x7f", Code.TEXT_FORBIDDEN),
        ("a\x85", Code.TEXT_FORBIDDEN),
        ("a\u202eb", Code.TEXT_FORBIDDEN),
        ("a\u2066b", Code.TEXT_FORBIDDEN),
        ("a\ud800", Code.TEXT_FORBIDDEN),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_what_cannot_be_sent_says_why(line: str, code: Code) -> None:
    assert refusal(text.check_text, line) is code
    assert refusal(text.check_room_text, line) is code


def test_the_longest_text_of_the_longest_characters_fits() -> None:
    assert MAX_TEXT_POINTS * 4 <= MAX_TEXT_BYTES
    assert refusal(text.check_text, "x" * MAX_TEXT_POINTS) is None


def test_bytes_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "MAX_TEXT_BYTES", 10)
    with pytest.raises(Refused, match="12 of at most 10") as refused:
        text.check_text("éééééé")
    assert refused.value.code is Code.TEXT_TOO_LONG


def test_a_private_text_may_start_with_an_at() -> None:
    assert refusal(text.check_text, "@alice said so") is None


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("a\r\nb\rc", "a\nb\nc"),
        ("\n\n  a  \n\n", "  a"),
        ("a\x00\x1b[1mb", "a[1mb"),
        ("a\u202eb", "ab"),
        ("\ta", "\ta"),
        ("", ""),
        (" \n ", ""),
    ],
    ids=ascii,
)
def test_a_client_cleans_what_was_pasted(typed: str, sent: str) -> None:
    assert text.clean_text(typed) == sent


@given(st.text())
def test_a_cleaned_text_is_never_forbidden_and_stays_clean(typed: str) -> None:
    cleaned = text.clean_text(typed)
    assert refusal(text.check_text, cleaned) in (None, Code.TEXT_EMPTY)
    assert text.clean_text(cleaned) == cleaned


@given(st.text())
def test_cleaning_never_turns_a_private_line_into_one_for_everybody(typed: str) -> None:
    if text.starts_with_at(typed):
        assert text.starts_with_at(text.clean_text(typed))


@given(st.text())
def test_a_printable_text_cannot_move_the_cursor(written: str) -> None:
    shown = text.printable(written)
    assert len(shown) == len(written)
    assert all(char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cs") for char in shown)


def test_printable_keeps_what_is_harmless() -> None:
    assert text.printable("नमस्ते\n\t👍") == "नमस्ते\n\t👍"
    assert text.printable("\x1b]0;x\x07\u202e") == "\ufffd]0;x\ufffd\ufffd"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Asha's chat", "Asha's chat"),
        ("  Dr. Rao's\n class\t", "Dr. Rao's class"),
        ("a \x00 b\x1b[2J\u202e", "a b[2J"),
        ("e\u0301", "\u00e9"),
        ("\U0001f600" * 40, "\U0001f600" * 15),
        ("x" * 62 + " y", "x" * 62),
        ("\ud800x", "x"),
        ("\u200b\u3164", ""),
        ("", ""),
    ],
)
def test_a_title_is_one_short_line(given: str, shown: str) -> None:
    assert text.clean_title(given) == shown
    assert text.is_title(given) is (given == shown != "")


@given(st.text())
def test_a_cleaned_title_is_a_title(given: str) -> None:
    title = text.clean_title(given)
    assert len(title.encode()) <= MAX_TITLE_BYTES
    assert title == "" or text.is_title(title)
    assert not text.has_forbidden(title.replace("\t", "\x00"))
