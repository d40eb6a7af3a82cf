"""How what was committed reaches people: each event encoded once, each connection written to once.

    live       events are pushed as they are committed
    catching up  after a login, or when a socket was full: read from the log, a page at a time, until the head

A connection whose socket is full gets nothing pushed. It keeps a position per room and for its mail, and is fed when
it drains, by the same path as somebody who comes back after a week.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

from msgspec import Raw, Struct

from talk.protocol import events, wire
from talk.protocol.limits import GAP_TAIL, MAX_BEHIND, MAX_PAGE, MAX_PEOPLE
from talk.server.connection import Connection
from talk.server.ports import MailItem, Record, Store
from talk.server.rules.mailboxes import mail_event
from talk.server.rules.presence import Presence
from talk.server.rules.rooms import room_event
from talk.server.rules.session import Context
from talk.server.tasks import Tasks

log = logging.getLogger(__name__)

TAIL_EVENTS = MAX_BEHIND  # kept in memory per room
TAIL_BYTES = 8 * 1024 * 1024
PAGE_EVENTS = 200  # about as many short ones as a page holds
FEEDERS = 64  # connections that are fed at the same time

Frame = Callable[[bytes], bytes]
"""Puts a door's frame around the JSON of one event."""


class RoomDelivery:
    """A room's live connections, and the newest events as they are sent."""

    __slots__ = ("fresh", "head", "live", "tail", "tail_bytes")

    def __init__(self, head: int) -> None:
        self.head = head  # of what was passed on; the log may be a moment ahead
        self.live: set[Connection] = set()
        self.fresh: list[bytes] = []
        self.tail: deque[bytes] = deque()
        self.tail_bytes = 0

    def append(self, seq: int, frame: bytes) -> None:
        self.head = seq
        self.fresh.append(frame)
        self.tail.append(frame)
        self.tail_bytes += len(frame)
        while len(self.tail) > TAIL_EVENTS or self.tail_bytes > TAIL_BYTES:
            self.tail_bytes -= len(self.tail.popleft())

    def after(self, seq: int) -> list[bytes] | None:
        """The frames after this number as far as a page holds; None when they are not all in memory."""
        skip = len(self.tail) - (self.head - seq)
        if skip < 0:
            return None
        return _fitting(islice(self.tail, skip, None))


class PeoplePage(Struct, tag="people"):
    """`events.People` with people that are JSON already."""

    id: str
    version: int
    people: Raw
    last: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """Who was here when somebody first asked after the last change was told: account → name, and encoded.

    While thousands come back, each of them asks; whoever came since then stands in a page of their own.
    """

    version: int
    names: dict[str, str]
    pages: list[Raw]


class Delivery:
    """All connections that are logged in, and what each of them still has to be told.

    `give_up` ends one that cannot be fed: it must not stay, connected and deaf.
    """

    def __init__(
        self, context: Context, store: Store, frame: Frame, tasks: Tasks, give_up: Callable[[Connection], None]
    ) -> None:
        self._context, self._store, self._frame, self._tasks = context, store, frame, tasks
        self._give_up = give_up
        self._rooms: dict[str, RoomDelivery] = {}
        self._devices: dict[str, Connection] = {}
        self._dirty: dict[Connection, None] = {}
        self._fresh: dict[str, RoomDelivery] = {}  # rooms with events that are not written yet
        self._feeders = asyncio.Semaphore(FEEDERS)
        self._watchers: set[Connection] = set()
        self._listed = Listed(-1, {}, [])
        self.presence = Presence()
        self.delivered = 0
        self.reload()

    def reload(self) -> None:
        """Take the rooms' heads from the directory, with nobody live and nothing in memory."""
        self._rooms = {room.room: RoomDelivery(room.head) for room in self._context.directory.rooms.values()}
        self._fresh = {}

    # ---- coming and going

    def attach(self, connection: Connection) -> Connection | None:
        """The connection has logged in. Returns the one of the same device that it replaces."""
        replaced = self._devices.get(connection.session.device)
        self._devices[connection.session.device] = connection
        self.presence.came(connection.session.account)
        return replaced

    def detach(self, connection: Connection, now: float, *, said_goodbye: bool) -> None:
        """The connection is over. Who never logged in was never here."""
        self.let_go(connection)
        if not connection.session.logged_in:
            return
        if self._devices.get(connection.session.device) is connection:
            del self._devices[connection.session.device]
        self.presence.went(connection.session.account, now, said_goodbye=said_goodbye)

    def let_go(self, connection: Connection) -> None:
        """Send it nothing more, although its socket may last a little longer."""
        self._dirty.pop(connection, None)
        self._watchers.discard(connection)
        for room in self._rooms.values():
            room.live.discard(connection)
        if connection.feeder is not None:
            connection.feeder.cancel()

    def of_device(self, device: str) -> Connection | None:
        return self._devices.get(device)

    # ---- saying things

    def say(self, connection: Connection, event: events.Event | PeoplePage) -> None:
        """Put one event into what is written to this connection next."""
        self._queue(connection, self._frame(wire.encode(event)))

    def publish(self, record: Record) -> None:
        """Pass a record on to everybody who is live in its room, with the next flush."""
        frame = self._frame(wire.encode(room_event(self._context, record)))
        room = self._fresh[record.room] = self._rooms[record.room]
        room.append(record.seq, frame)

    def post(self, device: str, item: MailItem) -> None:
        """Pass mail on to its device, if it is connected and has all earlier mail."""
        connection = self._devices.get(device)
        if connection is None or item.n <= connection.mail_at:
            return
        connection.mail_posted = item.n
        if connection.mail_live and connection.door.paused:
            connection.mail_live = False
            self._feed(connection)
        elif connection.mail_live:
            connection.mail_at = item.n
            self.say(connection, mail_event(self._context, item))

    def flush(self) -> None:
        """Write to every connection, once, all that has gathered for it."""
        if not self._fresh and not self._dirty:
            return  # as after most commands: their answers come with the commit
        fresh, self._fresh = self._fresh, {}
        alone = len(fresh) == 1
        for room_id, room in fresh.items():
            frames = b"".join(room.fresh)
            before = room.head - len(room.fresh)
            stalled = [connection for connection in room.live if connection.door.paused]
            for connection in stalled:
                room.live.discard(connection)
                connection.positions[room_id] = before
                self._feed(connection)
            for connection in room.live:
                if alone and not connection.outbox:
                    connection.door.write(frames)
                else:
                    self._queue(connection, frames)
            self.delivered += len(room.fresh) * len(room.live)
            room.fresh.clear()
        dirty, self._dirty = self._dirty, {}
        for connection in dirty:
            connection.door.write(b"".join(connection.outbox))
            connection.outbox.clear()

    def _queue(self, connection: Connection, frames: bytes) -> None:
        if connection.closed:
            return
        connection.outbox.append(frames)
        self._dirty[connection] = None

    # ---- catching up

    def follow(self, connection: Connection, rooms: dict[str, int], mail: int, mail_head: int) -> None:
        """Start sending what this connection missed after these numbers."""
        # Most who come back have no mail, and a question to the store costs as much as all the rest of a login. What
        # was posted since the store told the head is seen by `mail_posted`.
        has_all_mail = mail == mail_head >= connection.mail_posted
        for room in rooms:
            self._rooms[room].live.discard(connection)
        if connection.feeder is not None:
            connection.feeder.cancel()  # or the page it reads would move the new positions on
            connection.feeder = None
        connection.positions = dict(rooms)
        connection.mail_at = connection.mail_posted = mail
        connection.mail_live, connection.told_live = has_all_mail, False
        self._feed(connection)

    def _feed(self, connection: Connection) -> None:
        if connection.feeder is None or connection.feeder.done():
            connection.feeder = self._tasks.start(self._catch_up(connection), "catching up")

    async def _catch_up(self, connection: Connection) -> None:
        try:
            await self._send_pages(connection)
        except Exception:
            log.exception("a connection cannot be fed from the store, so it is asked to come back")
            self._give_up(connection)
        if connection.feeder is asyncio.current_task():
            connection.feeder = None

    async def _send_pages(self, connection: Connection) -> None:
        while connection.positions or not connection.mail_live:
            await connection.door.drained()
            if connection.closed:
                return
            async with self._feeders:
                page = await self._next_page(connection)
            if page:
                connection.door.write(b"".join(page))
        if not connection.told_live:
            connection.told_live = True
            heads = {room_id: room.head for room_id, room in self._rooms.items() if connection in room.live}
            self.say(connection, events.Live(heads, connection.mail_at))
            self.flush()

    async def _next_page(self, connection: Connection) -> list[bytes]:
        """The next frames for this connection: mail first, rooms in turn. What is at its end goes live instead."""
        if not connection.mail_live:
            return await self._mail_page(connection)
        room_id, seq = next(iter(connection.positions.items()))
        room = self._rooms[room_id]
        if seq >= room.head:
            del connection.positions[room_id]
            room.live.add(connection)
            return []
        if room.head - seq > MAX_BEHIND:
            first = room.head - GAP_TAIL + 1
            connection.positions[room_id] = first - 1
            return [self._frame(wire.encode(events.Gap(room_id, seq, first)))]
        page = room.after(seq)
        if page is None:
            page = await self._log_page(room_id, seq, room.head)
        del connection.positions[room_id]
        connection.positions[room_id] = seq + len(page)
        return page

    async def _log_page(self, room: str, seq: int, head: int) -> list[bytes]:
        # The log may already hold what is passed on in a moment; that comes live.
        records = await self._store.records(room, seq, min(PAGE_EVENTS, head - seq), MAX_PAGE)
        return _fitting(self._frame(wire.encode(room_event(self._context, record))) for record in records)

    async def _mail_page(self, connection: Connection) -> list[bytes]:
        posted = connection.mail_posted
        items = await self._store.mail(connection.session.device, connection.mail_at, PAGE_EVENTS, MAX_PAGE)
        page = _fitting(self._frame(wire.encode(mail_event(self._context, item))) for item in items)
        if page:
            connection.mail_at = items[len(page) - 1].n
        elif posted == connection.mail_posted:
            connection.mail_live = True
            connection.mail_at = max(connection.mail_at, posted)
        return page

    # ---- presence

    def watch(self, connection: Connection, id: str) -> None:
        """Tell who is here, and every change from then on."""
        self._watchers.add(connection)
        version, names = self.presence.version, self._context.directory.name_of
        if self._listed.version != version:
            people = [self._person(account) for account in self.presence.people()]
            self._listed = Listed(version, {person.account: person.name for person in people}, _pages(people))
        listed = self._listed
        since = [self._person(account) for account in self.presence.here if listed.names.get(account) != names(account)]
        pages = [*listed.pages, *_pages(since)] or [Raw(b"[]")]
        for number, page in enumerate(pages, 1):
            self.say(connection, PeoplePage(id, version, page, number == len(pages)))

    def tell_presence(self, now: float) -> None:
        """Send the differences since the last time to everybody who is watching."""
        change = self.presence.tick(now)
        if change is None:
            return
        here, left = change
        for chunk in _chunks(here, left):
            event = events.Presence(self.presence.version, [self._person(account) for account in chunk[0]], chunk[1])
            frame = self._frame(wire.encode(event))
            for connection in self._watchers:
                if connection.door.paused:
                    connection.presence_stale = True
                else:
                    self._queue(connection, frame)

    def refresh_presence(self) -> None:
        """Send the whole to those who missed differences while their socket was full."""
        for connection in [c for c in self._watchers if c.presence_stale and not c.door.paused]:
            connection.presence_stale = False
            self.watch(connection, "")

    def _person(self, account: str) -> events.Person:
        return events.Person(account, self._context.directory.name_of(account))


def _pages(people: list[events.Person]) -> list[Raw]:
    return [Raw(wire.encode(people[start : start + MAX_PEOPLE])) for start in range(0, len(people), MAX_PEOPLE)]


def _fitting(frames: Iterable[bytes]) -> list[bytes]:
    """The first of these, as far as a page holds them; one always."""
    page: list[bytes] = []
    size = 0
    for frame in frames:
        size += len(frame)
        if page and size > MAX_PAGE:
            break
        page.append(frame)
    return page


def _chunks(here: list[str], left: list[str]) -> Iterable[tuple[list[str], list[str]]]:
    """The change in parts that fit into a frame."""
    for start in range(0, max(len(here), len(left)), MAX_PEOPLE):
        yield here[start : start + MAX_PEOPLE], left[start : start + MAX_PEOPLE]
