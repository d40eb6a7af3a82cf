"""How events reach people: encoded once, written once, caught up from the log, in order and exactly once."""

from __future__ import annotations

import collections
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from tests.server.house import House, Peer, until
from tests.server.people import Person, send

from talk.protocol import commands, events, wire
from talk.protocol.errors import Code
from talk.protocol.limits import GAP_TAIL, MAX_BEHIND, MAX_PAGE
from talk.server import delivery
from talk.server.ports import AppendRecord, DeliverMail, LeftOff


async def fill(house: House, first: int, last: int, text: str = "line") -> None:
    """Put lines with these numbers into the lobby as other servers' history, unseen by this server's delivery."""
    content = msgspec.json.encode(events.TextContent(text))
    author = Person("long gone", house.context.key.id)
    await house.store.commit(
        [
            AppendRecord(house.room, f"m{n}", author.account, author.phone.id, n, "text", content, b"d")
            for n in range(first, last + 1)
        ]
    )


async def aged(count: int, text: str = "line") -> House:
    """A house that starts with that many lines on disk and none in memory."""
    async with House() as before:
        await fill(before, 1, count, text)
    return House(before.store)


def seqs(peer: Peer) -> list[int]:
    return [seq for seq, _ in peer.texts()]


async def say(peer: Peer, count: int) -> None:
    """Say that many lines, a few at a time."""
    for _ in range(count):
        await peer.stored(peer.saying("hi"))


class TestOnce:
    @pytest.fixture
    def encoded(self, monkeypatch: pytest.MonkeyPatch) -> collections.Counter[str]:
        """How often each kind of frame was encoded."""
        counted: collections.Counter[str] = collections.Counter()
        encode = wire.encode

        def counting(frame: Any) -> bytes:
            counted[type(frame).__name__] += 1
            return encode(frame)

        monkeypatch.setattr("talk.server.delivery.wire.encode", counting)
        return counted

    async def test_an_event_is_encoded_once_for_all(self, house: House, encoded: collections.Counter[str]) -> None:
        asha, *others = [await house.join(name) for name in ("asha", "bob", "chitra", "dev")]
        encoded.clear()
        command = asha.saying("hi")
        house.engine.received(asha.connection, msgspec.json.encode(command))
        await asha.answer(command.id)
        await house.quiet()
        assert encoded == {"Stored": 1, "RoomEvent": 1}
        assert all(seqs(peer) == [1] for peer in others)

    async def test_presence_is_encoded_once_for_all(self, house: House, encoded: collections.Counter[str]) -> None:
        peers = [await house.join(name) for name in ("asha", "bob", "chitra")]
        for peer in peers:
            await peer.ask(commands.ListPeople("l"))
        encoded.clear()
        house.pass_time(1)
        assert encoded == {"Presence": 1}
        assert all(len(peer.of(events.Presence)) == 1 for peer in peers)

    async def test_each_connection_is_written_to_once_a_commit(self, house: House) -> None:
        asha, bob, chitra = [await house.join(name) for name in ("asha", "bob", "chitra")]
        assert asha.phone
        assert bob.phone
        house.store.writing.clear()
        asha.tell(asha.saying("wait for me"))
        await house.until_writing()
        before = {peer: len(peer.door.writes) for peer in (asha, bob, chitra)}
        for number in range(5):
            asha.tell(asha.saying("hi", f"a{number}"))
            bob.tell(bob.saying("ho", f"b{number}"))
        asha.tell(send(asha.phone, bob.phone.person))
        house.store.writing.set()
        await chitra.next(events.RoomEvent, 11)
        await house.quiet()
        assert [len(batch) for batch in house.store.batches[-2:]] == [1, 11]
        for peer in (asha, bob, chitra):
            assert len(peer.door.writes) == before[peer] + 2
            assert seqs(peer) == list(range(1, 12))
        assert len(bob.of(events.Mail)) == 1

    async def test_nobody_else_is_written_to(self, house: House) -> None:
        asha, bob = await house.join("asha"), await house.join("bob")
        quiet = await house.login_as_new(house.person("chitra"))
        before = len(quiet.door.writes), len(bob.door.writes)
        await asha.refused(asha.saying("@oops"))
        await asha.ask(commands.History("h", house.room))
        await asha.stored(asha.saying("hi"))
        await house.quiet()
        assert (len(quiet.door.writes), len(bob.door.writes) - 1) == before


class TestStall:
    async def test_nothing_is_pushed_and_afterwards_all_comes_once_in_order(self, house: House) -> None:
        asha, bob = await house.join("asha"), await house.join("bob")
        await say(asha, 2)
        await house.quiet()
        bob.door.stall()
        before = len(bob.door.writes)
        await say(asha, 20)
        await house.quiet()
        assert len(bob.door.writes) == before
        bob.door.drain()
        await until(lambda: len(seqs(bob)) == 22, "the rest")
        await say(asha, 1)
        await house.quiet()
        assert seqs(bob) == list(range(1, 24))
        assert seqs(asha) == list(range(1, 24))
        assert len(bob.of(events.Live)) == 1

    async def test_what_is_said_while_it_drains_is_in_its_place(self, house: House) -> None:
        asha, bob = await house.join("asha"), await house.join("bob")
        bob.door.stall()
        await say(asha, 30)
        bob.door.drain()
        for _ in range(30):
            await asha.stored(asha.saying("more"))
        await house.quiet()
        assert seqs(bob) == list(range(1, 61))

    async def test_mail_waits_and_comes_once_in_order(self, house: House) -> None:
        asha, bob = await house.join("asha"), await house.join("bob")
        assert asha.phone
        assert bob.phone
        ids = [(await asha.stored(send(asha.phone, bob.phone.person))).id]
        await house.quiet()
        bob.door.stall()
        before = len(bob.door.writes)
        for _ in range(10):
            ids.append((await asha.stored(send(asha.phone, bob.phone.person))).id)
            await asha.stored(asha.saying("and all"))
        await house.quiet()
        assert len(bob.door.writes) == before
        bob.door.drain()
        await bob.next(events.Mail, 11)
        ids.append((await asha.stored(send(asha.phone, bob.phone.person))).id)
        await house.quiet()
        assert [mail.id for mail in bob.of(events.Mail)] == ids
        assert [mail.n for mail in bob.of(events.Mail)] == list(range(1, 13))
        assert seqs(bob) == list(range(1, 11))

    async def test_who_stalls_again_and_again_gets_all_once(self, house: House) -> None:
        asha, bob = await house.join("asha"), await house.join("bob")
        assert asha.phone
        assert bob.phone
        for number in range(60):
            (bob.door.stall if number % 3 == 0 else bob.door.drain)()
            await asha.stored(asha.saying("hi"))
            await asha.stored(send(asha.phone, bob.phone.person))
        bob.door.drain()
        await until(lambda: len(seqs(bob)) == 60 and len(bob.of(events.Mail)) == 60, "all of it")
        await house.quiet()
        assert seqs(bob) == list(range(1, 61))
        assert [mail.n for mail in bob.of(events.Mail)] == list(range(1, 61))

    async def test_it_may_leave_while_it_is_full(self, house: House) -> None:
        asha, bob = await house.join("asha"), await house.join("bob")
        assert bob.phone
        bob.door.stall()
        await say(asha, 5)
        bob.drop()
        await say(asha, 5)
        back = await house.login(bob.phone)
        assert seqs(back) == list(range(1, 11))

    async def test_answers_still_come_in_their_order(self, house: House) -> None:
        """What a connection asked before its socket was full is answered; what it asks then, when it drains."""
        asha = await house.join("asha")
        asha.door.stall()
        asha.tell(commands.History("h", house.room))
        asha.tell(asha.saying("hi", "said"))
        await house.quiet()
        assert asha.of(events.HistoryPage) == []
        asha.door.drain()
        house.engine.drained(asha.connection)
        assert isinstance(await asha.answer("h"), events.HistoryPage)
        await asha.answer("said")

    async def test_who_asks_on_and_on_without_reading_is_closed(self, house: House) -> None:
        asha = await house.join("asha")
        asha.door.stall()
        before = len(asha.door.writes)
        for number in range(65):
            asha.tell(commands.History(f"h{number}", house.room))
        error = await asha.closed()
        assert error
        assert error.code == Code.TOO_MANY
        assert len(asha.door.writes) == before + 1


class TestCatchingUp:
    async def test_who_is_far_behind_gets_a_gap_and_the_last_ones(self) -> None:
        async with await aged(MAX_BEHIND + 50) as house:
            asha = await house.login_as_new(house.person("asha"))
            live = await asha.resume(room=49)
            head = MAX_BEHIND + 50
            assert asha.of(events.Gap) == [events.Gap(house.room, 49, head - GAP_TAIL + 1)]
            assert seqs(asha) == list(range(head - GAP_TAIL + 1, head + 1))
            assert live.rooms == {house.room: head}
            kinds = [type(event) for event in asha.seen if isinstance(event, events.Gap | events.RoomEvent)]
            assert kinds[0] is events.Gap

    async def test_who_is_just_not_far_behind_gets_all(self) -> None:
        async with await aged(MAX_BEHIND + 50) as house:
            asha = await house.login_as_new(house.person("asha"))
            await asha.resume(room=50)
            assert asha.of(events.Gap) == []
            assert seqs(asha) == list(range(51, MAX_BEHIND + 51))

    async def test_history_reads_what_is_in_the_gap(self) -> None:
        async with await aged(MAX_BEHIND + 50) as house:
            asha = await house.login_as_new(house.person("asha"))
            await asha.resume(room=0)
            [gap] = asha.of(events.Gap)
            before, found = gap.next, list[int]()
            while before > gap.after + 1:
                page = await asha.ask(commands.History(f"h{before}", house.room, before, 200))
                assert isinstance(page, events.HistoryPage)
                found = [event.seq for event in page.events] + found
                before = found[0]
            assert found == list(range(1, gap.next))

    async def test_who_falls_behind_while_stalled_gets_a_gap_too(self, house: House) -> None:
        asha, bob = await house.join("asha"), await house.join("bob")
        await say(asha, 3)
        await house.quiet()
        bob.door.stall()
        await say(asha, MAX_BEHIND + 1)
        bob.door.drain()
        head = MAX_BEHIND + 4
        await until(lambda: seqs(bob)[-1:] == [head], "the last one")
        assert bob.of(events.Gap) == [events.Gap(house.room, 3, head - GAP_TAIL + 1)]
        assert seqs(bob) == [1, 2, 3, *range(head - GAP_TAIL + 1, head + 1)]

    @pytest.mark.parametrize("text", ["x", "x" * 300, "\u0001" * 100], ids=["short", "long", "escaped"])
    async def test_what_is_written_at_once_is_bounded(self, text: str) -> None:
        async with await aged(900, text) as house:
            asha = await house.login_as_new(house.person("asha"))
            before = len(asha.door.writes)
            await asha.resume()
            assert seqs(asha) == list(range(1, 901))
            assert max(map(len, asha.door.writes[before:])) <= MAX_PAGE

    async def test_a_page_of_mail_is_bounded_too(self, house: House) -> None:
        asha, bob = await house.join("asha"), await house.join("bob")
        assert asha.phone
        assert bob.phone
        bob.drop()
        lists = {bob.phone.person.account: 1, asha.phone.person.account: 1}
        contents = {bob.phone.id: b'{"tiny":1}'}
        await house.store.commit(
            [
                DeliverMail(
                    f"m{n}",
                    asha.phone.person.account,
                    asha.phone.id,
                    bob.phone.person.account,
                    n,
                    contents,
                    lists,
                    b"d",
                )
                for n in range(900)
            ]
        )
        back = await house.login(bob.phone)
        assert [mail.n for mail in back.of(events.Mail)] == list(range(1, 901))
        assert max(map(len, back.door.writes)) <= MAX_PAGE

    async def test_one_event_that_is_bigger_than_a_page_comes_all_the_same(self) -> None:
        async with await aged(3, "x" * (MAX_PAGE + 1)) as house:
            asha = await house.join("asha")
            assert seqs(asha) == [1, 2, 3]

    async def test_what_is_in_memory_is_not_read_from_the_log(self, house: House) -> None:
        asha = await house.join("asha")
        await say(asha, 100)
        house.store.asked.clear()
        bob = await house.join("bob")
        assert seqs(bob) == list(range(1, 101))
        assert "records" not in house.store.asked

    async def test_the_log_and_the_memory_meet(self) -> None:
        async with await aged(500) as house:
            asha = await house.join("asha")
            await say(asha, 300)
            house.store.asked.clear()
            bob = await house.join("bob")
            assert seqs(bob) == list(range(1, 801))
            assert "records" in house.store.asked
            chitra = await house.login_as_new(house.person("chitra"))
            house.store.asked.clear()
            await chitra.resume(room=500)
            assert seqs(chitra) == list(range(501, 801))
            assert "records" not in house.store.asked

    async def test_what_is_said_while_the_log_is_read_comes_once(self) -> None:
        async with await aged(300) as house:
            bob, asha = await house.login_as_new(house.person("bob")), await house.join("asha")
            house.store.paging.clear()
            house.store.asked.clear()
            await bob.done(bob.resuming(room=0))
            await house.until_asked("records")
            await say(asha, 5)
            house.store.paging.set()
            await bob.next(events.Live)
            await say(asha, 5)
            await house.quiet()
            assert seqs(bob) == list(range(1, 311))

    async def test_what_is_on_disk_but_not_passed_on_yet_comes_once(self) -> None:
        """The log is a moment ahead of what was passed on: a page must not hold what comes live."""
        async with await aged(10) as house:
            asha = await house.join("asha")
            house.store.paging.clear()
            bob = await house.login_as_new(house.person("bob"))
            await bob.done(bob.resuming(room=0))
            commit = house.store.commit
            before: list[list[int]] = []

            async def slow(changes: Any) -> Any:
                outcomes = await commit(changes)
                house.store.paging.set()
                await bob.next(events.Live)
                before.append(seqs(bob))
                return outcomes

            house.store.commit = slow  # type: ignore[method-assign]
            await asha.stored(asha.saying("hi"))
            await house.quiet()
            assert before == [list(range(1, 11))]
            assert seqs(bob) == list(range(1, 12))

    async def test_mail_that_arrives_while_the_mailbox_is_read_comes_once(self, house: House) -> None:
        asha, bob = await house.join("asha"), house.person("bob")
        (await house.login_as_new(bob)).drop()
        assert asha.phone
        first = (await asha.stored(send(asha.phone, bob))).id
        house.store.mailing.clear()
        house.store.asked.clear()
        back = house.connect()
        await back.login(bob.phone)
        await back.done(back.resuming())
        await house.until_asked("mail")
        second = (await asha.stored(send(asha.phone, bob))).id
        house.store.mailing.set()
        await back.next(events.Live)
        third = (await asha.stored(send(asha.phone, bob))).id
        await house.quiet()
        assert [mail.id for mail in back.of(events.Mail)] == [first, second, third]

    async def test_mail_that_comes_behind_an_empty_page_is_not_forgotten(self, house: House) -> None:
        """The mailbox was read as empty, and mail was posted before that was known."""
        asha, bob = await house.join("asha"), await house.join("bob")
        assert asha.phone
        assert bob.phone
        await asha.stored(send(asha.phone, bob.phone.person))
        await bob.done(commands.Ack(house.context.directory.epoch, 1, id="a"))
        mail = house.store.mail
        held: list[int] = []

        async def late(*args: Any) -> Any:
            items = await mail(*args)
            if not held:
                held.append(1)
                assert asha.phone
                assert bob.phone
                await asha.stored(send(asha.phone, bob.phone.person))
            return items

        house.store.mail = late  # type: ignore[assignment,method-assign]
        lives = len(bob.of(events.Live))
        await bob.done(bob.resuming())
        await bob.next(events.Live, lives + 1)
        await house.quiet()
        assert [mail.n for mail in bob.of(events.Mail)] == [1, 2]

    async def test_who_has_all_mail_is_not_looked_up(self, house: House) -> None:
        bob = await house.join("bob")
        house.store.asked.clear()
        lives = len(bob.of(events.Live))
        await bob.done(bob.resuming())
        await bob.next(events.Live, lives + 1)
        assert "mail" not in house.store.asked

    async def test_mail_that_is_posted_after_its_head_was_read_comes_once(self, house: House) -> None:
        asha, bob = await house.join("asha"), await house.join("bob")
        assert asha.phone
        assert bob.phone
        left_off, phone, to = house.store.left_off, asha.phone, bob.phone.person

        async def late(device: str, mail: int, rooms: Mapping[str, int]) -> LeftOff:
            found = await left_off(device, mail, rooms)
            if found.mail_head == 0:
                await asha.stored(send(phone, to))
            return found

        house.store.left_off = late  # type: ignore[method-assign]
        bob.drop()
        back = house.connect()
        await back.login(bob.phone)
        await back.done(back.resuming())
        await back.next(events.Live)
        await house.quiet()
        assert [mail.n for mail in back.of(events.Mail)] == [1]

    async def test_live_says_up_to_where_it_was(self, house: House) -> None:
        asha, bob = await house.join("asha"), await house.join("bob")
        assert asha.phone
        assert bob.phone
        await say(asha, 3)
        await asha.stored(send(asha.phone, bob.phone.person))
        chitra = await house.login_as_new(house.person("chitra"))
        assert await chitra.resume(room=1) == events.Live({house.room: 3}, 0)
        bob.drop()
        back = house.connect()
        await back.login(bob.phone)
        assert await back.resume(room=3) == events.Live({house.room: 3}, 1)

    async def test_a_resume_without_rooms_is_of_the_mailbox_alone(self, house: House) -> None:
        asha = await house.join("asha")
        await say(asha, 2)
        bob = await house.login_as_new(house.person("bob"))
        assert bob.welcome
        await bob.done(commands.Resume("r", bob.welcome.epoch, {}))
        assert await bob.next(events.Live) == events.Live({}, 0)
        await say(asha, 1)
        await house.quiet()
        assert seqs(bob) == []

    async def test_a_log_that_cannot_be_read_asks_to_come_back(self) -> None:
        """Whoever was being fed must not be left connected and deaf."""
        async with await aged(300) as house:
            asha = await house.login_as_new(house.person("asha"))
            house.store.paging.clear()
            house.store.asked.clear()
            await asha.done(asha.resuming())
            await house.until_asked("records")
            house.store.reads_fail = True
            house.store.paging.set()
            error = await asha.closed()
            assert error
            assert (error.code, error.retryable) == (Code.TRY_AGAIN, True)
            house.store.reads_fail = False
            assert asha.phone
            assert seqs(await house.login(asha.phone)) == list(range(1, 301))

    async def test_many_who_come_back_are_fed_in_turn(self) -> None:
        async with await aged(300) as house:
            people = [await house.login_as_new(house.person(f"guest{n}")) for n in range(delivery.FEEDERS + 6)]
            house.store.paging.clear()
            house.store.asked.clear()
            for peer in people:
                await peer.done(peer.resuming())
            await until(lambda: house.store.asked.count("records") == delivery.FEEDERS, "all feeders")
            house.store.paging.set()
            for peer in people:
                await peer.next(events.Live)
                assert seqs(peer) == list(range(1, 301))


class TestTail:
    """What a room keeps in memory."""

    def test_it_keeps_the_last_thousand(self) -> None:
        room = delivery.RoomDelivery(5)
        for seq in range(6, 6 + delivery.TAIL_EVENTS + 1):
            room.append(seq, b"%d" % seq)
        assert room.after(5) is None
        page = room.after(6)
        assert page is not None
        assert (page[0], len(page)) == (b"7", delivery.TAIL_EVENTS)
        assert room.after(room.head) == []
        assert room.tail_bytes == sum(map(len, room.tail))

    def test_it_keeps_no_more_than_so_many_bytes(self) -> None:
        room = delivery.RoomDelivery(0)
        big = bytes(delivery.TAIL_BYTES // 2)
        for seq in range(1, 4):
            room.append(seq, big)
        assert len(room.tail) == 2
        assert room.after(0) is None
        assert room.after(1) == [big]
        assert room.tail_bytes <= delivery.TAIL_BYTES

    def test_a_page_is_bounded_but_never_empty(self) -> None:
        room = delivery.RoomDelivery(0)
        for seq in range(1, 5):
            room.append(seq, bytes(MAX_PAGE // 2))
        room.append(5, bytes(MAX_PAGE + 1))
        assert [len(room.after(seq) or []) for seq in range(5)] == [2, 2, 2, 1, 1]

    def test_an_empty_one_knows_nothing_before_its_head(self) -> None:
        room = delivery.RoomDelivery(7)
        assert room.after(7) == []
        assert room.after(6) is None
