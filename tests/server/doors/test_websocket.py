"""The WebSocket door on real sockets: handshakes, frames as they may not be, closing, and sockets that are full."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from tests.server.house import CERTIFICATE, House, until
from tests.server.people import Phone, some_key
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol

from talk.protocol import commands, events, wire
from talk.protocol.errors import Code
from talk.protocol.ids import account_id, random_id
from talk.protocol.limits import MAX_FRAME, MAX_FRAME_BEFORE_LOGIN, MAX_UNANSWERED, SUBPROTOCOL
from talk.protocol.proofs import Channel
from talk.server import engine
from talk.server.connection import Connection
from talk.server.doors import websocket
from talk.server.doors.accepting import Entrance, listening
from talk.server.doors.frames import text_frame
from talk.server.doors.pages import Page
from talk.server.doors.websocket import Listener

HANDSHAKE = (
    "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
UPGRADE = f"{HANDSHAKE}Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n".encode()


class Doorway(House):
    """A house with its door on a port of this machine."""

    def __init__(self, *, behind_proxy: bool = False, max_connections: int = 1_000) -> None:
        super().__init__()
        self.behind_proxy, self.max_connections = behind_proxy, max_connections
        self.sockets: list[asyncio.StreamWriter] = []

    async def open(self) -> None:
        self.engine.delivery._frame = text_frame
        self.listener = Listener(
            self.engine,
            lambda path: Page(200, "text/plain", f"page {path}\n".encode(), {"X-Door": "open"}),
            behind_proxy=self.behind_proxy,
            max_connections=self.max_connections,
        )
        self.entrance = Entrance(listening("127.0.0.1", 0), self.listener.arrived)
        self.entrance.open()
        self.port = self.entrance.sockets[0].getsockname()[1]

    async def close(self) -> None:
        await self.entrance.close()
        for connection in list(self.listener.open):
            connection.abort()
        await until(lambda: not self.listener.open, "end of all connections")

    async def raw(self, first: bytes = UPGRADE) -> Raw:
        """A socket, after this was sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.sockets.append(writer)
        writer.write(first)
        return Raw(reader, writer)

    def client(self) -> connect:
        return connect(f"ws://127.0.0.1:{self.port}", subprotocols=[Subprotocol(SUBPROTOCOL)], compression=None)


class Raw:
    """A socket and the bytes on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def headers(self) -> str:
        async with asyncio.timeout(10):
            return (await self.reader.readuntil(b"\r\n\r\n")).decode()

    async def everything(self) -> bytes:
        """All until the other side ends."""
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionResetError):
                return await self.reader.read()
        return b""

    def send(self, opcode: Opcode, data: bytes, *, fin: bool = True, mask: bool = True) -> None:
        self.writer.write(Frame(opcode, data, fin=fin).serialize(mask=mask))

    async def close_code(self) -> int:
        """The code of the close frame, which is the last one."""
        data = await self.everything()
        while data:
            opcode, length = data[0] & 15, data[1]
            start = 2
            if length == 126:
                length, start = int.from_bytes(data[2:4]), 4
            elif length == 127:
                length, start = int.from_bytes(data[2:10]), 10
            payload, data = data[start : start + length], data[start + length :]
            if opcode == Opcode.CLOSE:
                assert not data, "something follows the close frame"
                return int.from_bytes(payload[:2])
        raise AssertionError("no close frame")


async def doorway(house: Doorway) -> AsyncIterator[Doorway]:
    async with house:
        await house.open()
        try:
            yield house
        finally:
            for writer in house.sockets:
                writer.close()
            await house.close()


@pytest.fixture
async def door() -> AsyncIterator[Doorway]:
    async for house in doorway(Doorway()):
        yield house


async def next_event(client: ClientConnection) -> events.Event:
    async with asyncio.timeout(10):
        event = wire.decode_event(await client.recv())
    assert event is not None
    return event


async def tell(client: ClientConnection, command: commands.Command) -> None:
    await client.send(wire.encode(command).decode())


async def register(door: Doorway, client: ClientConnection, name: str) -> Phone:
    nonce = some_key()
    await tell(client, commands.Hello([1], nonce))
    hello = await next_event(client)
    assert isinstance(hello, events.ServerHello)
    phone = door.person(name).phone
    await tell(client, phone.register(Channel(hello.server, nonce, hello.nonce, CERTIFICATE)))
    assert isinstance(await next_event(client), events.Welcome)
    return phone


async def follow(door: Doorway, client: ClientConnection) -> None:
    await tell(client, commands.Resume(random_id(), door.context.directory.epoch, {door.room: 0}))
    while not isinstance(await next_event(client), events.Live):
        pass


class TestHandshake:
    async def test_the_subprotocol_is_chosen(self, door: Doorway) -> None:
        async with door.client() as client:
            assert client.subprotocol == SUBPROTOCOL
            await tell(client, commands.Ping())
            assert isinstance(await next_event(client), commands.Pong)

    async def test_the_message_may_come_with_the_handshake(self, door: Doorway) -> None:
        raw = await door.raw(UPGRADE + Frame(Opcode.TEXT, b'{"type":"ping"}').serialize(mask=True))
        assert " 101 " in await raw.headers()
        assert (await raw.reader.readexactly(2 + len(b'{"type":"pong"}')))[2:] == b'{"type":"pong"}'

    @pytest.mark.parametrize("protocols", ["", "Sec-WebSocket-Protocol: chat, superchat\r\n"])
    async def test_another_protocol_is_refused_in_words(self, door: Doorway, protocols: str) -> None:
        raw = await door.raw(f"{HANDSHAKE}{protocols}\r\n".encode())
        answer = (await raw.everything()).decode()
        assert answer.startswith("HTTP/1.1 400 ")
        assert "subprotocol" in answer
        assert not door.engine.connections

    async def test_a_bad_handshake_is_refused(self, door: Doorway) -> None:
        raw = await door.raw(UPGRADE.replace(b"13", b"12"))
        assert (await raw.everything()).startswith(b"HTTP/1.1 400 ")

    async def test_an_answer_of_the_engine_comes_behind_the_handshake(self, door: Doorway) -> None:
        """Who is turned away at once still gets a whole handshake, the reason and a close."""
        door.engine.healthy = False
        async with door.client() as client:
            error = await next_event(client)
            assert isinstance(error, events.Error)
            assert error.code == Code.TRY_AGAIN
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1013
        door.engine.healthy = True

    async def test_over_the_number_of_connections_it_just_ends(self) -> None:
        async for door in doorway(house := Doorway(max_connections=2)):
            house.listener.arrivals.bound = 2
            first, second = await door.raw(), await door.raw()
            for raw in (first, second):
                await raw.headers()
            assert await (await door.raw()).everything() == b""
            first.writer.close()
            await until(lambda: len(house.listener.open) == 1, "a free place")
            await (await door.raw()).headers()

    async def test_a_handshake_that_never_ends_is_ended(self, door: Doorway, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(websocket, "LOGIN_WITHIN", 0.05)
        raw = await door.raw(UPGRADE[:-4])
        assert await raw.everything() == b""
        assert not door.listener.open

    async def test_behind_a_proxy_the_address_is_the_last_one_forwarded(self) -> None:
        async for door in doorway(Doorway(behind_proxy=True)):
            forwarded = "X-Forwarded-For: 6.6.6.6, 203.0.113.9\r\n"
            raw = await door.raw(UPGRADE[:-2] + forwarded.encode() + b"\r\n")
            await raw.headers()
            [connection] = door.engine.connections
            assert connection.door.address == "203.0.113.9"

    async def test_elsewhere_what_a_client_says_of_its_address_does_not_count(self, door: Doorway) -> None:
        raw = await door.raw(UPGRADE[:-2] + b"X-Forwarded-For: 203.0.113.9\r\n\r\n")
        await raw.headers()
        [connection] = door.engine.connections
        assert connection.door.address == "127.0.0.1"


class TestPages:
    @pytest.mark.parametrize("path", ["/", "/healthz", "/a?b=c"])
    async def test_a_plain_get_is_answered_and_ended(self, door: Doorway, path: str) -> None:
        raw = await door.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = (await raw.everything()).decode()
        assert answer.startswith("HTTP/1.1 200 OK\r\n")
        assert "X-Door: open\r\n" in answer
        assert answer.endswith(f"\r\n\r\npage {path}\n")
        assert not door.engine.connections

    @pytest.mark.parametrize(
        "request_", [b"\x16\x03\x01\x02\x00\x01\r\n", b"\r\n\r\n", b"\xff" * 100 + b"\n"], ids=["tls", "empty", "bytes"]
    )
    async def test_what_is_no_http_is_ended(self, door: Doorway, request_: bytes) -> None:
        assert await (await door.raw(request_)).everything() == b""
        assert not door.engine.connections

    async def test_half_a_request_may_end(self, door: Doorway) -> None:
        raw = await door.raw(b"GET / HT")
        raw.writer.write_eof()
        assert await raw.everything() == b""
        await until(lambda: not door.listener.open, "end")

    @pytest.mark.parametrize(
        "request_",
        [b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"X-Y: z\r\n" * 500 + b"\r\n"],
        ids=["long line", "many headers"],
    )
    async def test_a_request_that_is_too_long_is_refused(self, door: Doorway, request_: bytes) -> None:
        answer = await (await door.raw(request_)).everything()
        assert answer.startswith((b"HTTP/1.1 414 ", b"HTTP/1.1 431 "))


class TestFrames:
    @pytest.fixture
    async def raw(self, door: Doorway) -> Raw:
        raw = await door.raw()
        await raw.headers()
        return raw

    async def test_binary(self, raw: Raw) -> None:
        raw.send(Opcode.BINARY, b"{}")
        assert await raw.close_code() == 1003

    async def test_text_that_is_not_utf8(self, raw: Raw) -> None:
        raw.send(Opcode.TEXT, b'{"type":"\xff"}')
        assert await raw.close_code() == 1007

    async def test_without_a_mask(self, raw: Raw) -> None:
        raw.send(Opcode.TEXT, b"{}", mask=False)
        assert await raw.close_code() == 1002

    async def test_with_a_reserved_bit(self, raw: Raw) -> None:
        frame = bytearray(Frame(Opcode.TEXT, b"{}").serialize(mask=True))
        frame[0] |= 0x40
        raw.writer.write(bytes(frame))
        assert await raw.close_code() == 1002

    async def test_a_continuation_of_nothing(self, raw: Raw) -> None:
        raw.send(Opcode.CONT, b"{}")
        assert await raw.close_code() == 1002

    async def test_a_frame_that_says_it_is_huge(self, raw: Raw) -> None:
        raw.writer.write(b"\x81\xff" + (10 * 1024 * 1024).to_bytes(8) + b"mask")
        assert await raw.close_code() == 1009

    async def test_before_the_login_8_kib_and_no_more(self, door: Doorway, raw: Raw) -> None:
        fits = b'{"type":"ping","x":"' + b"x" * (MAX_FRAME_BEFORE_LOGIN - 22) + b'"}'
        assert len(fits) == MAX_FRAME_BEFORE_LOGIN
        raw.send(Opcode.TEXT, fits)
        assert (await raw.reader.readexactly(17))[2:] == b'{"type":"pong"}'
        raw.send(Opcode.TEXT, fits + b" ")
        assert await raw.close_code() == 1009

    @pytest.mark.parametrize("size", [1_000, 50_000])
    async def test_in_pieces_neither(self, raw: Raw, size: int) -> None:
        raw.send(Opcode.TEXT, b'{"type":"ping","x":"', fin=False)
        for _ in range(10_000 // size + 1):
            raw.send(Opcode.CONT, b"x" * size, fin=False)
            await asyncio.sleep(0)
        assert await raw.close_code() == 1009

    async def test_after_the_login_512_kib_and_no_more(self, door: Doorway) -> None:
        async with door.client() as client:
            await register(door, client, "asha")
            fits = '{"type":"ping","x":"' + "x" * (MAX_FRAME - 22) + '"}'
            await client.send(fits)
            assert isinstance(await next_event(client), commands.Pong)
            await client.send(fits + " ")
            with pytest.raises(ConnectionClosed) as closed:
                await next_event(client)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1009

    async def test_a_few_fragments_are_one_message(self, raw: Raw) -> None:
        raw.send(Opcode.TEXT, b'{"ty', fin=False)
        raw.send(Opcode.CONT, b"", fin=False)
        raw.send(Opcode.PING, b"between")
        raw.send(Opcode.CONT, b'pe":"pi', fin=False)
        raw.send(Opcode.CONT, b'ng"}')
        answers = await raw.reader.readexactly(9 + 17)
        assert b"between" in answers
        assert b'{"type":"pong"}' in answers

    async def test_too_many_fragments(self, raw: Raw) -> None:
        raw.send(Opcode.TEXT, b"", fin=False)
        for _ in range(websocket.MAX_FRAGMENTS):
            raw.send(Opcode.CONT, b"", fin=False)
        assert await raw.close_code() == 1008

    async def test_fragments_and_their_bytes_are_counted_per_message(self, raw: Raw) -> None:
        ping = b'{"type":"ping","x":"' + b"x" * (MAX_FRAME_BEFORE_LOGIN // 2) + b'"}'
        for _ in range(3):
            raw.send(Opcode.TEXT, ping, fin=False)
            for _ in range(websocket.MAX_FRAGMENTS - 2):
                raw.send(Opcode.CONT, b"", fin=False)
            raw.send(Opcode.CONT, b"")
            assert (await raw.reader.readexactly(17))[2:] == b'{"type":"pong"}'

    async def test_half_a_frame_from_many_is_bounded_together(
        self, door: Doorway, raw: Raw, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(websocket, "MAX_PARTIAL_FRAMES", 20_000)
        half = Frame(Opcode.TEXT, b"x" * 8_000).serialize(mask=True)[:-1]
        others = [await door.raw() for _ in range(2)]
        for other in others:
            await other.headers()
            other.writer.write(half)
        await until(lambda: door.listener.partial > 15_000, "halves")
        raw.writer.write(half)
        assert await raw.close_code() == 1013
        await until(lambda: door.listener.partial < 17_000, "less")
        for other in others:
            other.writer.close()
        await until(lambda: door.listener.partial == 0, "nothing")


class TestSlowAndBusy:
    async def test_a_frame_that_never_ends_is_no_sign_of_life(self, door: Doorway) -> None:
        """A byte now and then must not hold a connection for ever."""
        async with door.client() as client:
            await register(door, client, "asha")
            [connection] = door.engine.connections
            client.transport.write(b"\x81\xff" + (400_000).to_bytes(8) + b"mask")
            for _ in range(6):
                client.transport.write(b"x")
                held = door.listener.partial
                await until(lambda held=held: door.listener.partial > held, "a byte more")  # type: ignore[misc]
                door.steady += 11
                door.engine.look_round()
            await until(lambda: not door.engine.connections, "end")
            assert connection.closed
        assert door.listener.partial == 0

    async def test_who_keeps_the_server_busy_is_read_again_after_a_rest(self, door: Doorway) -> None:
        async with door.client() as asha, door.client() as bob:
            await register(door, asha, "asha")
            await register(door, bob, "bob")
            rests = iter([0.3])
            bounds = door.engine.bounds
            worked = bounds.worked
            bounds.worked = lambda *by: worked(*by) or next(rests, 0.0)  # type: ignore[method-assign]
            await tell(asha, commands.Ping())
            assert isinstance(await next_event(asha), commands.Pong)
            resting = next(c for c in door.listener.open if c._rest is not None)
            await tell(asha, commands.Ping())
            await tell(bob, commands.Ping())
            assert isinstance(await next_event(bob), commands.Pong)
            assert resting._rest is not None, "bob was not in time to see it"
            assert isinstance(await next_event(asha), commands.Pong)
            assert resting._rest is None

    async def test_a_socket_that_drains_is_not_read_before_its_rest_is_over(self, door: Doorway) -> None:
        async with door.client() as asha:
            await register(door, asha, "asha")
            [connection] = door.listener.open
            connection._rest = asyncio.get_running_loop().call_later(60, lambda: None)
            connection.pause_writing()
            connection.resume_writing()
            assert not connection._transport.is_reading()
            connection._rest.cancel()
            connection._rested()
            assert connection._transport.is_reading()

    async def test_an_address_that_is_worn_out_gets_no_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async for door in doorway(Doorway()):
            monkeypatch.setattr(door.engine.bounds, "is_worn_out", lambda address: address == "127.0.0.1")
            assert await (await door.raw()).everything() == b""

    async def test_of_one_address_so_many_newcomers_and_who_logs_in_makes_room(self) -> None:
        async for door in doorway(house := Doorway()):
            house.listener.arrivals.bound = 2
            async with door.client() as asha:
                await register(door, asha, "asha")
                await tell(asha, commands.Ping())
                assert isinstance(await next_event(asha), commands.Pong)
                assert len(house.listener.arrivals) == 0
                first, second, third = [await door.raw() for _ in range(3)]
                await first.headers()
                await second.headers()
                assert await third.everything() == b""
                first.writer.close()
                await until(lambda: len(house.listener.arrivals) == 1, "a free place")
                await (await door.raw()).headers()

    async def test_behind_a_proxy_it_is_the_forwarded_address_that_is_counted(self) -> None:
        async for door in doorway(house := Doorway(behind_proxy=True)):
            house.listener.arrivals.bound = 1

            def asking(address: str) -> bytes:
                return UPGRADE[:-2] + f"X-Forwarded-For: {address}\r\n\r\n".encode()

            await (await door.raw(asking("203.0.113.9"))).headers()
            assert await (await door.raw(asking("203.0.113.9"))).everything() == b""
            await (await door.raw(asking("203.0.113.8"))).headers()
            assert await (await door.raw(asking("2001:db8::1"))).headers()
            assert await (await door.raw(asking("2001:db8::2"))).everything() == b""


class TestClosing:
    async def test_a_goodbye_is_told_from_a_drop(self, door: Doorway) -> None:
        async with door.client() as client:
            await register(door, client, "asha")
        await until(lambda: not door.engine.connections, "goodbye")
        assert door.engine.delivery.presence.tick(door.steady) is not None
        assert door.engine.delivery.presence.people() == []
        async with door.client() as client:
            await register(door, client, "bob")
            client.transport.abort()
        await until(lambda: not door.engine.connections, "drop")
        assert len(door.engine.delivery.presence.people()) == 1

    async def test_nothing_follows_a_close_and_nobody_else_notices(self, door: Doorway) -> None:
        """A connection that is closing but whose socket lingers is in the way of nobody."""
        async with door.client() as asha, door.client() as bob, door.client() as eve:
            for client, name in ((asha, "asha"), (bob, "bob"), (eve, "eve")):
                await register(door, client, name)
                await follow(door, client)
            eve.transport.pause_reading()  # she does not see the close, so her socket stays
            await eve.send(b"binary")
            for number in range(3):
                await tell(asha, commands.Say(f"m{number}", door.room, "hi"))
                for client in (asha, bob):
                    while not isinstance(await next_event(client), events.RoomEvent):
                        pass
            eve.transport.resume_reading()
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    await next_event(eve)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1003

    async def test_who_does_not_answer_a_close_is_ended(self, door: Doorway, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(websocket, "CLOSE_WITHIN", 0.05)
        raw = await door.raw()
        await raw.headers()
        for _ in range(engine.MAX_FAULTS):
            raw.send(Opcode.TEXT, b"?")
        await until(lambda: not door.listener.open, "end")
        assert await raw.close_code() == 1008

    async def test_what_came_with_the_close_is_still_done(self, door: Doorway) -> None:
        async with door.client() as client:
            await register(door, client, "asha")
            say = wire.encode(commands.Say("last", door.room, "bye"))
            both = Frame(Opcode.TEXT, say).serialize(mask=True) + Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=True)
            client.transport.write(both)
            await until(lambda: not door.engine.connections, "end")
        await door.quiet()
        assert [record.id for record in await door.store.records(door.room, 0, 9, 9_999)] == ["last"]


async def has_a_long_page(door: Doorway, asha: ClientConnection) -> tuple[Connection, asyncio.Transport]:
    """asha, alone at this door, has written a page of history of 240 KB; the server's end of her connection."""
    await register(door, asha, "asha")
    for number in range(60):
        await tell(asha, commands.Say(f"m{number}", door.room, "x" * 4_000))
        assert isinstance(await next_event(asha), events.Stored)
    [connection] = door.engine.connections
    return connection, connection.door._transport  # type: ignore[attr-defined]


class TestFullSockets:
    async def test_who_does_not_read_is_caught_up_and_costs_little(self, door: Doorway) -> None:
        async with door.client() as asha, door.client() as bob:
            await register(door, asha, "asha")
            await register(door, bob, "bob")
            for client in (asha, bob):
                await follow(door, client)
            bob.transport.pause_reading()
            bob_at = next(
                c for c in door.engine.connections if door.context.directory.name_of(c.session.account) == "bob"
            )
            said = 0
            while not (bob_at.door.paused and bob_at.positions):
                await tell(asha, commands.Say(f"m{said}", door.room, "x" * 4_000))
                said += 1
                while not isinstance(await next_event(asha), events.RoomEvent):
                    pass
                assert said < 5_000
            written = bob_at.door._transport.get_write_buffer_size()  # type: ignore[attr-defined]
            assert written < websocket.WRITE_HIGH + 100_000
            bob.transport.resume_reading()
            seqs: list[int] = []
            while len(seqs) < said:
                event = await next_event(bob)
                if isinstance(event, events.RoomEvent):
                    seqs.append(event.seq)
            assert seqs == list(range(1, said + 1))

    async def test_who_asks_without_reading_is_not_read(self, door: Doorway) -> None:
        """Answers that nobody takes must not fill the server's memory, and come when they are wanted."""
        async with door.client() as asha:
            connection, transport = await has_a_long_page(door, asha)
            asha.transport.pause_reading()
            asked = 0
            history = commands.History("h", door.room, 0, 200)
            while not connection.door.paused:
                await tell(asha, history)
                asked += 1
                await asyncio.sleep(0.001)
                assert asked < 2_000
            for _ in range(50):
                await tell(asha, history)
                asked += 1
                await asyncio.sleep(0.001)
            assert len(connection.waiting) < 10
            assert transport.get_write_buffer_size() < websocket.WRITE_HIGH + 2 * 300_000
            asha.transport.resume_reading()
            for _ in range(asked):
                assert isinstance(await next_event(asha), events.HistoryPage)

    async def test_pages_that_are_asked_for_in_one_piece_are_fetched_one_by_one(self, door: Doorway) -> None:
        """All that may be asked at once, by somebody who reads nothing: what waits to be read stays small."""
        async with door.client() as asha:
            connection, transport = await has_a_long_page(door, asha)
            asha.transport.pause_reading()
            history = Frame(Opcode.TEXT, wire.encode(commands.History("h", door.room, 0, 200))).serialize(mask=True)
            asha.transport.write(history * (MAX_UNANSWERED - 1))
            await until(lambda: connection.door.paused, "full socket")
            await door.quiet()
            assert transport.get_write_buffer_size() < websocket.WRITE_HIGH + 300_000
            asha.transport.resume_reading()
            for _ in range(MAX_UNANSWERED - 1):
                assert isinstance(await next_event(asha), events.HistoryPage)

    async def test_what_came_in_one_piece_is_answered_when_it_drains(self, door: Doorway) -> None:
        async with door.client() as asha:
            await register(door, asha, "asha")
            for number in range(4_000):
                door.engine.delivery.presence.came(account_id(number.to_bytes(32), door.context.key.id))
            [connection] = door.engine.connections
            asha.transport.pause_reading()
            crowd, pong = (wire.encode(command) for command in (commands.ListPeople("l"), commands.Ping()))
            both = b"".join(Frame(Opcode.TEXT, command).serialize(mask=True) for command in (crowd, pong))
            asked = 0
            while not connection.waiting:
                asha.transport.write(both)
                asked += 1
                await asyncio.sleep(0.001)
                assert asked < 500
            asha.transport.resume_reading()
            pongs = 0
            while pongs < asked:
                pongs += isinstance(await next_event(asha), commands.Pong)
