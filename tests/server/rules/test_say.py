"""Saying a text in a room, and saying it again when the answer was lost."""

from __future__ import annotations

import msgspec
import pytest
from tests.server.house import House, Peer
from tests.server.people import send

from talk.protocol import commands, events
from talk.protocol.errors import Code
from talk.protocol.ids import random_id
from talk.protocol.limits import MAX_TEXT_POINTS


@pytest.fixture
async def asha(house: House) -> Peer:
    return await house.join("asha")


async def log(house: House) -> list[tuple[int, str]]:
    records = await house.store.records(house.room, 0, 1_000, 10_000_000)
    return [(record.seq, msgspec.json.decode(record.content)["text"]) for record in records]


async def test_everybody_reads_it_in_one_order(house: House, asha: Peer) -> None:
    bob = await house.join("bob")
    stored = await asha.stored(asha.saying("one"))
    await bob.stored(bob.saying("two"))
    await house.quiet()
    assert (stored.seq, stored.at) == (1, house.clock)
    assert asha.texts() == bob.texts() == [(1, '{"text":"one"}'), (2, '{"text":"two"}')]


async def test_what_is_passed_on_names_its_author(house: House, asha: Peer) -> None:
    bob = await house.join("bob")
    assert asha.phone
    command = asha.saying("hi")
    await asha.stored(command)
    event = await bob.next(events.RoomEvent)
    assert event == events.RoomEvent(
        room=house.room,
        seq=1,
        id=command.id,
        account=asha.phone.person.account,
        device=asha.phone.id,
        name="asha",
        at=house.clock,
        kind="text",
        content=event.content,
    )
    assert msgspec.json.decode(event.content) == {"text": "hi"}
    assert {"event": "message", "from": "asha", "text": "hi", "seq": 1} in house.told


async def test_the_answer_comes_before_the_line_itself(asha: Peer) -> None:
    await asha.stored(asha.saying("hi"))
    await asha.next(events.RoomEvent)
    assert [type(event) for event in asha.seen[-2:]] == [events.Stored, events.RoomEvent]


async def test_nothing_is_shown_before_it_is_on_disk(house: House, asha: Peer) -> None:
    bob = await house.join("bob")
    house.store.writing.clear()
    asha.tell(asha.saying("hi"))
    await house.until_writing()
    assert not asha.of(events.Stored)
    assert not bob.texts()
    assert house.context.directory.rooms[house.room].head == 0
    house.store.writing.set()
    await bob.next(events.RoomEvent)


async def test_said_again_it_is_answered_again_and_shown_once(house: House, asha: Peer) -> None:
    command = asha.saying("hi")
    first = await asha.stored(command)
    house.clock += 5_000
    asha.tell(command)
    assert await asha.answer(command.id, 2) == first
    await house.quiet()
    assert len(asha.texts()) == 1
    assert await log(house) == [(1, "hi")]
    assert [event["event"] for event in house.told].count("message") == 1


async def test_said_twice_in_one_batch_it_is_one(house: House, asha: Peer) -> None:
    command = asha.saying("hi")
    asha.tell(command)
    asha.tell(command)
    assert await asha.answer(command.id, 1) == await asha.answer(command.id, 2)
    await house.quiet()
    assert await log(house) == [(1, "hi")]
    assert len(asha.texts()) == 1


async def test_the_same_id_for_another_text_is_refused(house: House, asha: Peer) -> None:
    command = asha.saying("hi")
    await asha.stored(command)
    asha.tell(msgspec.structs.replace(command, text="ho"))
    error = await asha.answer(command.id, 2)
    assert isinstance(error, events.Error)
    assert error.code == Code.ID_REUSED
    assert await log(house) == [(1, "hi")]


async def test_the_same_id_of_another_device_is_another_message(house: House, asha: Peer) -> None:
    bob = await house.join("bob")
    await asha.stored(asha.saying("hi", "same"))
    await bob.stored(bob.saying("ho", "same"))
    assert await log(house) == [(1, "hi"), (2, "ho")]


async def test_an_id_that_was_said_cannot_be_sent_and_the_other_way_round(house: House, asha: Peer) -> None:
    bob = await house.join("bob")
    assert asha.phone
    assert bob.phone
    await asha.stored(asha.saying("hi", "said"))
    asha.tell(send(asha.phone, bob.phone.person, id="said"))
    error = await asha.answer("said", 2)
    assert isinstance(error, events.Error)
    assert error.code == Code.ID_REUSED
    await asha.stored(send(asha.phone, bob.phone.person, id="sent"))
    asha.tell(asha.saying("hi", "sent"))
    error = await asha.answer("sent", 2)
    assert isinstance(error, events.Error)
    assert error.code == Code.ID_REUSED
    await house.quiet()
    assert await log(house) == [(1, "hi")]
    assert len(bob.of(events.Mail)) == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", Code.TEXT_EMPTY),
        (" \n\t", Code.TEXT_EMPTY),
        ("\u200b\u2060", Code.TEXT_EMPTY),
        ("@bob the secret", Code.STARTS_WITH_AT),
        ("@", Code.STARTS_WITH_AT),
        ("  \n@bob", Code.STARTS_WITH_AT),
        ("\u200b@bob", Code.STARTS_WITH_AT),
        ("＠bob", Code.STARTS_WITH_AT),
        ("﹫bob", Code.STARTS_WITH_AT),
        ("a" * (MAX_TEXT_POINTS + 1), Code.TEXT_TOO_LONG),
        ("😀" * (MAX_TEXT_POINTS + 1), Code.TEXT_TOO_LONG),
        ("a\x00b", Code.TEXT_FORBIDDEN),
        ("a\x1b[2Jb", Code.TEXT_FORBIDDEN),
        ("a\u202eb", Code.TEXT_FORBIDDEN),
        ("a\u2066b", Code.TEXT_FORBIDDEN),
    ],
)
async def test_a_text_that_may_not_be_said_is_refused(house: House, asha: Peer, text: str, code: Code) -> None:
    bob = await house.join("bob")
    error = await asha.refused(asha.saying(text))
    assert error.code == code
    await house.quiet()
    assert await log(house) == []
    assert bob.texts() == []
    assert all(text not in str(event) for event in house.told if text)


@pytest.mark.parametrize(
    "text", ["a@bob", "hi\n\tthere", "a" * MAX_TEXT_POINTS, "😀" * MAX_TEXT_POINTS, "नमस्ते", "👩‍👩‍👧"]
)
async def test_a_text_that_may_be_said_arrives_as_it_was(house: House, asha: Peer, text: str) -> None:
    await asha.stored(asha.saying(text))
    event = await asha.next(events.RoomEvent)
    assert msgspec.json.decode(event.content)["text"] == text


async def test_an_unknown_room_is_told_so(asha: Peer) -> None:
    assert (await asha.refused(commands.Say("a", random_id(), "hi"))).code == Code.UNKNOWN_ROOM


async def test_a_refusal_leaves_the_id_free_for_the_corrected_line(house: House, asha: Peer) -> None:
    await asha.refused(asha.saying("@oops", "once"))
    asha.tell(asha.saying("bob: hi", "once"))
    assert isinstance(await asha.answer("once", 2), events.Stored)
