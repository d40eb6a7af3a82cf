"""What is certain about one's own messages: stored, delivered, failed; and what waits while there is no connection."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
import pytest
from tests.client.world import PATIENCE, World, decoded

from talk.client import (
    CannotConnect,
    Mark,
    Message,
    Notice,
    Offline,
    Online,
    PrivateMessage,
    Sent,
    UnknownName,
    inbox,
    outbox,
    store,
)
from talk.client.connection import Wire
from talk.encryption.database import Database
from talk.encryption.own import own
from talk.protocol import commands, events
from talk.protocol.errors import Code, Refused
from talk.protocol.ids import random_id
from talk.server.commands import TABLE, Entry
from talk.server.ports import Sweep
from talk.server.rules import mailboxes
from talk.server.rules.decisions import Decision, Write
from talk.server.rules.session import Context, Session


class Frames(list[tuple[str, bytes]]):
    """What a client sends after its login, in its order: type and bytes."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def add(self, kind: str, frame: bytes) -> None:
        self.append((kind, frame))
        self._more.set()

    async def until(self, *kinds: str) -> None:
        """Wait until all of these were sent."""
        async with asyncio.timeout(PATIENCE):
            while not {kind for kind, _ in self} >= set(kinds):
                self._more.clear()
                await self._more.wait()

    async def until_acks(self, count: int) -> None:
        """Wait until so many acks were sent."""
        async with asyncio.timeout(PATIENCE):
            while [kind for kind, _ in self].count("ack") < count:
                self._more.clear()
                await self._more.wait()


@pytest.fixture
def frames(monkeypatch: pytest.MonkeyPatch) -> Frames:
    sent = Frames()
    send_bytes = Wire.send_bytes

    async def noting(self: Wire, frame: bytes) -> None:
        sent.add(decoded(frame)["type"], frame)
        await send_bytes(self, frame)

    monkeypatch.setattr(Wire, "send_bytes", noting)
    return sent


async def test_a_private_text_is_stored_and_then_delivered(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    id = await asha.client.send("bob", "Hello")
    await asha.wait_for(Mark, id=id, state="delivered")
    assert asha.marks(id) == ["stored", "delivered"]
    assert not bob.of(Mark)


async def test_stored_says_nothing_when_delivered_was_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    stored = outbox.stored

    def late(db: Database, *arguments: Any) -> bool:
        store.set_mark(db, own(db).device, arguments[0].id, "delivered")
        return stored(db, *arguments)

    monkeypatch.setattr(outbox, "stored", late)
    id = await asha.client.send("bob", "Hello")
    await bob.wait_for(PrivateMessage)
    await asha.client.sent()
    assert "stored" not in asha.marks(id)


async def test_receipts_of_one_second_go_together(world: World, frames: Frames) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("talk.client.inbox.RECEIPTS_WITHIN", 3.0)
        ids = [await asha.client.send("bob", f"text {number}") for number in range(5)]
        for id in ids:
            await asha.wait_for(Mark, id=id, state="delivered")
    assert [text.text for text in bob.of(PrivateMessage)] == [f"text {number}" for number in range(5)]
    assert len([kind for kind, _ in frames if kind == "send"]) == 6


async def test_acks_of_one_second_go_together(world: World, frames: Frames) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await frames.until_acks(2)  # each comes in with one
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("talk.client.receiving.ACKS_WITHIN", 3.0)
        patched.setattr("talk.client.inbox.RECEIPTS_WITHIN", 3600)
        for number in range(5):
            await asha.client.send("bob", f"text {number}")
        await bob.wait_for(PrivateMessage, text="text 4")
        await frames.until_acks(3)
    assert [decoded(frame)["mail"] for kind, frame in frames if kind == "ack"] == [0, 0, 5]


async def test_who_owes_many_acks_does_not_wait(world: World, frames: Frames) -> None:
    asha, _ = await world.join("asha"), await world.join("bob")
    await frames.until_acks(2)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("talk.client.receiving.ACKS_WITHIN", 3600)
        patched.setattr("talk.client.inbox.RECEIPTS_WITHIN", 3600)
        patched.setattr("talk.client.receiving.MAX_UNACKED", 3)
        for number in range(3):
            await asha.client.send("bob", f"text {number}")
        await frames.until_acks(3)
    assert [decoded(frame)["mail"] for kind, frame in frames if kind == "ack"] == [0, 0, 3]


async def test_what_could_not_be_opened_is_asked_for_behind_very_much_that_was_missed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer comes behind all of it, when nobody works it off yet."""
    monkeypatch.setattr("talk.client.backlog.FAR_BEHIND", 5)
    asha, bob = await world.join("asha"), await world.join("bob")
    await bob.run(store.put_undecryptable, 1, "a device")  # as when he leaves before the server has answered his ack
    await bob.stop()
    for number in range(20):
        await asha.client.say(f"line {number}")
    await asha.client.sent()
    bob = await world.come_back(bob)
    await bob.wait_for(Message, text="line 19")
    await bob.client.live()


async def test_a_receipt_that_grows_before_it_is_sealed_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "RECEIPTS_WITHIN", 3600)
    asha, bob = await world.join("asha"), await world.join("bob")
    ids = [await asha.client.send("bob", text) for text in ("first", "second")]
    await bob.wait_for(PrivateMessage, text="second")
    account = (await asha.run(own)).account

    def grow(db: Database) -> None:
        db.run("UPDATE outbox SET due = 0, content = ?", msgspec.json.encode({"ids": ids[:1]}))
        waiting = outbox.next_private(db, 1)
        assert waiting is not None
        outbox.put_receipt(db, account, ids[1], 0)
        assert isinstance(outbox.seal(db, waiting), bytes)

    await bob.run(grow)
    bob.online.sender.wake_private.set()
    for id in ids:
        await asha.wait_for(Mark, id=id, state="delivered")


async def test_a_name_nobody_has_fails_with_a_mark_when_it_was_written_offline(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await world.stop_server()
    await asha.wait_for(Offline)
    unknown = await asha.client.send("nobody", "where are you")
    known = await asha.client.send("bob", "later")
    await world.start_server()
    mark = await asha.wait_for(Mark, id=unknown)
    assert (mark.state, mark.code) == ("failed", "UnknownName")
    assert "Nobody here is called nobody" in mark.reason
    await asha.wait_for(Mark, id=known, state="delivered")
    assert bob.told() == ["later"]
    with pytest.raises(UnknownName):
        await asha.client.send("nobody", "again")


async def test_what_is_written_offline_waits_on_disk_for_another_start_of_the_client(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await asha.client.send("bob", "online")
    await bob.wait_for(PrivateMessage)
    await world.stop_server()
    await asha.wait_for(Offline)
    said = [await asha.client.say(f"line {number}") for number in range(20)]
    told = [await asha.client.send("bob", f"text {number}") for number in range(5)]
    await asha.stop()
    await world.start_server()
    again = await world.join("asha", folder=asha.client.folder)
    await again.client.sent()
    await bob.wait_for(Message, id=said[-1])
    await bob.wait_for(PrivateMessage, id=told[-1])
    assert bob.said() == [f"line {number}" for number in range(20)]
    assert bob.told() == ["online", *(f"text {number}" for number in range(5))]
    await again.until(lambda: all(again.marks(id) == ["stored", "delivered"] for id in told), "all marks")
    assert all(again.marks(id) == ["stored"] for id in said)


async def test_a_retry_sends_identical_bytes_and_arrives_once(world: World, frames: Frames) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await asha.client.send("bob", "first")
    await asha.until(lambda: len(asha.of(Mark)) == 2, "delivered")
    frames.clear()
    with pytest.MonkeyPatch.context() as patched:
        # The server has it on disk, and nobody hears of that.
        patched.setattr("talk.client.answers.Answers.take", lambda *_: True)
        told = await asha.client.send("bob", "text")
        said = await asha.client.say("line")
        await frames.until("send", "say")
        await world.cut(asha)
        await asha.wait_for(Offline)
    await asha.wait_for(Online)
    await asha.client.sent()
    await bob.wait_for(PrivateMessage, text="text")
    await bob.wait_for(Message, text="line")
    for kind, id in (("send", told), ("say", said)):
        tries = [frame for sent, frame in frames if sent == kind and decoded(frame)["id"] == id]
        assert len(tries) >= 2
        assert len(set(tries)) == 1
    await asha.client.say("after")
    await bob.wait_for(Message, text="after")
    assert bob.said() == ["line", "after"]
    assert bob.told() == ["first", "text"]


async def test_a_sealed_message_goes_before_a_receipt_that_is_older(world: World, frames: Frames) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await asha.client.send("bob", "hello")
    await bob.wait_for(PrivateMessage)
    await asha.until(lambda: len(asha.of(Mark)) == 2, "delivered")
    await world.stop_server()
    await asha.wait_for(Offline)
    me = await bob.run(own)
    await asha.run(outbox.put_receipt, me.account, "some id", 0)
    id = await asha.client.send("bob", "text")
    frames.clear()

    def seal_the_newer(db: Database) -> None:
        rows = db.all("SELECT row, id, kind, target, name, content, frame FROM outbox WHERE kind = 'talk.text'")
        assert isinstance(outbox.seal(db, outbox._waiting(rows[0])), bytes)

    await asha.run(seal_the_newer)
    await world.start_server()
    assert (await bob.wait_for(PrivateMessage, text="text")).missed == 0
    assert next(decoded(frame)["id"] for kind, frame in frames if kind == "send") == id
    await asha.client.send("bob", "more")
    assert (await bob.wait_for(PrivateMessage, text="more")).missed == 0


async def test_a_full_mailbox_is_tried_again_in_order_and_holds_up_nobody_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asha, bob, chitra = [await world.join(name) for name in ("asha", "bob", "chitra")]
    for name in ("bob", "chitra"):
        await asha.client.send(name, "known")
    full = (await bob.run(own)).account

    def refusing(context: Context, session: Session, command: commands.Send) -> Decision:
        if command.to == full:
            raise Refused(Code.MAILBOX_FULL)
        return mailboxes.send(context, session, command)

    monkeypatch.setitem(TABLE, commands.Send, Entry(refusing, paid=True))
    first = await asha.client.send("bob", "first")
    second = await asha.client.send("Bob", "second")
    await asha.client.send("chitra", "not held up")
    await chitra.wait_for(PrivateMessage, text="not held up")
    await asha.wait_for(Notice, code=Code.MAILBOX_FULL)
    assert not asha.marks(first)
    full = ""
    await bob.wait_for(PrivateMessage, text="second")
    assert bob.told() == ["known", "first", "second"]
    assert not any(text.missed for text in bob.of(PrivateMessage))
    await asha.wait_for(Mark, id=second, state="delivered")


async def test_waiting_for_one_that_is_put_off_costs_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    known = await asha.client.send("bob", "known")
    await asha.wait_for(Mark, id=known, state="delivered")
    looks = 0
    next_private = outbox.next_private

    def counting(db: Database, now: int) -> Any:
        nonlocal looks
        looks += 1
        return next_private(db, now)

    def put_off(db: Database) -> None:
        for number in range(3):
            outbox.put_private(db, "bob", f"text {number}", 0)
        db.run("UPDATE outbox SET due = 1 << 52 WHERE row = (SELECT min(row) FROM outbox)")

    await asha.run(put_off)
    monkeypatch.setattr(outbox, "next_private", counting)
    asha.online.sender.wake_private.set()
    for number in range(50):
        await bob.client.say(f"line {number}")
    await asha.wait_for(Message, text="line 49")
    assert looks <= 3


async def test_an_expired_message_fails_unless_somebody_has_it(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    delivered = await asha.client.send("bob", "read")
    await asha.wait_for(Mark, id=delivered, state="delivered")
    await bob.stop()
    lost = await asha.client.send("bob", "too late")
    await asha.wait_for(Mark, id=lost, state="stored")
    now = world.engine.context.clock()
    await world.engine.change(Write(Sweep(now, now + 1), mailboxes.noticed))
    mark = await asha.wait_for(Mark, id=lost, state="failed")
    assert mark.code == "expired"


async def test_what_expired_for_one_device_has_not_failed_for_another(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    delivered = await asha.client.send("bob", "read")
    await asha.wait_for(Mark, id=delivered, state="delivered")
    await world.stop_server()
    waiting = await asha.client.send("bob", "not stored yet")
    me, other = await asha.run(own), await bob.run(own)
    for number, (id, account) in enumerate([(delivered, other.account), (waiting, me.account), ("no id", "x")]):
        content = msgspec.Raw(msgspec.json.encode({"id": id, "device": me.device}))
        mail = events.Mail(1_000 + number, random_id(), account, me.device, "", 0, events.EXPIRED, content)
        assert await asha.run(inbox.take_mail, mail, 0, final=True) == []
        assert (await asha.run(store.loaded)).mail == mail.n


async def test_a_program_that_waits_for_an_answer_is_told_when_the_connection_ends(
    world: World, frames: Frames, monkeypatch: pytest.MonkeyPatch
) -> None:
    asha = await world.join("asha")
    monkeypatch.setattr("talk.client.answers.Answers.take", lambda *_: True)
    renaming = asyncio.create_task(asha.client.rename("usha"))
    sending = asyncio.create_task(asha.client.send("somebody", "text"))
    await frames.until("rename", "query")
    await world.stop_server()
    with pytest.raises(CannotConnect):
        await renaming
    assert await sending  # it waits in the outbox for the server to come back
    assert len(asha.of(Sent)) == 1


@pytest.mark.parametrize("away", [False, True])
async def test_a_receipt_does_not_wait_for_a_clock_that_was_set_back(
    world: World, monkeypatch: pytest.MonkeyPatch, away: bool
) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    true_time = time.time_ns
    monkeypatch.setattr(inbox, "RECEIPTS_WITHIN", 1.0)
    id = await asha.client.send("bob", "text")
    await bob.wait_for(PrivateMessage)
    if away:
        await bob.stop()
    monkeypatch.setattr(time, "time_ns", lambda: true_time() - 26 * 3600 * 10**9)
    if away:
        await world.come_back(bob)
    await asha.wait_for(Mark, id=id, state="delivered")
