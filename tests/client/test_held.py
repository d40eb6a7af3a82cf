"""What the server held of a private message: the same as in the server's own file."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

from tests.client.world import Person, World

from talk.client import Mark, Message, PrivateMessage
from talk.client.held import SHOWN
from talk.encryption.own import own


def mail_on_disk(world: World) -> list[tuple[str, str, str, str, int, bytes]]:
    """Every sealed message that waits: device, id, sender, its device, time, content."""
    with closing(sqlite3.connect(world.folder / "server" / "talk.db")) as db:
        return db.execute(
            "SELECT device, id, sender, sender_device, at, content FROM mail WHERE kind = 'sealed'"
        ).fetchall()


async def known(world: World, asha: Person, bob: Person) -> None:
    id = await asha.client.send("bob", "known")
    await asha.wait_for(Mark, id=id, state="delivered")
    await bob.client.sent()


async def test_the_record_is_what_the_servers_file_holds_while_the_recipient_is_away(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await known(world, asha, bob)
    await bob.stop()
    id = await asha.client.send("bob", "नमस्ते, this is private")
    await asha.wait_for(Mark, id=id, state="stored")
    ((device, mail_id, sender, sender_device, at, content),) = [row for row in mail_on_disk(world) if row[1] == id]
    sent = await asha.client.seen_by_server(id)
    assert sent is not None
    assert (sent.id, sent.sender, sent.sender_device, sent.at) == (mail_id, sender, sender_device, at)
    assert sent.recipient == (await asha.client.conversations())[1].key
    assert sent.sizes == {device: len(content)}
    (message,) = json.loads(content)["ciphertext"].values()
    assert sent.ciphertext == message["body"][:SHOWN]
    assert len(sent.ciphertext) == SHOWN
    again = await world.join("bob", folder=bob.client.folder)
    await again.wait_for(PrivateMessage, id=id)
    assert await again.client.seen_by_server(id) == sent
    back = await world.come_back(asha)
    assert await back.client.seen_by_server(id) == sent


async def test_every_device_has_a_size_and_the_ciphertext_is_the_recipients(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    phone = await world.second_device(asha)
    await known(world, asha, bob)
    await bob.stop()
    await phone.wait_for(PrivateMessage, text="known")
    mine = (await phone.run(own)).device
    id = await asha.client.send("bob", "private")
    await phone.wait_for(PrivateMessage, id=id)
    rows = {row[0]: row[5] for row in mail_on_disk(world) if row[1] == id}
    sent = await asha.client.seen_by_server(id)
    assert sent is not None
    (bobs,) = set(sent.sizes) - {mine}
    assert sent.sizes[bobs] == len(rows[bobs])
    copy = await phone.client.seen_by_server(id)
    assert copy is not None
    assert (copy.sender, copy.recipient, copy.sizes) == (sent.sender, sent.recipient, {mine: sent.sizes[mine]})
    assert json.loads(rows[bobs])["ciphertext"].popitem()[1]["body"].startswith(sent.ciphertext)


async def test_there_is_none_of_what_is_no_private_message_or_not_stored(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    said = await asha.client.say("to all")
    await asha.wait_for(Message, id=said)
    await known(world, asha, bob)
    await world.stop_server()
    waiting = await asha.client.send("bob", "waits")
    for id in (said, waiting, "no such"):
        assert await asha.client.seen_by_server(id) is None
    await world.start_server()
    await asha.wait_for(Mark, id=waiting, state="delivered")
    assert await asha.client.seen_by_server(waiting) is not None
