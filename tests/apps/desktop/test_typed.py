"""Who reads what is written in the window, said before it is sent: a name that is mistyped goes to nobody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.apps.desktop.made import BOB, ME, RIYA, ROOM, chat, conversation

from talk.apps.chat import COMMANDS
from talk.apps.desktop.chats import Chat, State
from talk.apps.desktop.typed import (
    Command,
    Nothing,
    ToPerson,
    ToRoom,
    Unknown,
    account_of,
    audience,
    meaning,
    name_to_check,
    suggestions,
)
from talk.protocol.names import split_address
from talk.protocol.text import clean_text, starts_with_at

ZOE, MOVED = "@zoe:s", "@moved:s"
PRIVATE = "Private: write the name, then your text"
CHANGED = "The keys of {} have changed. Nothing is sent until you have looked at that."


def people() -> Chat:
    """Bob is somebody one talks to, riya and the new lata are here, the old lata's keys are in dispute."""
    return chat(
        conversation(BOB, "Bob"),
        conversation(MOVED, "lata", disputed=True),
        conversation(ZOE, "lata (earlier keys)"),
        here={BOB: "Bob", RIYA: "riya", "@lata:s": "lata"},
    )


# ---- a typo never leaks

INVISIBLE = st.text(
    st.sampled_from(" \t\n\r\u00a0\u200b\u200d\u2060\ufeff\u00ad\u202e\u115f\u3164\u2800\ufe0f\u0301\u3000")
)
AT = st.sampled_from("@＠﹫")
AFTER = st.one_of(st.text(max_size=20), st.sampled_from(["riay hello", "bob hi", "bob", " bob hi", "?list", "@@", ""]))


@given(INVISIBLE, AT, AFTER, st.sampled_from([ROOM, BOB, MOVED]))
def test_what_begins_with_an_at_goes_to_no_room(before: str, at: str, after: str, key: str) -> None:
    here = people()
    text = before + at + after
    meant = meaning(text, here, key)
    assert not isinstance(meant, ToRoom | Command)
    if isinstance(meant, ToPerson):  # and to nobody else than is named
        address = split_address(clean_text(text))
        assert address is not None
        assert meant.account == account_of(here, address[0])
    shown = audience(text, here, key, {})
    assert shown.private
    assert "Everybody" not in shown.words


@given(st.text(), st.sampled_from([ROOM, BOB, "gone"]))
def test_any_text_at_all_goes_where_the_composer_says(text: str, key: str) -> None:
    here = people()
    meant, shown = meaning(text, here, key), audience(text, here, key, {})
    if isinstance(meant, ToRoom):
        assert key == ROOM
        assert shown.words == "Everybody in the lobby reads this"
        assert not shown.private
        assert not starts_with_at(meant.text)
    if isinstance(meant, ToPerson) and not shown.problem:
        assert shown.private
        assert shown.words.startswith("Only ")
    suggestions(text, here, key)
    name_to_check(text, here)


@pytest.mark.parametrize("key", [ROOM, BOB])
@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("@riay hello", Unknown("riay", "hello")),
        ("@riya hello", ToPerson(RIYA, "hello")),
        ("  ＠RIYA, hello ", ToPerson(RIYA, "hello")),
        ("\u200b﹫riya hello", ToPerson(RIYA, "hello")),
        ("@bob hi", ToPerson(BOB, "hi")),
        ("@bob's hi", Unknown("bob's", "hi")),
        ("@bob?", ToPerson(BOB, "?")),
        ("@bob\n  two\n  lines", ToPerson(BOB, "  two\n  lines")),
        ("@asha hi", Nothing("That is you. Nothing will be sent.")),
        ("", Nothing()),
        (" \n\t ", Nothing()),
        ("\u202e", Nothing()),
        ("?list", Command("list", "")),
        ("  ?WITH  bob ", Command("with", "bob")),
        ("？help", Command("help", "")),
        ("?nonsense words", Command("nonsense", "words")),
    ],
)
def test_what_a_text_does_wherever_it_is_written(key: str, text: str, meant: object) -> None:
    assert meaning(text, people(), key) == meant


@pytest.mark.parametrize("text", ["@", "@ ", "@bob", "@ bob hi", "＠,", "@bob ", "@bob:"])
@pytest.mark.parametrize("key", [ROOM, BOB])
def test_an_at_without_a_name_or_a_text_goes_to_nobody_and_says_so(text: str, key: str) -> None:
    meant = meaning(text, people(), key)
    assert isinstance(meant, Nothing)
    assert "nobody" in meant.reason


@pytest.mark.parametrize(
    ("text", "said"),
    [("hello", "hello"), ("a@b.c", "a@b.c"), ("??list", "?list"), ("?", "?"), ("? list", "? list"), ("a\nb\n", "a\nb")],
)  # fmt: skip
def test_a_plain_text_goes_to_the_conversation_it_is_written_in(text: str, said: str) -> None:
    here = people()
    assert meaning(text, here, ROOM) == ToRoom(ROOM, said)
    assert meaning(text, here, BOB) == ToPerson(BOB, said)
    assert meaning(text, here, "gone") == Nothing()


def test_whatever_a_server_calls_somebody_a_private_text_stays_private() -> None:
    for name in ("lobby", "", "?", "@bob", "x" * 50):
        assert meaning("hello", chat(conversation(BOB, name)), BOB) == ToPerson(BOB, "hello")


@pytest.mark.parametrize("key", [ROOM, BOB])
@pytest.mark.parametrize("text", ["x" * 4001, "@bob " + "x" * 4001, "\u200b"])
def test_a_text_that_cannot_be_sent_says_why(text: str, key: str) -> None:
    meant = meaning(text, people(), key)
    assert isinstance(meant, Nothing)
    assert meant.reason


def test_whose_name_it_is() -> None:
    here = people()
    assert account_of(here, "BOB") == BOB
    assert account_of(here, "riya") == RIYA
    assert account_of(here, "lata") == "@lata:s"  # the client refuses to send there until a person has decided
    assert account_of(here, "nobody") == ""
    assert account_of(here, "lobby") == ""


# ---- what the composer says


@pytest.mark.parametrize(
    ("text", "key", "words", "problem"),
    [
        ("hello", ROOM, "Everybody in the lobby reads this", ""),
        ("", ROOM, "Everybody in the lobby reads this", ""),
        ("hello", BOB, "Only Bob can read this", ""),
        ("@", ROOM, PRIVATE, ""),
        ("@ri", ROOM, PRIVATE, ""),
        ("@riya", ROOM, "Only riya can read this", ""),
        ("@bob", ROOM, "Only Bob can read this", ""),
        ("@bob hi", ROOM, "Only Bob can read this", ""),
        ("@riya hi", BOB, "Only riya can read this", ""),
        ("@asha", ROOM, "", "That is you. Nothing will be sent."),
        ("@wrong", ROOM, PRIVATE, ""),
        ("@wrong hi", ROOM, "", "Nobody here is called wrong."),
        ("@WRONG ", ROOM, "", "Nobody here is called wrong."),
        ("@wrong tell wrong", ROOM, "", "Nobody here is called wrong."),
        ("@wrong, hi\n", ROOM, "", "Nobody here is called wrong."),
        ("@lata hi", ROOM, "", CHANGED.format("lata")),
        ("hello", MOVED, "", CHANGED.format("lata")),
        ("@bob hi", MOVED, "Only Bob can read this", ""),
        ("?accept lata", MOVED, "For TAlk itself: nobody reads this", ""),
        ("?list", ROOM, "For TAlk itself: nobody reads this", ""),
        ("??list", ROOM, "Everybody in the lobby reads this", ""),
        ("hello", "gone", "", ""),
    ],
)
def test_the_composer_says_who_reads_it(text: str, key: str, words: str, problem: str) -> None:
    shown = audience(text, people(), key, {"wrong": "Nobody here is called wrong."})
    assert (shown.words, shown.problem) == (words, problem)
    assert shown.private == (key in (BOB, MOVED) or text.startswith("@")) or text.startswith("?")


OFFLINE = "You are offline, and {} is not known here yet. Nothing is sent; try it when you are back."


@pytest.mark.parametrize("state", [State.OPENING, State.CONNECTING, State.OFFLINE])
@pytest.mark.parametrize(
    ("text", "words", "problem"),
    [
        ("@riay hello", "", OFFLINE.format("riay")),
        ("@riay ", "", OFFLINE.format("riay")),
        ("@riay", PRIVATE, ""),
        ("@bob hi", "Only Bob can read this", ""),
        ("@riya hi", "Only riya can read this", ""),
        ("hello", "Everybody in the lobby reads this", ""),
    ],
)
def test_offline_nothing_can_be_sent_to_a_name_that_is_not_known_here(
    state: State, text: str, words: str, problem: str
) -> None:
    here = people()
    here.state = state
    shown = audience(text, here, ROOM, {})
    assert (shown.words, shown.problem) == (words, problem)


@pytest.mark.parametrize("state", [State.ENDED, State.CLOSED])
def test_in_a_chat_that_is_over_nothing_is_sent_but_commands_are_carried_out(state: State) -> None:
    here = people()
    here.state = state
    for text in ("hello", "@bob hi", ""):
        assert "closed" in audience(text, here, ROOM, {}).problem
    assert not audience("?forget", here, ROOM, {}).problem


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("@riay hello", "riay"), ("@riay ", "riay"), ("@riay: riay", "riay"), ("@riay", ""), ("@riay\n", ""),
        ("@riya hello", ""), ("@", ""), ("hello @riay you", ""), ("@,", ""), ("@bob's hi", "bob's"),
    ],
)  # fmt: skip
def test_which_name_the_server_is_asked_for(text: str, name: str) -> None:
    assert name_to_check(text, people()) == name


# ---- completing


def test_people_are_suggested_from_the_beginning_of_their_name_and_those_who_are_here_first() -> None:
    here = chat(
        conversation(BOB, "rob"), conversation(ZOE, "Rover"), conversation(MOVED, "rolf", disputed=True),
        conversation("@old:s", "roy (earlier keys)"), conversation("@none:s", ""),
        here={RIYA: "aro", "@ron:s": "ron", ZOE: "Rover"},
    )  # fmt: skip
    found = suggestions("@RO", here, ROOM)
    assert [each.name for each in found] == ["Rover", "ron", "rob", "aro"]
    assert [each.text for each in found] == ["@Rover ", "@ron ", "@rob ", "@aro "]
    assert [each.here for each in found] == [True, True, False, True]
    assert found[1].account == "@ron:s"
    for text in ("＠ro", " @ro", "\u200b@ro", "@\u2060ro"):
        assert suggestions(text, here, ROOM) == found
    assert ME not in [each.account for each in suggestions("@", here, ROOM)]
    assert len(suggestions("@", here, ROOM)) == 4


@pytest.mark.parametrize(
    "text", ["", " ", "bob", "@zzz", "@bob hi", "@bob\n", "@bob\thi", "?list x", "?zzz", "??", "?1", "a?"]
)
def test_where_nothing_is_suggested(text: str) -> None:
    assert suggestions(text, people(), ROOM) == []


def test_commands_are_suggested_with_room_for_a_name() -> None:
    here = people()
    assert {each.name for each in suggestions("?", here, ROOM)} == {f"?{word}" for word in COMMANDS}
    assert [each.text for each in suggestions("?W", here, ROOM)] == ["?with "]
    assert [each.text for each in suggestions("？li", here, ROOM)] == ["?list"]
    assert suggestions("?li", here, ROOM)[0].hint == COMMANDS["list"]


@pytest.mark.parametrize("start", ["@", "?"])
def test_what_is_suggested_means_what_it_says(start: str) -> None:
    here = people()
    for each in suggestions(start, here, ROOM):
        meant = meaning(f"{each.text}hi" if start == "@" else each.text, here, ROOM)
        assert meant == ToPerson(each.account, "hi") if start == "@" else Command(each.name[1:], "")
