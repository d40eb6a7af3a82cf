"""Finding the server at one of its link's addresses, and giving up on what is none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.client.world import PATIENCE, World
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from talk.client import CannotConnect, Offline
from talk.client import connection as connection_module
from talk.client.connection import FAR_OFF_MS, Wire, clock_warning
from talk.protocol import events
from talk.protocol.limits import SUBPROTOCOL
from talk.protocol.link import Address, Link, parse_link

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def speaks_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")


async def speaks_ssh(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.0\r\n")
    await reader.read()


@pytest.mark.parametrize(
    ("talk", "reason"),
    [
        (says_nothing, "it does not answer"),
        (hangs_up, "something else than TAlk answers there"),
        (speaks_http, "something else than TAlk answers there"),
        (speaks_ssh, "it does not answer"),
        (None, "nobody listens there"),
    ],
)
async def test_what_is_no_talk_server_is_said_and_the_next_address_tried(
    world: World, monkeypatch: pytest.MonkeyPatch, talk: Talk | None, reason: str
) -> None:
    if talk in (says_nothing, speaks_ssh):
        monkeypatch.setattr(connection_module, "OPEN_WITHIN", 0.3)
    ended: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.append(writer)
        assert talk is not None
        await talk(reader, writer)

    other = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    if talk is None:
        other.close()
    real = parse_link(world.link)
    nowhere = Link((Address("127.0.0.1", port),), real.server, local=True)
    both = Link((*nowhere.addresses, *real.addresses), real.server, local=True)
    lost = await world.start("lost", link=nowhere.text)
    offline = await lost.wait_for(Offline)
    assert f"127.0.0.1:{port}: {reason}" in offline.reason
    assert "Nothing is lost" in offline.reason
    found = await world.join("found", link=both.text)
    assert found.name == "found"
    for writer in ended:
        writer.close()
    other.close()
    await lost.stop()


async def test_a_server_that_never_answers_the_hello_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "ANSWER_WITHIN", 0.2)

    async def listen(socket: ServerConnection) -> None:
        async for _ in socket:
            pass

    async with serve(listen, "127.0.0.1", 0, subprotocols=[Subprotocol(SUBPROTOCOL)]) as silent:
        address = Address("127.0.0.1", silent.sockets[0].getsockname()[1])
        link = Link((address,), parse_link(world.link).server, local=True)
        asha = await world.start("asha", link=link.text)
        assert "it does not answer" in (await asha.wait_for(Offline)).reason
        await asha.stop()


async def test_sending_to_who_reads_nothing_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "SEND_WITHIN", 0.2)
    monkeypatch.setattr(connection_module, "CLOSE_WITHIN", 0.2)
    done = asyncio.Event()

    async def reads_nothing(socket: ServerConnection) -> None:
        await done.wait()

    welcome = events.Welcome("id", "@", "", "", [], 0, False)
    async with (
        serve(reads_nothing, "127.0.0.1", 0, max_queue=1, close_timeout=0.1) as server,
        connect(
            f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", proxy=None, compression=None, close_timeout=0.1
        ) as socket,
        asyncio.timeout(PATIENCE),
    ):
        wire = Wire(socket, welcome, 0)
        with pytest.raises(CannotConnect, match="takes nothing more"):
            while True:
                await wire.send_bytes(b"x" * 500_000)
        await wire.close()
        done.set()


@pytest.mark.parametrize("off", [0, 1, FAR_OFF_MS - 1, 1 - FAR_OFF_MS])
def test_a_clock_that_is_nearly_right_is_no_news(off: int) -> None:
    assert clock_warning(off) is None


@pytest.mark.parametrize(
    ("off", "words"), [(FAR_OFF_MS, "10 minutes ahead of"), (-3 * FAR_OFF_MS, "30 minutes behind")]
)
def test_a_clock_that_is_far_off_is_told(off: int, words: str) -> None:
    assert words in str(clock_warning(off))


async def test_a_server_of_the_future_is_told_as_a_clock_that_is_behind(world: World) -> None:
    context = world.engine.context
    real = context.clock
    context.clock = lambda: real() + 3_600_000
    asha = await world.join("asha")
    assert "60 minutes behind" in asha.notices("clock_off")[0]
