"""The wired server on a real socket: who needs an invitation, and what one connection can cost."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import msgspec
import pytest
from tests.server.people import Person, Phone
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from talk.protocol import commands, wire
from talk.protocol.ids import encode64, random_id
from talk.protocol.limits import SUBPROTOCOL
from talk.protocol.link import Address, parse_link
from talk.protocol.proofs import Channel
from talk.server.app import Server, Settings
from talk.server.doors.websocket import MAX_FRAGMENTS, WRITE_HIGH

PROXY = (Address("chat.example.org", 443),)
ASKED = 600  # times; the answers would be 100 MB


@pytest.mark.parametrize(
    ("settings", "needed"),
    [({}, False), ({"behind_proxy": True, "addresses": PROXY}, True), ({"open": True, "host": "0.0.0.0"}, False)],
)
async def test_only_this_machine_needs_no_invitation(tmp_path: Path, settings: dict[str, object], needed: bool) -> None:
    async with Server(Settings(**{"data": tmp_path / "s", "host": "127.0.0.1", "port": 0, **settings})) as server:  # type: ignore[arg-type]
        assert server.engine.context.invite_needed is needed
        assert bool(parse_link(server.link).token) is needed


async def test_who_asks_and_never_reads_costs_a_bounded_memory(tmp_path: Path) -> None:
    async with Server(Settings(data=tmp_path / "s", host="127.0.0.1", port=0, rate=0)) as server:
        greedy, phone = await _log_in(server, "greedy")
        for _ in range(40):
            await greedy.send(
                wire.encode(commands.Say(id=random_id(), room=_lobby(server), text="x" * 4000)), text=True
            )
            await greedy.recv()
        greedy.transport.pause_reading()
        connection = server.engine.delivery.of_device(phone.id)
        assert connection is not None
        await _ask(greedy, _lobby(server), ASKED)
        waiting = connection.door._transport.get_write_buffer_size()  # type: ignore[attr-defined]
        assert waiting < 64 * WRITE_HIGH
        assert len(connection.waiting) <= 64
        other, _ = await _log_in(server, "other")
        greedy.transport.abort()
        await other.close()


async def test_a_message_in_endless_pieces_is_closed(tmp_path: Path) -> None:
    async with Server(Settings(data=tmp_path / "s", host="127.0.0.1", port=0)) as server:
        socket, _ = await _log_in(server, "pieces")

        with contextlib.suppress(ConnectionClosed):
            await socket.send(["x"] * (2 * MAX_FRAGMENTS), text=True)
        await socket.wait_closed()
        assert socket.close_code == 1008


def _lobby(server: Server) -> str:
    return next(iter(server.engine.context.directory.rooms))


async def _ask(socket: ClientConnection, room: str, times: int) -> None:
    """Ask for history so often, as far as the server listens."""
    with contextlib.suppress(TimeoutError, ConnectionClosed):
        for _ in range(times):
            async with asyncio.timeout(1):
                await socket.send(wire.encode(commands.History(id=random_id(), room=room, limit=40)), text=True)
            await asyncio.sleep(0.001)  # the server has answered by then, or listens no more


async def _log_in(server: Server, name: str) -> tuple[ClientConnection, Phone]:
    socket = await connect(
        f"ws://{server.address}/", subprotocols=[Subprotocol(SUBPROTOCOL)], compression=None, max_size=None
    )
    nonce = encode64(bytes(32))
    await socket.send(wire.encode(commands.Hello(versions=[1], nonce=nonce)), text=True)
    hello = msgspec.json.decode(await socket.recv())
    phone = Person(name, hello["server"]).phone
    channel = Channel(hello["server"], nonce, hello["nonce"], hello["certificate"])
    await socket.send(wire.encode(phone.register(channel)), text=True)
    assert msgspec.json.decode(await socket.recv())["type"] == "welcome"
    return socket, phone
