"""A server's door: bytes of a socket, and the frames of a member, before a real engine on a store in memory."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.fuzz.harnesses.common import nothing_logged, run
from tests.server.house import House

from talk.protocol.limits import MAX_FRAME_BEFORE_LOGIN
from talk.server.doors.frames import text_frame
from talk.server.doors.pages import Facts, page
from talk.server.doors.websocket import Listener, WebSocketConnection

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: talk.v1\r\n\r\n"
)
MOST = 64 * 1024


class _Transport(asyncio.Transport):
    """A socket whose other side takes everything."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.over = 0, False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.over, "written behind the end"
        self.written += len(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def is_closing(self) -> bool:
        return self.over

    def close(self) -> None:
        self.over = True

    abort = close

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


def door(data: bytes) -> None:
    """The first byte says in which pieces the rest comes, and whether it comes behind a good handshake."""
    run(_door(data[:1] or b"\0", data[1:MOST]))


async def _door(how: bytes, data: bytes) -> None:
    facts = Facts("s", True, False, {})
    async with House() as house:
        house.engine.delivery._frame = text_frame
        listener = Listener(
            house.engine, lambda path: page(path, facts), behind_proxy=bool(how[0] & 2), max_connections=9
        )
        connection, transport = WebSocketConnection(listener, "192.0.2.1"), _Transport()
        listener.open.add(connection)
        connection.connection_made(transport)
        with nothing_logged():
            if how[0] & 1:
                _feed(connection, transport, HANDSHAKE, 1024)
            _feed(connection, transport, data, (how[0] >> 2) * 16 + 1)
            if not transport.over:
                connection.eof_received()
            connection.connection_lost(None)
            await house.quiet()
        assert listener.partial == 0
        assert not listener.open
        assert not house.engine.connections


def _feed(connection: WebSocketConnection, transport: _Transport, data: bytes, size: int) -> None:
    for start in range(0, len(data), size):
        if transport.over:
            return
        part = data[start : start + size]
        connection.get_buffer(-1)[: len(part)] = part
        connection.buffer_updated(len(part))
        core: Any = connection._core
        held = len(connection._held) + connection._parts_size + (len(core.reader.buffer) if core else 0)
        assert transport.over or held <= 2 * MAX_FRAME_BEFORE_LOGIN + size, f"{held} bytes are held before a login"


def member(data: bytes) -> None:
    """A frame a line, of somebody who is logged in; ROOM, EPOCH, ME and DEVICE stand for what a client knows."""
    run(_member(data[:MOST]))


async def _member(data: bytes) -> None:
    async with House() as house:
        eve = await house.join("eve")
        bob = await house.join("bob")
        assert eve.phone is not None
        assert eve.welcome is not None
        known = {b"ROOM": house.room, b"EPOCH": eve.welcome.epoch, b"ME": eve.welcome.account, b"DEVICE": eve.phone.id}
        if bob.phone is not None:
            known |= {b"BOB": bob.phone.person.account, b"BOBS": bob.phone.id}
        for name, value in known.items():
            data = data.replace(b'"' + name + b'"', b'"' + value.encode() + b'"')
        with nothing_logged():
            for frame in data.split(b"\n")[:20]:
                if not eve.connection.closed:
                    eve.tell_raw(frame)
                await house.quiet()
            house.engine.look_round()
        assert eve.connection.unanswered == 0 or eve.connection.closed
        if not bob.connection.closed:
            await bob.stored(bob.saying("still here"))
