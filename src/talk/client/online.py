"""One stretch of being online: read what comes, work it through in order, send what waits.

    reader ─▶ answers to commands
           └▶ backlog ─▶ receiver ─▶ database ─▶ events for the program
    outbox ─▶ sender

It ends with CannotConnect when the connection does, and everything that was under way stays in the outbox.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from talk.client import store
from talk.client.answers import Answers
from talk.client.comparing import Comparer
from talk.client.connection import Wire
from talk.client.errors import CannotConnect, Rejected
from talk.client.events import Notice
from talk.client.learning import Learner
from talk.client.outlet import Outlet
from talk.client.people import People
from talk.client.profile import ProfileFolder
from talk.client.receiving import Receiver
from talk.client.sending import Sender
from talk.encryption import keys
from talk.encryption.database import Database
from talk.protocol import commands, events
from talk.protocol.ids import random_id

PING_EVERY = 20.0  # seconds
PONG_WITHIN = 15.0  # seconds
SLEPT = 10.0  # seconds that a short wait takes too long, when the computer was asleep
LOOK_EVERY = 2.0  # seconds
RESYNC_PAGES = 10  # pages of history that are compared after a new epoch

NEW_EPOCH = (
    "The server was set back to an earlier state, for example from a backup. What you see here stays on this device; "
    "what others wrote since then may be missing on the server."
)


class OnlineSession:
    """What runs while one connection lasts.

    `moved` is called when something has left the outbox; `when_live` when all that was missed is here.
    """

    def __init__(
        self,
        wire: Wire,
        profile: ProfileFolder,
        people: People,
        outlet: Outlet,
        comparer: Comparer,
        *,
        moved: Callable[[], None],
        when_live: Callable[[], None],
    ) -> None:
        self._wire, self._profile, self._outlet = wire, profile, outlet
        self.answers = Answers(wire)
        self.learner = Learner(self.answers, profile, outlet.put)
        self.sender = Sender(self.answers, profile, self.learner, people, outlet.put, moved)
        self._receiver = Receiver(
            wire,
            self.answers,
            profile,
            self.learner,
            people,
            outlet,
            comparer,
            when_mail=self.sender.wake_private.set,
            when_live=when_live,
        )
        self._keys_left: asyncio.Queue[events.KeysLeft] = asyncio.Queue(1)
        self._publishing = False
        self._listening = False
        self._heard_at = time.monotonic()

    async def run(self) -> None:
        """Stay online until the connection ends. Errors: CannotConnect, Rejected, Malformed, ProfileError."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read())
                await self._start()
                for work in (
                    self._receiver.work,
                    self._receiver.acknowledge_in_time,
                    self.sender.send_says,
                    self.sender.send_private,
                    self._keep_keys,
                    self._stay_awake,
                ):
                    group.create_task(work())
        except BaseExceptionGroup as errors:
            raise _first(errors) from errors
        finally:
            self.answers.close()

    # ---- reading

    async def _read(self) -> None:
        while True:
            self._listening = True
            event = await self._wire.receive()
            self._listening = False
            self._heard_at = time.monotonic()
            match event:
                case None | commands.Pong():
                    pass
                case commands.Ping():
                    await self._wire.send(commands.Pong())
                case events.Error(id=""):
                    raise Rejected(event)
                case events.KeysLeft():
                    self._low_on_keys(event)
                case events.RoomEvent() | events.Mail() | events.People():
                    await self._receiver.backlog.put(event)
                case _:
                    if not self.answers.take(event):
                        await self._receiver.backlog.put(event)

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
            elif self._listening and now - self._heard_at > PING_EVERY + PONG_WITHIN:
                raise CannotConnect("the server does not answer")

    # ---- starting

    async def _start(self) -> None:
        """What takes long comes before `resume`: behind it comes all that was missed."""
        welcome = self._wire.welcome
        profile = await self._profile.run(store.loaded)
        if profile.epoch != welcome.epoch:
            await self._begin_epoch(profile, welcome)
            profile = await self._profile.run(store.loaded)
        await self._publish_keys(welcome.one_time_keys, welcome.fallback_used)
        await self._wire.send(commands.ListPeople(id=random_id()))
        rooms = {room.room: profile.rooms.get(room.room, 0) for room in welcome.rooms}
        self._receiver.expect(sum(max(0, room.head - rooms[room.room]) for room in welcome.rooms))
        resume = commands.Resume(
            random_id(),
            welcome.epoch,
            rooms,
            profile.mail,
            {room: id for room, id in profile.room_ids.items() if room in rooms},
            profile.mail_id,
        )
        await self.answers.ask(resume, events.Done)
        # Not before: a server whose file was put back finds out by our cursor, and has mail that only looks read.
        with self._receiver.backlog.asking():  # nobody works it off yet, and the answer comes behind what was missed
            await self._receiver.acknowledge()

    async def _begin_epoch(self, profile: store.Profile, welcome: events.Welcome) -> None:
        """The server was set back: find the last message that both know, count from there, replace all keys."""
        cursors = {
            room.room: await self._last_common(room.room, min(room.head, profile.rooms.get(room.room, 0)))
            for room in welcome.rooms
        }

        def begin(db: Database) -> None:
            store.set_epoch(db, welcome.epoch, cursors)
            keys.replace_all(db)

        async def begun() -> None:
            await self._profile.run(begin)
            self._outlet.put(Notice("new_epoch", NEW_EPOCH))

        # To its end, also when the connection does not last: whoever comes back in the new epoch is not told of it.
        await self._profile.finish(begun())

    async def _last_common(self, room: str, seq: int) -> int:
        for _ in range(RESYNC_PAGES):
            if seq <= 0:
                return 0
            query = commands.History(id=random_id(), room=room, before=seq + 1, limit=200)
            page = await self.answers.ask(query, events.HistoryPage)
            if not page.events:
                return 0
            for event in reversed(page.events):
                if await self._profile.run(store.id_at, room, event.seq) == event.id:
                    return event.seq
            seq = page.events[0].seq - 1
        return max(0, seq)

    # ---- one-time keys

    def _low_on_keys(self, left: events.KeysLeft) -> None:
        # While keys are under way, this is about those before: acting on it would rotate them twice.
        if not self._publishing and self._keys_left.empty():
            self._keys_left.put_nowait(left)

    async def _keep_keys(self) -> None:
        while True:
            left = await self._keys_left.get()
            await self._publish_keys(left.one_time_keys, left.fallback_used)

    async def _publish_keys(self, count: int, fallback_used: bool) -> None:
        self._publishing = True
        contents = await self._profile.run(keys.publish, count, fallback_used)
        if contents is not None:
            publish = commands.PublishKeys(
                id=random_id(), one_time=contents.one_time, fallback=contents.fallback, replace=contents.replace
            )
            await self.answers.ask(publish, events.Done)
            await self._profile.run(keys.mark_published)
        self._publishing = False


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
