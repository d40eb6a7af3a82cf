"""Resume and history: cursors, epochs and pages."""

from __future__ import annotations

import msgspec
import pytest
from tests.server.house import House, Peer, TurnableStore
from tests.server.people import Person, send

from talk.protocol import commands, events
from talk.protocol.errors import Code
from talk.protocol.ids import random_id
from talk.protocol.limits import MAX_FRAME, MAX_TEXT_POINTS
from talk.server.ports import AppendRecord


async def fill(house: House, count: int, text: str = "line") -> None:
    """Put that many lines into the lobby before the server has read how many there are."""
    content = msgspec.json.encode(events.TextContent(text))
    room = next(iter((await house.store.load()).rooms)).room
    account = Person("long gone", house.context.key.id)
    changes = [
        AppendRecord(room, f"m{number}", account.account, account.phone.id, number, "text", content, b"d")
        for number in range(1, count + 1)
    ]
    await house.store.commit(changes)


async def restarted(store: TurnableStore) -> House:
    house = House(store)
    await house.__aenter__()
    return house


class TestResume:
    async def test_what_was_missed_comes_once_and_then_what_is_new(self, house: House) -> None:
        asha = await house.join("asha")
        for number in range(5):
            await asha.stored(asha.saying(f"{number}"))
        bob = await house.login_as_new(house.person("bob"))
        live = await bob.resume(room=2)
        assert [seq for seq, _ in bob.texts()] == [3, 4, 5]
        assert live == events.Live({house.room: 5}, 0)
        await asha.stored(asha.saying("new"))
        await house.quiet()
        assert [seq for seq, _ in bob.texts()] == [3, 4, 5, 6]

    async def test_who_has_all_gets_nothing(self, house: House) -> None:
        asha = await house.join("asha")
        await asha.stored(asha.saying("hi"))
        bob = await house.login_as_new(house.person("bob"))
        await bob.resume(room=1)
        assert bob.texts() == []

    async def test_nothing_comes_before_it_is_asked_for(self, house: House) -> None:
        bob = await house.login_as_new(house.person("bob"))
        asha = await house.join("asha")
        await asha.stored(asha.saying("hi"))
        await house.quiet()
        assert bob.texts() == []

    async def test_mail_comes_first(self, house: House) -> None:
        asha, bob = await house.join("asha"), house.person("bob")
        (await house.login_as_new(bob)).drop()
        assert asha.phone
        await asha.stored(asha.saying("to all"))
        await asha.stored(send(asha.phone, bob))
        back = await house.login(bob.phone)
        kinds = [type(event) for event in back.seen if isinstance(event, events.Mail | events.RoomEvent | events.Live)]
        assert kinds == [events.Mail, events.RoomEvent, events.Live]
        assert back.of(events.Live) == [events.Live({house.room: 1}, 1)]

    async def test_a_second_resume_begins_anew(self, house: House) -> None:
        asha = await house.join("asha")
        for number in range(3):
            await asha.stored(asha.saying(f"{number}"))
        await asha.resume(room=1)
        assert [seq for seq, _ in asha.texts()] == [1, 2, 3, 2, 3]
        await asha.stored(asha.saying("new"))
        await house.quiet()
        assert [seq for seq, _ in asha.texts()] == [1, 2, 3, 2, 3, 4]

    async def test_a_second_resume_counts_also_while_the_first_is_read(self, house: House) -> None:
        await fill(house, 300)
        async with House(house.store) as house:
            asha = await house.login_as_new(house.person("asha"))
            house.store.paging.clear()
            await asha.done(asha.resuming(room=200))
            await house.until_asked("records")
            await asha.done(asha.resuming(room=50))
            house.store.paging.set()
            await asha.next(events.Live)
            assert [seq for seq, _ in asha.texts()] == list(range(51, 301))

    async def test_a_room_that_is_unknown_is_told_so(self, house: House) -> None:
        asha = await house.join("asha")
        assert asha.welcome
        command = commands.Resume("a", asha.welcome.epoch, {random_id(): 0})
        assert (await asha.refused(command)).code == Code.UNKNOWN_ROOM

    async def test_a_cursor_of_another_epoch_is_refused(self, house: House) -> None:
        asha = await house.join("asha")
        command = commands.Resume("a", random_id(), {house.room: 0})
        assert (await asha.refused(command)).code == Code.NEW_EPOCH
        assert not asha.door.closed

    async def test_a_failed_read_is_asked_again(self, house: House) -> None:
        asha = await house.join("asha")
        house.store.reads_fail = True
        error = await asha.refused(asha.resuming())
        assert (error.code, error.retryable) == (Code.TRY_AGAIN, True)
        house.store.reads_fail = False
        await asha.resume()


class TestNewEpoch:
    """A cursor beyond the head says that the store was set back to a backup. A liar can say so once a run."""

    @pytest.mark.parametrize("beyond", ["room", "mail"])
    async def test_a_cursor_beyond_the_head_starts_one(self, house: House, beyond: str) -> None:
        asha, bob = await house.join("asha"), await house.join("bob")
        before = house.context.directory.epoch
        asha.tell(asha.resuming(room=int(beyond == "room"), mail=int(beyond == "mail")))
        for peer in (asha, bob):
            error = await peer.closed()
            assert error
            assert error.code == Code.NEW_EPOCH
        assert house.context.directory.epoch != before
        assert (await house.store.load()).epoch == house.context.directory.epoch
        assert {"event": "new_epoch"} in house.told

    @pytest.mark.parametrize("where", ["room", "mail"])
    async def test_something_else_where_somebody_left_off_starts_one(self, house: House, where: str) -> None:
        """A log that was cut short and filled again has as many lines as the client knows, and others."""
        asha, bob = await house.join("asha"), await house.join("bob")
        assert asha.phone
        assert bob.phone
        said, sent = asha.saying("line"), send(asha.phone, bob.phone.person)
        await asha.stored(said)
        await asha.stored(sent)
        ids = {"room_id": said.id, "mail_id": sent.id}
        await bob.done(bob.resuming(1, 1, **ids))
        bob.tell(bob.resuming(1, 1, **ids | {f"{where}_id": "other"}))
        error = await bob.closed()
        assert error
        assert error.code == Code.NEW_EPOCH

    async def test_what_was_removed_since_is_not_compared(self, house: House) -> None:
        asha, bob = await house.join("asha"), await house.join("bob")
        assert asha.phone
        assert bob.phone
        await asha.stored(send(asha.phone, bob.phone.person))
        await bob.done(bob.acking(1, id="a"))
        await bob.done(bob.resuming(0, 1, mail_id="other"))
        assert not bob.door.closed

    async def test_the_next_one_in_the_same_run_is_refused(self, house: House) -> None:
        asha = await house.join("asha")
        asha.tell(asha.resuming(room=1))
        await asha.closed()
        assert asha.phone
        again = await house.login(asha.phone)
        epoch = house.context.directory.epoch
        error = await again.refused(again.resuming(room=1))
        assert error.code == Code.BAD_REQUEST
        assert not again.door.closed
        assert house.context.directory.epoch == epoch

    async def test_two_at_once_start_one(self, house: House) -> None:
        asha, bob = await house.join("asha"), await house.join("bob")
        asha.tell(asha.resuming(room=1))
        bob.tell(bob.resuming(room=1))
        await asha.closed()
        await bob.closed()
        await house.quiet()
        assert house.told.count({"event": "new_epoch"}) == 1
        assert (await house.store.load()).epoch == house.context.directory.epoch

    async def test_the_next_run_may_start_one_again(self, house: House) -> None:
        asha = await house.join("asha")
        asha.tell(asha.resuming(room=1))
        await asha.closed()
        assert asha.phone
        async with House(house.store) as next_run:
            again = await next_run.login(asha.phone)
            again.tell(again.resuming(room=1))
            await again.closed()
            assert next_run.told.count({"event": "new_epoch"}) == 1

    @pytest.mark.parametrize("failing", ["before", "after"])
    async def test_a_failed_commit_neither_loses_nor_doubles_it(self, house: House, failing: str) -> None:
        asha = await house.join("asha")
        before = house.context.directory.epoch
        house.store.fail_next = "before" if failing == "before" else "after"
        asha.tell(asha.resuming(room=1))
        await asha.closed()
        await house.quiet()
        assert (house.context.directory.epoch == before) == (failing == "before")
        assert asha.phone
        again = await house.login(asha.phone)
        again.tell(again.resuming(room=1))
        error = await again.closed() if failing == "before" else await again.next(events.Error)
        assert error
        assert error.code == (Code.NEW_EPOCH if failing == "before" else Code.BAD_REQUEST)

    async def test_a_failed_commit_does_not_allow_another_one(self, house: House) -> None:
        asha = await house.join("asha")
        asha.tell(asha.resuming(room=1))
        await asha.closed()
        assert asha.phone
        again = await house.login(asha.phone)
        house.store.fail_next = "before"
        again.tell(again.saying("lost"))
        await again.closed()
        await house.quiet()
        third = await house.login(asha.phone)
        assert (await third.refused(third.resuming(room=1))).code == Code.BAD_REQUEST

    async def test_an_ack_of_the_old_epoch_closes_and_removes_nothing(self, house: House) -> None:
        asha, bob = await house.join("asha"), await house.join("bob")
        assert asha.phone
        assert bob.phone
        await asha.stored(send(asha.phone, bob.phone.person))
        bob.tell(commands.Ack(random_id(), 1, id="a"))
        error = await bob.closed()
        assert error
        assert (error.code, error.retryable) == (Code.NEW_EPOCH, True)
        assert len((await house.login(bob.phone)).of(events.Mail)) == 1

    async def test_mail_numbers_go_on_in_the_new_epoch(self, house: House) -> None:
        asha, bob = await house.join("asha"), house.person("bob")
        (await house.login_as_new(bob)).drop()
        assert asha.phone
        await asha.stored(send(asha.phone, bob))
        asha.tell(asha.resuming(room=1))
        await asha.closed()
        again = await house.login(asha.phone)
        await again.stored(send(asha.phone, bob))
        assert [mail.n for mail in (await house.login(bob.phone)).of(events.Mail)] == [1, 2]


class TestHistory:
    @pytest.fixture
    async def house(self) -> object:
        async with House() as house:
            await fill(house, 120)
        async with House(house.store) as house:
            yield house

    async def page(self, peer: Peer, before: int, limit: int) -> list[int]:
        page = await peer.ask(commands.History(random_id(), peer.saying("").room, before, limit))
        assert isinstance(page, events.HistoryPage)
        return [event.seq for event in page.events]

    async def test_pages_go_back_to_the_beginning(self, house: House) -> None:
        asha = await house.join("asha", follow=False)
        assert await self.page(asha, 0, 50) == list(range(71, 121))
        assert await self.page(asha, 71, 50) == list(range(21, 71))
        assert await self.page(asha, 21, 50) == list(range(1, 21))
        assert await self.page(asha, 1, 50) == []

    async def test_one_is_as_many_as_are_asked_for(self, house: House) -> None:
        asha = await house.join("asha", follow=False)
        assert await self.page(asha, 0, 1) == [120]
        assert await self.page(asha, 500, 200) == list(range(1, 121))

    async def test_an_unknown_room_is_told_so(self, house: House) -> None:
        asha = await house.join("asha", follow=False)
        assert (await asha.refused(commands.History("a", random_id()))).code == Code.UNKNOWN_ROOM

    async def test_a_page_of_long_texts_fits_into_a_frame_and_loses_none(self) -> None:
        async with House() as house:
            await fill(house, 60, "😀" * MAX_TEXT_POINTS)
        async with House(house.store) as house:
            asha = await house.join("asha", follow=False)
            before, seen = 0, list[int]()
            while page := await self.page(asha, before, 200):
                before = page[0]
                seen = page + seen
            assert seen == list(range(1, 61))
            assert max(map(len, asha.door.writes)) <= MAX_FRAME
            assert len(asha.of(events.HistoryPage)) < 10
