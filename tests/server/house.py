"""A whole server in memory: the real engine and rules on MemoryStore, and doors that write down what they are given."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.server.people import Person, Phone

from talk.protocol import commands, events, wire
from talk.protocol.ids import encode64, random_id
from talk.protocol.keys import is_signature
from talk.protocol.proofs import Channel, hello_bytes
from talk.server.engine import Engine
from talk.server.ports import Change, KeyCount, LeftOff, MailItem, Outcome, Record, Snapshot, StoreUnavailable
from talk.server.rules import owner
from talk.server.rules.directory import Directory
from talk.server.rules.server_key import ServerKey
from talk.server.rules.session import Context
from talk.server.stores.memory import MemoryStore

PATIENCE = 60.0  # seconds
CERTIFICATE = encode64(bytes(range(32)))
Frame = TypeVar("Frame")


async def until(condition: Callable[[], object], what: str) -> None:
    """Let the server run until this is so."""
    deadline = time.monotonic() + PATIENCE
    turns = 0
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"no {what} within {PATIENCE} s")
        turns += 1
        await asyncio.sleep(0 if turns < 100 else 0.001)


class Door:
    """A connection's end at the server. Every call of `write` is kept; `paused` is turned by the test."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.writes: list[bytes] = []
        self.closed: tuple[int, str] | None = None
        self.aborted = False
        self.paused = False
        self.on_end: Callable[[], object] = lambda: None
        self._flows = asyncio.Event()
        self._flows.set()

    def stall(self) -> None:
        self.paused = True
        self._flows.clear()

    def drain(self) -> None:
        self.paused = False
        self._flows.set()

    def write(self, frames: bytes) -> None:
        assert self.closed is None, f"{frames[:100]!r} was written after the close"
        self.writes.append(frames)

    def close(self, code: int, reason: str) -> None:
        assert self.closed is None, "closed twice"
        self.closed = (code, reason)
        self._end()

    def abort(self) -> None:
        self.aborted = True
        self._end()

    def _end(self) -> None:
        self._flows.set()
        asyncio.get_running_loop().call_soon(self.on_end)

    async def drained(self) -> None:
        await self._flows.wait()


class Peer:
    """A client at its end of a connection. `seen` is everything it was told, in order."""

    def __init__(self, engine: Engine, address: str = "192.0.2.1") -> None:
        self._engine = engine
        self.door = Door(address)
        self._read = 0
        self._seen: list[events.Event] = []
        self.connection = engine.connected(self.door)
        self.door.on_end = self.drop
        self.channel = Channel("", "", "", "")
        self.phone: Phone | None = None
        self.welcome: events.Welcome | None = None

    @property
    def seen(self) -> list[events.Event]:
        new, self._read = self.door.writes[self._read :], len(self.door.writes)
        for line in b"".join(new).splitlines():
            event = wire.decode_event(line)
            assert event is not None
            self._seen.append(event)
        return self._seen

    def of(self, kind: type[Frame]) -> list[Frame]:
        return [event for event in self.seen if isinstance(event, kind)]

    def texts(self) -> list[tuple[int, str]]:
        """Number and content of each room event, as they came."""
        return [(event.seq, bytes(event.content).decode()) for event in self.of(events.RoomEvent)]

    def tell(self, command: commands.Command) -> None:
        self._engine.received(self.connection, wire.encode(command))

    def tell_raw(self, frame: bytes) -> None:
        self._engine.received(self.connection, frame)

    async def ask(self, command: Any) -> events.Event:
        """The answer to a command with an id that was not used on this connection before."""
        self.tell(command)
        return await self.answer(command.id)

    async def answer(self, id: str, number: int = 1) -> events.Event:
        def answers() -> list[events.Event]:
            return [
                event
                for event in self.seen
                if not isinstance(event, events.RoomEvent | events.Mail) and getattr(event, "id", None) == id
            ]

        await until(lambda: len(answers()) >= number, f"answer to {id}")
        return answers()[number - 1]

    async def refused(self, command: Any) -> events.Error:
        answer = await self.ask(command)
        assert isinstance(answer, events.Error), answer
        return answer

    async def done(self, command: Any) -> None:
        answer = await self.ask(command)
        assert isinstance(answer, events.Done), answer

    async def stored(self, command: commands.Say | commands.Send) -> events.Stored:
        answer = await self.ask(command)
        assert isinstance(answer, events.Stored), answer
        return answer

    async def next(self, kind: type[Frame], number: int = 1) -> Frame:
        """The first event of this kind, or that of this number."""
        await until(lambda: len(self.of(kind)) >= number, f"{kind.__name__} number {number}")
        return self.of(kind)[number - 1]

    async def closed(self) -> events.Error | None:
        """Wait for the end; the last thing that was said, if that was why."""
        await until(lambda: self.door.closed or self.door.aborted, "close")
        last = self.seen[-1] if self.seen else None
        return last if isinstance(last, events.Error) else None

    def drop(self, *, said_goodbye: bool = False) -> None:
        """The socket is over."""
        self._engine.disconnected(self.connection, said_goodbye=said_goodbye)

    async def hello(self) -> events.ServerHello:
        nonce = encode64(secrets.token_bytes(32))
        self.tell(commands.Hello([1], nonce))
        hello = await self.next(events.ServerHello)
        self.channel = Channel(hello.server, nonce, hello.nonce, hello.certificate)
        assert is_signature(hello.key, hello.signature, hello_bytes(self.channel))
        return hello

    async def login(self, phone: Phone) -> events.Welcome:
        await self.hello()
        return await self._welcomed(phone, phone.login(self.channel))

    async def register(self, phone: Phone, *, invite: str = "") -> events.Welcome:
        await self.hello()
        return await self._welcomed(phone, phone.register(self.channel, invite=invite))

    async def _welcomed(self, phone: Phone, command: commands.Login | commands.Register) -> events.Welcome:
        welcome = await self.ask(command)
        assert isinstance(welcome, events.Welcome), welcome
        self.phone, self.welcome = phone, welcome
        return welcome

    async def resume(self, room: int = 0, mail: int = 0) -> events.Live:
        """Follow the lobby and the mailbox from these numbers on, and wait until all of it came."""
        lives = len(self.of(events.Live))
        await self.done(self.resuming(room, mail))
        return await self.next(events.Live, lives + 1)

    def resuming(self, room: int = 0, mail: int = 0, *, room_id: str = "", mail_id: str = "") -> commands.Resume:
        assert self.welcome is not None
        lobby = self.welcome.rooms[0].room
        ids = {lobby: room_id} if room_id else {}
        return commands.Resume(random_id(), self.welcome.epoch, {lobby: room}, mail, ids, mail_id)

    def saying(self, text: str, id: str = "") -> commands.Say:
        assert self.welcome is not None
        return commands.Say(id or random_id(), self.welcome.rooms[0].room, text)

    def acking(self, mail: int, undecryptable: tuple[int, ...] = (), id: str = "") -> commands.Ack:
        assert self.welcome is not None
        return commands.Ack(self.welcome.epoch, mail, list(undecryptable), id)


class TurnableStore(MemoryStore):
    """A store that a test can hold up and let fail. `batches` are the changes of each commit, in order.

    `paging` holds up pages of rooms, `mailing` pages of mail, `reading` all other reads, `writing` commits.
    `asked` names the reads so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[tuple[Change, ...]] = []
        self.reads_fail = self.held = False
        self.asked: list[str] = []
        self.reading, self.paging, self.mailing, self.writing = (asyncio.Event() for _ in range(4))
        self.let_all()

    def let_all(self) -> None:
        """Hold nothing up any more."""
        for gate in (self.reading, self.paging, self.mailing, self.writing):
            gate.set()

    async def commit(self, changes: Sequence[Change]) -> list[Outcome]:
        self.batches.append(tuple(changes))
        self.held = True
        await self.writing.wait()
        self.held = False
        return await super().commit(changes)

    async def load(self) -> Snapshot:
        await self._turn("load", self.reading)
        return await super().load()

    async def records(self, room: str, after: int, limit: int, max_bytes: int) -> list[Record]:
        await self._turn("records", self.paging)
        return await super().records(room, after, limit, max_bytes)

    async def records_before(self, room: str, before: int, limit: int) -> list[Record]:
        await self._turn("records_before", self.reading)
        return await super().records_before(room, before, limit)

    async def mail(self, device: str, after: int, limit: int, max_bytes: int) -> list[MailItem]:
        await self._turn("mail", self.mailing)
        return await super().mail(device, after, limit, max_bytes)

    async def identities(self, accounts: Sequence[str]) -> dict[str, bytes]:
        await self._turn("identities", self.reading)
        return await super().identities(accounts)

    async def key_count(self, device: str) -> KeyCount:
        await self._turn("key_count", self.reading)
        return await super().key_count(device)

    async def left_off(self, device: str, mail: int, rooms: Mapping[str, int]) -> LeftOff:
        await self._turn("left_off", self.reading)
        return await super().left_off(device, mail, rooms)

    async def _turn(self, what: str, gate: asyncio.Event) -> None:
        self.asked.append(what)
        await gate.wait()
        if self.reads_fail:
            raise StoreUnavailable("This read was told to fail.")


class House:
    """A running server. `clock` in milliseconds and `steady` in seconds stand still until a test moves them.

    `told` is what its owner saw.
    """

    def __init__(
        self,
        store: TurnableStore | None = None,
        *,
        invite_needed: bool = False,
        rate: float = 0.0,
        burst: float = 1.0,
        certificate: str = CERTIFICATE,
    ) -> None:
        self.store = store or TurnableStore()
        self.clock, self.steady = 1_700_000_000_000, 1_000.0
        self.told: list[dict[str, object]] = []
        self._invite_needed, self._certificate = invite_needed, certificate
        self._rate, self._burst = rate, burst

    async def __aenter__(self) -> Self:
        await self.store.open()
        snapshot = await self.store.load()
        self.context = Context(
            directory=Directory(snapshot),
            key=ServerKey(snapshot.server_key),
            clock=lambda: self.clock,
            nonce=lambda: secrets.token_bytes(32),
            certificate=self._certificate,
            invite_needed=self._invite_needed,
        )
        self.engine = Engine(
            self.context,
            self.store,
            lambda payload: payload + b"\n",
            rate=self._rate,
            burst=self._burst,
            steady=lambda: self.steady,
        )
        self.engine.observer = self.told.append
        self.engine.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.store.let_all()
        async with asyncio.timeout(PATIENCE):
            await self.engine.stop()
        await self.store.close()

    @property
    def room(self) -> str:
        return next(iter(self.context.directory.rooms))

    def person(self, name: str) -> Person:
        return Person(name, self.context.key.id)

    def connect(self, address: str = "192.0.2.1") -> Peer:
        return Peer(self.engine, address)

    async def join(self, name: str, *, follow: bool = True) -> Peer:
        """Somebody new, logged in, who follows the lobby and the mailbox."""
        peer = self.connect()
        await peer.register(self.person(name).phone)
        if follow:
            await peer.resume()
        return peer

    async def login_as_new(self, person: Person) -> Peer:
        """This person takes a name."""
        peer = self.connect()
        await peer.register(person.phone)
        return peer

    async def login(self, phone: Phone, *, room: int | None = 0, mail: int = 0) -> Peer:
        """This device once more; it follows from these numbers on, or nothing with `room` None."""
        peer = self.connect()
        await peer.login(phone)
        if room is not None:
            await peer.resume(room, mail)
        return peer

    async def invite(self) -> str:
        token = secrets.token_hex(16)
        await self.engine.change(owner.invite(self.context, token))
        return token

    def pass_time(self, seconds: float, *alive: Peer) -> None:
        """Both clocks go on, these give a sign of life, and what is due by then is done."""
        self.steady += seconds
        self.clock += int(seconds * 1000)
        for peer in alive:
            peer.tell(commands.Pong())
        self.engine.look_round()

    async def until_writing(self) -> None:
        """Wait until a commit is held up; `store.writing` must be cleared."""
        await until(lambda: self.store.held, "commit")

    async def until_asked(self, read: str) -> None:
        """Wait until the store was asked for this, by the name of its method."""
        await until(lambda: read in self.store.asked, f"question for {read}")

    async def quiet(self) -> None:
        """Wait until nothing is left to do but to wait for sockets that are full."""

        def busy() -> bool:
            names = [task.get_name() for task in asyncio.all_tasks() if not task.done()]
            full = [c for c in self.engine.connections if c.door.paused]
            catching_up = [c for c in full if c.feeder and not c.feeder.done()]
            reading = [c for c in full if c.reads]
            return (
                "reloading" in names
                or names.count("reading") > len(reading)
                or names.count("catching up") > len(catching_up)
            )

        while True:
            await self.engine.commits.flush()
            if not busy():
                return
            await asyncio.sleep(0)
