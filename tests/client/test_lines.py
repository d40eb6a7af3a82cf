"""What a typed line means: nothing that starts with an @ ever becomes a line for everybody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talk.client import NotPrivate
from talk.client.lines import Ask, Say, Tell, read_line
from talk.protocol.errors import Code, Refused
from talk.protocol.text import starts_with_at


@pytest.mark.parametrize(
    ("typed", "meaning"),
    [
        ("hello", Say("hello")),
        ("  hello  ", Say("  hello")),
        ("one\r\ntwo\rthree", Say("one\ntwo\nthree")),
        ("\n\n  indented\n", Say("  indented")),
        ("hello @bob", Say("hello @bob")),
        ("first\n@bob second", Say("first\n@bob second")),
        ("नमस्ते दोस्तों", Say("नमस्ते दोस्तों")),
        ("a\x07b\u202ec", Say("abc")),
        ("?", Say("?")),
        ("?!", Say("?!")),
        ("?1", Say("?1")),
        ("really?", Say("really?")),
        ("??list", Say("?list")),
        ("  ??list", Say("?list")),
        ("???", Say("??")),
    ],
)
def test_lines_for_everybody(typed: str, meaning: Say) -> None:
    assert read_line(typed) == meaning


@pytest.mark.parametrize(
    ("typed", "name", "text"),
    [
        ("@bob hello", "bob", "hello"),
        ("＠bob hello", "bob", "hello"),
        ("﹫bob hello", "bob", "hello"),
        ("  @bob hello", "bob", "hello"),
        ("\u200b\u2060@bob hello", "bob", "hello"),
        ("\ufeff＠bob hello", "bob", "hello"),
        ("@\u200bbob hello", "bob", "hello"),
        ("@bob, hello", "bob", "hello"),
        ("@bob: hello", "bob", "hello"),
        ("@bob?", "bob", "?"),
        ("@bob\nfirst\n\nsecond", "bob", "first\n\nsecond"),
        ("@bob\n  indented\n", "bob", "  indented"),
        ("@आशा नमस्ते", "आशा", "नमस्ते"),
        ("@bob @chitra is here", "bob", "@chitra is here"),
        ("@bob ?list", "bob", "?list"),
        ("@bob ??list", "bob", "??list"),
        ("@bоb look-alike", "bоb", "look-alike"),
        ("@lobby hello", "lobby", "hello"),
    ],
)
@pytest.mark.parametrize("audience", ["lobby", "devi"])
def test_lines_for_one_person_whoever_the_audience_is(typed: str, name: str, text: str, audience: str) -> None:
    assert read_line(typed, audience) == Tell(name, text)


@pytest.mark.parametrize(
    "typed",
    ["@", "＠", "﹫ ", "@bob", "@bob\n", "@bob   ", "@ bob", "@ bob hello", "@\nbob hello", "@bob \u200b", "@@bob x"],
)
@pytest.mark.parametrize("audience", ["lobby", "devi"])
def test_an_at_without_a_name_or_a_text_goes_to_nobody(typed: str, audience: str) -> None:
    with pytest.raises((NotPrivate, Refused)):
        read_line(typed, audience)


@pytest.mark.parametrize("typed", ["@bob's here", "@bob__x hi", "@bob@example.org hi"])
def test_a_word_that_only_begins_like_a_name_is_not_sent_to_that_name(typed: str) -> None:
    meaning = read_line(typed)
    assert isinstance(meaning, Tell)
    assert meaning.name not in ("bob", "")


@pytest.mark.parametrize("typed", ["", " ", "\n \t\n", "\x00\x1b"])
def test_nothing_means_nothing(typed: str) -> None:
    assert read_line(typed) is None
    assert read_line(typed, "bob") is None


@pytest.mark.parametrize(
    ("typed", "word", "argument"),
    [
        ("?list", "list", ""),
        ("  ?LIST  ", "list", ""),
        ("？list", "list", ""),
        ("﹖list", "list", ""),
        ("?with bob", "with", "bob"),
        ("?with   @bob  ", "with", "@bob"),
        ("?with bob\nthe secret", "with", "bob\nthe secret"),
        ("?what is this", "what", "is this"),
    ],
)
@pytest.mark.parametrize("audience", ["lobby", "bob"])
def test_questions_to_talk_itself(typed: str, word: str, argument: str, audience: str) -> None:
    assert read_line(typed, audience) == Ask(word, argument)


def test_a_plain_line_goes_to_who_was_chosen() -> None:
    assert read_line("just you", "bob") == Tell("bob", "just you")
    assert read_line("??list", "bob") == Tell("bob", "?list")


@pytest.mark.parametrize("typed", ["x" * 4_001, "@bob " + "x" * 4_001])
@pytest.mark.parametrize("audience", ["lobby", "bob"])
def test_what_is_too_long_is_refused_before_it_is_sent(typed: str, audience: str) -> None:
    with pytest.raises(Refused) as refused:
        read_line(typed, audience)
    assert refused.value.code == Code.TEXT_TOO_LONG


AT_FIRST = st.tuples(
    st.text(st.sampled_from(" \t\n\u00a0\u200b\u200d\u2060\ufeff\u00ad\u061c\u0300\u3164\x00\x1b\u202e"), max_size=4),
    st.sampled_from("@＠﹫"),
    st.text(max_size=20),
).map("".join)


@given(AT_FIRST, st.sampled_from(["lobby", "bob"]))
def test_whatever_follows_an_at_it_is_private_or_refused(typed: str, audience: str) -> None:
    try:
        meaning = read_line(typed, audience)
    except (NotPrivate, Refused):
        return
    assert isinstance(meaning, Tell)
    assert meaning.name != audience or typed.count(audience)


@given(st.text(max_size=40), st.sampled_from(["lobby", "bob"]))
def test_any_line_has_a_meaning_or_a_reason(typed: str, audience: str) -> None:
    try:
        meaning = read_line(typed, audience)
    except (NotPrivate, Refused) as error:
        assert str(error)
        return
    if isinstance(meaning, Say):
        assert audience == "lobby"
        assert not starts_with_at(typed)
        assert not starts_with_at(meaning.text)
