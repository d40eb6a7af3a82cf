"""Public keys: published signed, claimed once, found by account or name."""

from __future__ import annotations

import msgspec
import pytest
from tests.server.house import House, Peer
from tests.server.people import Phone, some_key

from talk.protocol import commands, events
from talk.protocol.errors import Code
from talk.protocol.ids import random_id
from talk.protocol.keys import SignedKey
from talk.protocol.limits import MAX_ONE_TIME_KEYS, MAX_QUERY


@pytest.fixture
async def asha(house: House) -> Peer:
    return await house.join("asha")


@pytest.fixture
async def bob(house: House) -> Peer:
    return await house.join("bob")


def phone(peer: Peer) -> Phone:
    assert peer.phone
    return peer.phone


def claiming(peer: Peer, *devices: str) -> commands.Claim:
    return commands.Claim(random_id(), phone(peer).person.account, list(devices or (phone(peer).id,)))


async def claimed(by: Peer, command: commands.Claim) -> dict[str, dict[str, SignedKey]]:
    answer = await by.ask(command)
    assert isinstance(answer, events.ClaimedKeys), answer
    return answer.keys


class TestPublish:
    async def test_the_next_login_says_how_many_there_are(self, house: House, asha: Peer) -> None:
        await asha.done(commands.PublishKeys("p", phone(asha).one_time_keys(7), phone(asha).fallback_key()))
        asha.drop()
        back = await house.login(phone(asha))
        assert back.welcome
        assert (back.welcome.one_time_keys, back.welcome.fallback_used) == (7, False)

    async def test_keys_are_claimed_as_they_were_published(self, asha: Peer, bob: Peer) -> None:
        keys = phone(asha).one_time_keys(1)
        await asha.done(commands.PublishKeys("p", keys))
        assert await claimed(bob, claiming(asha)) == {phone(asha).id: keys}

    async def test_no_more_are_kept_than_the_limit(self, house: House, asha: Peer) -> None:
        await asha.done(commands.PublishKeys("p", phone(asha).one_time_keys(60)))
        await asha.done(commands.PublishKeys("q", phone(asha).one_time_keys(60)))
        assert (await house.store.key_count(phone(asha).id)).one_time == MAX_ONE_TIME_KEYS

    async def test_replace_removes_what_was_there(self, asha: Peer, bob: Peer) -> None:
        await asha.done(commands.PublishKeys("p", phone(asha).one_time_keys(5), phone(asha).fallback_key()))
        new = phone(asha).one_time_keys(1)
        await asha.done(commands.PublishKeys("q", new, replace=True))
        assert await claimed(bob, claiming(asha)) == {phone(asha).id: new}
        assert await claimed(bob, claiming(asha)) == {}

    @pytest.mark.parametrize("kind", ["one_time", "fallback"])
    @pytest.mark.parametrize("by", ["nobody", "another device", "somebody else"])
    async def test_a_key_that_its_device_did_not_sign_is_refused(
        self, house: House, asha: Peer, kind: str, by: str
    ) -> None:
        person = phone(asha).person
        key = SignedKey(some_key(), {}, kind == "fallback")
        match by:
            case "another device":
                other = Phone(person)
                key = person.sign(key, phone(asha).id, other.key)
            case "somebody else":
                key = phone(await house.join("eve")).one_time_key(fallback=kind == "fallback")
        good = phone(asha).one_time_keys(1)
        keys = {"signed_curve25519:bad": key}
        error = await asha.refused(
            commands.PublishKeys("p", good | keys if kind == "one_time" else good, keys if kind == "fallback" else {})
        )
        assert error.code == Code.BAD_IDENTITY
        assert (await house.store.key_count(phone(asha).id)).one_time == 0

    async def test_a_fallback_key_is_no_one_time_key_and_the_other_way_round(self, asha: Peer) -> None:
        one_time, fallback = phone(asha).one_time_keys(1), phone(asha).fallback_key()
        for command in (commands.PublishKeys("p", fallback), commands.PublishKeys("q", {}, one_time)):
            error = await asha.refused(command)
            assert error.code == Code.BAD_IDENTITY
            assert "fallback" in error.message

    async def test_what_was_signed_says_whether_it_is_a_fallback(self, asha: Peer) -> None:
        """The server cannot pass a one-time key off as a fallback key, to hand it out twice."""
        [(name, key)] = phone(asha).one_time_keys(1).items()
        claims = msgspec.structs.replace(key, fallback=True)
        assert (await asha.refused(commands.PublishKeys("p", {}, {name: claims}))).code == Code.BAD_IDENTITY


class TestClaim:
    async def test_each_key_is_handed_out_once(self, asha: Peer, bob: Peer) -> None:
        keys = phone(asha).one_time_keys(3)
        await asha.done(commands.PublishKeys("p", keys))
        names = [next(iter((await claimed(bob, claiming(asha)))[phone(asha).id])) for _ in range(3)]
        assert sorted(names) == sorted(keys)
        assert await claimed(bob, claiming(asha)) == {}

    async def test_two_at_once_get_different_ones(self, asha: Peer, bob: Peer) -> None:
        await asha.done(commands.PublishKeys("p", phone(asha).one_time_keys(2)))
        first, second = claiming(asha), claiming(asha)
        bob.tell(first)
        bob.tell(second)
        keys = [await bob.answer(command.id) for command in (first, second)]
        assert isinstance(keys[0], events.ClaimedKeys)
        assert isinstance(keys[1], events.ClaimedKeys)
        assert keys[0].keys != keys[1].keys

    async def test_the_fallback_key_is_given_when_all_are_gone_and_stays(
        self, house: House, asha: Peer, bob: Peer
    ) -> None:
        fallback = phone(asha).fallback_key()
        await asha.done(commands.PublishKeys("p", phone(asha).one_time_keys(1), fallback))
        await claimed(bob, claiming(asha))
        for _ in range(2):
            assert await claimed(bob, claiming(asha)) == {phone(asha).id: fallback}
        asha.drop()
        back = await house.login(phone(asha))
        assert back.welcome
        assert (back.welcome.one_time_keys, back.welcome.fallback_used) == (0, True)

    async def test_a_device_that_runs_low_is_told(self, asha: Peer, bob: Peer) -> None:
        await asha.done(commands.PublishKeys("p", phone(asha).one_time_keys(26)))
        await claimed(bob, claiming(asha))
        assert asha.of(events.KeysLeft) == []
        await claimed(bob, claiming(asha))
        assert (await asha.next(events.KeysLeft)) == events.KeysLeft(24, False)
        assert bob.of(events.KeysLeft) == []

    async def test_a_device_that_lives_on_its_fallback_is_told_so(self, asha: Peer, bob: Peer) -> None:
        await asha.done(commands.PublishKeys("p", {}, phone(asha).fallback_key()))
        await claimed(bob, claiming(asha))
        assert (await asha.next(events.KeysLeft)) == events.KeysLeft(0, True)

    async def test_a_device_that_is_away_learns_of_it_at_its_login(self, house: House, asha: Peer, bob: Peer) -> None:
        await asha.done(commands.PublishKeys("p", phone(asha).one_time_keys(1)))
        asha.drop()
        await claimed(bob, claiming(asha))
        back = await house.login(phone(asha))
        assert back.welcome
        assert back.welcome.one_time_keys == 0

    async def test_only_devices_of_that_account_are_given(self, asha: Peer, bob: Peer) -> None:
        for peer in (asha, bob):
            await peer.done(commands.PublishKeys("p", phone(peer).one_time_keys(1)))
        assert await claimed(bob, claiming(asha, phone(bob).id, random_id())) == {}
        assert len(await claimed(bob, claiming(asha, phone(asha).id, phone(asha).id, phone(bob).id))) == 1

    async def test_nobody_of_that_id_is_told_so(self, house: House, asha: Peer) -> None:
        eve = house.person("eve")
        command = commands.Claim("c", eve.account, [eve.phone.id])
        assert (await asha.refused(command)).code == Code.UNKNOWN_RECIPIENT


class TestQuery:
    async def ask(self, peer: Peer, accounts: list[str] | None = None, names: list[str] | None = None) -> list[str]:
        answer = await peer.ask(commands.Query(random_id(), accounts or [], names or []))
        assert isinstance(answer, events.Profiles), answer
        return [profile.name for profile in answer.profiles]

    async def test_by_account_and_by_name(self, asha: Peer, bob: Peer) -> None:
        answer = await asha.ask(commands.Query("q", [phone(asha).person.account], ["bob"]))
        assert isinstance(answer, events.Profiles)
        assert answer.profiles == [
            events.Profile(person.account, person.name, person.identity())
            for person in (phone(asha).person, phone(bob).person)
        ]

    async def test_a_name_in_other_capitals_is_the_same(self, asha: Peer, bob: Peer) -> None:
        assert await self.ask(asha, names=["BOB", "Bob"]) == ["bob"]

    async def test_who_is_asked_for_twice_comes_once(self, asha: Peer, bob: Peer) -> None:
        assert await self.ask(asha, [phone(bob).person.account], ["bob"]) == ["bob"]

    async def test_who_does_not_exist_is_left_out(self, house: House, asha: Peer) -> None:
        assert await self.ask(asha, [house.person("eve").account], ["eve", "asha"]) == ["asha"]
        assert await self.ask(asha) == []

    async def test_what_cannot_be_a_name_is_left_out(self, asha: Peer, bob: Peer) -> None:
        """One bad name among many does not cost the others."""
        assert await self.ask(asha, names=["a b", "", "a\u202eb", "x" * 256, "bob"]) == ["bob"]

    async def test_at_most_fifty_together(self, house: House, asha: Peer) -> None:
        accounts = [house.person("eve").account] * (MAX_QUERY - 1)
        assert await self.ask(asha, accounts, ["asha"]) == ["asha"]
        error = await asha.refused(commands.Query("q", accounts, ["asha", "bob"]))
        assert error.code == Code.BAD_REQUEST
        assert str(MAX_QUERY) in error.message
