"""A person who writes: a real client in a process of its own, which may be frozen or killed.

`python -m talk.apps.prove.person FOLDER TAG NAME LIFE` reads orders from its standard input, a JSON object a line, and
prints what happens, the same way. It ends in order when its input does.

Orders: `join` (link) · `write` (others, every) · `pause` · `burst` (lines, size) · `greet` (others) · `clock` (shift) ·
`ask` (ids) · `log`. Times are seconds of the clock that only goes forward, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from talk.apps.loop import run
from talk.apps.output import print_json
from talk.apps.prove.clock import shift_by
from talk.apps.prove.ledger import ANSWERED, LOBBY
from talk.apps.prove.lines import Key, Mangled, key_in, text_of
from talk.client import Client, ClientError, Ended, Mark, Message, Notice, PrivateMessage, Refused, Sent
from talk.client.events import ClientEvent
from talk.encryption.errors import EncryptionError

PRIVATE = 0.4  # of the lines that are written
MAX_ORDER = 1024 * 1024  # bytes
PAGE = 200  # lines of the server's log at once
LOG_WITHIN = 30.0  # seconds for one page

Order = dict[str, Any]


def tell(event: str, **fields: object) -> None:
    print_json({"event": event, "t": time.monotonic(), **fields})


class Person:
    """One life of one person. `number` counts what they wrote in it."""

    def __init__(self, client: Client, tag: str, name: str, life: int) -> None:
        self._client, self._tag, self._name, self._life = client, tag, name, life
        self._number = 0
        self._choose = random.Random(f"{tag} {name} {life}")  # noqa: S311 - who is written to next
        self._others: list[str] = []
        self._every = 1.0
        self._writing = asyncio.Event()
        self._one_line = asyncio.Lock()
        self.shift = 0.0

    # ---- what happens

    async def listen(self) -> None:
        async for event in self._client.events():
            self._tell(event)

    def _tell(self, event: ClientEvent) -> None:
        match event:
            case Sent(id, text, to):
                if (key := key_in(self._tag, text)) is not None:
                    tell("sent", id=id, key=_words(key), to=to)
            case Mark(id, state, reason):
                tell("mark", id=id, state=state, reason=reason)
            case Message():
                self._tell_line(event, LOBBY, seq=event.seq)
            case PrivateMessage():
                self._tell_line(event, self._name, missed=event.missed)
            case Notice(code, text):
                tell("notice", code=code, text=text)
            case Ended(code, text):
                tell("ended", code=code, text=text)
            case _:
                tell(type(event).__name__.lower())

    def _tell_line(self, event: Message | PrivateMessage, to: str, **fields: int) -> None:
        try:
            key = key_in(self._tag, event.text)
        except Mangled as error:
            tell("mangled", text=str(error))
            return
        if key is not None:
            tell("got", id=event.id, key=_words(key), to=to, row=event.row, **fields)

    # ---- writing

    async def write(self) -> None:
        """Write until cancelled, whenever there is an order to."""
        while True:
            await self._writing.wait()
            async with self._one_line:
                if self._writing.is_set():
                    await self._write_one()
            await asyncio.sleep(self._every * self._choose.uniform(0.5, 1.5))

    async def _write_one(self) -> None:
        self._number += 1
        text = text_of(self._tag, Key(self._name, self._life, self._number))
        try:
            if self._others and self._choose.random() < PRIVATE:
                await self._client.send(self._choose.choice(self._others), text)
            else:
                await self._client.say(text)
        except (ClientError, EncryptionError, Refused) as error:
            tell("problem", text=f"{type(error).__name__}: {error}")

    # ---- orders

    async def obey(self, order: Order) -> None:
        match order:
            case {"do": "write", "others": others, "every": every}:
                self._others, self._every = list(others), float(every)
                self._writing.set()
            case {"do": "pause"}:
                await self._pause()
            case {"do": "burst", "lines": lines, "size": size}:
                await self._burst(int(lines), int(size))
            case {"do": "greet", "others": others}:
                await self._greet(list(others))
            case {"do": "clock", "shift": seconds}:
                self.shift = float(seconds)
            case {"do": "ask", "ids": ids}:
                await self._tell_marks(list(ids))
            case {"do": "log"}:
                await self._tell_log()

    async def _pause(self) -> None:
        """Stop writing, and say so after everything else that was to be told."""
        self._writing.clear()
        async with self._one_line:
            await self._client.shown()
        tell("paused")

    async def _burst(self, lines: int, size: int) -> None:
        async with self._one_line:
            for _ in range(lines):
                self._number += 1
                await self._client.say(text_of(self._tag, Key(self._name, self._life, self._number), size))

    async def _greet(self, others: list[str]) -> None:
        async with self._one_line:
            for other in others:
                self._number += 1
                await self._client.send(other, text_of(self._tag, Key(self._name, self._life, self._number)))

    async def _tell_marks(self, ids: list[str]) -> None:
        """What stands on this device's disk about lines whose mark a killed program may have kept to itself."""
        for id in ids:
            line = await self._client.line(id)
            if line is None:
                continue
            if line.mark in (*ANSWERED, "failed"):
                tell("mark", id=id, state=line.mark, reason=line.reason)

    async def _tell_log(self) -> None:
        """The lobby as the server keeps it, newest page first, back to the first line of this run."""
        await self._client.live()
        room = next(id for id, name in self._client.rooms.items() if name == "lobby")
        before = 0
        while True:
            async with asyncio.timeout(LOG_WITHIN):
                page = await self._client.earlier(room, before, PAGE)
            lines = [[line.seq, line.id, _words(key)] for line in page if (key := self._key(line.text)) is not None]
            tell("log", lines=lines)
            earliest = min((line.seq for line in page if line.seq), default=0)
            before = min(earliest, before - 1) if before else earliest  # whatever a server answers, this ends
            if not lines or before <= 1:
                break
        tell("log_ended")

    def _key(self, text: str) -> Key | None:
        with contextlib.suppress(Mangled):
            return key_in(self._tag, text)
        return None


def _words(key: Key) -> list[object]:
    return [key.writer, key.life, key.number]


class Orders:
    """Standard input, read by a thread: on Windows nothing else can wait for it."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Order | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, name="orders", daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            while line := sys.stdin.buffer.readline(MAX_ORDER):
                self._loop.call_soon_threadsafe(self._queue.put_nowait, msgspec.json.decode(line))
            self._loop.call_soon_threadsafe(self._queue.put_nowait, None)

    async def next(self) -> Order | None:
        """The next one; None when there will be none."""
        return await self._queue.get()


async def live(folder: Path, tag: str, name: str, life: int) -> None:
    """Be this person until the orders end."""
    orders = Orders()
    first = await orders.next()
    if first is None:
        return
    async with Client(folder, link=first["link"], name=name) as client:
        person = Person(client, tag, name, life)
        shift_by(lambda: person.shift)
        work = [asyncio.ensure_future(part) for part in (person.listen(), person.write(), _obey(person, orders))]
        try:
            await _until_first_ends(work)
        finally:
            for part in work:
                part.cancel()


async def _obey(person: Person, orders: Orders) -> None:
    while (order := await orders.next()) is not None:
        await _or_tell(person.obey, order)


async def _or_tell(obey: Callable[[Order], Awaitable[None]], order: Order) -> None:
    try:
        await obey(order)
    except (ClientError, EncryptionError, Refused, TimeoutError) as error:
        tell("problem", text=f"{type(error).__name__}: {error}", order=order.get("do"))


async def _until_first_ends(work: Sequence[asyncio.Future[None]]) -> None:
    done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
    for part in done:
        part.result()


def main(arguments: list[str]) -> int:
    """One life of a person."""
    folder, tag, name, life = arguments
    run(live(Path(folder), tag, name, int(life)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
