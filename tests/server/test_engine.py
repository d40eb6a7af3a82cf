"""What the engine keeps in bounds: rates, waits, silence, faults, failed logins, failed commits, the end."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
import pytest
from tests.server.house import PATIENCE, House, Peer, until
from tests.server.people import Person, send

from talk.protocol import commands, events
from talk.protocol.errors import Code, Refused
from talk.protocol.ids import random_id
from talk.protocol.limits import DEAD_AFTER, LOGIN_WITHIN, MAX_UNANSWERED, PING_AFTER
from talk.server import bounds, engine
from talk.server.commands import TABLE
from talk.server.ports import StartEpoch
from talk.server.rules import owner
from talk.server.rules.decisions import Decision, Effect, KeysLeft, Read, Write


async def lines(house: House) -> list[str]:
    return [record.id for record in await house.store.records(house.room, 0, 10_000, 10_000_000)]


class TestRate:
    async def test_over_it_each_waits_its_turn_and_nothing_is_lost(self) -> None:
        async with House(rate=200.0, burst=3.0) as house:
            asha = await house.join("asha")
            ids = [f"line{number}" for number in range(20)]
            for id in ids:
                asha.tell(asha.saying(id, id))
            assert len(asha.connection.waiting) == 17
            await self.pass_until(house, lambda: len(asha.of(events.Stored)) == 20)
            assert [stored.id for stored in asha.of(events.Stored)] == ids
            assert [stored.seq for stored in asha.of(events.Stored)] == list(range(1, 21))

    async def test_it_lets_no_more_through_than_it_says(self) -> None:
        async with House(rate=100.0, burst=4.0) as house:
            asha = await house.join("asha")
            for number in range(10):
                asha.tell(asha.saying("hi", f"line{number}"))
            await house.engine.commits.flush()
            assert len(await lines(house)) == 4
            house.steady += 0.0301
            await until(lambda: len(asha.connection.waiting) == 3, "three more")
            await asyncio.sleep(0.05)
            assert len(asha.connection.waiting) == 3

    async def test_it_is_of_the_account_and_outlives_a_connection(self) -> None:
        async with House(rate=1.0, burst=2.0) as house:
            asha = await house.join("asha")
            assert asha.phone
            for number in range(2):
                await asha.stored(asha.saying("hi", f"line{number}"))
            asha.drop()
            again = await house.login(asha.phone)
            again.tell(again.saying("hi", "line2"))
            assert len(again.connection.waiting) == 1
            bob = await house.join("bob")
            await bob.stored(bob.saying("hi"))

    async def test_reads_acks_and_pongs_do_not_wait(self) -> None:
        async with House(rate=1.0, burst=1.0) as house:
            asha = await house.join("asha")
            asha.tell(asha.saying("one"))
            asha.tell(asha.saying("two", "two"))
            for number in range(5):
                await asha.ask(commands.History(f"h{number}", house.room))
                await asha.ask(commands.Query(f"q{number}", [], ["asha"]))
                await asha.done(asha.acking(0, id=f"a{number}"))
                asha.tell(commands.Ping())
            assert len(asha.of(commands.Pong)) == 5
            assert len(asha.connection.waiting) == 1

    async def test_what_waits_goes_with_its_connection(self) -> None:
        async with House(rate=50.0, burst=1.0) as house:
            asha = await house.join("asha")
            for number in range(3):
                asha.tell(asha.saying("hi", f"line{number}"))
            asha.drop()
            house.steady += 10
            await asyncio.sleep(0.05)
            await house.quiet()
            assert await lines(house) == ["line0"]

    async def test_a_closed_connections_turn_never_comes(self) -> None:
        async with House(rate=50.0, burst=1.0) as house:
            asha = await house.join("asha")
            asha.door.on_end = lambda: None
            for number in range(3):
                asha.tell(asha.saying("hi", f"line{number}"))
            house.engine.perform(owner.kick(house.context, "asha"))
            house.steady += 10
            await asyncio.sleep(0.05)
            await house.quiet()
            assert await lines(house) == ["line0"]

    async def test_none_means_none(self, house: House) -> None:
        asha = await house.join("asha")
        for number in range(MAX_UNANSWERED):
            asha.tell(asha.saying("hi", f"line{number}"))
        assert not asha.connection.waiting
        await house.quiet()
        assert len(asha.of(events.Stored)) == MAX_UNANSWERED

    @staticmethod
    async def pass_until(house: House, condition: object) -> None:
        assert callable(condition)
        while not condition():
            house.steady += 0.001
            await asyncio.sleep(0.001)


class TestShares:
    @pytest.mark.parametrize("work", ["READ_TRIP", "READ_WORK", "WRITE_WORK"])
    async def test_what_the_store_did_for_them_counts(self, monkeypatch: pytest.MonkeyPatch, work: str) -> None:
        async with House(rate=10.0) as house:
            asha = await house.join("asha")
            account = asha.connection.session.account
            assert house.engine.bounds.worked("", account, 0) == 0
            monkeypatch.setattr(engine, work, 10**6)
            await asha.ask(commands.History("h", house.room))
            await asha.ask(commands.Ack(house.context.directory.epoch, 0, [], "a"))
            await until(lambda: house.engine.bounds.worked("", account, 0) > 0, "a rest")


class TestNewAccounts:
    async def test_without_invitations_one_address_takes_so_many_names(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bounds, "NEW_ACCOUNTS", 2)
        async with House(rate=10.0) as house:
            for name in ("asha", "bob"):
                await house.join(name)
            late = house.connect("192.0.2.1")
            await late.hello()
            late.tell(Person("chitra", house.context.key.id).phone.register(late.channel))
            error = await late.closed()
            assert error
            assert (error.code, error.retryable) == (Code.TRY_AGAIN, True)
            house.steady += 1 / bounds.NEW_ACCOUNTS_RATE + 0.01
            await house.join("chitra")

    async def test_where_invitations_are_needed_they_are_the_bound(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bounds, "NEW_ACCOUNTS", 0)
        async with House(rate=10.0, invite_needed=True) as house:
            peer = house.connect("192.0.2.1")
            await peer.hello()
            command = Person("asha", house.context.key.id).phone.register(peer.channel)
            assert (await peer.refused(command)).code == Code.INVITE_NEEDED


class TestUnanswered:
    async def test_the_65th_command_closes(self, house: House) -> None:
        asha = await house.join("asha")
        assert asha.phone
        house.store.writing.clear()
        for number in range(MAX_UNANSWERED):
            asha.tell(asha.saying("hi", f"line{number}"))
        assert not asha.door.closed
        asha.tell(asha.saying("hi", "one-too-many"))
        error = await asha.closed()
        assert error
        assert (error.code, error.retryable) == (Code.TOO_MANY, True)
        assert asha.door.closed == (1008, Code.TOO_MANY)
        house.store.writing.set()
        await house.quiet()
        back = await house.login(asha.phone)
        assert [seq for seq, _ in back.texts()] == list(range(1, MAX_UNANSWERED + 1))

    async def test_those_that_wait_for_their_turn_count(self) -> None:
        async with House(rate=1.0, burst=1.0) as house:
            asha = await house.join("asha")
            for number in range(MAX_UNANSWERED):
                asha.tell(asha.saying("hi", f"line{number}"))
            assert not asha.door.closed
            asha.tell(asha.saying("hi", "more"))
            asha.tell(asha.saying("hi", "too-many"))
            error = await asha.closed()
            assert error
            assert error.code == Code.TOO_MANY

    async def test_only_so_many_bytes_wait_for_their_turn(self) -> None:
        """The longest commands are private messages for many devices."""
        async with House(rate=1.0, burst=1.0) as house:
            asha = await house.join("asha")
            account = asha.connection.session.account
            sealed = {random_id(): msgspec.Raw(b'"' + b"x" * 30_000 + b'"') for _ in range(16)}
            asha.tell(asha.saying("hi"))
            for number in range(4):
                asha.tell(commands.Send(f"m{number}", account, {account: 1}, sealed))
            assert not asha.door.closed
            asha.tell(commands.Send("m4", account, {account: 1}, sealed))
            error = await asha.closed()
            assert error
            assert error.code == Code.TOO_MANY

    async def test_what_somebody_asked_who_is_gone_is_not_read(self, house: House) -> None:
        asha = await house.join("asha")
        await house.quiet()
        house.store.reading.clear()
        before = house.store.asked.count("records_before")
        for number in range(5):
            asha.tell(commands.History(f"h{number}", house.room))
        await house.until_asked("records_before")
        house.engine.disconnected(asha.connection, said_goodbye=False)
        house.store.reading.set()
        await house.quiet()
        assert house.store.asked.count("records_before") == before + 1

    async def test_reads_count_while_they_are_unanswered(self, house: House) -> None:
        asha = await house.join("asha")
        house.store.reading.clear()
        for number in range(MAX_UNANSWERED):
            asha.tell(commands.History(f"h{number}", house.room))
        assert not asha.door.closed
        asha.tell(commands.History("one-too-many", house.room))
        error = await asha.closed()
        assert error
        assert error.code == Code.TOO_MANY

    async def test_any_number_one_after_the_other(self, house: House) -> None:
        asha = await house.join("asha")
        for number in range(3 * MAX_UNANSWERED):
            await asha.stored(asha.saying("hi"))
            assert isinstance(await asha.ask(commands.History(f"h{number}", house.room, 0, 1)), events.HistoryPage)
            await asha.refused(asha.saying("@oops"))
        assert asha.connection.unanswered == 0


class TestFaults:
    async def test_ten_frames_that_cannot_be_read_close(self, house: House) -> None:
        asha = await house.join("asha")
        for number in range(engine.MAX_FAULTS - 1):
            asha.tell_raw(b"?" * number)
        assert [error.code for error in asha.of(events.Error)] == [Code.MALFORMED] * (engine.MAX_FAULTS - 1)
        assert not asha.door.closed
        await asha.stored(asha.saying("still fine"))
        asha.tell_raw(b"?")
        error = await asha.closed()
        assert error
        assert error.code == Code.MALFORMED
        assert asha.door.closed == (1008, Code.MALFORMED)

    @pytest.mark.parametrize(
        ("frame", "code", "id"),
        [
            (b"", Code.MALFORMED, ""),
            (b"null", Code.MALFORMED, ""),
            (b"[1,2", Code.MALFORMED, ""),
            (b"[" * 100_000, Code.MALFORMED, ""),
            (b'{"type":' + b"[" * 100_000, Code.MALFORMED, ""),
            (b'{"no":"type"}', Code.MALFORMED, ""),
            (b'{"type":1}', Code.MALFORMED, ""),
            (b'{"type":"dance","id":"x"}', Code.UNKNOWN_COMMAND, "x"),
            (b'{"type":"dance","id":["x"]}', Code.UNKNOWN_COMMAND, ""),
            (b'{"type":"say","id":"x"}', Code.BAD_REQUEST, "x"),
            (b'{"type":"say","id":"a b"}', Code.BAD_REQUEST, ""),
            (b'{"type":"history","id":"x","room":1}', Code.BAD_REQUEST, "x"),
            (b'{"type":"ack","epoch":"","mail":-1,"id":"x"}', Code.BAD_REQUEST, "x"),
            (b'{"type":"list","id":"' + b"x" * 65 + b'"}', Code.BAD_REQUEST, ""),
        ],
    )
    async def test_each_is_told_what_was_wrong(self, house: House, frame: bytes, code: Code, id: str) -> None:
        asha = await house.join("asha")
        asha.tell_raw(frame)
        [error] = asha.of(events.Error)
        assert (error.code, error.id, error.retryable) == (code, id, False)
        await asha.stored(asha.saying("and on"))

    async def test_unknown_fields_are_ignored(self, house: House) -> None:
        asha = await house.join("asha")
        asha.tell_raw(b'{"type":"list","id":"x","later":{"a":[1]}}')
        assert isinstance(await asha.answer("x"), events.People)


class TestMistakesOfOurs:
    """A rule that fails on what came in ends neither the session nor the server, and its words reach no log."""

    @pytest.mark.parametrize("where", ["decides", "after the commit", "after the read"])
    async def test_the_command_is_answered_and_the_session_goes_on(
        self, house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, where: str
    ) -> None:
        def mistaken(*_: object) -> Decision:
            if where == "decides":
                raise RecursionError(private)
            if where == "after the commit":
                return Write(StartEpoch(random_id()), fails)
            return Read(KeysLeft(random_id()), fails)

        def fails(_: object) -> list[Effect]:
            raise KeyError(private)

        private = random_id()
        asha = await house.join("asha")
        assert asha.welcome is not None
        room = asha.welcome.rooms[0].room
        entry = TABLE[commands.History]
        monkeypatch.setitem(TABLE, commands.History, replace(entry, handler=mistaken))
        for _ in range(MAX_UNANSWERED + 1):  # each is counted as answered
            error = await asha.refused(commands.History(random_id(), room))
            assert (error.code, error.retryable) == (Code.TRY_AGAIN, True)
        await asha.stored(commands.Say(random_id(), room, "still here"))
        assert "a command failed" in caplog.text
        assert private not in caplog.text


class TestTime:
    async def test_a_login_that_takes_too_long_is_closed(self, house: House) -> None:
        peer, asha = house.connect(), await house.join("asha")
        await peer.hello()
        house.pass_time(LOGIN_WITHIN)
        assert not peer.door.closed
        house.pass_time(0.1)
        error = await peer.closed()
        assert error
        assert (error.code, error.retryable) == (Code.TOO_SLOW, True)
        assert not asha.door.closed

    async def test_who_only_pings_is_too_slow_all_the_same(self, house: House) -> None:
        peer = house.connect()
        house.pass_time(LOGIN_WITHIN + 0.1, peer)
        await peer.closed()

    async def test_silence_is_asked_about_once_and_then_ended(self, house: House) -> None:
        asha, bob = await house.join("asha"), await house.join("bob")
        house.pass_time(PING_AFTER)
        assert asha.of(commands.Ping) == []
        house.pass_time(0.1)
        house.pass_time(1)
        assert len(asha.of(commands.Ping)) == 1
        bob.tell(commands.Pong())
        house.pass_time(DEAD_AFTER - PING_AFTER - 1.1)
        assert not asha.door.aborted
        house.pass_time(0.1)
        assert asha.door.aborted
        assert not bob.door.aborted

    async def test_a_sign_of_life_starts_the_silence_anew(self, house: House) -> None:
        asha = await house.join("asha")
        for number in range(1, 4):
            house.pass_time(PING_AFTER + 1)
            assert len(asha.of(commands.Ping)) == number
            asha.tell(commands.Pong())

    async def test_what_cannot_be_read_is_a_sign_of_life_too(self, house: House) -> None:
        asha = await house.join("asha")
        house.pass_time(PING_AFTER + 1)
        asha.tell_raw(b"?")
        house.pass_time(PING_AFTER - 1)
        assert len(asha.of(commands.Ping)) == 1
        assert not asha.door.aborted

    async def test_the_clocks_run_by_themselves(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(engine, "LOOK_ROUND", 0.01)
        async with House() as house:
            peer = house.connect()
            house.steady += LOGIN_WITHIN + 1
            await peer.closed()


class TestFailedLogins:
    async def failing(self, house: House, peer: Peer) -> str:
        """One more login that fails."""
        eve = house.person("eve")
        bob = house.context.directory.find("bob")
        assert bob is not None
        login = commands.Login(
            f"l{len(peer.seen)}", bob.account, next(iter(bob.devices)), eve.phone.proof(peer.channel)
        )
        return (await peer.refused(login)).code

    async def attack(self, house: House, address: str) -> None:
        for _ in range(bounds.FAILED_LOGINS):
            peer = house.connect(address)
            await peer.hello()
            assert await self.failing(house, peer) == Code.BAD_PROOF
            peer.drop()

    async def test_an_address_that_fails_too_often_waits(self, house: House) -> None:
        bob = await house.join("bob")
        await self.attack(house, "198.51.100.7")
        peer = house.connect("198.51.100.7")
        error = await peer.closed()
        assert error
        assert (error.code, error.retryable) == (Code.TRY_AGAIN, True)
        assert peer.door.closed == (1013, Code.TRY_AGAIN)
        await house.connect("198.51.100.8").hello()
        assert not bob.door.closed

    async def test_it_may_try_again_after_a_few_seconds(self, house: House) -> None:
        await house.join("bob")
        await self.attack(house, "198.51.100.7")
        house.pass_time(5.1)
        peer = house.connect("198.51.100.7")
        await peer.hello()
        assert await self.failing(house, peer) == Code.BAD_PROOF
        await house.connect("198.51.100.7").closed()

    async def test_one_connection_cannot_go_on_trying(self, house: House) -> None:
        """Nor can it lock everybody else of its address out for hours."""
        await house.join("bob")
        peer = house.connect("198.51.100.7")
        await peer.hello()
        tries = 0
        while not peer.door.closed:
            await self.failing(house, peer)
            tries += 1
            assert tries <= bounds.FAILED_LOGINS
        assert peer.door.closed == (1013, Code.TRY_AGAIN)
        house.pass_time(5.1)
        await house.connect("198.51.100.7").hello()

    async def test_many_connections_together_cannot_either(self, house: House) -> None:
        await house.join("bob")
        peers = [house.connect("198.51.100.7") for _ in range(3 * bounds.FAILED_LOGINS)]
        for peer in peers:
            await peer.hello()
        for peer in peers:
            assert await self.failing(house, peer) == Code.BAD_PROOF
        house.pass_time(5.1)
        await house.connect("198.51.100.7").hello()

    async def test_good_logins_do_not_count(self, house: House) -> None:
        bob = await house.join("bob")
        assert bob.phone
        for _ in range(2 * bounds.FAILED_LOGINS):
            await house.login(bob.phone, room=None)

    async def test_invites_that_are_guessed_count(self) -> None:
        async with House(invite_needed=True) as house:
            for number in range(bounds.FAILED_LOGINS):
                peer = house.connect("198.51.100.7")
                await peer.hello()
                guess = house.person("eve").phone.register(peer.channel, invite=f"{number}")
                assert (await peer.refused(guess)).code == Code.INVITE_INVALID
            await house.connect("198.51.100.7").closed()


class TestFailedCommit:
    @pytest.mark.parametrize("failing", ["before", "after"])
    async def test_nothing_is_answered_everybody_comes_back_and_each_is_there_once(
        self, house: House, failing: str
    ) -> None:
        asha, bob = await house.join("asha"), await house.join("bob")
        assert asha.phone
        assert bob.phone
        await asha.stored(asha.saying("before"))
        await house.quiet()
        said, sent = asha.saying("hi"), send(bob.phone, asha.phone.person)
        house.store.fail_next = "before" if failing == "before" else "after"
        asha.tell(said)
        bob.tell(sent)
        for peer in (asha, bob):
            error = await peer.closed()
            assert error
            assert (error.code, error.retryable) == (Code.TRY_AGAIN, True)
            assert peer.door.closed == (1013, Code.TRY_AGAIN)
        await house.quiet()
        assert len(asha.of(events.Stored)) == 1
        assert bob.of(events.Stored) == []
        assert house.told[-1]["event"] != "message"

        asha, bob = await house.login(asha.phone, room=1), await house.login(bob.phone, room=1)
        assert (await asha.stored(said)).seq == 2
        await bob.stored(sent)
        await house.quiet()
        for peer in (asha, bob):
            assert [seq for seq, _ in peer.texts()] == [2]
        assert [mail.id for mail in asha.of(events.Mail)] == [sent.id]

    async def test_the_owner_is_told(self, house: House) -> None:
        asha = await house.join("asha")
        house.store.fail_next = "before"
        asha.tell(asha.saying("hi"))
        await asha.closed()
        assert "store_failed" in [event["event"] for event in house.told]

    async def test_nobody_comes_in_before_it_was_read_again(self, house: House) -> None:
        asha = await house.join("asha")
        assert asha.phone
        house.store.reading.clear()
        house.store.fail_next = "before"
        asha.tell(asha.saying("hi"))
        await asha.closed()
        assert not house.engine.healthy
        peer = house.connect()
        error = await peer.closed()
        assert error
        assert error.code == Code.TRY_AGAIN
        house.store.reading.set()
        await house.quiet()
        assert house.engine.healthy
        await house.login(asha.phone)

    async def test_a_store_that_cannot_be_read_is_tried_again(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engine, "RELOAD_EVERY", 0.01)
        asha = await house.join("asha")
        assert asha.phone
        house.store.reads_fail = True
        house.store.fail_next = "before"
        asha.tell(asha.saying("hi"))
        await asha.closed()
        house.store.asked.clear()
        await until(lambda: house.store.asked.count("load") > 2, "three tries")
        house.store.reads_fail = False
        await house.quiet()
        await house.login(asha.phone)

    async def test_the_owner_can_change_nothing_meanwhile(self, house: House) -> None:
        """A change that is committed while the directory is read again would be missing in it."""
        asha = await house.join("asha")
        house.store.reading.clear()
        house.store.fail_next = "before"
        asha.tell(asha.saying("hi"))
        await asha.closed()
        with pytest.raises(Refused) as refused:
            await house.engine.change(owner.ban(house.context, "asha"))
        assert refused.value.code == Code.TRY_AGAIN

    async def test_what_a_closed_connection_was_reading_for_is_not_done(self, house: House) -> None:
        asha = await house.join("asha")
        assert asha.phone
        person = asha.phone.person
        house.store.reading.clear()
        asha.tell(person.set_devices([asha.phone], 2))
        house.store.fail_next = "before"
        asha.tell(asha.saying("hi"))
        await asha.closed()
        house.store.batches.clear()
        house.store.reading.set()
        await house.quiet()
        assert house.store.batches == []
        assert house.context.directory.accounts == {row.account: row for row in (await house.store.load()).accounts}

    async def test_a_mistake_in_delivering_is_made_good_from_the_disk(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asha, bob = await house.join("asha"), await house.join("bob")
        assert asha.phone
        assert bob.phone

        def broken(frames: bytes) -> None:
            monkeypatch.undo()
            raise RuntimeError("a mistake")

        monkeypatch.setattr(bob.door, "write", broken)
        said = asha.saying("hi")
        asha.tell(said)
        await asha.closed()
        await house.quiet()
        assert not house.engine.connections
        asha, bob = await house.login(asha.phone), await house.login(bob.phone)
        assert (await asha.stored(said)).seq == 1
        await asha.stored(asha.saying("ho"))
        await house.quiet()
        for peer in (asha, bob):
            assert [seq for seq, _ in peer.texts()] == [1, 2]

    async def test_names_and_invites_are_as_on_disk_afterwards(self, house: House) -> None:
        asha = await house.join("asha")
        assert asha.welcome
        house.store.fail_next = "after"
        asha.tell(commands.Rename("r", "usha"))
        await asha.closed()
        await house.quiet()
        assert house.context.directory.name_of(asha.welcome.account) == "usha"


async def test_a_mistake_while_looking_round_ends_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "LOOK_ROUND", 0.01)
    async with House() as house:
        tries: list[int] = []

        def broken(now: float) -> None:
            tries.append(1)
            raise RuntimeError("a mistake")

        monkeypatch.setattr(house.engine.delivery, "tell_presence", broken)
        await until(lambda: len(tries) > 2, "three looks")


class TestObserver:
    async def test_an_owners_terminal_that_fails_harms_nobody(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        asha, bob = await house.join("asha"), await house.join("bob")

        def broken(event: dict[str, object]) -> None:
            raise OSError(f"no space left for {event}")

        house.engine.observer = broken
        await asha.stored(asha.saying("one"))
        await bob.next(events.RoomEvent)
        bob.drop()
        house.pass_time(60)
        assert len(house.engine.delivery.presence.people()) == 1
        await house.join("chitra")
        assert caplog.text.count("cannot be told") == 1
        assert "one" not in caplog.text


class TestStop:
    async def test_what_was_decided_is_committed_and_everybody_told(self, house: House) -> None:
        asha, bob = await house.join("asha"), await house.join("bob")
        house.store.writing.clear()
        asha.tell(asha.saying("the last word"))
        stopping = asyncio.ensure_future(house.engine.stop())
        await house.until_writing()
        assert not asha.door.closed
        house.store.writing.set()
        await stopping
        assert len(asha.of(events.Stored)) == 1
        for peer in (asha, bob):
            assert len(peer.texts()) == 1
            error = await peer.closed()
            assert error
            assert (error.code, error.retryable) == (Code.STOPPING, True)
            assert peer.door.closed == (1001, Code.STOPPING)

    async def test_who_comes_while_it_stops_is_told_so(self, house: House) -> None:
        await house.engine.stop()
        error = await house.connect().closed()
        assert error
        assert error.code == Code.STOPPING

    async def test_a_second_stop_does_nothing(self, house: House) -> None:
        await house.engine.stop()
        await house.engine.stop()

    async def test_nothing_more_is_begun_so_that_people_who_never_pause_cannot_hold_it_up(self, house: House) -> None:
        asha = await house.join("asha")
        house.store.writing.clear()
        asha.tell(asha.saying("first", "first"))
        stopping = asyncio.ensure_future(house.engine.stop())
        await house.until_writing()
        asha.tell(asha.saying("second", "second"))
        house.store.writing.set()
        await stopping
        assert [stored.id for stored in asha.of(events.Stored)] == await lines(house) == ["first"]

    async def test_what_waits_for_its_turn_is_left_to_be_sent_again(self) -> None:
        async with House(rate=100.0, burst=1.0) as house:
            asha = await house.join("asha")
            asha.tell(asha.saying("first", "first"))
            asha.tell(asha.saying("second", "second"))
            house.store.writing.clear()
            stopping = asyncio.ensure_future(house.engine.stop())
            await house.until_writing()
            house.steady += 1
            await asyncio.sleep(0.03)
            house.store.writing.set()
            await stopping
            assert await lines(house) == ["first"]

    async def test_a_store_that_fails_does_not_hold_it_up(self, house: House) -> None:
        asha = await house.join("asha")
        house.store.fail_next = "before"
        asha.tell(asha.saying("hi"))
        async with asyncio.timeout(PATIENCE):
            await house.engine.stop()
        assert asha.of(events.Stored) == []


async def test_counts_are_of_what_happened(house: House) -> None:
    asha, bob = await house.join("asha"), await house.join("bob")
    assert asha.phone
    assert bob.phone
    before = house.engine.counts["commands"]
    await asha.stored(asha.saying("hi"))
    await asha.stored(send(asha.phone, bob.phone.person))
    await asha.refused(asha.saying("@oops"))
    asha.tell_raw(b"?")
    await house.quiet()
    assert house.engine.counts == {"commands": before + 3, "refused": 2, "private": 1, "messages": 1}
    assert house.engine.delivery.delivered == 2


async def test_no_private_content_is_ever_told_or_logged(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    asha, bob = await house.join("asha"), await house.join("bob")
    assert asha.phone
    assert bob.phone
    command = send(asha.phone, bob.phone.person)
    await asha.stored(command)
    house.store.fail_next = "before"
    asha.tell(send(asha.phone, bob.phone.person))
    await asha.closed()
    content = bytes(command.sealed[bob.phone.id]).decode()
    for text in (caplog.text, str(house.told)):
        assert content not in text
        assert content[-100:-50] not in text
    assert asha.phone.person.account not in caplog.text
