"""What the troubles happen to: one server, people who write all the time, the cables between, and a disk that loses."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

from talk.apps.prove.cable import Cable
from talk.apps.prove.errors import ProveError, ServerGone
from talk.apps.prove.ledger import Ledger
from talk.apps.prove.machine import LossyDisk
from talk.apps.prove.people import Person
from talk.apps.prove.server import Server
from talk.local.folders import make_private

NAMES = ("asha", "bob", "chitra", "devi")
EVERY = 0.2  # seconds between two lines of one person
LOOK_EVERY = 0.05  # seconds
ASK_EVERY = 1.0  # seconds
ANSWERED_WITHIN = 120.0  # seconds
PAUSED_WITHIN = 60.0  # seconds
SETTLED_WITHIN = 120.0  # seconds
QUIET = 10.0  # seconds in which nothing comes any more, although everybody is connected


class Stage:
    """`short` asks troubles to be brief, `data` is where the server's folder usually lies."""

    def __init__(self, folder: Path, *, seed: int, suffix: str, program: Sequence[str]) -> None:
        self.folder, self.short = folder, True
        self.random = Random(seed)  # noqa: S311 - which trouble comes when
        self.tag = f"prove{seed}"
        names = [f"{name}{suffix}" for name in NAMES]
        self.ledger = Ledger(names)
        self.disk_folder, self.mountpoint = folder / "disk", folder / "mount"
        self.data = self.disk_folder / "server"
        self.server = Server(self.data, folder / "server.log", program)
        self.disk = LossyDisk(self.disk_folder, self.mountpoint, folder / "disk.log", str(seed))
        self.why_no_disk = ""
        self.people = {name: Person(name, folder / name, self.tag, self.ledger, self._told) for name in names}
        self.cables: dict[str, Cable] = {}
        self.away: set[str] = set()
        self.waits: dict[str, list[float]] = {}
        self.problems: list[tuple[str, str]] = []
        self.events: Callable[[str, dict[str, Any]], None] = lambda name, event: None
        self._changed_at = time.monotonic()
        self._is_online = dict.fromkeys(names, False)
        self._paused: set[str] = set()
        self._coming_back: set[asyncio.Task[None]] = set()
        self._stack = AsyncExitStack()

    # ---- beginning and end

    async def open(self) -> None:
        """Start everything, and wait until everybody is in the chat. Errors: ProveError, OSError."""
        make_private(self.data)
        await _together(self._mount(), self.server.start())
        for name, person in self.people.items():
            self.cables[name] = await self._stack.enter_async_context(Cable(self.server.port))
            person.plug_into(self.cables[name], self.server.link)
        await _together(*(person.start() for person in self.people.values()))

    async def _mount(self) -> None:
        self.why_no_disk = await self.disk.mount()

    async def close(self) -> None:
        """End every program that was started, and unmount the disk."""
        for task in self._coming_back:
            task.cancel()
        for cable in self.cables.values():
            cable.release()
        await asyncio.gather(*(person.close() for person in self.people.values()), return_exceptions=True)
        for end in (self.server.close, self.disk.close, self._stack.aclose):
            with contextlib.suppress(OSError, TimeoutError):
                await end()

    def kill_now(self) -> None:
        """The same, where nothing can be waited for."""
        for person in self.people.values():
            person.kill_now()
        self.server.kill_now()
        self.disk.kill_now()

    # ---- people

    @property
    def here(self) -> list[Person]:
        """Those whose cable is not dead."""
        return [person for name, person in self.people.items() if name not in self.away]

    def someone(self) -> Person:
        return self.random.choice(self.here)

    def all_write(self) -> None:
        for person in self.people.values():
            self.write(person)

    def write(self, person: Person) -> None:
        self._paused.discard(person.name)
        person.write([name for name in self.people if name != person.name], EVERY)

    def all_greet(self) -> None:
        """Everybody writes to everybody, so that what does not work between two shows now."""
        for person in self.here:
            person.greet([name for name in self.people if name != person.name])

    def problem(self, text: str) -> None:
        """Note what no column counts."""
        self.problems.append((self.ledger.stage, text))

    def _told(self, name: str, event: dict[str, Any]) -> None:
        match event["event"]:
            case "sent" | "mark" | "got":
                self._changed_at = time.monotonic()
            case "ready" | "online":
                self._is_online[name] = True
            case "offline":
                self._is_online[name] = False
            case "paused":
                self._paused.add(name)
            case "problem" | "ended" | "mangled":
                self.problem(f"{name}: {event['text']}")
        if not self.people[name].is_after_put_back:
            self._check_not_set_back(name, event)
        self.events(name, event)

    def put_back(self, since: float) -> None:
        """What was acknowledged from `since` until now may be gone, and everybody has to be told."""
        self.ledger.put_back(since, time.monotonic())
        for person in self.people.values():
            person.expect_put_back()

    def leave(self, person: Person, outage: Outage) -> None:
        """This person does not notice yet that their cable is dead. The rest goes on without them until they do."""
        self.away.add(person.name)
        task = asyncio.create_task(self._come_back(person, outage), name="coming back")
        self._coming_back.add(task)

    async def _come_back(self, person: Person, outage: Outage) -> None:
        try:
            await outage.answered()
        finally:
            self.away.discard(person.name)

    async def all_back(self) -> None:
        """Wait until nobody has a dead cable any more. Errors: ServerGone, ProveError."""
        while self._coming_back:
            await self._coming_back.pop()

    def _check_not_set_back(self, name: str, event: dict[str, Any]) -> None:
        if event.get("code") == "new_epoch":
            self.problem(f"{name} was told that the server was set back, and it was not")
        if event.get("missed"):
            self.problem(f"{name} was told that {event['missed']} private messages are missing")

    # ---- the server's place

    async def place(self, *, lossy: bool) -> None:
        """Have the server's folder on the disk that can be full and loses what is not synced, or where it usually is.

        Everybody who is here is connected again then. Errors: ServerGone, ProveError.
        """
        data = self.mountpoint / "server" if lossy and not self.why_no_disk else self.data
        if data == self.server.data:
            return
        await self.server.stop()
        if not self.why_no_disk:
            await self.disk.order("sync")
        self.server.data = data
        await self.server.start()
        async with self.within(ANSWERED_WITHIN, "Not everybody came back to the server in its other place"):
            while not all(self._is_online[person.name] for person in self.here):
                self.check_server()
                await asyncio.sleep(LOOK_EVERY)

    async def recover(self) -> None:
        """After a trouble that did not end as it should: the server runs again. Errors: ServerGone."""
        for cable in self.cables.values():
            cable.release()
            cable.plug()
        for person in self.people.values():
            person.thaw()
        await self.server.close()
        if not self.why_no_disk:
            await self.disk.order("full", on=False)
            await self.disk.order("plug")
        await self.server.start()

    def check_server(self) -> None:
        """Errors: ServerGone when it has ended by itself."""
        if self.server.has_ended:
            raise ServerGone(f"The server has ended by itself. {self.server.last_words()}")

    # ---- waiting

    async def acknowledged(self, more: int, within: float = ANSWERED_WITHIN) -> None:
        """Wait until so many more lines were acknowledged. Errors: ServerGone, ProveError."""
        wanted = self.ledger.acknowledged + more

        async with self.within(within, f"{more} more lines were not acknowledged"):
            while self.ledger.acknowledged < wanted:
                self.check_server()
                await asyncio.sleep(LOOK_EVERY)

    @asynccontextmanager
    async def within(self, seconds: float, what: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            raise ProveError(f"{what} within {seconds:.0f} seconds.") from error

    async def settle(self) -> None:
        """Let nobody write for a while, and wait until every acknowledged line is where it belongs.

        What does not come is left to the account. Those whose cable is dead are left out.
        """
        here, away = self.here, frozenset(self.away)
        await self._pause(here)
        begun, asked = time.monotonic(), 0.0
        while not self._is_settled(here, away):
            self.check_server()
            now = time.monotonic()
            if now - begun > SETTLED_WITHIN or self._nothing_comes(here, max(begun, self._changed_at), now):
                break
            if now - asked > ASK_EVERY:
                asked = now
                self._ask_the_killed(here)
            await asyncio.sleep(LOOK_EVERY)
        for person in here:
            if (waiting := len(self.ledger.unanswered(person.name))) > 0:
                self.problem(f"{waiting} lines of {person.name} were neither acknowledged nor refused")
            if (waiting := len(self.ledger.undelivered(person.name, away))) > 0:
                self.problem(f"{waiting} private lines of {person.name} are stored and were never marked as delivered")
            person.put_back_is_over()
            person.was_killed = False

    async def _pause(self, people: list[Person]) -> None:
        names = {person.name for person in people}
        self._paused -= names
        for person in people:
            person.pause()
        async with self.within(PAUSED_WITHIN, "Not everybody stopped writing"):
            while not self._paused >= names:
                if ended := [person.name for person in people if person.has_ended]:
                    raise ProveError(f"The program of {ended[0]} has ended by itself; its log says why.")
                await asyncio.sleep(LOOK_EVERY)

    def _is_settled(self, here: list[Person], away: frozenset[str]) -> bool:
        ledger = self.ledger
        return not ledger.missing(away) and not any(
            ledger.unanswered(person.name) or ledger.undelivered(person.name, away) for person in here
        )

    def _nothing_comes(self, here: list[Person], since: float, now: float) -> bool:
        """Whether what is missing will not come: all are connected, all was answered, and it is quiet."""
        return (
            now - since > QUIET
            and all(self._is_online[person.name] for person in here)
            and not any(self.ledger.unanswered(person.name) for person in here)
        )

    def _ask_the_killed(self, here: list[Person]) -> None:
        for person in here:
            if person.was_killed:
                person.ask([*self.ledger.unanswered(person.name), *self.ledger.undelivered(person.name)])


async def _together(*work: Coroutine[Any, Any, None]) -> None:
    """All of it at the same time. Errors: the first of theirs."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


class Outage:
    """How long people had to wait because of one trouble: from its begin until each had a line acknowledged that was
    written since, less the time that the trouble itself went on. The one who waited longest counts."""

    def __init__(self, stage: Stage, people: Sequence[Person] = ()) -> None:
        self._stage, self._people, self._name = stage, tuple(people), stage.ledger.stage
        self.begun = time.monotonic()
        self._held = 0.0

    def over(self) -> None:
        """The trouble itself goes on no longer; from now on it is for the server and the clients to come back."""
        self._held = time.monotonic() - self.begun

    async def answered(self) -> None:
        """Wait until everybody is served again, and add up. Errors: ServerGone, ProveError."""
        ledger, people = self._stage.ledger, self._people or tuple(self._stage.here)
        times: dict[str, float] = {}
        async with self._stage.within(ANSWERED_WITHIN, "Not everybody could write again"):
            while len(times) < len(people):
                if not self._people:
                    self._stage.check_server()  # others may have ended it, while one person's cable is dead
                for person in people:
                    at = ledger.answered_since(person.name, self.begun)
                    if at is not None:
                        times.setdefault(person.name, at)
                await asyncio.sleep(LOOK_EVERY)
        waited = max(0.0, max(times.values()) - self.begun - self._held)
        self._stage.waits.setdefault(self._name, []).append(waited)
