"""What the list at the side shows: conversations as they are, and what fits a search."""

from __future__ import annotations

from typing import Any

import pytest
from tests.apps.desktop.made import BOB, ME, RIYA, ROOM, chat, conversation, line

from talk.apps.desktop import rows as module
from talk.apps.desktop.chats import Chat, State
from talk.apps.desktop.rows import Row, rows_of
from talk.apps.desktop.words import short_time

ZOE, OLD = "@zoe:s", "@old:s"
AT = 1_000


def people() -> Chat:
    here = chat(
        conversation(BOB, "Bob", last=line("a", text="See you in Delhi", at=AT + 5), unread=3, muted=True),
        conversation(RIYA, "riya", last=line("b", mine=True, mark="delivered", text="हाँ", at=AT), draft=" not yet "),
        conversation(OLD, "", disputed=True),
        here={BOB: "Bob", ZOE: "zoe", "@bo:s": "Bo", "@anu:s": "Anu"},
    )
    here._set(ROOM, last=line("r", name="zoe", text="Hello"))
    return here


def keys(chat: Chat, search: str) -> list[str]:
    return [row.key or row.name for row in rows_of(chat, search)]


def row(chat: Chat, key: str) -> Row:
    return next(row for row in rows_of(chat, "") if row.key == key)


def test_every_conversation_has_a_row() -> None:
    here = people()
    assert keys(here, "") == keys(here, "  ") == keys(here, "@") == [ROOM, BOB, RIYA, OLD]


@pytest.mark.parametrize(
    ("key", "fields"),
    [
        (ROOM, {"name": "Lobby", "last": "zoe: Hello", "when": short_time(AT), "is_room": True, "private": False,
                "here": False, "mark": "", "warning": False, "muted": False}),
        (BOB, {"name": "Bob", "last": "See you in Delhi", "unread": 3, "muted": True, "here": True, "private": True,
               "is_room": False, "account": BOB, "mark": "", "draft": False}),
        (RIYA, {"name": "riya", "last": "Draft: not yet", "draft": True, "mark": "delivered", "here": False}),
        (OLD, {"name": "Somebody", "last": "Only the two of you", "when": "", "warning": True, "mark": ""}),
    ],
)  # fmt: skip
def test_what_a_row_says(key: str, fields: dict[str, Any]) -> None:
    shown = row(people(), key)
    assert {name: getattr(shown, name) for name in fields} == fields


def test_a_draft_that_is_on_the_screen_is_no_draft_in_the_list() -> None:
    here = people()
    here.shown = RIYA
    assert (row(here, RIYA).last, row(here, RIYA).draft) == ("हाँ", False)
    here._set(BOB, draft=" \n")
    assert (row(here, BOB).last, row(here, BOB).draft) == ("See you in Delhi", False)


def test_ones_own_line_in_a_room_stands_without_ones_name() -> None:
    here = people()
    here._set(ROOM, last=line("m", mine=True, mark="sending", text="mine"))
    assert (row(here, ROOM).last, row(here, ROOM).mark) == ("mine", "sending")


def test_an_empty_room_says_nothing() -> None:
    here = chat()
    assert (row(here, ROOM).last, row(here, ROOM).when) == ("", "")


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("riya", [RIYA]),
        ("RIYA ", [RIYA]),
        ("@riya", [RIYA]),
        ("＠riya", [RIYA]),
        ("delhi", [BOB]),
        ("हाँ", [RIYA]),
        ("lobby", [ROOM]),
        ("someb", [OLD]),
        ("bob", [BOB]),
        ("bo", [BOB, OLD, "People here", "@bo:s"]),
        ("zoe", ["People here", ZOE]),
        ("o", [ROOM, BOB, OLD, "People here", "@bo:s", ZOE]),
        ("asha", ["Nothing found"]),
        ("not yet", ["Nothing found"]),
        ("%", ["Nothing found"]),
        ("bob\nsee", ["Nothing found"]),
    ],
)
def test_searching(search: str, found: list[str]) -> None:
    assert keys(people(), search) == found


def test_somebody_found_can_be_written_to() -> None:
    shown = next(row for row in rows_of(people(), "zoe") if row.key)
    assert shown == Row(ZOE, "zoe", account=ZOE, here=True, private=True, last="Write privately")
    assert ME not in keys(people(), "a")


def test_people_found_are_sorted_and_not_more_than_can_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PEOPLE", 3)
    here = chat(here={f"@p{number}:s": name for number, name in enumerate(("pia", "Pan", "pam", "pat", "pol"))})
    assert [row.name for row in rows_of(here, "p")] == ["People here", "pam", "Pan", "pat"]


@pytest.mark.parametrize("state", [State.CONNECTING, State.OFFLINE, State.ENDED])
def test_without_a_connection_nobody_is_shown_as_here(state: State) -> None:
    away = people()
    away.state = state
    assert not any(row.here for row in rows_of(away, ""))
    assert ZOE not in keys(away, "zoe")
