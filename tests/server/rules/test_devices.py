"""The list of devices: newer ones only, signed, and who is off it is out."""

from __future__ import annotations

import msgspec
import pytest
from tests.server.house import House, Peer
from tests.server.people import Person, Phone, public, send

from talk.protocol import commands, events
from talk.protocol.errors import Code


@pytest.fixture
async def asha(house: House) -> Person:
    return house.person("asha")


@pytest.fixture
async def peer(house: House, asha: Person) -> Peer:
    return await house.login_as_new(asha)


async def test_a_second_device_is_added_and_may_log_in(house: House, asha: Person, peer: Peer) -> None:
    second = Phone(asha)
    await peer.done(asha.set_devices([asha.phone, second], 2))
    await house.login(second)
    row = house.context.directory.accounts[asha.account]
    assert row.version == 2
    assert row.devices == {phone.id: public(phone.key) for phone in (asha.phone, second)}
    assert (await house.store.load()).accounts == (row,)


async def test_a_device_that_is_taken_off_is_closed_and_told_why(house: House, asha: Person, peer: Peer) -> None:
    second = Phone(asha)
    await peer.done(asha.set_devices([asha.phone, second], 2))
    other = await house.login(second)
    await peer.done(asha.set_devices([asha.phone], 3))
    error = await other.closed()
    assert error
    assert error.code == Code.UNKNOWN_DEVICE
    assert not peer.door.closed
    again = house.connect()
    await again.hello()
    assert (await again.refused(second.login(again.channel))).code == Code.UNKNOWN_DEVICE


async def test_what_a_device_that_was_taken_off_still_asks_is_not_done(house: House, asha: Person, peer: Peer) -> None:
    second = Phone(asha)
    await peer.done(asha.set_devices([asha.phone, second], 2))
    other = await house.login(second)
    await peer.done(asha.set_devices([asha.phone], 3))
    other.tell(other.saying("one more thing"))
    await house.quiet()
    assert await house.store.records(house.room, 0, 10, 10_000) == []


async def test_a_lower_version_is_refused(asha: Person, peer: Peer) -> None:
    await peer.done(asha.set_devices([asha.phone, Phone(asha)], 5))
    assert (await peer.refused(asha.set_devices([asha.phone], 4))).code == Code.OLD_DEVICE_LIST


async def test_another_list_of_the_same_version_is_refused(house: House, asha: Person, peer: Peer) -> None:
    await peer.done(asha.set_devices([asha.phone], 5))
    assert (await peer.refused(asha.set_devices([asha.phone, Phone(asha)], 5))).code == Code.OLD_DEVICE_LIST
    assert list(house.context.directory.accounts[asha.account].devices) == [asha.phone.id]


async def test_the_same_again_after_a_lost_answer_is_done(asha: Person, peer: Peer) -> None:
    command = asha.set_devices([asha.phone, Phone(asha)], 2)
    await peer.done(command)
    await peer.done(msgspec.structs.replace(command, id="again"))


async def test_a_device_cannot_take_itself_off(house: House, asha: Person, peer: Peer) -> None:
    error = await peer.refused(asha.set_devices([Phone(asha)], 2))
    assert error.code == Code.BAD_IDENTITY
    assert "itself" in error.message
    assert house.context.directory.accounts[asha.account].version == 1


async def test_an_unsigned_list_is_refused(asha: Person, peer: Peer) -> None:
    command = asha.set_devices([asha.phone], 2)
    unsigned = msgspec.structs.replace(command.device_list, signatures={})
    error = await peer.refused(msgspec.structs.replace(command, device_list=unsigned))
    assert error.code == Code.BAD_IDENTITY


async def test_a_list_signed_by_somebody_else_is_refused(house: House, asha: Person, peer: Peer) -> None:
    eve = house.person("eve")
    eve.account = asha.account  # she calls herself asha, but signs with her own keys
    command = asha.set_devices([asha.phone], 2)
    forged = msgspec.structs.replace(command, device_list=eve.device_list([asha.phone], 2))
    assert (await peer.refused(forged)).code == Code.BAD_IDENTITY


async def test_a_list_that_is_not_of_its_devices_is_refused(asha: Person, peer: Peer) -> None:
    command = asha.set_devices([asha.phone, Phone(asha)], 2)
    fewer = msgspec.structs.replace(command, devices=command.devices[:1])
    assert (await peer.refused(fewer)).code == Code.BAD_IDENTITY


async def test_a_device_of_another_account_is_refused(house: House, asha: Person, peer: Peer) -> None:
    """One key pair in two accounts would share one mailbox."""
    bob = house.person("bob")
    bobs = await house.login_as_new(bob)
    shared = Phone(asha)
    shared.key, shared.id = bob.phone.key, bob.phone.id
    assert (await peer.refused(asha.set_devices([asha.phone, shared], 2))).code == Code.UNKNOWN_DEVICE
    assert not bobs.door.closed


async def test_mail_of_a_device_that_is_gone_goes_with_it(house: House, asha: Person, peer: Peer) -> None:
    second = Phone(asha)
    asha.phones, asha.version = [asha.phone, second], 2
    await peer.done(asha.set_devices(asha.phones, 2))
    bob = await house.join("bob")
    assert bob.phone
    await bob.stored(send(bob.phone, asha))
    await peer.done(asha.set_devices([asha.phone], 3))
    await peer.done(asha.set_devices(asha.phones, 4))
    other = await house.login(second)
    assert other.of(events.Mail) == []


async def test_two_lists_at_once_end_with_the_higher_one(house: House, asha: Person, peer: Peer) -> None:
    second = Phone(asha)
    await peer.done(asha.set_devices([asha.phone, second], 2))
    other = await house.login(second)
    higher, lower = asha.set_devices([asha.phone, second, Phone(asha)], 4), asha.set_devices([asha.phone, second], 3)
    other.tell(higher)
    peer.tell(lower)
    assert isinstance(await other.answer(higher.id), events.Done)
    error = await peer.answer(lower.id)
    assert isinstance(error, events.Error)
    assert error.code == Code.OLD_DEVICE_LIST
    assert len(house.context.directory.accounts[asha.account].devices) == 3


async def test_set_devices_cannot_change_the_other_keys(house: House, asha: Person, peer: Peer) -> None:
    """The command holds no master key: the stored identity keeps the one it was registered with."""
    await peer.done(asha.set_devices([asha.phone], 2))
    profiles = await peer.ask(commands.Query("q", [asha.account]))
    assert isinstance(profiles, events.Profiles)
    assert profiles.profiles[0].identity == asha.identity(version=2)
