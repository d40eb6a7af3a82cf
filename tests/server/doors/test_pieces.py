"""Whichever way the bytes of a connection are cut into pieces, the same texts come out: both ways of reading agree."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from websockets.frames import Frame, Opcode

from talk.protocol.limits import SUBPROTOCOL
from talk.server.doors.pages import Page
from talk.server.doors.websocket import Listener, WebSocketConnection, text_frame

UPGRADE = (
    "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
).encode()
Sent = list[tuple[str, bytes]]


class Ear:
    """Stands for the engine: writes down the texts, and ends the connection at the text `close`."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self.connection = SimpleNamespace(closed=False, session=SimpleNamespace(logged_in=True))

    def connected(self, door: WebSocketConnection) -> Any:
        self.door = door
        return self.connection

    def received(self, connection: object, text: bytes) -> None:
        assert connection is self.connection
        self.texts.append(text)
        if text == b"close":
            self.connection.closed = True
            self.door.close(1008, "asked for")


class Wire:
    """A transport that writes down."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False

    def can_write_eof(self) -> bool:
        return False

    def get_extra_info(self, name: str) -> None:
        return None

    def set_write_buffer_limits(self, high: int) -> None:
        pass

    def abort(self) -> None:
        pass

    close = abort


def frames_of(kind: str, payload: bytes) -> bytes:
    match kind:
        case "text":
            return Frame(Opcode.TEXT, payload).serialize(mask=True)
        case "parts":
            half = len(payload) // 2
            first = Frame(Opcode.TEXT, payload[:half], fin=False).serialize(mask=True)
            return first + Frame(Opcode.CONT, payload[half:]).serialize(mask=True)
        case _:
            return Frame(Opcode.PING, payload[:125]).serialize(mask=True)


async def read_in_pieces(
    sent: Sent, cuts: list[int], *, first: bytes = UPGRADE, then: bytes = b""
) -> tuple[Ear, Wire, WebSocketConnection]:
    ear, wire = Ear(), Wire()
    listener = Listener(ear, lambda path: Page(200, "", b"", {}), behind_proxy=False, max_connections=9)  # type: ignore[arg-type]
    door = listener()
    door.connection_made(wire)  # type: ignore[arg-type]
    if first:
        door.data_received(first)
    stream = then + b"".join(frames_of(*each) for each in sent)
    places = sorted({cut % (len(stream) + 1) for cut in cuts} | {0, len(stream)})
    for begin, end in pairwise(places):
        door.data_received(stream[begin:end])
    return ear, wire, door


@given(
    st.lists(st.tuples(st.sampled_from(["text", "parts", "ping"]), st.text(max_size=300).map(str.encode)), max_size=6),
    st.lists(st.integers(0, 5_000), max_size=12),
)
@settings(max_examples=300, deadline=None)
def test_the_same_texts_come_out(sent: Sent, cuts: list[int]) -> None:
    ear, wire, door = asyncio.run(read_in_pieces(sent, cuts))
    assert ear.texts == [payload for kind, payload in sent if kind != "ping"]
    pongs = b"".join(Frame(Opcode.PONG, p[:125]).serialize(mask=False) for kind, p in sent if kind == "ping")
    assert wire.written.partition(b"\r\n\r\n")[2] == pongs
    assert door._core is None, "the core is kept although nothing is under way"


@given(
    st.lists(st.tuples(st.sampled_from(["text", "parts"]), st.text(max_size=300).map(str.encode)), max_size=4),
    st.lists(st.integers(0, 3_000), max_size=6),
)
@settings(max_examples=300, deadline=None)
def test_they_come_out_too_when_they_came_with_the_handshake(sent: Sent, cuts: list[int]) -> None:
    ear, _, _ = asyncio.run(read_in_pieces(sent, cuts, first=b"", then=UPGRADE))
    assert ear.texts == [payload for _, payload in sent]


async def test_a_goodbye_in_the_middle_of_a_frame() -> None:
    """The server closes while half a frame is there: its rest is read, and then the client's own goodbye."""
    stream = frames_of("text", b"x" * 100)
    ear, wire, door = await read_in_pieces([], [], then=stream[:50])
    door.close(1008, "asked for")
    goodbye = Frame(Opcode.CLOSE, b"\x03\xf0").serialize(mask=True)
    door.data_received(stream[50:] + goodbye)
    assert ear.door._ws.close_rcvd is not None
    assert ear.door._ws.close_rcvd.code == 1008
    assert wire.written.endswith(Frame(Opcode.CLOSE, b"\x03\xf0asked for").serialize(mask=False))


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
async def test_texts_of_every_length(size: int) -> None:
    ear, _, door = await read_in_pieces([("text", b"x" * size), ("text", b"y")], [5_000])
    assert ear.texts == [b"x" * size, b"y"]
    assert door._core is None
    assert text_frame(b"x" * size) == Frame(Opcode.TEXT, b"x" * size).serialize(mask=False)


async def test_nothing_is_read_behind_a_close() -> None:
    ear, wire, _ = await read_in_pieces([("text", b"close"), ("text", b"more")], [])
    assert ear.texts == [b"close"]
    assert wire.written.endswith(Frame(Opcode.CLOSE, b"\x03\xf0asked for").serialize(mask=False))
