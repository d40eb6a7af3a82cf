"""Taking a name: invites, names that are taken, and answers that were lost."""

from __future__ import annotations

import msgspec
import pytest
from tests.server.house import House, Peer
from tests.server.people import Phone, public

from talk.protocol import commands, events
from talk.protocol.errors import Code
from talk.protocol.limits import INVITE_DAYS, INVITE_USES
from talk.protocol.names import check_name
from talk.server.rules import owner

DAY = 24 * 3600


async def greeted(house: House) -> Peer:
    peer = house.connect()
    await peer.hello()
    return peer


async def refusal(house: House, name: str, invite: str = "") -> events.Error:
    """Why this name is not given to somebody new."""
    peer = await greeted(house)
    error = await peer.refused(house.person(name).phone.register(peer.channel, invite=invite))
    assert not peer.connection.session.logged_in
    return error


async def test_who_registers_is_logged_in_under_the_name_as_it_is_shown(house: House) -> None:
    peer = await greeted(house)
    asha = house.person(" Asha ")
    welcome = await peer.ask(asha.phone.register(peer.channel))
    assert isinstance(welcome, events.Welcome)
    assert (welcome.account, welcome.name) == (asha.account, "Asha")
    assert (welcome.one_time_keys, welcome.fallback_used) == (0, False)
    assert house.told == [{"event": "joined", "name": "Asha"}]
    [row] = (await house.store.load()).accounts
    assert (row.account, row.name, row.devices) == (asha.account, "Asha", {asha.phone.id: public(asha.phone.key)})


class TestInvite:
    @pytest.fixture
    async def house(self) -> object:
        async with House(invite_needed=True) as house:
            yield house

    async def test_hello_says_that_one_is_needed(self, house: House) -> None:
        assert (await house.connect().hello()).invite_needed

    async def test_a_good_one_takes_a_name(self, house: House) -> None:
        token = await house.invite()
        await house.connect().register(house.person("asha").phone, invite=token)

    async def test_capitals_do_not_matter(self, house: House) -> None:
        token = await house.invite()
        await house.connect().register(house.person("asha").phone, invite=token.upper())

    async def test_none_is_told_so(self, house: House) -> None:
        assert (await refusal(house, "asha")).code == Code.INVITE_NEEDED

    async def test_a_damaged_one_is_told_so(self, house: House) -> None:
        token = await house.invite()
        assert (await refusal(house, "asha", token[:-1])).code == Code.INVITE_INVALID
        assert (await refusal(house, "asha", token + "a")).code == Code.INVITE_INVALID

    async def test_one_works_until_its_last_moment(self, house: House) -> None:
        token = await house.invite()
        house.clock += INVITE_DAYS * DAY * 1000 - 1
        await house.connect().register(house.person("asha").phone, invite=token)
        house.clock += 1
        assert (await refusal(house, "bob", token)).code == Code.INVITE_INVALID

    async def test_one_that_is_used_up_is_told_so(self, house: House) -> None:
        token = await house.invite()
        for number in range(INVITE_USES):
            await house.connect().register(house.person(f"guest{number}").phone, invite=token)
        assert (await refusal(house, "asha", token)).code == Code.INVITE_INVALID

    async def test_the_last_use_goes_to_one_of_two_who_come_at_once(self, house: House) -> None:
        token = await house.invite()
        for number in range(INVITE_USES - 1):
            await house.connect().register(house.person(f"guest{number}").phone, invite=token)
        peers = [await greeted(house) for _ in range(2)]
        asked = [
            house.person(name).phone.register(peer.channel, invite=token)
            for name, peer in zip(("asha", "bob"), peers, strict=True)
        ]
        for peer, command in zip(peers, asked, strict=True):
            peer.tell(command)
        first, second = [await peer.answer(command.id) for peer, command in zip(peers, asked, strict=True)]
        assert isinstance(first, events.Welcome)
        assert isinstance(second, events.Error)
        assert (second.code, second.suggestions) == (Code.INVITE_INVALID, [])

    async def test_an_answer_that_was_lost_costs_no_second_use(self, house: House) -> None:
        token = await house.invite()
        asha = house.person("asha")
        for _ in range(2):
            await house.connect().register(asha.phone, invite=token)
        [invite] = house.context.directory.invites.values()
        assert invite.uses_left == INVITE_USES - 1
        assert (await house.store.load()).invites == (invite,)

    async def test_one_is_not_used_up_by_a_name_that_is_taken(self, house: House) -> None:
        token = await house.invite()
        await house.connect().register(house.person("asha").phone, invite=token)
        assert (await refusal(house, "asha", token)).code == Code.NAME_TAKEN
        [invite] = house.context.directory.invites.values()
        assert invite.uses_left == INVITE_USES - 1

    async def test_one_is_not_needed_to_come_back(self, house: House) -> None:
        token = await house.invite()
        asha = house.person("asha")
        await house.connect().register(asha.phone, invite=token)
        await house.login(asha.phone)


async def test_an_invite_is_ignored_where_none_is_needed(house: House) -> None:
    await house.connect().register(house.person("asha").phone, invite="whatever")


@pytest.mark.parametrize("name", ["asha", "Asha", "ASHA", "аshа"], ids=["same", "capital", "capitals", "cyrillic"])
async def test_a_name_that_is_taken_or_looks_like_one_comes_with_free_ones(house: House, name: str) -> None:
    await house.join("asha")
    error = await refusal(house, name)
    if name == "аshа":  # two writings in one name are refused before anybody looks who has it
        assert error.code == Code.NAME_INVALID
        return
    assert error.code == Code.NAME_TAKEN
    assert error.suggestions
    for suggestion in error.suggestions:
        check_name(suggestion)
        await house.join(suggestion)


async def test_suggestions_leave_out_what_is_taken(house: House) -> None:
    await house.join("asha")
    first = (await refusal(house, "asha")).suggestions[0]
    await house.join(first)
    assert first not in (await refusal(house, "asha")).suggestions


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("admin", Code.NAME_RESERVED),
        ("SYSTEM", Code.NAME_RESERVED),
        ("", Code.NAME_INVALID),
        ("a b", Code.NAME_INVALID),
        ("@asha", Code.NAME_INVALID),
        ("a" * 33, Code.NAME_INVALID),
        ("a\u202eb", Code.NAME_INVALID),
    ],
)
async def test_a_name_that_nobody_may_have_is_refused(house: House, name: str, code: Code) -> None:
    assert (await refusal(house, name)).code == code
    assert (await house.store.load()).accounts == ()


async def test_of_two_who_take_a_name_at_once_one_gets_it(house: House) -> None:
    """Both are free to take it when they ask; the store decides."""
    peers = [await greeted(house) for _ in range(2)]
    asked = [house.person("asha").phone.register(peer.channel) for peer in peers]
    for peer, command in zip(peers, asked, strict=True):
        peer.tell(command)
    first, second = [await peer.answer(command.id) for peer, command in zip(peers, asked, strict=True)]
    assert isinstance(first, events.Welcome)
    assert isinstance(second, events.Error)
    assert second.code == Code.NAME_TAKEN
    assert second.suggestions
    assert "asha" not in second.suggestions
    assert not peers[1].connection.session.logged_in


async def test_asking_again_after_a_lost_answer_is_a_login(house: House) -> None:
    asha = house.person("asha")
    first = house.connect()
    await first.register(asha.phone)
    await first.done(commands.PublishKeys("keys", asha.phone.one_time_keys(3)))
    again = await house.connect().register(asha.phone)
    assert (again.account, again.name, again.one_time_keys) == (asha.account, "asha", 3)


async def test_asking_twice_in_one_batch_makes_one_account(house: House) -> None:
    asha = house.person("asha")
    peers = [await greeted(house) for _ in range(2)]
    asked = [asha.phone.register(peer.channel) for peer in peers]
    for peer, command in zip(peers, asked, strict=True):
        peer.tell(command)
    answers = [await peer.answer(command.id) for peer, command in zip(peers, asked, strict=True)]
    assert all(isinstance(answer, events.Welcome) for answer in answers)
    assert len(house.context.directory.accounts) == 1


async def test_asking_again_keeps_the_first_name(house: House) -> None:
    asha = house.person("asha")
    await house.connect().register(asha.phone)
    asha.name = "bob"
    assert (await house.connect().register(asha.phone)).name == "asha"
    assert house.context.directory.find("bob") is None


async def test_who_is_banned_cannot_come_back_by_registering(house: House) -> None:
    asha = house.person("asha")
    await house.connect().register(asha.phone)
    await house.engine.change(owner.ban(house.context, "asha"))
    peer = await greeted(house)
    assert (await peer.refused(asha.phone.register(peer.channel))).code == Code.BANNED


async def test_a_lost_phone_cannot_come_back_with_its_first_papers(house: House) -> None:
    """The identity of the first day is still well signed; the device is off the list all the same."""
    asha = house.person("asha")
    lost, new = asha.phone, Phone(asha)
    peer = await house.login_as_new(asha)
    await peer.done(asha.set_devices([lost, new], 2))
    await (await house.login(new)).done(asha.set_devices([new], 3))
    peer = await greeted(house)
    assert (await peer.refused(lost.register(peer.channel))).code == Code.UNKNOWN_DEVICE
    assert not peer.connection.session.logged_in


async def test_a_new_account_starts_with_one_device(house: House) -> None:
    asha = house.person("asha")
    identity = asha.identity([asha.phone, Phone(asha)])
    peer = await greeted(house)
    error = await peer.refused(asha.phone.register(peer.channel, identity=identity))
    assert error.code == Code.BAD_IDENTITY
    assert "one device" in error.message


async def test_keys_that_do_not_fit_together_are_refused(house: House) -> None:
    asha, bob = house.person("asha"), house.person("bob")
    identity = msgspec.structs.replace(asha.identity(), device_list=bob.device_list([asha.phone], 1))
    peer = await greeted(house)
    assert (await peer.refused(asha.phone.register(peer.channel, identity=identity))).code == Code.BAD_IDENTITY


async def test_an_identity_of_another_server_is_refused(house: House) -> None:
    async with House() as elsewhere:
        asha = elsewhere.person("asha")
    peer = await greeted(house)
    assert (await peer.refused(asha.phone.register(peer.channel))).code == Code.BAD_IDENTITY


async def test_somebody_elses_papers_do_not_help_without_the_key(house: House) -> None:
    asha, eve = house.person("asha"), house.person("eve")
    peer = await greeted(house)
    stolen = msgspec.structs.replace(asha.phone.register(peer.channel), proof=eve.phone.proof(peer.channel))
    assert (await peer.refused(stolen)).code == Code.BAD_PROOF
    assert (await house.store.load()).accounts == ()


async def test_register_needs_a_hello(house: House) -> None:
    peer = house.connect()
    asha = house.person("asha")
    assert (await peer.refused(asha.phone.register(peer.channel))).code == Code.HELLO_FIRST


async def test_an_account_lost_its_connection_before_it_was_made(house: House) -> None:
    """The account is made, nobody is here, and the next login works."""
    asha = house.person("asha")
    peer = await greeted(house)
    house.store.writing.clear()
    peer.tell(asha.phone.register(peer.channel))
    await house.until_writing()
    peer.drop()
    house.store.writing.set()
    await house.quiet()
    assert house.engine.delivery.presence.people() == []
    await house.login(asha.phone)


async def test_a_connection_that_is_closed_while_it_registers_was_never_here(house: House) -> None:
    """Closed by the server, its socket still open: what is decided then must not count it as arrived."""
    asha = house.person("asha")
    peer = await greeted(house)
    peer.door.on_end = lambda: None
    house.store.writing.clear()
    peer.tell(asha.phone.register(peer.channel))
    await house.until_writing()
    for _ in range(10):
        peer.tell_raw(b"?")
    assert peer.door.closed
    house.store.writing.set()
    await house.quiet()
    peer.drop()
    assert house.engine.delivery.presence.people() == []
    assert not peer.connection.session.logged_in
    await house.login(asha.phone)
    assert house.engine.delivery.presence.people() == [asha.account]
