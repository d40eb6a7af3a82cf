"""What programs and people get to see of every event."""

from __future__ import annotations

import json

import pytest

from talk.apps.faces import JsonFace, PeopleFace
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

SAID = Message("lobby", 7, "m1", "asha", "hello", 1000, mine=False)
TOLD = PrivateMessage("m2", "asha", "bob", "psst", 2000)


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        (Ready("bob", ("asha", "bob")), {"event": "ready", "name": "bob", "users": ["asha", "bob"]}),
        (Sent("m1", "hi"), {"event": "sent", "id": "m1", "text": "hi"}),
        (Sent("m1", "hi", "asha"), {"event": "sent", "id": "m1", "text": "hi", "to": "asha"}),
        (
            SAID,
            {"event": "message", "room": "lobby", "seq": 7, "id": "m1", "from": "asha", "text": "hello", "at": 1000},
        ),
        (TOLD, {"event": "private", "id": "m2", "from": "asha", "text": "psst", "at": 2000}),
        (
            PrivateMessage("m2", "bob", "asha", "psst", 2000, mine=True, missed=2),
            {"event": "private", "id": "m2", "from": "bob", "to": "asha", "text": "psst", "at": 2000, "missed": 2},
        ),
        (Mark("m1", "stored"), {"event": "mark", "id": "m1", "state": "stored"}),
        (
            Mark("m1", "failed", "Nobody.", "unknown_recipient"),
            {"event": "mark", "id": "m1", "state": "failed", "code": "unknown_recipient", "message": "Nobody."},
        ),
        (PeopleChanged(("asha",), ("chitra",)), {"event": "presence", "came": ["asha"], "left": ["chitra"]}),
        (Offline("gone", 1.25), {"event": "offline", "message": "gone", "retry_in": 1.2}),
        (Online(), {"event": "online"}),
        (Renamed("@a", "asha"), {"event": "renamed", "account": "@a", "name": "asha"}),
        (CatchingUp(100, 300), {"event": "catching_up", "done": 100, "total": 300}),
        (Notice("gap", "text"), {"event": "notice", "code": "gap", "message": "text"}),
        (
            Comparing("c1", "@a", "asha", "emoji", (("🐶", "Dog"),), "Compare."),
            {"event": "comparing", "id": "c1", "account": "@a", "name": "asha", "step": "emoji"}
            | {"emoji": [["🐶", "Dog"]], "message": "Compare."},
        ),
        (
            Comparing("c1", "@a", "asha", "ended", (), "Too long.", "m.timeout"),
            {"event": "comparing", "id": "c1", "account": "@a", "name": "asha", "step": "ended"}
            | {"message": "Too long.", "code": "m.timeout"},
        ),
        (Ended("banned", "text"), {"event": "error", "code": "banned", "message": "text"}),
    ],
)
def test_every_event_is_one_line_of_json(
    event: ClientEvent, fields: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    JsonFace().event(event)
    printed = capsys.readouterr().out
    assert printed.endswith("\n")
    assert printed.count("\n") == 1
    assert json.loads(printed) == fields


def _shown(*events: ClientEvent, typing: bool = False, hidden: frozenset[str] = frozenset()) -> list[str]:
    lines: list[str] = []
    face = PeopleFace(lines.append, colour=False, typing=typing, hidden=hidden)
    for event in events:
        face.event(event)
    return lines


def test_people_read_who_said_what_and_what_is_private() -> None:
    assert _shown(SAID, TOLD) == ["asha: hello", "asha (private): psst"]


def test_what_was_typed_here_is_not_shown_twice() -> None:
    mine = Message("lobby", 8, "m3", "bob", "mine", 1000, mine=True)
    assert _shown(mine, typing=True) == []
    assert _shown(mine) == ["bob: mine"]


def test_people_read_what_to_compare_and_what_to_type() -> None:
    asked = Comparing("c1", "@a", "asha", "asked", (), "asha asks.")
    assert _shown(asked) == ["asha asks.", "To agree: ?compare asha"]
    emoji = Comparing("c1", "@a", "asha", "emoji", (("🐶", "Dog"), ("📌", "Pin")), "The same?")
    assert _shown(emoji) == [
        "The same?",
        "    🐶  Dog (कुत्ता)",
        "    📌  Pin (पिन)",
        "If all are the same: ?same asha. If not: ?differ asha",
    ]
    assert _shown(Comparing("c1", "@a", "asha", "verified", (), "Done.")) == ["Done."]
    assert _shown(Comparing("c1", "@a", "asha", "ended", (), "NOT the same.", "m.mismatched_sas")) == [
        "! NOT the same."
    ]


def test_names_and_numbers_are_for_windows() -> None:
    assert _shown(Renamed("@a", "asha"), CatchingUp(100, 300)) == []


def test_a_hidden_notice_is_not_shown() -> None:
    notice = Notice("key_in_file", "the key lies in a file")
    assert _shown(notice) == ["! the key lies in a file"]
    assert _shown(notice, hidden=frozenset({"key_in_file"})) == []


def test_marks_name_the_text_they_are_about() -> None:
    lines = _shown(Sent("m1", "hello", "asha"), Mark("m1", "stored"), Mark("m1", "delivered"), Sent("m2", "x" * 60))
    assert lines == ["✓ delivered: hello"]
    failed = _shown(Sent("m2", "x" * 60), Mark("m2", "failed", "Nobody."))
    assert failed == [f"! Not sent: {'x' * 39}… - Nobody."]


def test_offline_is_told_once_until_back() -> None:
    lines = _shown(Offline("no answer", 1), Offline("no answer", 2), Online(), Offline("no answer", 1))
    assert lines == [
        "! Offline: no answer. TAlk comes back by itself.",
        "Back online.",
        "! Offline: no answer. TAlk comes back by itself.",
    ]


def test_a_crowd_is_counted() -> None:
    assert _shown(PeopleChanged(tuple("abcdefg"), ("h",))) == ["a, b, c, d, e and 2 more are here, h has left"]


@pytest.mark.parametrize("evil", ["\x1b[2J", "\x07", "\u202e", "\r"])
def test_nothing_that_others_write_can_move_the_cursor(evil: str) -> None:
    events = (
        Message("lobby", 1, "m1", f"a{evil}", f"b{evil}", 0, mine=False),
        PrivateMessage("m2", f"a{evil}", "bob", f"b{evil}", 0),
        PeopleChanged((f"a{evil}",), ()),
        Notice("code", f"a{evil}"),
        Sent("m3", f"b{evil}"),
        Mark("m3", "failed", f"a{evil}"),
        Comparing("c1", "@a", f"a{evil}", "asked", (), f"a{evil}"),
        Comparing("c1", "@a", f"a{evil}", "emoji", (), f"a{evil}"),
    )
    assert not [line for line in _shown(*events) if evil[0] in line]


@pytest.mark.parametrize("colour", [False, True])
def test_what_others_write_cannot_begin_a_line_of_its_own(colour: bool) -> None:
    lines: list[str] = []
    face = PeopleFace(lines.append, colour=colour, typing=False)
    evil = "first\nasha (private): send me the secret"
    for event in (
        Message("lobby", 1, "m1", "bob", evil, 0, mine=False),
        PrivateMessage("m2", "bob", "asha", evil, 0),
        Notice("code", evil),
        Offline(evil, 1),
        Sent("m3", "text"),
        Mark("m3", "failed", evil),
        Ended("banned", evil),
    ):
        face.event(event)
    face.refused("code", evil)
    face.told(evil)
    forged = [line for line in "\n".join(lines).split("\n") if "asha (private)" in line]
    assert len(forged) == 8
    assert all(line.startswith("    asha") for line in forged)


def test_a_line_for_everybody_is_forgotten_once_it_is_stored() -> None:
    face = PeopleFace(lambda _: None, colour=False, typing=True)
    for number in range(10):
        face.event(Sent(f"m{number}", "text"))
        face.event(Mark(f"m{number}", "stored"))
    face.event(Sent("private", "text", "bob"))
    face.event(Mark("private", "stored"))
    assert list(face._texts) == ["private"]


def test_of_lines_that_were_left_out_it_is_said_how_to_read_them() -> None:
    lines: list[str] = []
    PeopleFace(lines.append, colour=False, typing=True).event(Notice("gap", "900 earlier lines are not shown."))
    assert lines == ["! 900 earlier lines are not shown. To read them: ?more"]


@pytest.mark.parametrize("at", [0, 1_700_000_000_000, 2**53 - 1, 2**62])
def test_any_time_can_be_looked_back_at(at: int) -> None:
    lines: list[str] = []
    PeopleFace(lines.append, colour=False, typing=True).looked_back(
        [Message("lobby", 1, "m1", "bob", "hi", at, False)], further=False
    )
    assert len(lines) == 1
    assert lines[0].endswith(" bob: hi")


@pytest.mark.parametrize("evil", ["\x1b[2J", "\x9b2J", "\x7f", "\u202e", "\u2066", "\n", "\u2028", "\x00"])
def test_json_is_one_line_that_commands_no_terminal_and_means_the_same(
    evil: str, capsys: pytest.CaptureFixture[str]
) -> None:
    JsonFace().event(Notice(f"a{evil}", f"नमस्ते {evil}"))
    printed = capsys.readouterr().out
    assert evil[0] not in printed.rstrip("\n") or evil == "\u2028"
    assert "नमस्ते" in printed
    assert json.loads(printed) == {"event": "notice", "code": f"a{evil}", "message": f"नमस्ते {evil}"}
