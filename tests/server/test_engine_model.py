"""Whatever happens in whatever order: what was acknowledged is there exactly once, in one order for everybody.

Devices connect, drop, are replaced, stall, say, send, retry and acknowledge; commits fail before and after the disk;
the server stops and crashes. What a device has not read when it drops is lost on the way, as with a real socket.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any, Literal, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from tests.server.house import House, Peer
from tests.server.people import Phone, send

from talk.protocol import commands, events
from talk.protocol.errors import Code

Result = TypeVar("Result")
CLOSING = {Code.TRY_AGAIN, Code.REPLACED, Code.STOPPING}
DEVICES = st.integers(0, 3)
MANY = 20  # commands that are unanswered at once


class Device:
    """What a careful client keeps: what it read, what it worked through, and what nobody acknowledged yet."""

    def __init__(self, phone: Phone) -> None:
        self.phone = phone
        self.peer: Peer | None = None
        self.lines: list[tuple[int, str]] = []
        self.mail: list[tuple[int, str]] = []
        self.worked_through = 0
        self.unanswered: dict[str, commands.Say | commands.Send] = {}
        self.said: dict[str, int] = {}
        self.sent: dict[str, commands.Send] = {}
        self._read = 0

    def connected(self, peer: Peer) -> None:
        self.peer, self._read = peer, 0

    def read(self) -> None:
        """Work through what came in since the last time."""
        assert self.peer is not None
        new, self._read = self.peer.seen[self._read :], len(self.peer.seen)
        for event in new:
            self._read_one(event)

    def _read_one(self, event: events.Event) -> None:
        match event:
            case events.RoomEvent():
                assert event.seq == len(self.lines) + 1, "a line is missing, or came twice"
                self.lines.append((event.seq, f"{event.device} {event.id}"))
            case events.Mail():
                assert event.n > (self.mail[-1][0] if self.mail else 0), "mail came twice, or out of order"
                self.mail.append((event.n, f"{event.device} {event.id}"))
            case events.Stored(id=id, seq=seq):
                command = self.unanswered.pop(id, None)
                if isinstance(command, commands.Send):
                    self.sent[id] = command
                elif command is not None:
                    self.said[id] = seq
                assert self.said.get(id, 0) == seq, "one message has two places"
            case events.Error():
                assert event.id == "", event
                assert event.code in CLOSING
            case _:
                assert isinstance(event, events.ServerHello | events.Welcome | events.Done | events.Live), event


class Model(RuleBasedStateMachine):
    @initialize()
    def open(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.house = House()
        self.run(self._open())
        for number in range(len(self.devices)):
            self.connect(number, 0)

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.loop.run_until_complete(asyncio.wait_for(work, 30))

    async def _open(self) -> None:
        await self.house.__aenter__()
        self.people = [self.house.person(name) for name in ("asha", "bob", "chitra")]
        for person in self.people:
            peer = await self.house.login_as_new(person)
            if person.name == "bob":
                person.phones, person.version = [person.phone, Phone(person)], 2
                await peer.done(person.set_devices(person.phones, 2))
            peer.drop()
        self.devices = [Device(phone) for person in self.people for phone in person.phones]

    # ---- what can happen

    @rule(number=DEVICES, forgotten=st.integers(0, 3))
    def connect(self, number: int, forgotten: int) -> None:
        """Come back, or once more beside oneself, from a cursor that may be a few events old."""
        device = self.devices[number]
        self.settle()
        del device.lines[max(0, len(device.lines) - forgotten) :]
        kept = max(device.worked_through, device.mail[-1][0] - forgotten if device.mail else 0)
        device.mail = [(n, id) for n, id in device.mail if n <= kept]
        peer = Peer(self.house.engine)
        self.run(self._connect(device, peer, kept))
        device.connected(peer)

    async def _connect(self, device: Device, peer: Peer, mail: int) -> None:
        await peer.login(device.phone)
        peer.tell(peer.resuming(len(device.lines), mail))

    def online(self, number: int) -> tuple[Device, Peer]:
        """This device, which comes back when it is away."""
        device = self.devices[number]
        if device.peer is None or device.peer.door.closed:
            self.connect(number, 0)
        assert device.peer is not None
        return device, device.peer

    @rule(number=DEVICES, said_goodbye=st.booleans(), read=st.booleans())
    def drop(self, number: int, said_goodbye: bool, read: bool) -> None:
        device, peer = self.online(number)
        if read:
            device.read()
        peer.drop(said_goodbye=said_goodbye)
        device.peer = None

    @rule(
        number=DEVICES,
        lines=st.integers(0, 3),
        letters=st.integers(0, 2),
        to=st.integers(1, 2),
        full=st.sets(DEVICES, max_size=2),
        failing=st.sampled_from([None, None, None, "before", "after"]),
    )
    def talk(
        self, number: int, lines: int, letters: int, to: int, full: set[int], failing: Literal["before", "after"] | None
    ) -> None:
        """Say and send a few at once, while some sockets are full and the disk may be failing."""
        for other in full:
            self.online(other)
        self.settle()
        for other in full:
            self.online(other)[1].door.stall()
        device, peer = self.online(number)
        person = self.people[(self.people.index(device.phone.person) + to) % len(self.people)]
        self.house.store.fail_next = failing
        for _ in range(lines):
            self._tell(device, peer.saying("hi"))
        for _ in range(letters):
            self._tell(device, send(device.phone, person))

    def _tell(self, device: Device, command: commands.Say | commands.Send) -> None:
        """Say it now, or with a later retry when much is unanswered."""
        assert device.peer is not None
        device.unanswered[command.id] = command
        if len(device.unanswered) < MANY:
            device.peer.tell(command)

    @rule(some=st.sets(DEVICES, min_size=1))
    def drain(self, some: set[int]) -> None:
        for number in some:
            _, peer = self.online(number)
            peer.door.drain()
            self.house.engine.drained(peer.connection)
        self.settle()

    @rule(number=DEVICES)
    def retry(self, number: int) -> None:
        device, peer = self.online(number)
        if not peer.connection.waiting:
            for command in list(device.unanswered.values())[:MANY]:
                peer.tell(command)

    @rule(number=DEVICES)
    def ack(self, number: int) -> None:
        device, peer = self.online(number)
        if device.mail:
            device.worked_through = device.mail[-1][0]
            peer.tell(peer.acking(device.worked_through))

    @rule(in_order=st.booleans())
    def restart(self, in_order: bool) -> None:
        self.run(self._restart(in_order))

    async def _restart(self, in_order: bool) -> None:
        if in_order:
            await self.house.engine.stop()
        else:
            await self.house.engine.tasks.close()
        for device in self.devices:
            if device.peer is not None:
                device.read()
                device.peer.drop()
                device.peer = None
        self.house = House(self.house.store)
        await self.house.__aenter__()

    @rule()
    def settle(self) -> None:
        """Let the server finish, read everything, and look."""
        self.run(self.house.quiet())
        for device in self.devices:
            if device.peer is not None:
                device.read()
                if device.peer.door.closed:
                    device.peer.drop()
                    device.peer = None
        self.look()

    # ---- what must hold

    def look(self) -> None:
        log = self._log()
        mine = Counter(line for _, line in log)
        assert all(count == 1 for count in mine.values()), "a line is there twice"
        for device in self.devices:
            assert device.lines == log[: len(device.lines)], "two have read different things"
            for id, seq in device.said.items():
                assert log[seq - 1] == (seq, f"{device.phone.id} {id}"), "an acknowledged line is lost"
            for id in device.sent:
                self._look_for_mail(device, id)
            peer = device.peer
            if peer is not None and not peer.door.paused:
                assert len(device.lines) == len(log), "somebody who is here was not told"
                assert not [item for item in self._mailbox(device) if item[0] > self._seen(device)]

    def _log(self) -> list[tuple[int, str]]:
        [records] = self.house.store._records.values()
        return [(record.seq, f"{record.device} {record.id}") for record in records]

    def _look_for_mail(self, sender: Device, id: str) -> None:
        for device in self.devices:
            if device.phone.id not in sender.sent[id].sealed:
                continue
            seen = self._seen(device)
            copies = device.mail + [item for item in self._mailbox(device) if item[0] > seen]
            found = [n for n, mail in copies if mail == f"{sender.phone.id} {id}"]
            assert len(found) == 1, f"an acknowledged message is there {len(found)} times"

    def _mailbox(self, device: Device) -> list[tuple[int, str]]:
        items = self.house.store._mailbox(device.phone.id).items.values()
        return [(item.n, f"{item.device} {item.id}") for item in items]

    def _seen(self, device: Device) -> int:
        return max(device.worked_through, device.mail[-1][0] if device.mail else 0)

    # ---- the end

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        try:
            self._bring_all_together()
        finally:
            self.run(self._close())
            self.loop.close()

    def _bring_all_together(self) -> None:
        self.house.store.fail_next = None
        for number, device in enumerate(self.devices):
            self.connect(number, 0)
            while device.unanswered:
                before = len(device.unanswered)
                self.retry(number)
                self.settle()
                assert len(device.unanswered) < before, "a retry was not answered"
        self.settle()
        log = self._log()
        assert all(device.lines == log for device in self.devices)
        assert len(log) == sum(len(device.said) for device in self.devices)

    async def _close(self) -> None:
        for device in self.devices:
            if device.peer is not None:
                device.peer.drop()
        await self.house.__aexit__(None, None, None)


Model.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestModel = Model.TestCase
