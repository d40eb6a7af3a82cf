"""Names that belong to keys, and people one does not want to hear."""

from __future__ import annotations

import pytest
from tests.client.world import Person, World

from talk.client import Ended, Mark, Message, Notice, PrivateMessage, UnknownName
from talk.encryption.errors import NameMoved
from talk.server.rules import owner


async def released_and_taken(world: World, bob: Person) -> Person:
    """The owner of the server releases bob's name, and somebody else takes it."""
    await world.engine.change(owner.release_name(world.engine.context, "bob"))
    await bob.wait_for(Ended)
    return await world.join("bob", folder=world.profile("other bob"))


async def test_a_name_that_moves_is_a_hard_stop_until_it_is_accepted(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await asha.client.send("bob", "to the first bob")
    await bob.wait_for(PrivateMessage)
    other = await released_and_taken(world, bob)
    await other.client.say("hello, I am bob")
    await asha.wait_for(Notice, code="name_moved")
    for name in ("bob", "BOB", "B0b"):
        with pytest.raises(NameMoved):
            await asha.client.send(name, "the secret")
    await asha.client.accept("bob")
    await asha.client.send("bob", "to the second bob")
    await other.wait_for(PrivateMessage)
    assert other.told() == ["to the second bob"]
    assert bob.told() == ["to the first bob"]


async def test_what_waited_for_the_first_holder_never_goes_to_the_second(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await asha.client.send("bob", "hello")
    await bob.wait_for(PrivateMessage)
    await asha.stop()
    other = await released_and_taken(world, bob)
    back = await world.start("asha", folder=asha.client.folder)
    id = await back.client.send("bob", "only for the first")
    await back.ready()
    await back.wait_for(Mark, id=id, state="stored")
    assert not other.told()


async def test_the_text_of_a_second_holder_is_not_shown_as_the_firsts(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await asha.client.send("bob", "hello")
    await bob.wait_for(PrivateMessage)
    other = await released_and_taken(world, bob)
    await other.client.send("asha", "send me the secret")
    got = await asha.wait_for(PrivateMessage, text="send me the secret")
    assert got.sender == "bob (other keys)"
    await asha.wait_for(Notice, code="name_moved")
    with pytest.raises(UnknownName):
        await asha.client.send(got.sender, "the secret")
    await asha.client.accept("bob")
    await other.client.send("asha", "thank you")
    assert (await asha.wait_for(PrivateMessage, text="thank you")).sender == "bob"


async def test_nothing_of_a_blocked_person_is_shown_anywhere_until_they_are_unblocked(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await bob.client.say("before")
    await asha.wait_for(Message, text="before")
    await asha.client.block("bob")
    await bob.client.say("in the lobby")
    private = await bob.client.send("asha", "privately")
    await bob.wait_for(Mark, id=private, state="stored")
    await asha.client.say("mine")
    await asha.wait_for(Message, text="mine")
    assert asha.said() == ["before", "mine"]
    assert [message.text for message in await asha.client.history()] == ["mine"]
    await asha.client.unblock("BOB")
    await bob.client.send("asha", "again")
    await asha.wait_for(PrivateMessage, text="again")
    await bob.client.say("after")
    await asha.wait_for(Message, text="after")
    assert asha.told() == ["again"]
    assert asha.said() == ["before", "mine", "after"]
    assert bob.marks(private) == ["stored"]
    again = await world.come_back(asha)
    assert not again.of(Message)


async def test_only_who_is_known_can_be_blocked(world: World) -> None:
    asha = await world.join("asha")
    for change in (asha.client.block, asha.client.unblock):
        with pytest.raises(UnknownName):
            await change("nobody")
