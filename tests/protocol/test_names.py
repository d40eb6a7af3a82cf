from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talk.protocol.errors import Code, Refused
from talk.protocol.limits import MAX_NAME_POINTS
from talk.protocol.names import MAX_TYPED, check_name, folded, skeleton, split_address, suggestions
from talk.protocol.text import starts_with_at

from .vectors import vectors

NAMES = vectors("names")
LINES = vectors("lines")


@pytest.mark.parametrize("name", NAMES["valid"], ids=ascii)
def test_names_of_many_languages_are_shown_as_typed(name: dict[str, str]) -> None:
    assert check_name(name["typed"]) == name["shown"]
    assert check_name(f" \t{name['typed']}\n") == name["shown"]


@pytest.mark.parametrize("name", NAMES["invalid"], ids=ascii)
def test_what_cannot_be_a_name_says_why(name: dict[str, str]) -> None:
    with pytest.raises(Refused) as refused:
        check_name(name["typed"])
    assert refused.value.code == name["code"]
    assert name.get("because", "is reserved") in str(refused.value)


@pytest.mark.parametrize(
    "name", ["bo\ud800b", "x" * (MAX_TYPED + 1), "x" * 1_000_000], ids=["surrogate", "long", "huge"]
)
def test_even_these_are_refused_by_a_sentence_that_can_be_sent(name: str) -> None:
    with pytest.raises(Refused, match="This name cannot be used") as refused:
        check_name(name)
    assert len(str(refused.value).encode()) < 200


def test_an_input_is_bounded_before_anything_is_done_with_it() -> None:
    assert check_name(" " * (MAX_TYPED - 3) + "bob") == "bob"
    with pytest.raises(Refused, match="longer than 32"):
        check_name(" " * MAX_TYPED + "bob")


def test_four_marks_on_a_letter_and_32_characters_are_the_most() -> None:
    assert check_name("a\u0316\u0317\u0318\u0319")
    assert check_name("x" * MAX_NAME_POINTS)
    assert check_name("e\u0301" * MAX_NAME_POINTS) == "é" * MAX_NAME_POINTS


@pytest.mark.parametrize(("one", "other"), NAMES["same"], ids=ascii)
def test_names_that_look_alike_have_one_skeleton(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(("one", "other"), NAMES["different"], ids=ascii)
def test_names_that_look_different_have_different_skeletons(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


def test_a_name_is_found_in_any_case_but_not_by_a_look_alike() -> None:
    assert folded("BOB") == folded("bob") == folded("Ｂｏｂ")
    assert folded("Nell") != folded("Neil")
    assert skeleton("Nell") == skeleton("Neil")


@pytest.mark.parametrize("letter", "abcdefghjkmnopqrstuvwxyz")
def test_no_other_ascii_letter_is_merged_with_this_one(letter: str) -> None:
    others = set("abcdefghijklmnopqrstuvwxyz") - {letter}
    assert skeleton(letter) not in {skeleton(other) for other in others}


@pytest.mark.parametrize("name", ["・" * 127 + "カ", "・" * 31 + "カ", "٠" * 127 + "ا", "क" * 33, "ا\u200c" * 64])
@pytest.mark.parametrize("work", [check_name, folded, skeleton])
def test_length_and_letters_come_before_what_is_not_linear(
    monkeypatch: pytest.MonkeyPatch, name: str, work: Callable[[str], str]
) -> None:
    """PRECIS looks at the whole name for each of these: 128 of them took 20 ms."""

    def enforce(*_: object) -> str:
        raise AssertionError("PRECIS was asked")

    monkeypatch.setattr("precis_i18n.profile.Profile.enforce", enforce)
    with pytest.raises(Refused):
        work(name)


@pytest.mark.parametrize("name", ["bob smith", "", "x" * (MAX_TYPED + 1), "\u200bx"])
def test_a_skeleton_of_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(Refused) as refused:
        skeleton(name)
    assert refused.value.code is Code.NAME_INVALID


names = st.one_of(
    st.from_regex(r"[a-zA-Z][a-zA-Z0-9]{0,10}([_.-][a-zA-Z0-9]{1,9})?", fullmatch=True),
    st.text(st.characters(min_codepoint=0x0905, max_codepoint=0x0939), min_size=1, max_size=12),
    st.text(st.characters(min_codepoint=0x0430, max_codepoint=0x044F), min_size=1, max_size=12),
    st.text(st.characters(min_codepoint=0x0620, max_codepoint=0x064A, exclude_characters="\u0640"), min_size=1),
    st.text(max_size=40),
)


def _checked(name: str) -> str | None:
    try:
        return check_name(name)
    except Refused:
        return None


@given(names)
def test_any_text_is_a_name_or_refused_and_checking_twice_changes_nothing(name: str) -> None:
    shown = _checked(name)
    if shown is not None:
        assert check_name(shown) == shown == unicodedata.normalize("NFC", shown)
        assert len(shown) <= MAX_NAME_POINTS
        assert all(unicodedata.category(char)[0] in "LMN" or char in "_.-\u200c\u200d" for char in shown)


@given(names)
def test_case_does_not_tell_names_apart(name: str) -> None:
    shown = _checked(name)
    if shown is not None and _checked(shown.upper()) and shown.upper().lower() == shown.lower():
        assert skeleton(shown) == skeleton(shown.upper())


def test_suggestions_are_valid_free_and_at_most_three() -> None:
    assert suggestions("Bob", lambda name: True) == ("Bob2", "Bob_2", "Bob3")
    assert suggestions("Bob", lambda name: name == "Bob_9") == ("Bob_9",)
    assert suggestions("Bob", lambda name: False) == ()


def test_suggestions_fit_the_name() -> None:
    assert suggestions("bob7", lambda name: True) == ("bob7_2", "bob7_3", "bob7_4")
    assert suggestions("राम१", lambda name: True) == ("राम१_२", "राम१_३", "राम१_४")
    assert suggestions("علي", lambda name: True) == ("علي2", "علي_2", "علي3")
    assert suggestions("x" * 32, lambda name: True) == ("x" * 31 + "2", "x" * 30 + "_2", "x" * 31 + "3")
    assert suggestions("x" * 29 + ".yz", lambda name: True)[1] == "x" * 29 + "_2"
    assert suggestions("1" * 31 + "x", lambda name: True) == ()


@pytest.mark.parametrize("name", ["bob:", "lobby", "", "x" * 33])
def test_there_are_no_suggestions_for_what_is_no_name(name: str) -> None:
    assert suggestions(name, lambda name: True) == ()


@given(names)
def test_suggestions_are_names(name: str) -> None:
    for suggestion in suggestions(name, lambda name: True):
        assert check_name(suggestion) == suggestion


@pytest.mark.parametrize("line", LINES["private"], ids=lambda line: ascii(line["line"]))
def test_a_line_for_one_person_is_split(line: dict[str, str]) -> None:
    assert split_address(line["line"]) == (line["name"], line["text"])


@pytest.mark.parametrize("line", LINES["others"], ids=ascii)
def test_other_lines_are_for_the_room(line: str) -> None:
    assert split_address(line) is None


@pytest.mark.parametrize("unit", ["x", "x'", ".", "\u200d", "🙂"], ids=ascii)
def test_the_name_of_a_huge_word_is_cut(unit: str) -> None:
    name, text = split_address("@" + unit * 50_000 + " hi") or ("", "")
    assert len(name) <= MAX_TYPED
    assert text.endswith("hi")


@given(st.text() | st.text("@＠﹫ \u200b\nbob:,.!?'"))
def test_what_starts_with_an_at_is_always_split_and_nothing_else(line: str) -> None:
    assert (split_address(line) is not None) == starts_with_at(line)


@given(names, st.sampled_from(["", ",", ":", ";", "!", "?", "...", "…", "_", "-"]), st.text("ab c\n"))
def test_every_valid_name_can_be_addressed(name: str, punctuation: str, text: str) -> None:
    shown = _checked(name)
    if shown is not None:
        found = split_address(f"@{shown}{punctuation} {text}")
        assert found is not None
        assert found[0] == shown
        assert found[1] == text.strip() or "\n" in text or punctuation in "!?"
