"""Private messages: into every mailbox or none, once, until they are acknowledged."""

from __future__ import annotations

import msgspec
import pytest
from tests.server.house import House, Peer
from tests.server.people import Person, Phone, sealed, send

from talk.protocol import events
from talk.protocol.errors import Code
from talk.protocol.ids import random_id
from talk.protocol.limits import INVITE_DAYS, MAIL_LIFETIME_MS, MAX_MAILBOX, MAX_MAILBOX_PER_SENDER, MAX_SEALED
from talk.server.ports import DeliverMail, MailItem


@pytest.fixture
async def asha(house: House) -> Peer:
    return await house.join("asha")


@pytest.fixture
async def bob(house: House) -> Peer:
    return await house.join("bob")


def phone(peer: Peer) -> Phone:
    assert peer.phone
    return peer.phone


def person(peer: Peer) -> Person:
    return phone(peer).person


async def add_phone(peer: Peer) -> Phone:
    """One more device of this person, which is not connected."""
    added = Phone(person(peer))
    await peer.done(person(peer).set_devices([*person(peer).phones, added], person(peer).version + 1))
    person(peer).phones = [*person(peer).phones, added]
    person(peer).version += 1
    return added


class TestSend:
    async def test_the_recipient_gets_the_bytes_that_were_sent(self, house: House, asha: Peer, bob: Peer) -> None:
        command = send(phone(asha), person(bob))
        stored = await asha.stored(command)
        assert (stored.seq, stored.at) == (0, house.clock)
        mail = await bob.next(events.Mail)
        content = bytes(command.sealed[phone(bob).id])
        assert bytes(mail.content) == content
        assert (mail.n, mail.id, mail.kind, mail.at) == (1, command.id, "sealed", house.clock)
        assert (mail.account, mail.device, mail.name) == (person(asha).account, phone(asha).id, "asha")
        assert asha.of(events.Mail) == []

    @pytest.mark.parametrize("depth", [0, 5, 16, 980, 5_000])
    async def test_what_is_sealed_has_no_fields_but_its_own(self, asha: Peer, bob: Peer, depth: int) -> None:
        """Whatever one client can read and another cannot would end the session of who gets it."""
        content = b'{"x":' + b"[" * depth + b"1" + b"]" * depth + b"," + bytes(sealed()).strip()[1:]
        asha.tell(send(phone(asha), person(bob), sealed={phone(bob).id: msgspec.Raw(content)}))
        assert (await asha.next(events.Error)).code == (Code.BAD_REQUEST if depth < 10 else Code.MALFORMED)
        await asha.stored(send(phone(asha), person(bob)))

    async def test_white_space_is_kept_as_it_came(self, asha: Peer, bob: Peer) -> None:
        content = b"{ " + bytes(sealed()).strip()[1:]
        await asha.stored(send(phone(asha), person(bob), sealed={phone(bob).id: msgspec.Raw(content)}))
        assert bytes((await bob.next(events.Mail)).content) == content

    async def test_the_owner_sees_who_to_whom_and_how_big(self, house: House, asha: Peer, bob: Peer) -> None:
        await add_phone(asha)
        command = send(phone(asha), person(bob))
        theirs = len(bytes(command.sealed[phone(bob).id]))
        command.sealed[person(asha).phones[1].id] = sealed(2_000)
        await asha.stored(command)
        [told] = [event for event in house.told if event["event"] == "private"]
        assert told == {"event": "private", "from": "asha", "to": "bob", "bytes": theirs}
        assert house.engine.counts["private"] == 1

    async def test_it_goes_to_all_devices_of_both(self, house: House, asha: Peer, bob: Peer) -> None:
        mine, theirs = await add_phone(asha), await add_phone(bob)
        command = send(phone(asha), person(bob))
        assert set(command.sealed) == {mine.id, phone(bob).id, theirs.id}
        await asha.stored(command)
        for device in (mine, theirs):
            assert [mail.id for mail in (await house.login(device)).of(events.Mail)] == [command.id]

    async def test_it_waits_for_who_is_away(self, house: House, asha: Peer, bob: Peer) -> None:
        bob.drop()
        ids = [(await asha.stored(send(phone(asha), person(bob)))).id for _ in range(3)]
        assert [mail.id for mail in (await house.login(phone(bob))).of(events.Mail)] == ids

    async def test_nobody_of_that_id_is_told_so(self, house: House, asha: Peer) -> None:
        assert (await asha.refused(send(phone(asha), house.person("eve")))).code == Code.UNKNOWN_RECIPIENT

    async def test_to_yourself_is_told_so(self, asha: Peer) -> None:
        command = send(phone(asha), person(asha))
        assert (await asha.refused(command)).code == Code.TO_YOURSELF

    @pytest.mark.parametrize("wrong", ["one missing", "one too many", "the sender itself", "none of theirs"])
    async def test_a_wrong_set_of_devices_reaches_nobody(self, house: House, asha: Peer, bob: Peer, wrong: str) -> None:
        second = await add_phone(bob)
        command = send(phone(asha), person(bob))
        match wrong:
            case "one missing":
                del command.sealed[second.id]
            case "one too many":
                command.sealed[random_id()] = sealed()
            case "the sender itself":
                command.sealed[phone(asha).id] = sealed()
            case _:
                command.sealed.clear()
                command.sealed[random_id()] = sealed()
        error = await asha.refused(command)
        assert (error.code, error.retryable) == (Code.DEVICES_CHANGED, True)
        await house.quiet()
        assert bob.of(events.Mail) == []
        assert (await house.login(second)).of(events.Mail) == []

    async def test_stale_lists_are_answered_with_the_signed_ones(self, house: House, asha: Peer, bob: Peer) -> None:
        stale = send(phone(asha), person(bob))
        await add_phone(bob)
        await add_phone(asha)
        error = await asha.refused(stale)
        assert error.code == Code.DEVICES_CHANGED
        assert {profile.account: profile for profile in error.profiles} == {
            peer_of.account: events.Profile(peer_of.account, peer_of.name, peer_of.identity())
            for peer_of in (person(asha), person(bob))
        }
        asha.tell(send(phone(asha), person(bob), id=stale.id))
        assert isinstance(await asha.answer(stale.id, 2), events.Stored)

    @pytest.mark.parametrize("side", ["theirs", "mine", "somebody else's"])
    async def test_a_list_of_another_version_is_stale(self, asha: Peer, bob: Peer, side: str) -> None:
        command = send(phone(asha), person(bob))
        match side:
            case "theirs":
                command.lists[person(bob).account] += 1
            case "mine":
                command.lists[person(asha).account] += 1
            case _:
                del command.lists[person(asha).account]
                command.lists[f"@{random_id()}:{random_id()}"] = 1
        assert (await asha.refused(command)).code == Code.DEVICES_CHANGED

    async def test_sent_again_it_is_answered_again_and_arrives_once(self, house: House, asha: Peer, bob: Peer) -> None:
        command = send(phone(asha), person(bob))
        first = await asha.stored(command)
        house.clock += 5_000
        asha.tell(command)
        assert await asha.answer(command.id, 2) == first
        await house.quiet()
        assert len(bob.of(events.Mail)) == 1
        assert house.engine.counts["private"] == 1

    async def test_sent_again_after_the_lists_changed_it_is_stored_still(self, asha: Peer, bob: Peer) -> None:
        command = send(phone(asha), person(bob))
        first = await asha.stored(command)
        await add_phone(bob)
        asha.tell(command)
        assert await asha.answer(command.id, 2) == first

    async def test_sent_twice_in_one_batch_it_arrives_once(self, house: House, asha: Peer, bob: Peer) -> None:
        command = send(phone(asha), person(bob))
        asha.tell(command)
        asha.tell(command)
        assert await asha.answer(command.id, 1) == await asha.answer(command.id, 2)
        await house.quiet()
        assert len(bob.of(events.Mail)) == 1

    @pytest.mark.parametrize("changed", ["content", "recipient", "devices"])
    async def test_the_same_id_for_something_else_is_refused(
        self, house: House, asha: Peer, bob: Peer, changed: str
    ) -> None:
        await add_phone(bob)
        command = send(phone(asha), person(bob))
        await asha.stored(command)
        other = dict(command.sealed)
        to = person(bob)
        match changed:
            case "content":
                other[phone(bob).id] = sealed()
            case "recipient":
                to = person(await house.join("chitra"))
            case _:
                first, second = person(bob).phones
                other = {first.id: other[second.id], second.id: other[first.id]}
        asha.tell(msgspec.structs.replace(command, to=to.account, sealed=other))
        error = await asha.answer(command.id, 2)
        assert isinstance(error, events.Error)
        assert error.code == Code.ID_REUSED
        assert error.profiles == []

    async def test_a_refused_send_leaves_its_id_free(self, asha: Peer, bob: Peer) -> None:
        command = send(phone(asha), person(bob))
        command.lists[person(bob).account] += 1
        await asha.refused(command)
        command.lists[person(bob).account] -= 1
        asha.tell(command)
        assert isinstance(await asha.answer(command.id, 2), events.Stored)

    @pytest.mark.parametrize(
        "content",
        [
            b"null",
            b"[]",
            b'"secret"',
            b"{}",
            b'{"algorithm":"m.olm.v1.curve25519-aes-sha2"}',
            b'{"algorithm":"m.olm.v1.curve25519-aes-sha2","sender_key":"x","ciphertext":{}}',
            bytes(sealed()).replace(b'"type":1', b'"type":2'),
            bytes(sealed(algorithm="m.megolm.v1.aes-sha2")),
        ],
    )
    async def test_content_that_is_not_sealed_is_refused(
        self, house: House, asha: Peer, bob: Peer, content: bytes
    ) -> None:
        error = await asha.refused(send(phone(asha), person(bob), sealed={phone(bob).id: msgspec.Raw(content)}))
        assert error.code == Code.BAD_REQUEST
        assert "sealed" in error.message
        await house.quiet()
        assert bob.of(events.Mail) == []

    async def test_content_may_be_as_big_as_the_limit_and_no_bigger(self, asha: Peer, bob: Peer) -> None:
        content = bytes(sealed(1_000))
        content += b" " * (MAX_SEALED - len(content))
        padded = content[:-1].rstrip()[:-1] + b" " * (MAX_SEALED - len(content.rstrip())) + b"}"
        assert len(padded) == MAX_SEALED
        await asha.stored(send(phone(asha), person(bob), sealed={phone(bob).id: msgspec.Raw(padded)}))
        bigger = padded[:-1] + b" }"
        error = await asha.refused(send(phone(asha), person(bob), sealed={phone(bob).id: msgspec.Raw(bigger)}))
        assert error.code == Code.TEXT_TOO_LONG
        assert str(MAX_SEALED) in error.message

    async def test_a_sender_can_fill_its_share_of_a_mailbox_and_no_more(
        self, house: House, asha: Peer, bob: Peer
    ) -> None:
        bob.drop()
        await fill_mailbox(house, asha, bob, MAX_MAILBOX_PER_SENDER)
        error = await asha.refused(send(phone(asha), person(bob)))
        assert (error.code, error.retryable) == (Code.MAILBOX_FULL, True)
        chitra = await house.join("chitra")
        await chitra.stored(send(phone(chitra), person(bob)))

    async def test_a_mailbox_that_is_full_takes_nothing_from_anybody(self, house: House, asha: Peer, bob: Peer) -> None:
        items = house.store._mailbox(phone(bob).id).items
        template = MailItem(1, "m", "somebody", "else", house.clock, "sealed", b"{}")
        items.update(dict.fromkeys(range(1, MAX_MAILBOX + 1), template))
        assert (await asha.refused(send(phone(asha), person(bob)))).code == Code.MAILBOX_FULL

    async def test_one_full_mailbox_of_two_means_that_neither_gets_it(
        self, house: House, asha: Peer, bob: Peer
    ) -> None:
        bob.drop()
        await fill_mailbox(house, asha, bob, MAX_MAILBOX_PER_SENDER)
        bob = await house.login(phone(bob), room=None)
        second = await add_phone(bob)
        assert (await asha.refused(send(phone(asha), person(bob)))).code == Code.MAILBOX_FULL
        assert (await house.login(second)).of(events.Mail) == []

    async def test_a_released_name_is_sent_to_by_its_account(self, house: House, asha: Peer, bob: Peer) -> None:
        house.context.directory.update(person(bob).account, name="")
        await asha.stored(send(phone(asha), person(bob)))
        assert house.told[-1]["to"] == ""


async def fill_mailbox(house: House, sender: Peer, to: Peer, count: int) -> None:
    lists = {person(to).account: person(to).version, person(sender).account: person(sender).version}
    await house.store.commit(
        [
            DeliverMail(
                id=f"fill{number}",
                account=person(sender).account,
                device=phone(sender).id,
                to=person(to).account,
                at=house.clock,
                contents={phone(to).id: b"{}"},
                lists=lists,
                digest=b"d",
            )
            for number in range(count)
        ]
    )


class TestAck:
    @pytest.fixture
    async def ids(self, asha: Peer, bob: Peer) -> list[str]:
        """Three messages from asha that bob has got."""
        ids = [(await asha.stored(send(phone(asha), person(bob)))).id for _ in range(3)]
        await bob.next(events.Mail, 3)
        return ids

    async def waiting(self, house: House, peer: Peer) -> list[int]:
        return [item.n for item in await house.store.mail(phone(peer).id, 0, 100, 1_000_000)]

    async def test_it_removes_up_to_its_number(self, house: House, bob: Peer, ids: list[str]) -> None:
        await bob.done(bob.acking(2, id="a"))
        assert await self.waiting(house, bob) == [3]

    async def test_it_is_answered_only_when_it_has_an_id(self, house: House, bob: Peer, ids: list[str]) -> None:
        before = len(bob.seen)
        bob.tell(bob.acking(3))
        await house.quiet()
        assert await self.waiting(house, bob) == []
        assert len(bob.seen) == before

    async def test_the_same_again_and_a_lower_one_change_nothing(self, house: House, bob: Peer, ids: list[str]) -> None:
        for number, upto in enumerate((2, 2, 1, 0)):
            await bob.done(bob.acking(upto, id=f"a{number}"))
        assert await self.waiting(house, bob) == [3]

    async def test_the_sender_is_asked_for_what_could_not_be_opened(
        self, house: House, asha: Peer, bob: Peer, ids: list[str]
    ) -> None:
        house.clock += 1
        await bob.done(bob.acking(3, (2,), id="a"))
        notice = await asha.next(events.Mail)
        assert (notice.kind, notice.id, notice.account) == ("undecryptable", ids[1], person(bob).account)
        assert (notice.name, notice.at, notice.n) == ("bob", house.clock, 1)
        assert msgspec.json.decode(notice.content, type=events.NoticeContent) == events.NoticeContent(
            ids[1], phone(bob).id
        )
        assert await self.waiting(house, bob) == []
        assert len(asha.of(events.Mail)) == 1

    async def test_the_sender_that_is_away_finds_the_notice_later(
        self, house: House, asha: Peer, bob: Peer, ids: list[str]
    ) -> None:
        asha.drop()
        await bob.done(bob.acking(3, (1, 3), id="a"))
        back = await house.login(phone(asha))
        assert [(mail.kind, mail.id) for mail in back.of(events.Mail)] == [
            ("undecryptable", ids[0]),
            ("undecryptable", ids[2]),
        ]

    async def test_a_retry_leaves_no_second_notice(self, house: House, asha: Peer, bob: Peer, ids: list[str]) -> None:
        await bob.done(bob.acking(3, (2,), id="a"))
        await bob.done(bob.acking(3, (2,), id="b"))
        assert await self.waiting(house, asha) == [1]

    async def test_numbers_that_are_not_acknowledged_leave_no_notice(
        self, house: House, asha: Peer, bob: Peer, ids: list[str]
    ) -> None:
        await bob.done(bob.acking(1, (2, 3, 99), id="a"))
        assert await self.waiting(house, asha) == []
        assert await self.waiting(house, bob) == [2, 3]

    async def test_a_notice_that_cannot_be_read_leaves_no_notice(
        self, house: House, asha: Peer, bob: Peer, ids: list[str]
    ) -> None:
        await bob.done(bob.acking(3, (3,), id="a"))
        await asha.done(asha.acking(1, (1,), id="b"))
        assert await self.waiting(house, bob) == []

    async def test_only_its_own_device_is_concerned(self, house: House, asha: Peer, bob: Peer) -> None:
        second = await add_phone(bob)
        await asha.stored(send(phone(asha), person(bob)))
        await bob.done(bob.acking(1, id="a"))
        assert len((await house.login(second)).of(events.Mail)) == 1


class TestSweep:
    async def test_mail_that_nobody_fetched_is_given_up_and_its_sender_told(
        self, house: House, asha: Peer, bob: Peer
    ) -> None:
        bob.drop()
        old, young = send(phone(asha), person(bob)), send(phone(asha), person(bob))
        await asha.stored(old)
        house.clock += 1
        await asha.stored(young)
        house.clock += MAIL_LIFETIME_MS - 3_601_000
        house.pass_time(3601, asha)
        notice = await asha.next(events.Mail)
        assert (notice.kind, notice.id, notice.account) == ("expired", old.id, person(bob).account)
        assert notice.at == house.clock
        assert [mail.id for mail in (await house.login(phone(bob))).of(events.Mail)] == [young.id]
        assert len(asha.of(events.Mail)) == 1

    async def test_invites_that_are_over_are_let_go(self, house: House) -> None:
        await house.invite()
        house.clock += (INVITE_DAYS * 24 * 3600 - 3601) * 1000
        house.pass_time(3601)
        await house.quiet()
        assert (await house.store.load()).invites == ()

    async def test_it_happens_once_an_hour(self, house: House) -> None:
        house.pass_time(3600)
        await house.quiet()
        assert house.store.batches == []
        house.pass_time(1)
        house.pass_time(3600)
        await house.quiet()
        assert len(house.store.batches) == 1
        house.pass_time(1)
        await house.quiet()
        assert len(house.store.batches) == 2

    async def test_not_while_the_store_is_being_read_again(self, house: House, asha: Peer) -> None:
        house.store.reading.clear()
        house.store.fail_next = "before"
        asha.tell(asha.saying("lost"))
        await asha.closed()
        house.store.batches.clear()
        house.pass_time(3601)
        await house.engine.commits.flush()
        assert house.store.batches == []
        house.store.reading.set()
        await house.quiet()
        house.pass_time(1)
        await house.quiet()
        assert len(house.store.batches) == 1
