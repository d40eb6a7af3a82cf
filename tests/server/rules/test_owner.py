"""What the owner may do: invite, kick, ban, unban, release a name."""

from __future__ import annotations

import asyncio

import pytest
from tests.server.house import House, until

from talk.local.errors import Declined
from talk.protocol import commands
from talk.protocol.errors import Code, Refused
from talk.protocol.limits import INVITE_DAYS, INVITE_USES
from talk.protocol.link import Address, Link
from talk.server.owner import Owner
from talk.server.rules import owner


async def test_an_invite_is_kept_by_its_hash_only(house: House) -> None:
    token = await house.invite()
    [row] = (await house.store.load()).invites
    assert row == house.context.directory.invites[row.token_hash]
    assert token not in row.token_hash
    assert (row.uses_left, row.expires) == (INVITE_USES, house.clock + INVITE_DAYS * 24 * 3600 * 1000)


async def test_an_invite_that_is_revoked_lets_nobody_in_and_the_others_do(house: House) -> None:
    house.context.invite_needed = True
    one, other, third = [await house.invite() for _ in range(3)]
    await house.engine.change(owner.revoke(house.context, one))
    peer = house.connect()
    await peer.hello()
    refused = await peer.refused(house.person("asha").phone.register(peer.channel, invite=one))
    assert refused.code == Code.INVITE_INVALID
    await house.connect().register(house.person("asha").phone, invite=other)
    await house.engine.change(owner.revoke(house.context, ""))
    assert house.context.directory.good_invites(house.clock) == []
    assert {row.token_hash: row.uses_left for row in (await house.store.load()).invites} == dict.fromkeys(
        house.context.directory.invites, 0
    )
    for gone in (other, third, ""):
        with pytest.raises(owner.OwnerError, match="new in as it is"):
            owner.revoke(house.context, gone)
    await house.connect().register(house.person("bob").phone, invite=await house.invite())


async def test_an_invite_that_has_expired_or_is_used_up_is_not_revoked(house: House) -> None:
    token = await house.invite()
    house.clock += INVITE_DAYS * 24 * 3600 * 1000
    with pytest.raises(owner.OwnerError):
        owner.revoke(house.context, token)


async def test_who_is_kicked_is_closed_and_may_come_back(house: House) -> None:
    asha, bob = await house.join("asha"), await house.join("bob")
    assert asha.phone
    house.engine.perform(owner.kick(house.context, " @Asha "))
    error = await asha.closed()
    assert error
    assert error.code == Code.KICKED
    assert not bob.door.closed
    await house.login(asha.phone)


async def test_kicking_who_is_away_does_nothing(house: House) -> None:
    (await house.join("asha")).drop()
    house.engine.perform(owner.kick(house.context, "asha"))


async def test_who_is_banned_is_closed_and_may_not_come_back_until_it_is_undone(house: House) -> None:
    asha = await house.join("asha")
    assert asha.phone
    await house.engine.change(owner.ban(house.context, "asha"))
    error = await asha.closed()
    assert error
    assert error.code == Code.BANNED
    again = house.connect()
    await again.hello()
    assert (await again.refused(asha.phone.login(again.channel))).code == Code.BANNED
    assert (await house.store.load()).accounts[0].banned
    await house.engine.change(owner.unban(house.context, "asha"))
    await house.login(asha.phone)
    assert not (await house.store.load()).accounts[0].banned


async def test_a_ban_outlives_a_restart(house: House) -> None:
    asha = await house.join("asha")
    assert asha.phone
    await house.engine.change(owner.ban(house.context, "asha"))
    async with House(house.store) as next_run:
        peer = next_run.connect()
        await peer.hello()
        assert (await peer.refused(asha.phone.login(peer.channel))).code == Code.BANNED


async def test_a_name_that_is_released_can_be_taken_by_somebody_else(house: House) -> None:
    asha, bob = await house.join("asha"), await house.join("bob")
    assert asha.phone
    bob.tell(commands.ListPeople("l"))
    await house.engine.change(owner.release_name(house.context, "asha"))
    error = await asha.closed()
    assert error
    assert error.code == Code.KICKED
    await house.join("Asha")
    back = await house.login(asha.phone)
    assert back.welcome
    assert back.welcome.name == ""
    await back.done(commands.Rename("r", "usha"))


@pytest.mark.parametrize("do", [owner.kick, owner.ban, owner.unban, owner.release_name])
async def test_nobody_of_that_name_is_told_to_the_owner(house: House, do: object) -> None:
    assert callable(do)
    with pytest.raises(owner.OwnerError, match="Nobody here is called eve"):
        do(house.context, "eve")


async def test_a_commit_that_fails_is_told_to_the_owner(house: House) -> None:
    await house.join("asha")
    house.store.fail_next = "after"
    with pytest.raises(Refused) as refused:
        await house.engine.change(owner.ban(house.context, "asha"))
    assert refused.value.code == Code.TRY_AGAIN
    await house.quiet()
    assert house.context.directory.find("asha") == (await house.store.load()).accounts[0]


async def test_a_refusal_of_the_store_is_told_to_the_owner(house: House) -> None:
    asha = await house.join("asha")
    write = owner.ban(house.context, "asha")
    house.store._accounts.clear()
    with pytest.raises(Refused) as refused:
        await house.engine.change(write)
    assert refused.value.code == Code.UNKNOWN_ACCOUNT
    assert not asha.door.closed


async def test_what_the_owner_no_longer_waits_for_is_done_all_the_same(house: House) -> None:
    """The disk took long and the owner's command gave up: the directory must follow what the store has."""
    asha = await house.join("asha")
    assert asha.phone
    house.store.writing.clear()
    waiting = asyncio.ensure_future(house.engine.change(owner.ban(house.context, "asha")))
    await house.until_writing()
    waiting.cancel()
    house.store.writing.set()
    await until(lambda: asha.door.closed, "ban")
    row = house.context.directory.find("asha")
    assert row is not None
    assert row.banned
    with pytest.raises(asyncio.CancelledError):
        await waiting


class TestRequests:
    """The same, asked through the control socket."""

    @pytest.fixture(autouse=True)
    def stops(self) -> None:
        self.was_stopped: list[bool] = []

    @pytest.fixture
    def owner(self, house: House) -> Owner:
        return Owner(
            house.engine,
            house.store,
            link_with=lambda token: f"link#{token}",
            describe=lambda: {"title": "Asha's chat"},
            stop=lambda: self.was_stopped.append(True),
        )

    async def ask(self, owner: Owner, do: str, **fields: object) -> dict[str, object]:
        [answer] = [answer async for answer in owner.answer({"do": do, **fields})]
        return answer

    async def test_every_wish_is_answered_in_words(self, house: House, owner: Owner) -> None:
        asha = await house.join("asha")
        status = await self.ask(owner, "status")
        assert status["connections"] == status["people"] == 1
        assert status["title"] == "Asha's chat"
        assert "asha" in str((await self.ask(owner, "kick", name="asha"))["done"])
        await asha.closed()
        assert "banned" in str((await self.ask(owner, "ban", name="asha"))["done"])
        assert "come back" in str((await self.ask(owner, "unban", name="asha"))["done"])
        assert "free" in str((await self.ask(owner, "release", name="asha"))["done"])

    async def test_the_answer_to_stop_is_out_before_it_stops(self, owner: Owner) -> None:
        async for answer in owner.answer({"do": "stop"}):
            assert "stopping" in str(answer["done"])
            assert not self.was_stopped
        assert self.was_stopped == [True]

    async def test_a_link_has_an_invite_only_where_one_is_needed(self, house: House, owner: Owner) -> None:
        assert await self.ask(owner, "invite") == {"link": "link#"}
        house.context.invite_needed = True
        link = (await self.ask(owner, "invite"))["link"]
        assert isinstance(link, str)
        token = link.removeprefix("link#")
        assert len(token) > 20
        await house.connect().register(house.person("asha").phone, invite=token)

    async def test_links_are_revoked_where_they_are_needed(self, house: House, owner: Owner) -> None:
        with pytest.raises(Declined, match="need no invitation here"):
            await self.ask(owner, "revoke")
        house.context.invite_needed = True
        await house.invite()
        with pytest.raises(Declined, match="not a TAlk link"):
            await self.ask(owner, "revoke", link="hello")
        elsewhere = Link((Address("192.168.1.5", 9240),), "a" * 32, "b" * 32).text
        with pytest.raises(Declined, match="another server"):
            await self.ask(owner, "revoke", link=elsewhere)
        without = Link((Address("192.168.1.5", 9240),), house.context.key.id).text
        with pytest.raises(Declined, match="no invitation in this link"):
            await self.ask(owner, "revoke", link=without)
        assert "nobody new" in str((await self.ask(owner, "revoke"))["done"])
        with pytest.raises(Declined, match="No invitation lets anybody"):
            await self.ask(owner, "revoke")

    @pytest.mark.parametrize(
        ("do", "name"), [("dance", ""), ("kick", "eve"), ("ban", "a b"), ("release", ""), ("backup", "")]
    )
    async def test_what_cannot_be_done_is_declined_in_words(self, owner: Owner, do: str, name: str) -> None:
        with pytest.raises(Declined) as declined:
            await self.ask(owner, do, name=name)
        assert str(declined.value).endswith((".", "?"))

    async def test_a_store_that_fails_is_declined_in_words(self, house: House, owner: Owner) -> None:
        await house.join("asha")
        house.store.fail_next = "before"
        with pytest.raises(Declined, match="could not save"):
            await self.ask(owner, "ban", name="asha")
        await house.quiet()

    async def test_a_store_that_hangs_is_declined_in_words(
        self, house: House, owner: Owner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await house.join("asha")
        house.store.writing.clear()
        monkeypatch.setattr("talk.server.owner.PATIENCE", 0.05)
        with pytest.raises(Declined, match="within"):
            await self.ask(owner, "ban", name="asha")
