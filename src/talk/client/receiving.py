"""Working through what comes, in its order: kept on disk, told to the program, acknowledged."""

from __future__ import annotations

from collections.abc import Callable

from talk.client import inbox, store
from talk.client.answers import Answers
from talk.client.backlog import Backlog
from talk.client.comparing import Comparer
from talk.client.connection import Wire
from talk.client.events import Notice, PeopleChanged
from talk.client.learning import Learner, now
from talk.client.outlet import Outlet
from talk.client.people import People
from talk.client.profile import ProfileFolder
from talk.encryption.errors import UnknownDevice
from talk.encryption.messages import Opened
from talk.protocol import commands, events
from talk.protocol.ids import random_id

GAP = "{} earlier lines of this chat are not shown, because they are so many. The server keeps them."


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
        self.backlog = Backlog()

    async def work(self) -> None:
        """Take event by event until cancelled. Errors: CannotConnect, Rejected, ProfileError."""
        while True:
            await self._outlet.room()
            batch = await self.backlog.take()
            await self._take_rooms([event for event in batch if isinstance(event, events.RoomEvent)])
            got_mail = False
            for event in batch:
                got_mail |= await self._take(event)
            await self.give_out()
            if got_mail:
                await self.acknowledge()
            if any(isinstance(event, events.Live) for event in batch):
                self._when_live()

    async def _take_rooms(self, lines: list[events.RoomEvent]) -> None:
        if lines:
            await self._profile.run(store.take_room_events, lines)
            await self._learner.check_names({event.account: event.name for event in lines})

    async def _take(self, event: events.Event) -> bool:
        """Work one event through that is not a room's; whether it was mail."""
        match event:
            case events.Mail():
                await self._take_mail(event)
                return True
            case events.Gap(room, after, following):
                await self._profile.run(store.skip_to, room, following - 1)
                self._outlet.put(Notice("gap", GAP.format(following - after - 1)))
            case events.People() | events.Presence():
                await self._take_presence(event)
            case events.Error():
                self._outlet.put(Notice(event.code, event.message))
        return False

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
            await self._learner.check_names({mail.account: mail.name})
        self._when_mail()

    async def _open(self, mail: events.Mail, *, final: bool) -> None:
        for event in await self._profile.run(inbox.take_mail, mail, now(), final=final):
            if isinstance(event, Opened):
                await self._comparer.take(event)
            else:
                self._outlet.put(event)

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

    async def acknowledge(self) -> None:
        """Let the server remove the mail that is on our disk. What could not be opened is asked for again."""
        epoch, mail, unreadable = await self._profile.run(store.to_acknowledge)
        if not unreadable:
            await self._wire.send(commands.Ack(epoch=epoch, mail=mail))
            return
        ack = commands.Ack(epoch=epoch, mail=mail, undecryptable=unreadable, id=random_id())
        with self.backlog.asking():
            await self._answers.ask(ack, events.Done)
        await self._profile.run(store.forget_undecryptable, unreadable)

    async def _take_presence(self, event: events.People | events.Presence) -> None:
        came, left = self._people.take(event)
        await self._learner.check_names({account: self._people.names[account] for account in came})
        if came or left:
            shown = tuple(self._people.names[account] for account in came)
            self._outlet.put(PeopleChanged(shown, tuple(left.values())))
