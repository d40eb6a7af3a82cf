"""Against the real server, with its real key, that lies on purpose."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from tests.client.world import World

from talk.client import Mark, Message, Notice, Offline, PrivateMessage, UnknownName
from talk.encryption import identity
from talk.encryption.own import own
from talk.protocol import events
from talk.protocol.ids import hash_id
from talk.protocol.keys import Identity
from talk.server.rules import keys, mailboxes
from talk.server.rules.session import Context


def lie_about(monkeypatch: pytest.MonkeyPatch, account: str, shown: Identity) -> None:
    """Let the server show this for that account, whoever asks and whatever was sent."""
    profile = mailboxes.profile

    def lying(context: Context, asked: str, document: bytes) -> events.Profile:
        return profile(context, asked, msgspec.json.encode(shown) if asked == account else document)

    monkeypatch.setattr(mailboxes, "profile", lying)
    monkeypatch.setattr(keys, "profile", lying)


def say_instead(monkeypatch: pytest.MonkeyPatch, world: World, change: Callable[[events.Event], events.Event]) -> None:
    """Let the server say something else, whoever it speaks to."""
    say = world.engine.delivery.say
    monkeypatch.setattr(world.engine.delivery, "say", lambda connection, event: say(connection, change(event)))


async def test_a_whole_other_identity_under_a_known_name_is_another_person(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mallory's server registered an account of its own and shows it for bob."""
    asha, bob, mallory = [await world.join(name) for name in ("asha", "bob", "mallory")]
    await asha.client.send("bob", "hello")
    await bob.wait_for(PrivateMessage)
    real, false = await bob.run(own), await mallory.run(own)
    name_of = world.engine.context.directory.name_of
    monkeypatch.setattr(
        world.engine.context.directory,
        "name_of",
        lambda account: "bob" if account == false.account else name_of(account),
    )
    await mallory.client.send("asha", "I have a new phone, write to me there")
    got = await asha.wait_for(PrivateMessage)
    assert got.sender == "bob (other keys)"
    await asha.wait_for(Notice, code="name_moved")
    assert real.account != false.account
    assert "hello" not in mallory.told()


async def test_the_identity_of_another_account_is_not_taken(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asha, bob, mallory = [await world.join(name) for name in ("asha", "bob", "mallory")]
    with monkeypatch.context() as patched:
        lie_about(patched, (await bob.run(own)).account, await mallory.run(identity.public_identity))
        with pytest.raises(UnknownName):
            await asha.client.send("bob", "the secret")
        await asha.wait_for(Notice, code="identity_refused")
    await asha.client.send("bob", "hello")
    await bob.wait_for(PrivateMessage)
    assert not mallory.told()


async def test_a_device_that_the_server_adds_to_ones_own_account_is_not_sealed_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asha, bob, mallory = [await world.join(name) for name in ("asha", "bob", "mallory")]
    mine, ghost = await asha.run(identity.public_identity), await mallory.run(identity.public_identity)
    added = msgspec.structs.replace(mine, devices=[*mine.devices, *ghost.devices])
    await asha.client.send("bob", "hello")
    await bob.wait_for(PrivateMessage)
    with monkeypatch.context() as patched:
        lie_about(patched, (await asha.run(own)).account, added)
        await asha.online.learner.accounts((await asha.run(own)).account)
        assert asha.notices("identity_refused")
    await asha.client.send("bob", "again")
    await bob.wait_for(PrivateMessage, text="again")
    assert await asha.run(identity.public_identity) == mine


async def test_a_one_time_key_that_is_given_twice_is_found_out_and_the_message_sent_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asha, bob, chitra = [await world.join(name) for name in ("asha", "bob", "chitra")]
    claimed: list[events.ClaimedKeys] = []

    def the_same_again(event: events.Event) -> events.Event:
        if not isinstance(event, events.ClaimedKeys):
            return event
        claimed.append(event)
        return msgspec.structs.replace(event, keys=claimed[0].keys) if len(claimed) == 2 else event

    say_instead(monkeypatch, world, the_same_again)
    await asha.client.send("bob", "from asha")
    await bob.wait_for(PrivateMessage)
    id = await chitra.client.send("bob", "from chitra")
    await bob.wait_for(PrivateMessage, text="from chitra")
    await chitra.wait_for(Mark, id=id, state="delivered")
    assert len(bob.notices("undecryptable")) == 1
    assert bob.told() == ["from asha", "from chitra"]


async def test_a_new_epoch_at_every_login_costs_nothing_but_a_notice(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await asha.client.send("bob", "hello")
    await bob.wait_for(PrivateMessage)
    for number in range(4):
        world.engine.context.directory.epoch = hash_id(bytes([number]))
        await world.cut(asha)
        await asha.until(lambda number=number: len(asha.notices("new_epoch")) == number + 1, "notice")  # type: ignore[misc]
        await asha.client.live()
        await bob.client.send("asha", f"text {number}")
        await bob.client.say(f"line {number}")
        await asha.wait_for(PrivateMessage, text=f"text {number}")
        await asha.wait_for(Message, text=f"line {number}")
    assert asha.told() == [f"text {number}" for number in range(4)]
    assert asha.said() == [f"line {number}" for number in range(4)]


def without_lobby(event: events.Event) -> events.Event:
    if not isinstance(event, events.Welcome):
        return event
    return msgspec.structs.replace(event, rooms=[events.Room(room.room, "attic", room.head) for room in event.rooms])


async def test_a_login_without_rooms_is_survived(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bob = await world.join("bob")
    with monkeypatch.context() as patched:
        say_instead(patched, world, without_lobby)
        asha = await world.join("asha")
        id = await asha.client.say("to nobody yet")
        await asha.client.send("bob", "privately")
        await bob.wait_for(PrivateMessage)
        assert asha.marks(id) == []
    await world.cut(asha)
    await asha.wait_for(Offline)
    await bob.wait_for(Message, id=id)


async def test_a_cursor_beyond_the_end_is_looked_at_before_mail_is_acknowledged(world: World) -> None:
    """The server's file was put back by hand: what it has got since then must not be taken for read."""
    asha, bob = await world.join("asha"), await world.join("bob")
    await bob.client.send("asha", "first")
    await asha.wait_for(PrivateMessage)
    await asha.run(lambda db: db.run("UPDATE profile SET mail = mail + 100"))
    await asha.stop()
    await bob.client.send("asha", "since then")
    await bob.client.sent()
    again = await world.join("asha", folder=asha.client.folder)
    assert again.told() == ["since then"]
    assert again.notices("new_epoch")
