"""A cable passes everything on, until it is cut, silent, held or deaf."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from talk.apps.prove.cable import HOST, Cable

PATIENCE = 10.0  # seconds
SHORT = 0.1  # seconds in which nothing may come


class Ends:
    """A server that keeps what it hears and answers with it, and one client through the cable."""

    def __init__(self) -> None:
        self.heard = b""
        self.gone = asyncio.Event()
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1000):
                self.heard += data
                writer.write(data.upper())
        except OSError:
            pass
        finally:
            writer.close()
            self.gone.set()

    async def connect(self, cable: Cable) -> None:
        self.reader, self.writer = await asyncio.open_connection(HOST, cable.port)
        self.writers.append(self.writer)

    async def echo(self, text: bytes) -> bytes:
        self.writer.write(text)
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readexactly(len(text))

    async def is_cut(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE):
                return await self.reader.read(1) == b""
        except OSError:
            return True

    async def is_silent(self) -> bool:
        try:
            async with asyncio.timeout(SHORT):
                await self.reader.read(1)
        except TimeoutError:
            return True
        return False


@pytest.fixture
def ends() -> Ends:
    return Ends()


@pytest.fixture
async def cable(ends: Ends) -> AsyncIterator[Cable]:
    server = await asyncio.start_server(ends.serve, HOST, 0)
    async with server, Cable(server.sockets[0].getsockname()[1]) as cable:
        await ends.connect(cable)
        assert await ends.echo(b"hello") == b"HELLO"
        yield cable
        for writer in ends.writers:
            writer.close()


async def test_a_cut_ends_both_sides_and_the_next_connection_gets_through(cable: Cable, ends: Ends) -> None:
    cable.cut()
    assert await ends.is_cut()
    await asyncio.wait_for(ends.gone.wait(), PATIENCE)
    await ends.connect(cable)
    assert await ends.echo(b"again") == b"AGAIN"


async def test_nothing_gets_through_until_it_is_plugged_in_again(cable: Cable, ends: Ends) -> None:
    cable.unplug()
    assert await ends.is_cut()
    await ends.connect(cable)
    assert await ends.is_cut()
    cable.plug()
    await ends.connect(cable)
    assert await ends.echo(b"back") == b"BACK"


async def test_a_dead_connection_stays_open_and_tells_neither_side(cable: Cable, ends: Ends) -> None:
    cable.kill_silently()
    ends.writer.write(b"lost")
    assert await ends.is_silent()
    assert ends.heard == b"hello"
    assert not ends.gone.is_set()
    cable.cut()
    assert await ends.is_silent()
    ends.writer.close()
    await ends.connect(cable)
    assert await ends.echo(b"new") == b"NEW"
    assert not ends.gone.is_set(), "the server was not told of the first one"


async def test_what_is_held_comes_later_and_nothing_is_lost(cable: Cable, ends: Ends) -> None:
    cable.hold("down")
    ends.writer.write(b"held")
    assert await ends.is_silent()
    assert ends.heard == b"helloheld"
    cable.release()
    async with asyncio.timeout(PATIENCE):
        assert await ends.reader.readexactly(4) == b"HELD"


async def test_answers_that_are_swallowed_never_come(cable: Cable, ends: Ends) -> None:
    cable.swallow_answers()
    ends.writer.write(b"said")
    assert await ends.is_silent()
    assert ends.heard == b"hellosaid"
    cable.cut()
    assert await ends.is_cut()


async def test_without_a_server_a_connection_ends(cable: Cable, ends: Ends) -> None:
    async with Cable(1) as other:
        await ends.connect(other)
        assert await ends.is_cut()
