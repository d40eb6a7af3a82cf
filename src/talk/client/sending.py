"""Sending what waits in the outbox: lines for rooms, several under way; private messages, one under way."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable

from talk.client import outbox
from talk.client.answers import Answers
from talk.client.errors import CannotConnect, Rejected, UnknownName
from talk.client.events import Mark, Notice
from talk.client.learning import Emit, Learner, now
from talk.client.outbox import NeedsPerson, NeedsSessions, Waiting
from talk.client.people import People
from talk.client.profile import ProfileFolder
from talk.encryption.errors import PeerError, SendError
from talk.protocol import commands, events
from talk.protocol.errors import Code
from talk.protocol.ids import random_id

MAX_SEALS = 6  # times that a message is prepared before it is put off
SAYS_UNDER_WAY = 16
LATER_MS = 30_000  # until a message that was put off is tried again
SET_BACK_MS = 1_000  # by which a clock has to go back for it to matter


class Sender:
    """The two senders of one connection. `moved` is called when something has left the outbox."""

    def __init__(
        self,
        answers: Answers,
        profile: ProfileFolder,
        learner: Learner,
        people: People,
        emit: Emit,
        moved: Callable[[], None],
    ) -> None:
        self._answers, self._profile, self._learner = answers, profile, learner
        self._people, self._emit, self._moved = people, emit, moved
        self.wake_says = asyncio.Event()
        self.wake_private = asyncio.Event()
        self._clock: float | None = None

    # ---- rooms

    async def send_says(self) -> None:
        """Say the lines of the outbox until cancelled. Errors: CannotConnect, ProfileError."""
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
            answer = await self._answers.ask(command, events.Stored)
        except Rejected as refused:
            await self._refused(line, refused)
        else:
            await self._profile.finish(self._stored(line, answer.at))

    # ---- private messages

    async def send_private(self) -> None:
        """Send the private messages of the outbox until cancelled. Errors: CannotConnect, ProfileError."""
        while True:
            self.wake_private.clear()
            at = now()  # once: the clock may be set at any moment
            await self._mind_the_clock(at)
            waiting = await self._profile.run(outbox.next_private, at)
            if waiting is not None:
                await self._tell(waiting)
                continue
            due = await self._profile.run(outbox.next_due)
            delay = None if due is None else max(0.01, (due - at) / 1000)
            try:
                await asyncio.wait_for(self.wake_private.wait(), delay)
            except TimeoutError:
                continue

    async def _mind_the_clock(self, at: int) -> None:
        """What was put off before this computer's clock was set back would wait until the clock is there again."""
        clock = at - time.monotonic() * 1000
        before, self._clock = self._clock, clock
        if before is None or clock < before - SET_BACK_MS:
            await self._profile.run(outbox.make_due, at, at + LATER_MS)

    async def _tell(self, waiting: Waiting) -> None:
        """Seal and send one private message, with whatever has to be asked for first."""
        for _ in range(MAX_SEALS):
            try:
                frame = waiting.frame or await self._sealed(waiting)
                if frame is None:
                    continue
                answer = await self._answers.ask_bytes(waiting.id, frame, events.Stored)
            except (UnknownName, SendError, PeerError) as error:
                await self._give_up(waiting, str(error), type(error).__name__)
                return
            except Rejected as refused:
                if refused.code != Code.DEVICES_CHANGED:
                    await self._refused(waiting, refused)
                    return
                await self._profile.run(outbox.take_back, waiting)
                waiting = dataclasses.replace(waiting, frame=None)
                if not await self._learner.pin(refused.profiles):
                    break
            else:
                await self._profile.finish(self._stored(waiting, answer.at))
                return
        await self._profile.run(outbox.put_off, waiting, now() + LATER_MS)

    async def _sealed(self, waiting: Waiting) -> bytes | None:
        """The frame, or None when something was asked for and it should be tried again.

        Errors: UnknownName, Rejected, SendError, PeerError.
        """
        match await self._profile.run(outbox.seal, waiting):
            case bytes() as frame:
                return frame
            case NeedsPerson(name, account):
                await self._learner.query(
                    commands.Query(id=random_id(), accounts=[account] if account else [], names=[name] if name else [])
                )
                if not await self._profile.run(outbox.is_known, waiting):
                    raise UnknownName(name, self._people.like(name))
            case NeedsSessions(account, devices):
                claim = commands.Claim(id=random_id(), account=account, devices=[device.id for device in devices])
                claimed = await self._answers.ask(claim, events.ClaimedKeys)
                await self._profile.run(outbox.start_sessions, account, devices, claimed.keys)
        return None

    # ---- what became of it

    async def _stored(self, waiting: Waiting, at: int) -> None:
        news = await self._profile.run(outbox.stored, waiting, now(), at)
        if news:
            self._emit(Mark(waiting.id, "stored"))
        self._moved()

    async def _refused(self, waiting: Waiting, refused: Rejected) -> None:
        """A message that is taken by nobody: put off when that may change, otherwise given up."""
        if refused.code in (Code.TRY_AGAIN, Code.STOPPING):
            raise CannotConnect(str(refused))
        if not refused.retryable or waiting.kind == outbox.SAY:
            await self._give_up(waiting, str(refused), refused.code)
            return
        await self._profile.run(outbox.put_off, waiting, now() + LATER_MS)
        if waiting.kind == outbox.TEXT:
            self._emit(Notice(refused.code, str(refused)))

    async def _give_up(self, waiting: Waiting, reason: str, code: str) -> None:
        await self._profile.finish(self._failed(waiting, reason, code))

    async def _failed(self, waiting: Waiting, reason: str, code: str) -> None:
        failed = await self._profile.run(outbox.failed, waiting, reason)
        if failed is not None:
            self._emit(Mark(failed, "failed", reason, code))
        self._moved()
