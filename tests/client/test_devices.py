"""Several devices of one person, sessions that start at once or get lost, keys that run out."""

from __future__ import annotations

import asyncio

import pytest
from tests.client.world import Person, World

from talk.client import Mark, Notice, PrivateMessage
from talk.encryption import contacts, identity, messages
from talk.encryption.database import Database
from talk.encryption.errors import Undecryptable
from talk.encryption.own import own
from talk.protocol import commands
from talk.protocol.events import ClaimedKeys, Mail
from talk.protocol.ids import random_id
from talk.protocol.keys import Identity


async def lose_sessions(person: Person) -> None:
    await person.run(lambda db: db.run("DELETE FROM sessions"))


async def test_a_new_device_of_a_contact_is_told_and_gets_what_is_sent(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await asha.client.send("bob", "one device")
    await bob.wait_for(PrivateMessage)
    phone = await world.second_device(bob)
    id = await asha.client.send("bob", "two devices")
    assert await asha.wait_for(Notice, code="new_device") == Notice("new_device", "bob now also uses another device.")
    for device in (bob, phone):
        got = await device.wait_for(PrivateMessage, text="two devices")
        assert (got.id, got.sender, got.mine, got.missed) == (id, "asha", False, 0)
    await asha.wait_for(Mark, id=id, state="delivered")
    assert phone.told() == ["two devices"]
    await asha.client.send("bob", "more")
    for device in (bob, phone):
        await device.wait_for(PrivateMessage, text="more")
    assert len(asha.notices("new_device")) == 1


async def test_delivered_counts_once_however_many_devices_have_it(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    phone = await world.second_device(bob)
    id = await asha.client.send("bob", "text")
    for device in (bob, phone):
        await device.wait_for(PrivateMessage)
        await device.client.send("asha", f"from {device.client.folder.name}")
    # Mail keeps its order per sender, so both receipts have come when these have.
    await asha.until(lambda: len(asha.told()) == 2, "both answers")
    for device in (bob, phone):
        await device.wait_for(Mark, state="delivered")
    await asha.wait_for(Mark, id=id, state="delivered")
    assert asha.marks(id) == ["stored", "delivered"]


async def test_ones_other_device_sees_what_one_sent_and_to_whom(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    phone = await world.second_device(bob)
    id = await bob.client.send("asha", "from the laptop")
    await asha.wait_for(PrivateMessage)
    got = await phone.wait_for(PrivateMessage)
    assert (got.id, got.sender, got.to, got.text, got.mine) == (id, "bob", "asha", "from the laptop", True)
    assert [message.text for message in await phone.client.history("asha")] == ["from the laptop"]
    await phone.client.send("asha", "from the phone")
    assert (await bob.wait_for(PrivateMessage)).to == "asha"
    assert not phone.marks(id)


async def test_a_device_that_was_taken_off_the_list_gets_nothing_more(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    phone = await world.second_device(bob)
    await asha.client.send("bob", "to both")
    for device in (bob, phone):
        await device.wait_for(PrivateMessage)
    me = await bob.run(own)

    def without_phone(db: Database) -> Identity:
        kept = [keys for keys in identity.public_identity(db).devices if keys.device_id == me.device]
        return identity.sign_devices(db, kept)

    await bob.online.learner.accounts(me.account)
    shown = await bob.run(without_phone)
    await bob.ask(commands.SetDevices(id=random_id(), device_list=shown.device_list, devices=shown.devices))
    await phone.until(lambda: phone.client._staying.ended is not None, "its end")
    await asha.client.send("bob", "to one")
    await bob.wait_for(PrivateMessage, text="to one")
    contact = await asha.run(contacts.find, "bob")
    assert contact is not None
    assert [device.id for device in contact.devices] == [me.device]
    assert phone.told() == ["to both"]


async def test_both_may_write_first_at_the_same_time(world: World) -> None:
    people = [await world.join(name) for name in ("asha", "bob")]
    asha, bob = people
    for number in range(10):
        await asyncio.gather(asha.client.send("bob", f"a{number}"), bob.client.send("asha", f"b{number}"))
    await bob.wait_for(PrivateMessage, text="a9")
    await asha.wait_for(PrivateMessage, text="b9")
    assert bob.told() == [f"a{number}" for number in range(10)]
    assert asha.told() == [f"b{number}" for number in range(10)]
    for person in people:
        assert not any(message.missed for message in person.of(PrivateMessage))
        assert not person.of(Notice)[1:]


async def test_what_a_lost_session_could_not_open_is_sent_again_under_its_first_id(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await asha.client.send("bob", "before")
    await bob.wait_for(PrivateMessage)
    answer = await bob.client.send("asha", "an answer, so that no keys ride on what follows")
    await bob.wait_for(Mark, id=answer, state="delivered")  # or its receipt could not be opened either
    await lose_sessions(bob)
    ids = [await asha.client.send("bob", f"text {number}") for number in range(3)]
    for id in ids:
        await asha.wait_for(Mark, id=id, state="delivered")
    assert 1 <= len(bob.notices("undecryptable")) <= 3
    texts = bob.of(PrivateMessage)[1:]
    assert {(text.id, text.text) for text in texts} == {(id, f"text {number}") for number, id in enumerate(ids)}
    assert len(texts) == 3
    assert not any(text.missed for text in texts)
    assert all(asha.marks(id) == ["stored", "delivered"] for id in ids)
    assert len([message for message in await asha.client.history("bob") if message.mine]) == 4


async def test_one_lost_device_does_not_make_the_others_show_it_twice(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    phone = await world.second_device(bob)
    await asha.client.send("bob", "before")
    for device in (bob, phone):
        await device.wait_for(PrivateMessage)
    await bob.client.send("asha", "answer")
    await phone.client.send("asha", "answer")
    await asha.until(lambda: len(asha.told()) == 2, "answers")
    await lose_sessions(phone)
    await asha.client.send("bob", "lost on the phone")
    await phone.wait_for(PrivateMessage, text="lost on the phone")
    await asha.client.send("bob", "the end")
    for device in (bob, phone):
        await device.wait_for(PrivateMessage, text="the end")
        told = [message.text for message in device.of(PrivateMessage) if not message.mine]
        assert told == ["before", "lost on the phone", "the end"]


async def test_keys_that_ran_out_leave_the_fallback_key_and_are_made_again(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    me = await bob.run(own)
    await bob.stop()
    claim = commands.Claim(id="", account=me.account, devices=[me.device])
    for number in range(60):
        command = commands.Claim(id=f"claim-{number}", account=claim.account, devices=claim.devices)
        keys = (await asha.online.answers.ask(command, ClaimedKeys)).keys[me.device]
    assert next(iter(keys.values())).fallback
    await asha.client.send("bob", "by the fallback key")
    back = await world.join("bob", folder=bob.client.folder)
    assert (await back.wait_for(PrivateMessage)).text == "by the fallback key"
    await back.client.send("asha", "answer")
    await asha.wait_for(PrivateMessage)
    last = commands.Claim(id="last", account=me.account, devices=[me.device])
    keys = (await asha.online.answers.ask(last, ClaimedKeys)).keys[me.device]
    assert not next(iter(keys.values())).fallback


async def test_keys_are_made_while_they_are_taken(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    me = await bob.run(own)
    fresh = 0
    for number in range(200):
        command = commands.Claim(id=f"claim-{number}", account=me.account, devices=[me.device])
        keys = (await asha.online.answers.ask(command, ClaimedKeys)).keys[me.device]
        fresh += not any(key.fallback for key in keys.values())
    assert fresh > 50
    await asha.client.send("bob", "still there")
    await bob.wait_for(PrivateMessage)
    await asha.wait_for(Mark, state="delivered")


async def test_many_messages_of_a_stranger_are_read_however_few_wait_in_memory(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("talk.client.backlog.FAR_BEHIND", 5)
    asha, bob = await world.join("asha"), await world.join("bob")
    await bob.stop()
    for number in range(60):
        await asha.client.send("bob", f"text {number}")
    await asha.client.sent()
    back = await world.join("bob", folder=bob.client.folder)
    assert back.told() == [f"text {number}" for number in range(60)]
    assert not any(message.missed for message in back.of(PrivateMessage))


async def test_a_message_that_can_never_be_opened_is_sent_again_a_bounded_number_of_times(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await asha.client.send("bob", "before")
    await asha.wait_for(Mark, state="delivered")
    sends, broken = 0, (await bob.run(own)).account
    unseal = messages.unseal

    def counting(event: dict[str, object]) -> None:
        nonlocal sends
        sends += event["event"] == "private"

    def unsealing(db: Database, mail: Mail) -> messages.Opened:
        if own(db).account == broken:
            raise Undecryptable("of a test")
        return unseal(db, mail)

    world.engine.observer = counting
    monkeypatch.setattr(messages, "unseal", unsealing)
    id = await asha.client.send("bob", "never")
    await bob.until(lambda: len(bob.notices("undecryptable")) == 4, "the last try")
    broken = ""
    await asha.client.send("bob", "the end")
    assert (await bob.wait_for(PrivateMessage, text="the end")).missed == 0
    assert sends == 5
    assert asha.marks(id) == ["stored"]
