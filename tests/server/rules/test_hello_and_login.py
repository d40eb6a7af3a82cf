"""Coming in: hello, login, and what keeps a connection out."""

from __future__ import annotations

import msgspec
import pytest
from tests.server.house import CERTIFICATE, House, Peer
from tests.server.people import Phone, some_key

from talk.protocol import commands, events
from talk.protocol.errors import Code
from talk.protocol.ids import random_id
from talk.protocol.proofs import Channel
from talk.server.rules import owner


async def login_is_refused(peer: Peer, command: commands.Login) -> str:
    error = await peer.refused(command)
    assert not peer.connection.session.logged_in
    return error.code


async def test_hello_shows_the_servers_key_and_binds_the_connection(house: House) -> None:
    peer = house.connect()
    hello = await peer.hello()  # checks the signature
    assert hello.server == house.context.key.id
    assert hello.certificate == CERTIFICATE
    assert hello.now == house.clock
    assert not hello.invite_needed


async def test_every_connection_gets_another_nonce(house: House) -> None:
    one, two = await house.connect().hello(), await house.connect().hello()
    assert one.nonce != two.nonce


@pytest.mark.parametrize("versions", [[2], [0, 2, 99]])
async def test_a_client_of_another_version_is_told_so(house: House, versions: list[int]) -> None:
    peer = house.connect()
    peer.tell(commands.Hello(versions, some_key()))
    assert (await peer.next(events.Error)).code == Code.UNSUPPORTED_VERSION
    assert peer.connection.session.channel is None


async def test_a_client_that_also_speaks_other_versions_is_welcome(house: House) -> None:
    peer = house.connect()
    peer.tell(commands.Hello([9, 1], some_key(), house.context.key.id))
    assert (await peer.next(events.ServerHello)).version == 1


async def test_a_client_that_wants_another_server_is_told_so(house: House) -> None:
    peer = house.connect()
    peer.tell(commands.Hello([1], some_key(), random_id()))
    assert (await peer.next(events.Error)).code == Code.WRONG_SERVER
    assert not peer.of(events.ServerHello)


async def test_a_second_hello_does_not_change_the_nonces(house: House) -> None:
    peer = house.connect()
    await peer.hello()
    before = peer.connection.session.channel
    peer.tell(commands.Hello([1], some_key()))
    assert (await peer.next(events.Error)).code == Code.BAD_REQUEST
    assert peer.connection.session.channel == before


async def test_login_needs_a_hello(house: House) -> None:
    asha = await house.join("asha")
    assert asha.phone
    command = asha.phone.login(Channel(house.context.key.id, some_key(), some_key(), CERTIFICATE))
    assert await login_is_refused(house.connect(), command) == Code.HELLO_FIRST


@pytest.mark.parametrize("command", [commands.ListPeople("a"), commands.History("a", random_id())], ids=["list", "log"])
async def test_nothing_is_answered_before_the_login(house: House, command: commands.Command) -> None:
    peer = house.connect()
    assert (await peer.refused(command)).code == Code.LOGIN_FIRST


async def test_ping_is_answered_before_and_after_the_login(house: House) -> None:
    peer = house.connect()
    peer.tell(commands.Ping())
    await peer.next(commands.Pong)
    await peer.register(house.person("asha").phone)
    peer.tell(commands.Ping())
    peer.tell(commands.Pong())
    await peer.next(commands.Pong, 2)


async def test_who_is_logged_in_cannot_log_in_again(house: House) -> None:
    asha = await house.join("asha")
    assert asha.phone
    for command in (asha.phone.login(asha.channel), asha.phone.register(asha.channel)):
        assert (await asha.refused(command)).code == Code.ALREADY_LOGGED_IN


async def test_two_logins_at_once_on_one_connection_are_one(house: House) -> None:
    """The second is decided before the first has asked the store: it must not be let in beside it."""
    asha, bob = house.person("asha"), house.person("bob")
    for person in (asha, bob):
        (await house.login_as_new(person)).drop(said_goodbye=True)
    house.pass_time(1)
    peer = house.connect()
    await peer.hello()
    house.store.reading.clear()
    first, second = asha.phone.login(peer.channel), bob.phone.login(peer.channel)
    peer.tell(first)
    peer.tell(second)
    house.store.reading.set()
    assert isinstance(await peer.answer(first.id), events.Welcome)
    error = await peer.answer(second.id)
    assert isinstance(error, events.Error)
    assert error.code == Code.ALREADY_LOGGED_IN
    assert house.engine.delivery.presence.people() == [asha.account]
    peer.drop(said_goodbye=True)
    house.pass_time(1)
    assert house.engine.delivery.presence.people() == []
    assert [house.engine.delivery.of_device(person.phone.id) for person in (asha, bob)] == [None, None]


async def test_two_names_taken_at_once_on_one_connection_leave_one_login(house: House) -> None:
    asha, bob = house.person("asha"), house.person("bob")
    peer = house.connect()
    await peer.hello()
    first, second = asha.phone.register(peer.channel), bob.phone.register(peer.channel)
    peer.tell(first)
    peer.tell(second)
    assert isinstance(await peer.answer(first.id), events.Welcome)
    error = await peer.answer(second.id)
    assert isinstance(error, events.Error)
    assert error.code == Code.ALREADY_LOGGED_IN
    assert peer.connection.session.account == asha.account
    # The second account was made all the same, and is there for a connection of its own.
    assert (await house.login(bob.phone)).welcome is not None


class TestProof:
    """A login counts on its connection, server, certificate and device, and nowhere else."""

    @pytest.fixture
    async def phone(self, house: House) -> Phone:
        peer = await house.join("asha")
        peer.drop(said_goodbye=True)
        assert peer.phone
        return peer.phone

    @pytest.fixture
    async def peer(self, house: House) -> Peer:
        peer = house.connect()
        await peer.hello()
        return peer

    async def test_a_good_one_is_welcome(self, house: House, peer: Peer, phone: Phone) -> None:
        welcome = await peer.ask(phone.login(peer.channel))
        assert isinstance(welcome, events.Welcome)
        assert (welcome.account, welcome.name) == (phone.person.account, "asha")
        assert welcome.epoch == house.context.directory.epoch
        assert [(room.name, room.head) for room in welcome.rooms] == [("lobby", 0)]

    async def test_one_of_another_connection_is_refused(self, house: House, peer: Peer, phone: Phone) -> None:
        other = house.connect()
        await other.hello()
        assert await login_is_refused(peer, phone.login(other.channel)) == Code.BAD_PROOF

    @pytest.mark.parametrize(
        "field", ["server", "certificate", "client_nonce", "server_nonce"], ids=lambda field: f"another {field}"
    )
    async def test_one_for_something_else_is_refused(self, peer: Peer, phone: Phone, field: str) -> None:
        channel = {
            "server": peer.channel.server,
            "client_nonce": peer.channel.client_nonce,
            "server_nonce": peer.channel.server_nonce,
            "certificate": peer.channel.certificate,
        }
        other = Channel(**{**channel, field: random_id() if field == "server" else some_key()})
        assert await login_is_refused(peer, phone.login(other)) == Code.BAD_PROOF

    async def test_one_of_another_device_is_refused(self, peer: Peer, phone: Phone) -> None:
        proof = Phone(phone.person).proof(peer.channel)
        login = msgspec.structs.replace(phone.login(peer.channel), proof=proof)
        assert await login_is_refused(peer, login) == Code.BAD_PROOF

    async def test_one_of_another_account_is_refused(self, house: House, peer: Peer, phone: Phone) -> None:
        bob = await house.join("bob")
        assert bob.phone
        login = msgspec.structs.replace(bob.phone.login(peer.channel), account=phone.person.account)
        assert await login_is_refused(peer, login) == Code.UNKNOWN_DEVICE

    async def test_a_device_off_the_list_is_refused(self, peer: Peer, phone: Phone) -> None:
        assert await login_is_refused(peer, Phone(phone.person).login(peer.channel)) == Code.UNKNOWN_DEVICE

    async def test_an_unknown_account_is_told_so(self, house: House, peer: Peer) -> None:
        assert await login_is_refused(peer, house.person("bob").phone.login(peer.channel)) == Code.UNKNOWN_ACCOUNT

    async def test_who_is_banned_is_told_so(self, house: House, peer: Peer, phone: Phone) -> None:
        await house.engine.change(owner.ban(house.context, "asha"))
        assert await login_is_refused(peer, phone.login(peer.channel)) == Code.BANNED

    async def test_who_is_banned_during_the_login_is_not_let_in(self, house: House, peer: Peer, phone: Phone) -> None:
        house.store.reading.clear()
        login = phone.login(peer.channel)
        peer.tell(login)
        await house.engine.change(owner.ban(house.context, "asha"))
        house.store.reading.set()
        error = await peer.answer(login.id)
        assert isinstance(error, events.Error)
        assert error.code == Code.BANNED
        assert not peer.connection.session.logged_in

    async def test_a_device_removed_during_its_login_is_not_let_in(
        self, house: House, peer: Peer, phone: Phone
    ) -> None:
        other = Phone(phone.person)
        first = await house.login(phone, room=None)
        await first.done(phone.person.set_devices([phone, other], 2))
        house.store.reading.clear()
        login = other.login(peer.channel)
        peer.tell(login)
        house.context.directory.update(phone.person.account, version=3, devices={phone.id: some_key()})
        house.store.reading.set()
        error = await peer.answer(login.id)
        assert isinstance(error, events.Error)
        assert error.code == Code.UNKNOWN_DEVICE


async def test_a_second_connection_of_a_device_replaces_the_first(house: House) -> None:
    first = await house.join("asha")
    assert first.phone
    second = await house.login(first.phone)
    error = await first.closed()
    assert error
    assert error.code == Code.REPLACED
    await house.quiet()
    await second.stored(second.saying("still here"))
    assert [seq for seq, _ in second.texts()] == [1]
    assert first.texts() == []
    assert [event["event"] for event in house.told] == ["joined", "message"]


async def test_nothing_is_written_to_a_replaced_connection_whose_socket_lingers(house: House) -> None:
    first = await house.join("asha")
    first.door.on_end = lambda: None  # the other side does not close its socket
    assert first.phone
    second = await house.login(first.phone)
    bob = await house.join("bob")
    await bob.stored(bob.saying("to the living"))
    await second.next(events.RoomEvent)
    assert first.door.closed  # the door fails on a write after its close


async def test_the_owner_hears_of_one_who_leaves_once(house: House) -> None:
    asha = await house.join("asha")
    asha.drop()
    asha.drop()
    assert [event["event"] for event in house.told] == ["joined", "left"]
