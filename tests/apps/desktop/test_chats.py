"""What each event changes of what the window knows of a chat."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from tests.apps.desktop.made import BOB, ME, RIYA, ROOM, chat, conversation, line

from talk.apps.desktop.chats import Changes, Chat, Part, State
from talk.client import (
    CatchingUp,
    ClientEvent,
    Comparing,
    Ended,
    Mark,
    Message,
    Notice,
    Offline,
    Online,
    PeopleChanged,
    PrivateMessage,
    Ready,
    Renamed,
    Sent,
)

NAMES = {ME: "asha", BOB: "bob", RIYA: "riya"}


def said(id: str, row: int, account: str = BOB, **fields: Any) -> Message:
    name, mine = NAMES[account], account == ME
    message = Message("lobby", row, id, name, f"text {id}", 1_000 + row, mine, row, ROOM, account)
    return replace(message, **fields)


def told(id: str, row: int, account: str = BOB, **fields: Any) -> PrivateMessage:
    message = PrivateMessage(id, NAMES[account], "asha", f"text {id}", 1_000 + row, row=row, account=account)
    return replace(message, **{"conversation": account, **fields})


def tell(chat: Chat, events: Iterable[ClientEvent], reading: str = "") -> list[Changes]:
    return [chat.told(event, reading=reading) for event in events]


def parts(chat: Chat, event: ClientEvent, reading: str = "") -> set[str]:
    return {part.name for part in chat.told(event, reading=reading).parts}


def unread(chat: Chat) -> dict[str, int]:
    return {key: each.unread for key, each in chat.conversations.items() if each.unread}


@pytest.mark.parametrize(
    ("event", "changed"),
    [
        (Ready("asha", ("asha",)), {"STATUS", "PEOPLE", "RELOAD"}),
        (Online(), {"STATUS", "PEOPLE", "RELOAD"}),
        (Offline("gone", 2.0), {"STATUS", "PEOPLE"}),
        (Ended("banned", "You are banned."), {"STATUS", "PEOPLE"}),
        (CatchingUp(1, 9), {"STATUS"}),
        (PeopleChanged(("bob",), ()), {"PEOPLE"}),
        (Renamed(BOB, "rob"), {"PEOPLE", "CONVERSATIONS"}),
        (Notice("gap", "…"), {"RELOAD"}),
        (Notice("name_moved", "…"), {"RELOAD"}),
        (Notice("new_device", "…"), {"RELOAD"}),
        (Notice("clock_off", "…"), set()),
        (Mark("?", "stored"), {"CONVERSATIONS"}),
        (Sent("a", "hi", "zoe"), {"RELOAD"}),
        (Sent("a", "hi", conversation=ROOM), {"CONVERSATIONS", "FEED"}),
        (said("a", 1), {"CONVERSATIONS", "FEED"}),
        (told("a", 1), {"CONVERSATIONS", "FEED"}),
        (told("a", 1, RIYA), {"CONVERSATIONS", "RELOAD", "FEED"}),
        (Comparing("c", BOB, "bob", "asked", (), "…"), set()),
    ],
)
def test_what_has_to_be_drawn_anew(event: ClientEvent, changed: set[str]) -> None:
    assert parts(chat(conversation(BOB, "bob")), event) == changed


def test_what_is_handed_on_with_the_changes() -> None:
    here = chat()
    notice, comparing = Notice("clock_off", "…"), Comparing("c", BOB, "bob", "asked", (), "…")
    assert here.told(notice, reading="").notice is notice
    assert here.told(comparing, reading="").comparing is comparing
    changes = here.told(told("a", 7, missed=3), reading="")
    assert changes.key == BOB
    assert changes.line == line("a", row=7, conversation=BOB, at=1_007, missed=3)
    changes = here.told(said("b", 8), reading="")
    assert changes.line == line("b", row=8, seq=8, at=1_008)


def test_the_last_hundred_notices_are_kept() -> None:
    here = chat()
    tell(here, (Notice("clock_off", str(number)) for number in range(150)))
    assert [here.notices[0].text, here.notices[-1].text, len(here.notices)] == ["50", "149", 100]


# ---- how the chat is


def test_the_states_of_a_chat() -> None:
    here = chat()
    here.state = State.CONNECTING
    tell(here, [CatchingUp(2, 9)])
    assert here.catching == (2, 9)
    tell(here, [CatchingUp(9, 9)])
    assert here.catching is None
    tell(here, [CatchingUp(2, 9), Ready("asha", ())])
    assert (here.state, here.catching) == (State.ONLINE, None)
    before = time.time()
    tell(here, [CatchingUp(2, 9), Offline("The cable is out.", 5.0)])
    assert (here.state, here.words, here.catching) == (State.OFFLINE, "The cable is out.", None)
    assert before + 5 <= here.retry_at <= time.time() + 5
    tell(here, [Online()])
    assert (here.state, here.words) == (State.ONLINE, "")
    tell(here, [CatchingUp(2, 9), Ended("kicked", "Out.")])
    assert (here.state, here.words, here.code, here.catching) == (State.ENDED, "Out.", "kicked", None)


# ---- unread


def test_what_somebody_looks_at_is_not_counted() -> None:
    here = chat(conversation(BOB, "bob"))
    tell(here, [said("a", 1), said("b", 2), told("c", 3)], reading=ROOM)
    assert unread(here) == {BOB: 1}
    tell(here, [said("d", 4), told("e", 5)])
    assert unread(here) == {ROOM: 1, BOB: 2}
    assert here.unread == 3
    here.change(BOB, muted=True)
    assert here.unread == 1


def test_ones_own_lines_and_those_that_were_read_are_not_counted() -> None:
    here = chat(conversation(BOB, "bob", read=5))
    tell(here, [said("a", 1, ME), told("b", 5), told("c", 6, ME, conversation=BOB, mine=True)])
    assert unread(here) == {}
    tell(here, [told("d", 7)])
    assert unread(here) == {BOB: 1}


def test_a_line_that_is_told_twice_is_counted_once() -> None:
    here = chat()
    tell(here, [said("a", 1), said("a", 1), said("b", 2), said("a", 1)])
    assert unread(here) == {ROOM: 2}


def test_a_line_that_the_list_had_in_it_already_is_not_counted_again() -> None:
    here = chat()
    tell(here, [said("a", 1)])
    here.asking()
    here.take([conversation(ROOM, "lobby", unread=2, last=line("b", row=2, seq=2))])
    tell(here, [said("b", 2)])
    assert unread(here) == {ROOM: 2}
    tell(here, [Sent("m", "hi", conversation=ROOM), said("b", 2), said("c", 3)])
    assert unread(here) == {ROOM: 3}


# ---- the list is asked anew


def test_what_a_person_does_while_the_list_is_asked_for_stays() -> None:
    here = chat(conversation(BOB, "bob", unread=4, last=line("a", row=4)))
    here.change(BOB, draft="older")
    here.asking()
    here.change(BOB, draft="hello", muted=True)
    here.change(BOB, unread=0, read=4)
    tell(here, [told("b", 5)])
    here.take([conversation(BOB, "bob", unread=6, draft="", last=line("c", row=6, conversation=BOB))])
    bob = here.conversations[BOB]
    assert (bob.draft, bob.muted, bob.read, bob.unread) == ("hello", True, 4, 1)
    tell(here, [told("b", 5), told("c", 6)])
    assert unread(here) == {BOB: 2}
    here.asking()
    here.take([conversation(BOB, "rob", unread=2, read=4, draft="hello")])
    assert here.conversations[BOB] == conversation(BOB, "rob", unread=2, read=4, draft="hello")


def test_a_conversation_that_was_only_begun_stays_until_it_is_on_disk() -> None:
    here = chat()
    here.begin_with(BOB, "bob")
    here.begin_with(BOB, "somebody else")
    here.take([conversation(ROOM, "lobby")])
    assert here.conversations[BOB].name == "bob"
    tell(here, [told("a", 1)])
    here.take([conversation(ROOM, "lobby")])  # all of it was removed
    assert BOB not in here.conversations


# ---- the last line, and marks


def test_a_line_sent_is_shown_at_once_and_gets_its_place_and_mark() -> None:
    here = chat()
    here.feed(ROOM)
    before = time.time_ns() // 1_000_000
    (changes,) = tell(here, [Sent("m", "hi", conversation=ROOM)])
    assert changes.line is not None
    assert changes.line.at >= before
    wanted = line("m", mine=True, mark="sending", text="hi", at=changes.line.at)
    assert changes.line == wanted
    assert here.feeds[ROOM].lines == [wanted]
    tell(here, [said("b", 1), Mark("m", "stored"), said("m", 2, ME, text="hi"), said("c", 3)], reading=ROOM)
    assert [(each.id, each.mark, each.row) for each in here.feeds[ROOM].lines] == [
        ("b", "", 1), ("m", "stored", 2), ("c", "", 3),
    ]  # fmt: skip
    last = here.conversations[ROOM].last
    assert last is not None
    assert last.id == "c"


def test_what_came_last_is_last_whatever_the_clocks_say() -> None:
    here = chat(conversation(BOB, "bob"))

    def last() -> str:
        found = here.conversations[BOB].last
        return found.id if found else ""

    tell(here, [Sent("m", "hi", "bob", BOB)])
    assert last() == "m"
    tell(here, [told("a", 3, at=1)])
    assert last() == "a"
    tell(here, [told("old", 2, at=9_000_000_000_000)])
    assert last() == "a"


@pytest.mark.parametrize("has_feed", [True, False])
def test_marks_rise_and_never_fall(has_feed: bool) -> None:
    here = chat(conversation(BOB, "bob"))
    if has_feed:
        here.feed(BOB)

    def marks() -> set[str]:
        last = here.conversations[BOB].last
        assert last is not None
        return {last.mark, *(each.mark for each in here.feeds[BOB].lines if has_feed)} if has_feed else {last.mark}

    tell(here, [Sent("m", "hi", "bob", BOB)])
    assert marks() == {"sending"}
    for state, now in [
        ("stored", "stored"),
        ("delivered", "delivered"),
        ("stored", "delivered"),
        ("failed", "delivered"),
    ]:
        (changes,) = tell(here, [Mark("m", state)])  # type: ignore[arg-type]
        assert marks() == {now}
        news = has_feed and state == now
        assert (changes.key, Part.FEED in changes.parts) == ((BOB, True) if news else ("", False))


def test_a_mark_is_about_ones_own_line_alone() -> None:
    here = chat(conversation(BOB, "bob"))
    tell(here, [Sent("m", "hi", "bob", BOB), told("m", 4), Mark("m", "delivered")])
    last = here.conversations[BOB].last
    assert last is not None
    assert (last.account, last.mark) == (BOB, "")


def test_a_failed_line_says_why() -> None:
    here = chat(conversation(BOB, "bob"))
    here.feed(BOB)
    tell(here, [Sent("m", "hi", "bob", BOB), Mark("m", "failed", "Their mailbox is full.")])
    assert here.feeds[BOB].lines[0].reason == "Their mailbox is full."


# ---- names and order


def test_a_new_name_is_shown() -> None:
    here = chat(conversation(BOB, "bob"))
    tell(here, [Renamed(BOB, "rob"), Renamed(RIYA, "ria")])
    assert here.conversations[BOB].name == "rob"
    assert RIYA not in here.conversations
    assert here.title_of(BOB) == "rob"


def test_titles() -> None:
    here = chat(conversation(BOB, ""), conversation(RIYA, "lobby"))
    assert [here.title_of(key) for key in (ROOM, BOB, RIYA, "gone")] == ["Lobby", "Somebody", "lobby", ""]


def test_rooms_stand_first_and_then_who_wrote_last() -> None:
    here = chat(conversation(BOB, "bob", last=line("a", at=5)), conversation(RIYA, "riya", last=line("b", at=9)))
    here.begin_with("@zoe:s", "zoe")
    assert [each.key for each in here.in_order()] == [ROOM, RIYA, BOB, "@zoe:s"]


def test_a_feed_knows_whether_it_is_a_room() -> None:
    here = chat(conversation(BOB, "bob"))
    assert here.feed(ROOM).is_room
    assert not here.feed(BOB).is_room
    assert here.feed(BOB) is here.feed(BOB)
