"""A real server and real clients in one event loop, and waiting for what the clients tell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import msgspec

from talk.client import Client, ClientEvent, Mark, Message, Notice, PrivateMessage, Ready
from talk.client.online import OnlineSession
from talk.client.profile import ProfileFolder
from talk.encryption import identity
from talk.encryption.database import Database
from talk.encryption.own import own
from talk.protocol import commands
from talk.protocol.events import Done, Event
from talk.protocol.ids import random_id
from talk.protocol.keys import Identity
from talk.protocol.link import parse_link
from talk.server.app import Server, Settings
from talk.server.engine import Engine

PATIENCE = 60.0  # seconds; a condition that is not met by then is a failure
P = ParamSpec("P")
R = TypeVar("R")
E = TypeVar("E", bound=ClientEvent)


class Person:
    """A client, and everything it has told so far in `seen`."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.seen: list[ClientEvent] = []
        self._news = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> Self:
        await self.client.__aenter__()
        self._watching = asyncio.create_task(self._watch())
        return self

    async def _watch(self) -> None:
        async for event in self.client.events():
            self.seen.append(event)
            self._news.set()

    async def stop(self) -> None:
        await self.client.close()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def until(self, condition: Callable[[], object], what: str = "a condition") -> None:
        """Wait until this holds; it is looked at whenever the client has told something."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no {what} within {PATIENCE} s; it told {self.seen[-8:]}") from None

    async def wait_for(self, kind: type[E], after: int = 0, **fields: object) -> E:
        """The first event of this kind with these fields, from number `after` on."""

        def found() -> list[E]:
            events = (event for event in self.seen[after:] if isinstance(event, kind))
            return [e for e in events if all(getattr(e, name) == value for name, value in fields.items())]

        await self.until(found, f"{kind.__name__} {fields}")
        return found()[0]

    async def ready(self) -> Self:
        await self.wait_for(Ready)
        return self

    async def run(self, work: Callable[Concatenate[Database, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do something in this client's database, on its thread."""
        return await self.client._profile.run(work, *args, **kwargs)

    async def ask(self, command: Any) -> Event:
        return await self.online.answers.ask(command, Done)

    async def all_answered(self) -> None:
        """Wait until the server has taken all that this client had to send, receipts included."""
        async with asyncio.timeout(PATIENCE):
            while await self.run(lambda db: db.one("SELECT 1 FROM outbox")) is not None:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)

    @property
    def online(self) -> OnlineSession:
        assert self.client._online is not None
        return self.client._online

    @property
    def name(self) -> str:
        return self.client.name

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.seen if isinstance(event, kind)]

    def said(self) -> list[str]:
        """The texts of the lobby, in their order."""
        return [event.text for event in self.of(Message)]

    def told(self) -> list[str]:
        """The private texts, in their order."""
        return [event.text for event in self.of(PrivateMessage)]

    def marks(self, id: str, *, before: ClientEvent | None = None) -> list[str]:
        """The states of this message that were told so far, or before this event."""
        seen = self.seen if before is None else self.seen[: self.seen.index(before)]
        return [event.state for event in seen if isinstance(event, Mark) and event.id == id]

    def notices(self, code: str) -> list[str]:
        return [notice.text for notice in self.of(Notice) if notice.code == code]


class World:
    """A server on loopback that can be stopped and started again, and the people who are joined to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.people: list[Person] = []
        self._server: Server | None = None
        self._settings = Settings(data=folder / "server", host="127.0.0.1", port=0, rate=0)

    async def start_server(self) -> None:
        self._server = await Server(self._settings).__aenter__()
        self.link = self._server.link
        self._settings = replace(self._settings, port=parse_link(self.link).addresses[0].port)

    async def stop_server(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.__aexit__(None, None, None)

    @property
    def server(self) -> Server:
        assert self._server is not None
        return self._server

    @property
    def engine(self) -> Engine:
        return self.server.engine

    @property
    def id(self) -> str:
        return parse_link(self.link).server

    def profile(self, name: str) -> Path:
        return self.folder / f"profile-{name}"

    async def start(self, name: str, *, folder: Path | None = None, link: str = "", **options: Any) -> Person:
        """A client of this name that is not waited for."""
        client = Client(folder or self.profile(name), link=link or self.link, name=name, **options)
        person = await Person(client).start()
        self.people.append(person)
        return person

    async def join(self, name: str, **options: Any) -> Person:
        """A client of this name that is in the lobby."""
        return await (await self.start(name, **options)).ready()

    async def come_back(self, person: Person, **options: Any) -> Person:
        """The same profile in a new client."""
        await person.stop()
        return await self.join(person.name, folder=person.client.folder, **options)

    async def second_device(self, person: Person) -> Person:
        """A further device of somebody who is online; it is on the device list and in the lobby afterwards."""
        seed, shown = await person.run(_self_signing)
        folder = self.folder / f"second-{person.name}"
        profile = ProfileFolder(folder)
        await profile.open(None, lambda _: None)
        try:
            grown = await profile.run(_make_second, self.id, shown, seed, self.link, person.name)
        finally:
            await profile.close()
        await person.ask(commands.SetDevices(id=random_id(), device_list=grown.device_list, devices=grown.devices))
        return await self.join(person.name, folder=folder)

    async def cut(self, person: Person) -> None:
        """End the connection of somebody without a goodbye, from the server's side."""
        me = await person.run(own)
        connection = self.engine.delivery.of_device(me.device)
        assert connection is not None
        connection.door.abort()

    async def close(self) -> None:
        for person in self.people:
            await person.stop()
        await self.stop_server()


def _self_signing(db: Database) -> tuple[bytes, Identity]:
    row = db.one("SELECT self_signing FROM own")
    assert row is not None
    return bytes(row[0]), identity.public_identity(db)


def _make_second(db: Database, server: str, shown: Identity, seed: bytes, link: str, name: str) -> Identity:
    identity.create_second_device(db, server, shown, seed)
    db.run(
        "INSERT INTO profile (id, link, name, registered, epoch, mail, shown) VALUES (1, ?, ?, 1, '', 0, 0)", link, name
    )
    db.run("INSERT INTO own_names VALUES (?)", name)
    return identity.public_identity(db)


def decoded(frame: bytes) -> dict[str, Any]:
    return msgspec.json.decode(frame, type=dict[str, Any])
