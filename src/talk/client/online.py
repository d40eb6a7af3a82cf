"""One stretch of being online: read what comes, work it through in order, send what waits.

    reader ─▶ answers to commands
           └▶ queue ─▶ worker ─▶ database ─▶ events for the program
    outbox ─▶ lines for rooms, several under way
           └▶ private messages, one under way

It ends with CannotConnect when the connection does, and everything that was under way stays in the outbox.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from talk.client import inbox, outbox, store
from talk.client.connection import Wire
from talk.client.errors import CannotConnect, Rejected, UnknownName
from talk.client.events import ClientEvent, Mark, Notice, PeopleChanged
from talk.client.outbox import NeedsPerson, NeedsSessions, Waiting
from talk.client.people import People
from talk.client.profile import ProfileFolder
from talk.encryption import keys, names
from talk.encryption.database import Database
from talk.encryption.errors import EncryptionError, NameMoved, PeerError, UnknownDevice
from talk.protocol import commands, events
from talk.protocol.errors import Code
from talk.protocol.ids import random_id

ANSWER_WITHIN = 120.0  # seconds; over the rate a command waits its turn
PING_EVERY = 20.0  # seconds
PONG_WITHIN = 15.0  # seconds
SLEPT = 10.0  # seconds that a short wait takes too long, when the computer was asleep
LOOK_EVERY = 2.0  # seconds
QUEUE = 500  # events between reader and worker
MAX_SEALS = 6  # times that a message is prepared before it is put off
SAYS_UNDER_WAY = 16
LATER_MS = 30_000  # until a full mailbox is tried again
RESYNC_PAGES = 10  # pages of history that are compared after a new epoch

Emit = Callable[[ClientEvent], Awaitable[None]]


class OnlineSession:
    """What runs while one connection lasts. `drained` is set while nothing waits in the outbox."""

    def __init__(self, wire: Wire, profile: ProfileFolder, people: People, emit: Emit) -> None:
        self._wire, self._profile, self._people, self._emit = wire, profile, people, emit
        self._answers: dict[str, asyncio.Future[events.Event]] = {}
        self._queue: asyncio.Queue[events.Event] = asyncio.Queue(QUEUE)
        self._heard_at = time.monotonic()
        self.wake_says = asyncio.Event()
        self.wake_private = asyncio.Event()
        self._publishing = asyncio.Lock()

    async def run(self, when_live: Callable[[], Awaitable[None]]) -> None:
        """Stay online until the connection ends. `when_live` is awaited once, when all that was missed is here.

        Errors: CannotConnect, Rejected, ProfileError.
        """
        self._when_live = when_live
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._read())
                await self._start()
                group.create_task(self._work())
                group.create_task(self._stay_awake())
                group.create_task(self._send_says())
                group.create_task(self._send_private())
        except BaseExceptionGroup as errors:
            raise _first(errors) from errors
        finally:
            for answer in self._answers.values():
                answer.cancel()

    # ---- asking

    async def ask(self, command: Any) -> events.Event:
        """Send a command that has an id, and wait for its answer. Errors: Rejected, CannotConnect."""
        return await self._ask_bytes(command.id, msgspec.json.encode(command))

    async def _ask_bytes(self, id: str, frame: bytes) -> events.Event:
        answer: asyncio.Future[events.Event] = asyncio.get_running_loop().create_future()
        self._answers[id] = answer
        try:
            await self._wire.send_bytes(frame)
            async with asyncio.timeout(ANSWER_WITHIN):
                event = await answer
        except TimeoutError as error:
            raise CannotConnect("the server does not answer") from error
        finally:
            self._answers.pop(id, None)
        if isinstance(event, events.Error):
            raise Rejected(event)
        return event

    # ---- reading

    async def _read(self) -> None:
        while True:
            event = await self._wire.receive()
            self._heard_at = time.monotonic()
            match event:
                case None | commands.Pong():
                    pass
                case commands.Ping():
                    await self._wire.send(commands.Pong())
                case events.Error(id=""):
                    raise Rejected(event)
                case events.People():
                    await self._queue.put(event)
                case events.KeysLeft(count, fallback_used):
                    # While keys are under way, this is about those before: acting on it would rotate them twice.
                    if not self._publishing.locked():
                        self._group.create_task(self._publish_keys(count, fallback_used))
                case _ if (id := getattr(event, "id", "")) in self._answers and not isinstance(
                    event, events.RoomEvent | events.Mail
                ):
                    if not self._answers[id].done():
                        self._answers[id].set_result(event)
                case _:
                    await self._queue.put(event)

    async def _stay_awake(self) -> None:
        """Notice a dead connection, and a computer that slept."""
        pinged_at = time.monotonic()
        while True:
            before = time.time()
            await asyncio.sleep(LOOK_EVERY)
            slept = time.time() - before > LOOK_EVERY + SLEPT
            now = time.monotonic()
            if slept or now - pinged_at > PING_EVERY:
                pinged_at = now
                await self._wire.send(commands.Ping())
            elif now - self._heard_at > PING_EVERY + PONG_WITHIN:
                raise CannotConnect("the server does not answer")

    # ---- starting

    async def _start(self) -> None:
        welcome = self._wire.welcome
        profile = await self._profile.run(_profile)
        if profile.epoch != welcome.epoch:
            await self._begin_epoch(profile, welcome)
            profile = await self._profile.run(_profile)
        await self._acknowledge(profile)
        rooms = {room.room: profile.rooms.get(room.room, 0) for room in welcome.rooms}
        # Before the resume, so that it is known who is here when all that was missed is.
        await self._wire.send(commands.ListPeople(id=random_id()))
        await self.ask(commands.Resume(id=random_id(), epoch=welcome.epoch, rooms=rooms, mail=profile.mail))
        await self._publish_keys(welcome.one_time_keys, welcome.fallback_used)

    async def _begin_epoch(self, profile: store.Profile, welcome: events.Welcome) -> None:
        """The server was set back: find the last message that both know, count from there, replace all keys."""
        cursors = {
            room.room: await self._last_common(room.room, min(room.head, profile.rooms.get(room.room, 0)))
            for room in welcome.rooms
        }

        def begin(db: Database) -> None:
            store.set_epoch(db, welcome.epoch, cursors)
            keys.replace_all(db)

        await self._profile.run(begin)
        text = (
            "The server was set back to an earlier state, for example from a backup. What you see here stays on this "
            "device; what others wrote since then may be missing on the server."
        )
        await self._emit(Notice("new_epoch", text))

    async def _last_common(self, room: str, seq: int) -> int:
        for _ in range(RESYNC_PAGES):
            if seq <= 0:
                return 0
            page = await self.ask(commands.History(id=random_id(), room=room, before=seq + 1, limit=200))
            if not isinstance(page, events.HistoryPage) or not page.events:
                return 0
            for event in reversed(page.events):
                if await self._profile.run(store.id_at, room, event.seq) == event.id:
                    return event.seq
            seq = page.events[0].seq - 1
        return seq

    async def _publish_keys(self, count: int, fallback_used: bool) -> None:
        async with self._publishing:
            contents = await self._profile.run(keys.publish, count, fallback_used)
            if contents is None:
                return
            await self.ask(
                commands.PublishKeys(
                    id=random_id(),
                    one_time=contents.one_time,
                    fallback=contents.fallback,
                    replace=contents.replace,
                )
            )
            await self._profile.run(keys.mark_published)

    # ---- working through what came

    async def _work(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get_nowait())
            lines = [event for event in batch if isinstance(event, events.RoomEvent)]
            if lines:
                await self._profile.run(store.take_room_events, lines)
                await self._check_names({event.account: event.name for event in lines})
            got_mail = False
            for event in batch:
                got_mail |= await self._take(event)
            await self._emit_received()
            if got_mail:
                await self._acknowledge(await self._profile.run(_profile))
            if any(isinstance(event, events.Live) for event in batch):
                await self._when_live()

    async def _take(self, event: events.Event) -> bool:
        """Work one event through that is not a room's; whether it was mail."""
        match event:
            case events.Mail():
                await self._take_mail(event)
                return True
            case events.Gap(room, _, following):
                await self._profile.run(store.skip_to, room, following - 1)
            case events.People() | events.Presence():
                await self._take_presence(event)
            case events.Live() | events.RoomEvent():
                pass
            case events.Error():
                await self._emit(Notice(event.code, event.message))
        return False

    async def _take_mail(self, mail: events.Mail) -> None:
        try:
            told = await self._profile.run(inbox.take_mail, mail, _now(), final=False)
        except UnknownDevice:
            await self._learn_account(mail.account)
            told = await self._profile.run(inbox.take_mail, mail, _now(), final=True)
        for event in told:
            await self._emit(event)
        if mail.kind == events.SEALED:
            await self._check_names({mail.account: mail.name})
        self.wake_private.set()

    async def _emit_received(self) -> None:
        """Give the program what was kept and not yet shown, and remember how far it got."""
        while True:
            reached, received = await self._profile.run(store.not_shown, 100)
            for event in received:
                await self._emit(event)
            if not reached:
                return
            await self._profile.run(store.set_shown, reached)

    async def _acknowledge(self, profile: store.Profile) -> None:
        """Let the server remove the mail that is on our disk. What could not be opened is asked for again."""
        unreadable = await self._profile.run(_undecryptable)
        if not unreadable:
            await self._wire.send(commands.Ack(epoch=profile.epoch, mail=profile.mail))
            return
        ack = commands.Ack(epoch=profile.epoch, mail=profile.mail, undecryptable=unreadable, id=random_id())
        await self.ask(ack)
        await self._profile.run(_forget_undecryptable, unreadable)

    async def _take_presence(self, event: events.People | events.Presence) -> None:
        came, left = self._people.take(event)
        await self._check_names({account: self._people.names[account] for account in came})
        if came or left:
            shown = tuple(self._people.names[account] for account in came)
            await self._emit(PeopleChanged(shown, tuple(left.values())))

    async def _check_names(self, shown: dict[str, str]) -> None:
        """A name that belongs to other keys than before is a hard stop, and the person is told."""

        def check(db: Database) -> list[NameMoved]:
            seen = (names.seen_name(db, account, name) for account, name in shown.items() if name)
            return [moved for moved in seen if moved is not None]

        for moved in await self._profile.run(check):
            await self._emit(Notice("name_moved", str(moved)))

    async def learn_name(self, name: str) -> bool:
        """Ask for the keys of whoever has this name; whether anybody has. Errors: Rejected, CannotConnect."""
        return bool(await self._learn(commands.Query(id=random_id(), names=[name])))

    async def _learn_account(self, account: str) -> None:
        await self._learn(commands.Query(id=random_id(), accounts=[account]))

    async def _learn(self, query: commands.Query) -> list[events.Profile]:
        """Ask for keys and pin them. What does not hold together is not taken."""
        answer = await self.ask(query)
        profiles = answer.profiles if isinstance(answer, events.Profiles) else []
        await self._pin(profiles)
        return profiles

    async def _pin(self, profiles: list[events.Profile]) -> None:
        try:
            learned = await self._profile.run(outbox.learn, profiles, _now())
        except PeerError as error:
            await self._emit(Notice("identity_refused", str(error)))
            return
        for one in learned:
            if one.added:
                await self._emit(Notice("new_device", f"{one.contact.name} now also uses another device."))
            if one.moved is not None:
                await self._emit(Notice("name_moved", str(one.moved)))

    # ---- sending

    async def _send_says(self) -> None:
        while True:
            self.wake_says.clear()
            waiting = await self._profile.run(outbox.next_says, SAYS_UNDER_WAY)
            if not waiting:
                await self.wake_says.wait()
                continue
            answers = [asyncio.ensure_future(self._say(line)) for line in waiting]
            try:
                await asyncio.gather(*answers)
            finally:
                for answer in answers:
                    answer.cancel()

    async def _say(self, line: Waiting) -> None:
        command = commands.Say(id=line.id, room=line.target, text=line.content["text"])
        try:
            await self.ask(command)
        except Rejected as refused:
            await self._refused(line, refused)
            return
        await self._stored(line)

    async def _send_private(self) -> None:
        while True:
            self.wake_private.clear()
            waiting = await self._profile.run(outbox.next_private, _now())
            if waiting is not None:
                await self._tell(waiting)
                continue
            due = await self._profile.run(outbox.next_due)
            delay = None if due is None else max(0.01, (due - _now()) / 1000)
            try:
                await asyncio.wait_for(self.wake_private.wait(), delay)
            except TimeoutError:
                continue

    async def _tell(self, waiting: Waiting) -> None:
        """Seal and send one private message, with whatever has to be asked for first."""
        for _ in range(MAX_SEALS):
            try:
                frame = waiting.frame or await self._sealed(waiting)
            except (UnknownName, EncryptionError) as error:
                await self._fail(waiting, str(error), getattr(error, "code", type(error).__name__))
                return
            if frame is None:
                continue
            try:
                await self._ask_bytes(waiting.id, frame)
            except Rejected as refused:
                if refused.code != Code.DEVICES_CHANGED:
                    await self._refused(waiting, refused)
                    return
                await self._profile.run(outbox.take_back, waiting)
                await self._pin(refused.profiles)
                waiting = dataclasses.replace(waiting, frame=None)
                continue
            await self._stored(waiting)
            return
        await self._profile.run(_put_off, waiting, _now() + LATER_MS)

    async def _sealed(self, waiting: Waiting) -> bytes | None:
        """The frame, or None when something was asked for and it should be tried again. Errors: UnknownName."""
        match await self._profile.run(outbox.seal, waiting):
            case bytes() as frame:
                return frame
            case NeedsPerson(name, account):
                query = commands.Query(
                    id=random_id(), accounts=[account] if account else [], names=[name] if name else []
                )
                if not await self._learn(query):
                    raise UnknownName(name, self._people.like(name))
            case NeedsSessions(account, devices):
                claim = commands.Claim(id=random_id(), account=account, devices=[device.id for device in devices])
                answer = await self.ask(claim)
                claimed = answer.keys if isinstance(answer, events.ClaimedKeys) else {}
                await self._profile.run(outbox.start_sessions, account, devices, claimed)
        return None

    async def _stored(self, waiting: Waiting) -> None:
        await self._profile.run(outbox.stored, waiting, _now())
        if waiting.kind in (outbox.SAY, outbox.TEXT) and "first_id" not in waiting.content:
            await self._emit(Mark(waiting.id, "stored"))

    async def _refused(self, waiting: Waiting, refused: Rejected) -> None:
        """A message that is taken by nobody: put off when that may change, otherwise given up."""
        if refused.code in (Code.TRY_AGAIN, Code.STOPPING):
            raise CannotConnect(str(refused))
        if refused.retryable and waiting.kind != outbox.SAY:
            await self._profile.run(outbox.take_back, waiting, _now() + LATER_MS)
            await self._emit(Notice(refused.code, str(refused)))
            return
        await self._fail(waiting, str(refused), refused.code)

    async def _fail(self, waiting: Waiting, reason: str, code: str) -> None:
        await self._profile.run(outbox.failed, waiting)
        if waiting.kind in (outbox.SAY, outbox.TEXT):
            await self._emit(Mark(waiting.id, "failed", reason, code))


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended the group; what the others say followed from it."""
    flat: list[BaseException] = []
    pending: list[BaseException] = [errors]
    while pending:
        error = pending.pop(0)
        if isinstance(error, BaseExceptionGroup):
            pending.extend(error.exceptions)
        else:
            flat.append(error)
    return next((error for error in flat if isinstance(error, Rejected)), flat[0])


def _now() -> int:
    return time.time_ns() // 1_000_000


def _profile(db: Database) -> store.Profile:
    profile = store.load(db)
    assert profile is not None
    return profile


def _undecryptable(db: Database) -> list[int]:
    return [row[0] for row in db.all("SELECT n FROM undecryptable ORDER BY n LIMIT 1000")]


def _forget_undecryptable(db: Database, numbers: list[int]) -> None:
    db.run_many("DELETE FROM undecryptable WHERE n = ?", [(n,) for n in numbers])


def _put_off(db: Database, waiting: Waiting, due: int) -> None:
    outbox.take_back(db, waiting, due)
    db.run("UPDATE outbox SET due = ? WHERE row = ?", due, waiting.row)
