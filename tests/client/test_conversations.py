"""What a window shows: conversations and their lines, from the disk, in awkward orders too."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.client.world import PATIENCE, Person, World

from talk.client import (
    CannotConnect,
    Client,
    ClientError,
    Conversation,
    Line,
    Mark,
    Message,
    Notice,
    Offline,
    PrivateMessage,
    Sent,
    UnknownName,
    store,
)
from talk.client import profile as profile_module
from talk.client.errors import OnlyBlocked
from talk.client.profile import ProfileFolder
from talk.client.tables import MIGRATIONS
from talk.encryption.database import Database
from talk.encryption.errors import NameMoved
from talk.encryption.own import own
from talk.protocol.errors import Code, Refused
from talk.protocol.ids import random_id
from talk.protocol.link import Link, parse_link
from talk.server.rules import owner
from talk.server.stores.sqlite import restore

SLOW_MS = 40  # for a profile with 100,000 lines, on a computer that does other things too


async def lobby(person: Person) -> str:
    return await person.run(store.lobby)


async def account(person: Person) -> str:
    return (await person.run(own)).account


async def conversation(person: Person, key: str) -> Conversation:
    return next(one for one in await person.client.conversations() if one.key == key)


async def texts(person: Person, key: str) -> list[str]:
    return [line.text for line in await person.client.lines(key)]


async def test_before_the_first_login_there_is_nothing(world: World) -> None:
    await world.stop_server()
    asha = await world.start("asha")
    assert await asha.client.conversations() == []
    await asha.client.say("hello")
    await asha.client.send("bob", "hello bob")
    assert await asha.client.conversations() == []
    assert not asha.client.is_online


async def test_the_lobby_comes_first_and_then_people_by_their_newest_line(world: World) -> None:
    asha, bob, chitra = [await world.join(name) for name in ("asha", "bob", "chitra")]
    await asha.client.send("bob", "to bob")
    await asha.client.send("chitra", "to chitra")
    await asha.client.say("to all")
    await asha.wait_for(Message)
    found = await asha.client.conversations()
    assert [(one.name, one.is_room) for one in found] == [("lobby", True), ("chitra", False), ("bob", False)]
    assert [one.last.text for one in found if one.last] == ["to all", "to chitra", "to bob"]
    assert [one.key for one in found] == [await lobby(asha), await account(chitra), await account(bob)]
    await bob.client.send("asha", "answer")
    told = await asha.wait_for(PrivateMessage, text="answer")
    found = await asha.client.conversations()
    assert [one.name for one in found] == ["lobby", "bob", "chitra"]
    assert found[1].last == await asha.client.line(told.id)
    assert (found[1].unread, found[2].unread, found[0].unread) == (1, 0, 0)


async def test_events_say_where_they_belong(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await bob.client.say("to all")
    await bob.client.send("asha", "to asha")
    key, bobs = await lobby(asha), await account(bob)
    said, told = await asha.wait_for(Message), await asha.wait_for(PrivateMessage)
    assert (said.conversation, said.account, told.conversation, told.account) == (key, bobs, bobs, bobs)
    for event in (said, told):
        line = await asha.client.line(event.id)
        assert line is not None
        assert (line.row, line.text, line.at) == (event.row, event.text, event.at)
        assert (line.mark, line.mine, line.reason) == ("", False, "")
    await bob.client.shown()
    assert [sent.conversation for sent in bob.of(Sent)] == [await lobby(bob), await account(asha)]
    assert (await asha.client.history())[0] == Message(
        "lobby", 1, said.id, "bob", "to all", said.at, False, 0, key, bobs
    )


async def test_lines_come_in_pages_by_row(world: World) -> None:
    asha = await world.join("asha")
    for number in range(7):
        await asha.client.say(f"line {number}")
    await asha.until(lambda: len(asha.said()) == 7, "all lines")
    key = await lobby(asha)
    newest = await asha.client.lines(key, limit=3)
    before = await asha.client.lines(key, before=newest[0].row, limit=3)
    first = await asha.client.lines(key, before=before[0].row, limit=3)
    assert [line.text for line in first + before + newest] == [f"line {number}" for number in range(7)]
    assert await asha.client.lines(key, before=first[0].row) == []
    assert [line.seq for line in before] == [2, 3, 4]
    assert await asha.client.lines("nothing") == []


async def test_what_is_read_is_counted_and_never_goes_back(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    for number in range(4):
        await bob.client.say(f"line {number}")
    await asha.client.say("mine")
    await asha.until(lambda: len(asha.said()) == 5, "all lines")
    key = await lobby(asha)
    bobs = [line for line in await asha.client.lines(key) if not line.mine]
    assert (await conversation(asha, key)).unread == 4
    await asha.client.mark_read(key, bobs[1].row)
    assert (await conversation(asha, key)).unread == 2
    await asha.client.mark_read(key, bobs[0].row)
    now = await conversation(asha, key)
    assert (now.unread, now.read) == (2, bobs[1].row)
    await asha.client.mark_read(key, 2**52)
    assert (await conversation(asha, key)).unread == 0
    await bob.client.say("after")
    await asha.wait_for(Message, text="after")
    assert (await conversation(asha, key)).unread == 1


async def test_drafts_and_muting_are_there_after_a_restart(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    key = await asha.client.person_account("bob")
    assert key == await account(bob)
    await asha.client.set_draft(key, "half a")
    await asha.client.set_muted(await lobby(asha), True)
    again = await world.come_back(asha)
    draft = await conversation(again, key)
    assert (draft.draft, draft.last, draft.name, draft.muted) == ("half a", None, "bob", False)
    assert (await conversation(again, await lobby(again))).muted
    assert "half a" not in repr(draft)
    await again.client.set_draft(key, "")
    await again.client.set_muted(await lobby(again), False)
    assert [one.muted for one in await again.client.conversations()] == [False]


async def test_who_is_blocked_is_not_among_the_lines_of_a_room(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await asha.client.say("mine")
    await asha.wait_for(Message, text="mine")
    await bob.client.send("asha", "before")
    await bob.client.say("in the lobby")
    await asha.wait_for(Message, text="in the lobby")
    await asha.wait_for(PrivateMessage)
    key, bobs = await lobby(asha), await account(bob)
    await asha.client.block("bob")
    assert await texts(asha, key) == ["mine"]
    assert [line.text for line in await asha.client.earlier(key, 0)] == ["mine"]
    room, private = await asha.client.conversations()
    assert (room.unread, room.last and room.last.text) == (0, "mine")
    assert (private.blocked, private.last and private.last.text, room.blocked) == (True, "before", False)
    assert (await asha.client.details(bobs)).blocked
    await asha.client.unblock("bob")
    assert await texts(asha, key) == ["mine", "in the lobby"]


# ---- own lines of a room


async def test_a_line_that_is_being_sent_gets_its_place_and_is_told_once(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    key = await lobby(asha)
    await world.stop_server()
    await asha.wait_for(Offline)
    id = await asha.client.say("written offline")
    waiting = await asha.client.line(id)
    assert waiting is not None
    assert (waiting.mark, waiting.seq, waiting.mine, waiting.conversation) == ("sending", 0, True, key)
    assert await asha.client.lines(key) == [waiting]
    assert [message.text for message in await asha.client.history()] == []
    await asha.stop()
    again = await world.start("asha", folder=asha.client.folder)
    assert await again.client.lines(key) == [waiting]
    await world.start_server()
    await bob.client.live()
    await bob.client.say("first")
    told = await again.wait_for(Message, id=id)
    assert told.row > waiting.row
    placed = await again.client.line(id)
    assert placed is not None
    assert (placed.mark, placed.seq, placed.row, placed.at) == ("stored", told.seq, told.row, told.at)
    await again.wait_for(Message, text="first")
    assert sorted(again.said()) == ["first", "written offline"]
    assert [line.seq for line in await again.client.lines(key)] == [1, 2]
    third = await world.come_back(again)
    assert third.said() == []


async def test_what_is_said_before_the_first_login_is_among_the_lines(world: World) -> None:
    await world.stop_server()
    asha = await world.start("asha")
    id = await asha.client.say("hello")
    line = await asha.client.line(id)
    assert line is not None
    assert (line.conversation, line.mark) == ("", "sending")
    await world.start_server()
    await asha.ready()
    await asha.wait_for(Message, id=id)
    (line,) = await asha.client.lines(await lobby(asha))
    assert (line.id, line.mark, line.seq) == (id, "stored", 1)
    assert await asha.client.lines("") == []


async def test_what_waits_takes_no_place_in_the_history_of_a_terminal(world: World) -> None:
    asha = await world.join("asha")
    await asha.client.say("said")
    await asha.wait_for(Message)
    await world.stop_server()
    await asha.wait_for(Offline)
    await asha.client.say("waits")
    assert [message.text for message in await asha.client.history(limit=1)] == ["said"]


async def test_a_line_whose_answer_is_lost_stands_there_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asha = await world.join("asha")
    with monkeypatch.context() as patched:
        patched.setattr("talk.client.answers.Answers.take", lambda *_: True)
        id = await asha.client.say("line")
        await asha.wait_for(Message, id=id)
        await world.cut(asha)
        await asha.wait_for(Offline)
    await asha.client.live()
    await asha.client.sent()
    await asha.wait_for(Mark, id=id, state="stored")
    (line,) = await asha.client.lines(await lobby(asha))
    assert (line.mark, line.seq) == ("stored", 1)
    assert asha.said() == ["line"]


async def test_a_line_that_is_stored_while_its_event_is_on_the_way_is_marked_already(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asha = await world.join("asha")
    with monkeypatch.context() as patched:
        patched.setattr(store, "take_room_events", lambda *_: None)
        id = await asha.client.say("line")
        await asha.wait_for(Mark, id=id, state="stored")
        line = await asha.client.line(id)
        assert line is not None
        assert (line.mark, line.seq) == ("stored", 0)
        await asha.stop()
    again = await world.join("asha", folder=asha.client.folder)
    assert again.said() == ["line"]
    assert [(one.mark, one.seq) for one in await again.client.lines(await lobby(again))] == [("stored", 1)]


async def fail_one(world: World, asha: Person, monkeypatch: pytest.MonkeyPatch) -> str:
    """A line that the server refuses, once it is online again."""
    with monkeypatch.context() as patched:
        patched.setattr("talk.server.rules.rooms.check_room_text", _refuse)
        id = await asha.client.say("refused")
        await asha.wait_for(Mark, id=id, state="failed")
    return id


def _refuse(_text: str) -> None:
    raise Refused(Code.TEXT_EMPTY)


async def test_a_line_that_failed_is_kept_with_its_reason_and_can_be_sent_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    id = await fail_one(world, asha, monkeypatch)
    again = await world.come_back(asha)
    key = await lobby(again)
    (line,) = await again.client.lines(key)
    assert (line.id, line.mark, line.seq) == (id, "failed", 0)
    assert line.reason == asha.of(Mark)[-1].reason
    new_id = await again.client.retry(id)
    assert new_id != id
    assert await again.wait_for(Sent, id=new_id) == Sent(new_id, "refused", "", key)
    await bob.wait_for(Message, id=new_id)
    await again.wait_for(Message, id=new_id)
    (line,) = await again.client.lines(key)
    assert (line.id, line.mark, line.reason) == (new_id, "stored", "")
    for known in (id, new_id, "no such"):
        with pytest.raises(ClientError):
            await again.client.retry(known)


async def test_a_line_that_failed_can_be_removed_and_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asha = await world.join("asha")
    id = await fail_one(world, asha, monkeypatch)
    await asha.client.discard(id)
    stored = await asha.client.say("stays")
    for known in (id, stored):
        with pytest.raises(ClientError):
            await asha.client.discard(known)
    await asha.wait_for(Message, id=stored)
    assert await texts(asha, await lobby(asha)) == ["stays"]


async def test_a_private_text_to_nobody_can_be_sent_again_to_the_same_name(world: World) -> None:
    asha = await world.join("asha")
    await world.stop_server()
    await asha.wait_for(Offline)
    id = await asha.client.send("bob", "are you there")
    await world.start_server()
    await asha.wait_for(Mark, id=id, state="failed")
    line = await asha.client.line(id)
    assert line is not None
    assert (line.conversation, line.mark, "bob" in line.reason) == ("", "failed", True)
    bob = await world.join("bob")
    new_id = await asha.client.retry(id)
    await bob.wait_for(PrivateMessage, text="are you there")
    await asha.wait_for(Mark, id=new_id, state="delivered")
    assert await asha.client.line(id) is None
    (line,) = await asha.client.lines(await account(bob))
    assert (line.id, line.mark) == (new_id, "delivered")


async def test_the_marks_of_a_private_line(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    key = await asha.client.person_account("Bob")
    await bob.stop()
    id = await asha.client.send_to(key, "text")
    await asha.wait_for(Mark, id=id, state="stored")
    assert [line.mark for line in await asha.client.lines(key)] == ["stored"]
    await world.join("bob", folder=bob.client.folder)
    await asha.wait_for(Mark, id=id, state="delivered")
    assert [line.mark for line in await asha.client.lines(key)] == ["delivered"]


async def test_a_new_epoch_keeps_every_line_and_tells_none_again(world: World) -> None:
    asha = await world.join("asha")
    await asha.client.say("kept")
    await asha.wait_for(Message)
    backup = world.folder / "backup.db"
    await world.server.engine._store.backup(str(backup))
    await asha.client.say("lost")
    await asha.wait_for(Message, text="lost")
    await world.stop_server()
    waiting = await asha.client.say("written between")
    restore(backup, world.folder / "server" / "talk.db")
    await world.start_server()
    await asha.wait_for(Message, id=waiting)
    lines = await asha.client.lines(await lobby(asha))
    assert [(line.text, line.seq, line.mark) for line in lines] == [
        ("kept", 1, "stored"),
        ("lost", 0, "stored"),
        ("written between", 2, "stored"),
    ]
    assert asha.said() == ["kept", "lost", "written between"]


# ---- people


async def test_writing_by_account_goes_to_the_same_person_whatever_their_name(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    key = await asha.client.person_account("bob")
    await bob.client.rename("robert")
    await asha.client.send_to(key, "to you")
    await bob.wait_for(PrivateMessage, text="to you")
    assert (await asha.wait_for(Sent, text="to you")).conversation == key
    with pytest.raises(ClientError):
        await asha.client.send_to(await account(asha), "to me")
    with pytest.raises(ClientError):
        await asha.client.send_to("@nobody", "to nobody")


async def test_asking_whose_name_it_is(world: World) -> None:
    asha = await world.join("asha")
    with pytest.raises(UnknownName):
        await asha.client.person_account("bob")
    with pytest.raises(ClientError):
        await asha.client.person_account("asha")
    await world.stop_server()
    await asha.wait_for(Offline)
    with pytest.raises(CannotConnect):
        await asha.client.person_account("bob")


async def test_a_name_that_moved_stops_writing_by_account_too(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await asha.client.send("bob", "hello")
    await bob.wait_for(PrivateMessage)
    first = await account(bob)
    await world.engine.change(owner.release_name(world.engine.context, "bob"))
    other = await world.join("bob", folder=world.profile("other bob"))
    await other.client.send("asha", "I am bob")
    await asha.wait_for(Notice, code="name_moved")
    await asha.wait_for(PrivateMessage)
    second = await account(other)
    for key in (first, second):
        details = await asha.client.details(key)
        assert details.disputed
        assert "now belongs to somebody with other keys" in details.moved
        assert (await conversation(asha, key)).disputed
        with pytest.raises(NameMoved):
            await asha.client.send_to(key, "the secret")
    assert (await conversation(asha, second)).name == "bob"
    assert await asha.client.accept("bob")
    for key in (first, second):
        assert (await asha.client.details(key)).moved == ""
        assert not (await conversation(asha, key)).disputed
    await asha.client.send_to(second, "to the second")
    await other.wait_for(PrivateMessage, text="to the second")


async def test_details_are_those_of_the_keys(world: World) -> None:
    asha, bob, chitra = [await world.join(name) for name in ("asha", "bob", "chitra")]
    key, device = await account(bob), (await bob.run(own)).device
    details = await asha.client.details(key)
    assert (details.account, details.name, details.version, details.devices) == (key, "bob", 1, (device,))
    assert details.since > 0
    assert details.fingerprint.replace(" ", "") == key[1:].split(":")[0]
    assert {len(group) for group in details.fingerprint.split(" ")} == {4}
    await asha.until(lambda: "chitra" in asha.client.people(), "chitra")
    await world.stop_server()
    await asha.wait_for(Offline)
    assert await asha.client.details(key) == details
    unknown = await asha.client.details(await account(chitra))
    assert (unknown.name, unknown.since, unknown.devices) == ("chitra", 0, ())


async def test_who_is_here(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    assert bob.client.here() == {await account(asha): "asha", await account(bob): "bob"}
    assert bob.client.is_online
    assert bob.client.rooms == {await lobby(bob): "lobby"}


async def test_the_link_is_told_without_its_invitation(world: World) -> None:
    link = Link(parse_link(world.link).addresses, world.id, token="a" * 32, local=True)
    asha = await world.join("asha", link=link.text)
    assert parse_link(asha.client.link).token == ""
    assert parse_link(asha.client.link).addresses == link.addresses


async def test_the_pause_before_the_next_try_can_be_cut_short(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("talk.client.staying.FIRST_DELAY", 3_600.0)
    asha = await world.join("asha")
    await world.stop_server()
    await asha.wait_for(Offline)
    await world.start_server()
    asha.client.retry_now()
    async with asyncio.timeout(PATIENCE):
        await asha.client.live()


# ---- a room's lines that are not here


async def test_what_a_gap_left_out_can_be_read_from_the_server(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("talk.server.delivery.MAX_BEHIND", 20)
    monkeypatch.setattr("talk.server.delivery.GAP_TAIL", 5)
    asha, bob = await world.join("asha"), await world.join("bob")
    await bob.client.say("line 1")
    await asha.wait_for(Message)
    await asha.stop()
    for number in range(2, 41):
        await bob.client.say(f"line {number}")
    await bob.client.sent()
    again = await world.join("asha", folder=asha.client.folder)
    await again.wait_for(Notice, code="gap")
    key = await lobby(again)
    kept = await again.client.lines(key)
    assert [line.seq for line in kept] == [1, 36, 37, 38, 39, 40]
    page = await again.client.earlier(key, 36, limit=10)
    assert [(line.row, line.seq, line.text) for line in page] == [(0, n, f"line {n}") for n in range(26, 36)]
    assert {(line.mark, line.account, line.name, line.conversation) for line in page} == {
        ("", await account(bob), "bob", key)
    }
    assert await again.client.lines(key) == kept
    rest = await again.client.earlier(key, 26, limit=200)
    assert [line.row for line in rest] == [kept[0].row, *[0] * 24]
    assert rest[0] == kept[0]
    assert await again.client.earlier(key, 1) == []
    await world.stop_server()
    await again.wait_for(Offline)
    with pytest.raises(CannotConnect):
        await again.client.earlier(key, 26)


async def say_many(person: Person, what: str, count: int) -> None:
    for number in range(count):
        await person.client.say(f"{what} {number}")
    await person.client.sent()


async def test_pages_of_people_who_are_blocked_are_passed_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("talk.client.history.MAX_HISTORY", 10)
    asha, bob, noisy = [await world.join(name) for name in ("asha", "bob", "noisy")]
    await bob.client.say("long ago")
    await asha.wait_for(Message, text="long ago")
    await say_many(noisy, "noise", 45)
    await bob.client.say("now")
    await asha.wait_for(Message, text="now")
    await asha.client.block("noisy")
    key = await lobby(asha)
    assert [line.text for line in await asha.client.earlier(key, 47, limit=10)] == ["long ago"]
    assert [one.text for one in await asha.client.history(before=47, limit=10)] == ["long ago"]
    assert [one.text for one in await asha.client.history(limit=1)] == ["now"]
    await bob.client.say("and now")
    await bob.client.sent()
    await say_many(noisy, "more noise", 3)
    assert [one.text for one in await asha.client.history(limit=2)] == ["now", "and now"]
    assert [one.text for one in await asha.client.history(limit=1)] == ["and now"]
    await asha.client.block("bob")
    assert await asha.client.earlier(key, 47) == []


async def test_so_many_lines_of_blocked_people_are_told_and_where_to_look_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("talk.client.history.MAX_HISTORY", 10)
    monkeypatch.setattr("talk.client.history.MAX_PAGES", 3)
    asha, bob, noisy = [await world.join(name) for name in ("asha", "bob", "noisy")]
    await bob.client.say("long ago")
    await asha.wait_for(Message, text="long ago")
    await say_many(noisy, "noise", 45)
    await asha.wait_for(Message, text="noise 44")
    await asha.client.block("noisy")
    key = await lobby(asha)
    with pytest.raises(OnlyBlocked, match="30 lines before") as found:
        await asha.client.earlier(key, 0, limit=10)
    assert found.value.before == 17
    with pytest.raises(OnlyBlocked):
        await asha.client.history()
    assert [line.text for line in await asha.client.earlier(key, found.value.before)] == ["long ago"]


async def never(_: object) -> None:
    await asyncio.Event().wait()


async def test_ones_own_line_that_a_gap_left_out_stays_where_it_was_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("talk.server.delivery.MAX_BEHIND", 20)
    monkeypatch.setattr("talk.server.delivery.GAP_TAIL", 5)
    asha, bob = await world.join("asha"), await world.join("bob")
    # The server has it, and asha hears nothing of that.
    monkeypatch.setattr(asha.online.answers, "take", lambda _: True)
    monkeypatch.setattr(asha.online._receiver.backlog, "put", never)
    id = await asha.client.say("mine")
    await bob.wait_for(Message, id=id)
    await asha.stop()
    for number in range(2, 41):
        await bob.client.say(f"line {number}")
    await bob.client.sent()
    again = await world.join("asha", folder=asha.client.folder)
    await again.client.sent()
    first, *rest = await again.client.lines(await lobby(again))
    assert (first.id, first.mark, len(rest)) == (id, "stored", 5)
    (told,) = await again.client.earlier(await lobby(again), 2)
    assert told == first


# ---- how long it takes


def fill(db: Database, room: str, other: str, count: int) -> None:
    rows = [(room, random_id(), other, "device", "bob", f"line {n}", n, n + 10) for n in range(count)]
    db.run_many(
        "INSERT INTO messages (conversation, id, account, device, name, text, at, seq, mark)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, '')",
        rows,
    )


async def test_a_hundred_thousand_lines_cost_nothing(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await asha.client.send("bob", "hello")
    await asha.wait_for(Mark, state="delivered")
    key = await lobby(asha)
    await asha.run(fill, key, await account(bob), 100_000)

    async def best(work: object) -> float:
        times = []
        for _ in range(5):
            start = time.perf_counter()
            await work()  # type: ignore[operator]
            times.append((time.perf_counter() - start) * 1000)
        return min(times)

    (room, _) = await asha.client.conversations()
    assert room.unread == 1_000
    middle = (await asha.client.lines(key))[0].row - 50_000
    assert await best(asha.client.conversations) < SLOW_MS
    assert await best(lambda: asha.client.lines(key)) < SLOW_MS
    assert await best(lambda: asha.client.lines(key, before=middle)) < SLOW_MS
    last = room.last
    assert isinstance(last, Line)
    assert await best(lambda: asha.client.line(last.id)) < SLOW_MS


# ---- a profile of before


async def test_a_profile_of_version_1_is_brought_up_to_date(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def old(db: Database) -> None:
        store.create(db, world.id, world.link, "asha")
        me = own(db)
        insert = (
            "INSERT INTO messages (conversation, id, account, device, name, text, at, seq, mark)"
            " VALUES (?, ?, ?, ?, 'x', 'text', 5, ?, ?)"
        )
        db.run("INSERT INTO rooms (room, name, seq) VALUES ('room', 'lobby', 3)")
        db.run(insert, "room", "a", "@other", "theirs", 1, "")
        db.run(insert, "room", "b", me.account, me.device, 2, "")
        db.run(insert, "room", "c", "@other", "theirs", None, "")
        db.run(insert, "@other", "d", me.account, me.device, None, "delivered")
        db.run("UPDATE profile SET shown = 4")
        for id in ("b", "e"):
            db.run(
                "INSERT INTO outbox (id, kind, target, name, content, due) VALUES (?, 'say', 'room', '', ?, 0)",
                *(id, b'{"text": "wait \xc3\xa9"}'),
            )

    folder = ProfileFolder(world.profile("asha"))
    with monkeypatch.context() as patched:
        patched.setattr(profile_module, "MIGRATIONS", MIGRATIONS[:1])
        await folder.open(None, lambda _: None)
        await folder.run(old)
        await folder.close()
    await world.stop_server()
    async with Client(world.profile("asha")) as client:
        room = await client.lines("room")
        assert [(line.id, line.mark, line.seq) for line in room] == [
            ("a", "", 1),
            ("b", "stored", 2),
            ("c", "", 0),
            ("e", "sending", 0),
        ]
        assert (room[-1].text, room[-1].mine) == ("wait é", True)
        (lobby, *_) = await client.conversations()
        assert (lobby.unread, lobby.read) == (0, 4)
        assert [message.text for message in await client.history()] == ["text"] * 3
