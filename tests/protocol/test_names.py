from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talk.protocol.errors import Code, Refused
from talk.protocol.limits import MAX_NAME_POINTS
from talk.protocol.names import MAX_TYPED, check_name, skeleton, split_address, suggestions
from talk.protocol.text import starts_with_at

GOOD = [
    "bob",
    "Zoë",
    "O-Neil",
    "mary.ann_lee",
    "2pac",
    "x",
    "Nguyễn",
    "Jürgen",
    "राम",
    "सूर्य",
    "बॉबी",
    "राम१",
    "राम2",
    "क्\u200dष",  # the half form: ZWJ after a virama
    "വൈശാഖ്\u200d",  # an older spelling of a chillu
    "தமிழ்",
    "বাংলা",
    "ਗੁਰਪ੍ਰੀਤ",
    "李小龙",
    "ひろし",
    "タロー",
    "漢字かなカナ",
    "김철수",
    "金김",
    "علي",
    "محمد2",
    "نازنین\u200cزهرا",
    "דוד",
    "Вова",
    "Νίκος",
    "νικα",
    "სახელი",
    "မြွှေ့",
    "ᎣᏏᏲ",
    "İpek",
    "Ali",
]


@pytest.mark.parametrize("name", GOOD)
def test_names_of_many_languages_are_shown_as_typed(name: str) -> None:
    assert check_name(name) == name
    assert check_name(f" \t{name}\n") == name


@pytest.mark.parametrize(
    ("typed", "shown"),
    [("Zoe\u0308", "Zoë"), ("Ｂｏｂ", "Bob"), ("ﾀﾛｳ", "タロウ"), ("b＿b", "b_b")],
    ids=ascii,
)
def test_a_name_is_shown_in_nfc_and_usual_width(typed: str, shown: str) -> None:
    assert check_name(typed) == shown


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        ("x" * 33, "longer than 32"),
        ("x" * (MAX_TYPED + 1), "longer than 32"),
        ("@bob", "leave out the @"),
        ("＠bob", "leave out the @"),
        ("\u200b@bob", "leave out the @"),
        ("bob:", ": cannot be"),
        ("bob,", ", cannot be"),
        ("b@b", "@ cannot be"),
        ("b＠b", "@ cannot be"),
        ("?list", "? cannot be"),
        ("../x", "/ cannot be"),
        ("bob!", "! cannot be"),
        ("O'Neil", "' cannot be"),
        ("bobː", "ː cannot be"),
        ("ʻokina", "ʻ cannot be"),
        ("ǃXu", "ǃ cannot be"),
        ("😀", "😀 cannot be"),
        ("ﷺ", "ﷺ cannot be"),
        ("ſam", "ſ cannot be"),
        ("bob smith", "space"),
        ("bob\u00a0smith", "space"),
        ("bob\nsmith", "space"),
        ("bo\u200bb", "invisible"),
        ("bo\u00adb", "invisible"),
        ("bo\u200db", "invisible"),
        ("bo\u034fb", "invisible"),
        ("bo\ufe0fb", "invisible"),
        ("bo\u202eb", "invisible"),
        ("bo\x00b", "invisible"),
        ("bo\x7fb", "invisible"),
        ("bo\ud800b", "invisible"),
        ("bo\ue000b", "invisible"),
        ("b\u0336ob", "invisible"),
        ("ㅤ", "invisible"),
        ("\u2800", "invisible"),
        ("\u0301bob", "begins with an accent"),
        ("\u093fक", "begins with an accent"),
        (".bob", "between letters"),
        ("bob.", "between letters"),
        ("_bob", "between letters"),
        ("bob-", "between letters"),
        ("bo..b", "between letters"),
        ("bo_-b", "between letters"),
        ("...", "between letters"),
        ("123", "at least one letter"),
        ("१२", "at least one letter"),
        ("1_2", "at least one letter"),
        ("b\u043eb", "one living language"),  # Cyrillic о
        ("bοb", "one living language"),  # Greek ο
        ("रामbob", "one living language"),
        ("ひroshi", "one living language"),
        ("李김ひ", "one living language"),
        ("राமம்", "one living language"),
        ("𐌲𐌿𐍄", "one living language"),  # Gothic
        ("राम1२", "digits"),
        ("bob٣", "right"),
        ("אבגa", "right"),
        ("1אב", "right"),
        ("a\u0301\u0300\u0302\u0303\u0304", "too many accents"),
        ("a\u0316\u0316", "too many accents"),
        ("ΝΟΡΑ", "small ones"),
        ("ΥΟΥ", "small ones"),
        ("Νονα", "small ones"),
        ("Ν\u0301οα", "small ones"),
    ],
    ids=ascii,
)
def test_what_cannot_be_a_name_says_why(name: str, why: str) -> None:
    with pytest.raises(Refused, match=r"This name cannot be used: .*") as refused:
        check_name(name)
    assert refused.value.code is Code.NAME_INVALID
    assert why in str(refused.value)
    str(refused.value).encode()


def test_four_marks_on_a_letter_and_32_characters_are_the_most() -> None:
    assert check_name("a\u0316\u0317\u0318\u0319")
    assert check_name("x" * MAX_NAME_POINTS)
    assert check_name("e\u0301" * MAX_NAME_POINTS) == "é" * MAX_NAME_POINTS


@pytest.mark.parametrize(
    "name",
    ["lobby", "LOBBY", "l0bby", "Iobby", "Adm1n", "adrnin", "all", "AlI", "aII", "ALl", "me", "you", "ме", "ＴＡlk"],
    ids=ascii,
)
def test_reserved_words_and_their_look_alikes_are_kept_back(name: str) -> None:
    with pytest.raises(Refused) as refused:
        check_name(name)
    assert refused.value.code is Code.NAME_RESERVED


@pytest.mark.parametrize("name", ["ali", "Ali", "ALI", "owners", "admin2", "mee", "tal"])
def test_names_near_reserved_words_are_allowed(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("bob", "BOB"),
        ("bob", "b0b"),
        ("Alice", "AIice"),
        ("Alice", "A1ice"),
        ("ali", "a1i"),
        ("modern", "modem"),
        ("capa", "Сара"),
        ("BOB", "ВОВ"),  # all Cyrillic
        ("ian", "i\u0307an"),
        ("Ian", "\u0130an"),
        ("i\u0323an", "i\u0323\u0307an"),
        ("ΙΣΑ", "ισα"),
        ("ΟΔΟΣ", "οδος"),
        ("क्ष", "क्\u200dष"),
        ("Zoë", "Zoe\u0308"),
        ("ＢＯＢ", "bob"),
        ("タロウ", "ﾀﾛｳ"),
        ("വൈശാഖ്", "വൈശാഖ്\u200d"),
        ("ꭺ", "Ꭺ"),
    ],
    ids=ascii,
)
def test_names_that_look_alike_have_one_skeleton(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("bob", "rob"),
        ("eva", "ena"),
        ("bob", "bob2"),
        ("zoe", "zoë"),
        ("ray", "rau"),
        ("राम", "रमा"),
        ("a.b", "a_b"),
        ("a.b", "a-b"),
        ("ab", "a_b"),
        ("sam", "5am"),
    ],
)
def test_names_that_look_different_have_different_skeletons(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


@pytest.mark.parametrize("letter", "abcdefghjkmnopqrstuvwxyz")
def test_no_other_ascii_letter_is_merged_with_this_one(letter: str) -> None:
    others = set("abcdefghijklmnopqrstuvwxyz") - {letter}
    assert skeleton(letter) not in {skeleton(other) for other in others}


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
    assert suggestions("x" * 30 + ".y", lambda name: True)[1] == "x" * 30 + "_2"
    assert suggestions("1" * 31 + "x", lambda name: True) == ()


@pytest.mark.parametrize("name", ["bob:", "lobby", "", "x" * 33])
def test_there_are_no_suggestions_for_what_is_no_name(name: str) -> None:
    assert suggestions(name, lambda name: True) == ()


@given(names)
def test_suggestions_are_names(name: str) -> None:
    for suggestion in suggestions(name, lambda name: True):
        assert check_name(suggestion) == suggestion


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("@bob hi", ("bob", "hi")),
        ("@bob, hi", ("bob", "hi")),
        ("@bob: hi", ("bob", "hi")),
        ("@bob; hi", ("bob", "hi")),
        ("@bob... hi", ("bob", "hi")),
        ("@bob… hi", ("bob", "hi")),
        ("@bob - hi", ("bob", "- hi")),
        ("@bob_ hi", ("bob", "hi")),
        ("@bob- hi", ("bob", "hi")),
        ("@bob! come", ("bob", "come")),
        ("@bob:hi", ("bob", "hi")),
        ("@bob,hi", ("bob", "hi")),
        ("@bob.smith. hi", ("bob.smith", "hi")),
        ("@bob.", ("bob", "")),
        ("@bob,", ("bob", "")),
        ("@bob", ("bob", "")),
        ("@bob  \n", ("bob", "")),
        ("@bob!", ("bob", "!")),
        ("@bob?", ("bob", "?")),
        ("@bob?! ", ("bob", "?!")),
        ("@bob 😀", ("bob", "😀")),
        ("@bob -5", ("bob", "-5")),
        ("@bob :)", ("bob", ":)")),
        ("@bob ...and then", ("bob", "...and then")),
        ("@bob @alice hi", ("bob", "@alice hi")),
        ("＠bob hi", ("bob", "hi")),
        ("﹫bob hi", ("bob", "hi")),
        (" \t\u200b\u2800@bob hi", ("bob", "hi")),
        ("\n@bob hi", ("bob", "hi")),
        ("@\u2068bob\u2069 hi", ("bob", "hi")),
        ("@bob\u200b hi", ("bob", "hi")),
        ("@राम, नमस्ते", ("राम", "नमस्ते")),
        ("@राम। नमस्ते", ("राम", "नमस्ते")),
        ("@क्\u200dष नमस्ते", ("क्\u200dष", "नमस्ते")),
        ("@小明，你好", ("小明", "你好")),
        ("@علي، مرحبا", ("علي", "مرحبا")),
        ("@Zoe\u0308 hi", ("Zoe\u0308", "hi")),
        ("@bob one\ntwo\n\n  three\n", ("bob", "one\ntwo\n\n  three")),
        ("@bob:\n    def f():\n        pass", ("bob", "    def f():\n        pass")),
        ("@", ("", "")),
        ("@ bob hi", ("", "bob hi")),
        ("@?list", ("", "?list")),
        ("@@bob hi", ("", "@bob hi")),
        ("@bob's idea", ("bob's", "idea")),
        ("@bob😀 hi", ("bob😀", "hi")),
        ("@bob@example.com hi", ("bob@example.com", "hi")),
        ("@bob__x hi", ("bob__x", "hi")),
        ("@bob...hi", ("bob...hi", "")),
        ("@bo\u200bb hi", ("bo\u200bb", "hi")),
        ("@bob,\u200bx hi", ("bob,\u200bx", "hi")),
        ("@" + "x" * 5_000 + " hi", ("x" * MAX_TYPED, "hi")),
        ("@" + "x'" * 5_000 + " hi", ("x'" * (MAX_TYPED // 2), "hi")),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_line_for_one_person_is_split(line: str, expected: tuple[str, str]) -> None:
    assert split_address(line) == expected


@pytest.mark.parametrize("line", ["", "hello @bob", " ", "?list", "bob@example.com", "(@bob) hi"])
def test_other_lines_are_for_the_room(line: str) -> None:
    assert split_address(line) is None


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
