"""A server that was set back to an earlier state."""

from __future__ import annotations

import asyncio
import shutil
import time

import pytest
from tests.client.world import World

from talk.client import Ended, Mark, Message, Notice, Online, PrivateMessage
from talk.encryption import keys
from talk.encryption.database import Database
from talk.encryption.own import own
from talk.protocol import commands
from talk.protocol.errors import Code
from talk.protocol.events import ClaimedKeys
from talk.server.stores.sqlite import restore


async def test_people_go_on_after_a_restored_backup_and_are_told(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await asha.client.say("kept 1")
    await asha.client.send("bob", "kept private")
    await bob.wait_for(PrivateMessage)
    await asha.wait_for(Mark, state="delivered")
    backup = world.folder / "backup.db"
    await world.server.engine._store.backup(str(backup))
    for number in range(5):
        await asha.client.say(f"lost {number}")
    await asha.client.send("bob", "after the backup")
    await bob.wait_for(PrivateMessage, text="after the backup")
    for person in (asha, bob):
        await person.wait_for(Message, text="lost 4")
    await world.stop_server()
    restore(backup, world.folder / "server" / "talk.db")
    await world.start_server()
    for person in (asha, bob):
        await person.wait_for(Notice, code="new_epoch")
        await person.client.live()
    await asha.client.say("new")
    await asha.client.send("bob", "new private")
    await bob.wait_for(PrivateMessage, text="new private")
    for person in (asha, bob):
        await person.wait_for(Message, text="new")
        assert person.said() == ["kept 1", *(f"lost {number}" for number in range(5)), "new"]
        assert len(person.notices("new_epoch")) == 1
    assert bob.told() == ["kept private", "after the backup", "new private"]
    await bob.client.send("asha", "answer")
    await asha.wait_for(PrivateMessage)
    await world.stop_server()
    for person in (asha, bob):
        assert [message.text for message in await person.client.history()] == person.said()


async def test_who_loses_the_connection_while_the_new_epoch_begins_is_told_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asha = await world.join("asha")
    backup = world.folder / "backup.db"
    await world.server.engine._store.backup(str(backup))
    await asha.client.say("lost")
    await asha.wait_for(Message, text="lost")
    await world.stop_server()
    restore(backup, world.folder / "server" / "talk.db")
    loop, replace_all = asyncio.get_running_loop(), keys.replace_all

    def cut() -> None:
        for connection in list(world.engine.connections):
            connection.door.abort()

    def replace_and_cut(db: Database) -> None:
        replace_all(db)
        loop.call_soon_threadsafe(cut)
        time.sleep(0.3)  # on the database's thread: the client has noticed by then

    monkeypatch.setattr(keys, "replace_all", replace_and_cut)
    await world.start_server()
    await asha.wait_for(Notice, code="new_epoch")
    await asha.client.live()


async def test_a_log_that_was_cut_short_and_filled_again_is_noticed(world: World) -> None:
    """Its numbers reach as far as those that people know: only what stands there is not the same."""
    asha, bob, chitra = [await world.join(name) for name in ("asha", "bob", "chitra")]
    await asha.client.say("kept")
    for person in (bob, chitra):
        await person.wait_for(Message, text="kept")
    await chitra.stop()
    await world.stop_server()
    file = world.folder / "server" / "talk.db"
    before = shutil.copy(file, world.folder / "before.db")
    await world.start_server()
    await asha.client.say("lost")
    await asha.client.send("bob", "lost too")
    await bob.wait_for(Message, text="lost")
    await bob.wait_for(PrivateMessage, text="lost too")
    for person in (asha, bob):
        await person.stop()
    await world.stop_server()
    shutil.copy(before, file)
    await world.start_server()
    chitra = await world.come_back(chitra)
    await chitra.client.say("in its place")
    await chitra.client.send("bob", "in its place too")
    await chitra.client.sent()
    bob = await world.come_back(bob)
    await bob.wait_for(Notice, code="new_epoch")
    await bob.wait_for(Message, text="in its place")
    await bob.wait_for(PrivateMessage, text="in its place too")


async def test_every_one_time_key_of_before_is_replaced(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await asha.client.say("line")
    await bob.wait_for(Message)
    backup = world.folder / "backup.db"
    await world.server.engine._store.backup(str(backup))
    me = await bob.run(own)
    claim = commands.Claim(id="before", account=me.account, devices=[me.device])
    before = (await asha.online.answers.ask(claim, ClaimedKeys)).keys
    await asha.client.say("lost")
    await bob.wait_for(Message, text="lost")
    await world.stop_server()
    restore(backup, world.folder / "server" / "talk.db")
    await world.start_server()
    for person in (asha, bob):
        await person.wait_for(Online)
    claim = commands.Claim(id="after", account=me.account, devices=[me.device])
    after = (await asha.online.answers.ask(claim, ClaimedKeys)).keys
    assert after[me.device] != before[me.device]


async def test_who_is_unknown_to_a_restored_server_joins_again_with_the_same_keys(world: World) -> None:
    asha = await world.join("asha")
    await asha.client.say("line")
    await asha.client.sent()
    backup = world.folder / "backup.db"
    await world.server.engine._store.backup(str(backup))
    bob = await world.join("bob")
    await asha.client.send("bob", "hello")
    await bob.wait_for(PrivateMessage)
    await bob.client.send("asha", "hello")
    await asha.wait_for(PrivateMessage)
    before = await bob.run(own)
    await world.stop_server()
    restore(backup, world.folder / "server" / "talk.db")
    await world.start_server()
    ended = await bob.wait_for(Ended)
    assert ended.code == Code.UNKNOWN_ACCOUNT
    await asha.client.live()
    unsent = await asha.client.send("bob", "who are you")
    assert (await asha.wait_for(Mark, id=unsent)).code == Code.UNKNOWN_RECIPIENT
    await asha.client.say("and it goes on")
    await asha.wait_for(Message, text="and it goes on")
    again = await world.come_back(bob)
    assert await again.run(own) == before
    await asha.client.send("bob", "welcome back")
    assert (await again.wait_for(PrivateMessage)).text == "welcome back"
