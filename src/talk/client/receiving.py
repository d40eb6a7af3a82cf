"""Working through what comes, in its order: kept on disk, told to the program, acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import traceback
from collections.abc import Callable

from talk.client import inbox, store
from talk.client.answers import Answers
from talk.client.backlog import Backlog
from talk.client.catching_up import Progress
from talk.client.comparing import Comparer
from talk.client.connection import Wire
from talk.client.errors import ClientError
from talk.client.events import CatchingUp, Notice, PeopleChanged, Renamed
from talk.client.learning import Learner, now
from talk.client.outlet import Outlet
from talk.client.people import People, shown_name
from talk.client.profile import ProfileFolder
from talk.encryption.errors import EncryptionError, UnknownDevice
from talk.encryption.messages import Opened
from talk.protocol import commands, events
from talk.protocol.ids import random_id
from talk.protocol.limits import ACKS_WITHIN, MAX_UNACKED

log = logging.getLogger(__name__)

GAP = "{count} earlier lines of this chat are not shown, because they are so many. The server keeps them."


class Receiver:
    """The worker of one connection. `when_mail` is called after each item of mail, `when_live` when all is here."""

    def __init__(
        self,
        wire: Wire,
        answers: Answers,
        profile: ProfileFolder,
        learner: Learner,
        people: People,
        outlet: Outlet,
        comparer: Comparer,
        *,
        when_mail: Callable[[], None],
        when_live: Callable[[], None],
    ) -> None:
        self._wire, self._answers, self._profile, self._learner = wire, answers, profile, learner
        self._people, self._outlet, self._comparer = people, outlet, comparer
        self._when_mail, self._when_live = when_mail, when_live
        self._progress = Progress(0)
        self._is_live = False
        self._unacked = 0
        self._has_mail, self._has_much_mail = asyncio.Event(), asyncio.Event()
        self.backlog = Backlog()

    def expect(self, lines: int) -> None:
        """So many lines of rooms were missed."""
        self._progress = Progress(lines)

    async def work(self) -> None:
        """Take event by event until cancelled. Errors: CannotConnect, Rejected, ProfileError."""
        while True:
            await self._outlet.room()
            batch = await self.backlog.take()
            for event in batch:  # the lines behind a gap are in the same batch, and are counted first
                if isinstance(event, events.Gap):
                    self._progress.skipped(event.next - event.after - 1)
            await self._take_rooms([event for event in batch if isinstance(event, events.RoomEvent)])
            for event in batch:
                await self._take(event)
            await self.give_out()
            if any(isinstance(event, events.Live) for event in batch):
                self._is_live = True
                self._tell(self._progress.ended())
                self._when_live()

    async def _take_rooms(self, lines: list[events.RoomEvent]) -> None:
        if lines:
            await self._profile.run(store.take_room_events, lines)
            await self._check_names({event.account: event.name for event in lines})
            self._tell(self._progress.took(len(lines)))

    async def _take(self, event: events.Event) -> None:
        """Work one event through that is not a room's."""
        match event:
            case events.Mail():
                await self._take_mail(event)
                self._tell(self._progress.took(1))
                self._owe_ack()
            case events.Gap():
                await self._profile.finish(self._skip(event))
            case events.People() | events.Presence():
                await self._take_presence(event)
            case events.Error():
                self._outlet.put(Notice(event.code, event.message))

    async def _skip(self, gap: events.Gap) -> None:
        await self._profile.run(store.skip_to, gap.room, gap.next - 1)
        self._outlet.put(Notice("gap", GAP.format(count=gap.next - gap.after - 1)))

    async def _take_mail(self, mail: events.Mail) -> None:
        try:
            await self._profile.finish(self._open(mail, final=False))
        except UnknownDevice as unknown:
            with self.backlog.asking():
                await self._learner.accounts(unknown.account)
            await self._profile.finish(self._open(mail, final=True))
        if mail.account == self._wire.welcome.account:
            await self._learn_strangers()
        if mail.kind == events.SEALED:
            await self._check_names({mail.account: mail.name})
        self._when_mail()

    async def _open(self, mail: events.Mail, *, final: bool) -> None:
        for event in await self._profile.run(inbox.take_mail, mail, now(), final=final):
            if isinstance(event, Opened):
                await self._compare(event)
            else:
                self._outlet.put(event)

    async def _compare(self, opened: Opened) -> None:
        try:
            await self._comparer.take(opened)
        except (ClientError, EncryptionError):
            raise
        except Exception as error:
            # What somebody sealed must not end the session. Its words may hold what is private.
            log.error("%s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))

    async def _learn_strangers(self) -> None:
        if strangers := await self._profile.run(store.strangers):
            with self.backlog.asking():
                await self._learner.accounts(*strangers)

    async def give_out(self) -> None:
        """Give the program what was kept and not yet given."""
        while received := await self._profile.run(store.received_after, self._outlet.queued, 100):
            for row, event in received:
                self._outlet.put_received(row, event)
            await self._outlet.room()

    def _owe_ack(self) -> None:
        self._unacked += 1
        self._has_mail.set()
        if self._unacked >= MAX_UNACKED:
            self._has_much_mail.set()

    async def acknowledge_in_time(self) -> None:
        """Acknowledge mail until cancelled, a moment after it came, so that one ack stands for several.

        Errors: CannotConnect, Rejected, ProfileError.
        """
        while True:
            await self._has_mail.wait()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._has_much_mail.wait(), ACKS_WITHIN)
            self._unacked = 0
            self._has_mail.clear()
            self._has_much_mail.clear()
            await self.acknowledge()

    async def acknowledge(self) -> None:
        """Let the server remove the mail that is on our disk. What could not be opened is asked for again."""
        epoch, mail, unreadable = await self._profile.run(store.to_acknowledge)
        if not unreadable:
            await self._wire.send(commands.Ack(epoch=epoch, mail=mail))
            return
        ack = commands.Ack(epoch=epoch, mail=mail, undecryptable=unreadable, id=random_id())
        await self._answers.ask(ack, events.Done)
        await self._profile.run(store.forget_undecryptable, unreadable)

    async def _take_presence(self, event: events.People | events.Presence) -> None:
        was_complete = self._people.complete
        renamed = self._people.heard({person.account: shown_name(person.name) for person in _persons(event)})
        came, left = self._people.take(event)
        names = {account: self._people.names[account] for account in (*came, *renamed)}
        if self._people.complete and not was_complete:
            names |= await self._profile.run(store.called_otherwise, self._people.here)
        self._tell_renamed(names, renamed | await self._learner.check_names(names))
        if came or left:
            shown = tuple(self._people.names[account] for account in came)
            self._outlet.put(PeopleChanged(shown, tuple(left.values())))

    async def _check_names(self, shown: dict[str, str]) -> None:
        """Take note of names on lines. Those of what was missed may be old: presence comes after them then."""
        today = {} if self._is_live else {a: self._people.here[a] for a in shown if self._people.here.get(a)}
        renamed = await self._learner.check_names(shown, today)
        now_called = {account: shown_name(name) for account, name in (shown | today).items()}
        self._tell_renamed(now_called, renamed | self._people.heard(now_called))

    def _tell_renamed(self, names: dict[str, str], renamed: set[str]) -> None:
        for account in renamed:
            self._outlet.put(Renamed(account, names[account]))

    def _tell(self, news: CatchingUp | None) -> None:
        if news is not None:
            self._outlet.put(news)


def _persons(event: events.People | events.Presence) -> list[events.Person]:
    return event.people if isinstance(event, events.People) else event.here
