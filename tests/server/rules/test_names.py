"""Taking another name."""

from __future__ import annotations

import pytest
from tests.server.house import House

from talk.protocol import commands, events
from talk.protocol.errors import Code


async def test_the_account_stays_and_the_name_changes(house: House) -> None:
    asha, bob = await house.join("asha"), await house.join("bob")
    assert asha.welcome
    await asha.done(commands.Rename("r", " Usha"))
    await asha.stored(asha.saying("it is me"))
    event = await bob.next(events.RoomEvent)
    assert (event.account, event.name) == (asha.welcome.account, "Usha")
    assert {"event": "renamed", "from": "asha", "to": "Usha"} in house.told
    assert (await house.join("asha")).welcome  # the old one is free


async def test_a_look_alike_of_my_own_name_is_mine(house: House) -> None:
    asha = await house.join("asha")
    await asha.done(commands.Rename("r", "Asha"))
    assert asha.welcome
    assert house.context.directory.name_of(asha.welcome.account) == "Asha"
    assert (await (await house.join("bob")).refused(commands.Rename("r", "asha"))).code == Code.NAME_TAKEN


@pytest.mark.parametrize("name", ["bob", "BOB", "Bob"])
async def test_somebody_elses_name_comes_with_free_ones(house: House, name: str) -> None:
    asha = await house.join("asha")
    await house.join("bob")
    error = await asha.refused(commands.Rename("r", name))
    assert error.code == Code.NAME_TAKEN
    await asha.done(commands.Rename("s", error.suggestions[0]))


@pytest.mark.parametrize(("name", "code"), [("", Code.NAME_INVALID), ("owner", Code.NAME_RESERVED)])
async def test_a_name_that_nobody_may_have_is_refused(house: House, name: str, code: Code) -> None:
    asha = await house.join("asha")
    assert (await asha.refused(commands.Rename("r", name))).code == code


async def test_of_two_who_take_a_name_at_once_one_gets_it(house: House) -> None:
    asha, bob = await house.join("asha"), await house.join("bob")
    asha.tell(commands.Rename("r", "usha"))
    bob.tell(commands.Rename("r", "usha"))
    assert isinstance(await asha.answer("r"), events.Done)
    error = await bob.answer("r")
    assert isinstance(error, events.Error)
    assert error.code == Code.NAME_TAKEN
    assert error.suggestions
    assert bob.welcome
    assert house.context.directory.name_of(bob.welcome.account) == "bob"
    assert [event["to"] for event in house.told if event["event"] == "renamed"] == ["usha"]


async def test_a_name_given_up_can_be_taken_in_the_same_batch(house: House) -> None:
    asha, bob = await house.join("asha"), await house.join("bob")
    asha.tell(commands.Rename("r", "usha"))
    await asha.answer("r")
    bob.tell(commands.Rename("r", "asha"))
    assert isinstance(await bob.answer("r"), events.Done)
    assert (await house.store.load()).accounts == tuple(
        sorted(house.context.directory.accounts.values(), key=lambda row: row.account)
    )


async def test_a_store_that_does_not_know_the_account_is_told_as_it_is(house: House) -> None:
    """It cannot happen with the store that this server loaded; if it does, it is no matter of names."""
    asha = await house.join("asha")
    assert asha.welcome
    house.store._accounts.clear()
    assert (await asha.refused(commands.Rename("r", "usha"))).code == Code.UNKNOWN_ACCOUNT
