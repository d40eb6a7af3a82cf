"""Where a WebSocket frame ends, in whatever pieces its bytes come."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz.harnesses.common import run
from tests.fuzz.harnesses.doors import HANDSHAKE, _Transport
from tests.server.house import House
from websockets.frames import Frame, Opcode

from talk.protocol.limits import MAX_FRAME_BEFORE_LOGIN
from talk.server.doors.frames import frame_size, is_whole_text, payload, text_frame
from talk.server.doors.pages import Facts, page
from talk.server.doors.websocket import Listener, WebSocketConnection

SIZES = st.sampled_from([0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
ASKED = b'{"type":"ping"}'


@given(SIZES, st.booleans(), st.binary(max_size=5))
def test_a_frame_ends_where_the_library_ends_it(size: int, masked: bool, behind: bytes) -> None:
    data = b"x" * size
    frame = Frame(Opcode.TEXT, data).serialize(mask=masked)
    assert frame_size(b"?" + frame + behind, 1) == len(frame)
    assert is_whole_text(frame, 0) == masked
    if masked:
        assert payload(b"?" + frame + behind, 1, len(frame)) == data


@given(SIZES, st.booleans())
def test_a_header_that_is_not_complete_says_nothing(size: int, masked: bool) -> None:
    frame = Frame(Opcode.BINARY, b"x" * size).serialize(mask=masked)
    for count in range(len(frame) - size):
        assert frame_size(frame[:count], 0) == 0


@given(SIZES)
def test_a_text_is_framed_as_the_library_frames_it(size: int) -> None:
    assert text_frame(b"x" * size) == Frame(Opcode.TEXT, b"x" * size).serialize(mask=False)


class Recorder(_Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.data = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        super().write(data)
        self.data += bytes(data)


FRAMES = st.sampled_from([
    (Frame(Opcode.TEXT, ASKED),),
    (Frame(Opcode.TEXT, ASKED + b" " * 200),),
    (Frame(Opcode.PING, b""),),
    (Frame(Opcode.PING, b"still there"),),
    (Frame(Opcode.PONG, b""),),
    (Frame(Opcode.TEXT, ASKED[:4], fin=False), Frame(Opcode.PING, b"between"), Frame(Opcode.CONT, ASKED[4:])),
    (Frame(Opcode.TEXT, b"", fin=False), Frame(Opcode.CONT, ASKED)),
])  # fmt: skip


@given(st.lists(FRAMES, max_size=8), st.lists(st.integers(1, 40), min_size=1, max_size=30), st.booleans())
def test_the_answers_are_the_same_in_whatever_pieces_the_frames_come(
    messages: list[tuple[Frame, ...]], pieces: list[int], with_handshake: bool
) -> None:
    frames = b"".join(frame.serialize(mask=True) for message in messages for frame in message)
    whole, cut = run_once(frames, [len(frames) or 1], False), run_once(frames, pieces, with_handshake)
    assert cut == whole
    asked = sum(any(frame.opcode is Opcode.TEXT for frame in message) for message in messages)
    pinged = sum(frame.opcode is Opcode.PING for message in messages for frame in message)
    assert whole.count(b'"pong"') == asked
    assert whole.count(bytes([0x80 | Opcode.PONG])) == pinged


def run_once(frames: bytes, pieces: list[int], with_handshake: bool) -> bytes:
    """What the door answers to frames that come in such pieces, again and again; behind the handshake or with it."""
    transport = Recorder()
    run(_talk(transport, frames, pieces, with_handshake))
    return transport.data.partition(b"\r\n\r\n")[2]


async def _talk(transport: Recorder, frames: bytes, pieces: list[int], with_handshake: bool) -> None:
    async with House() as house:
        house.engine.delivery._frame = text_frame
        listener = Listener(
            house.engine,
            lambda path: page(path, Facts("s", True, False, {})),
            behind_proxy=False,
            max_connections=9,
        )
        connection = WebSocketConnection(listener, "192.0.2.1")
        listener.open.add(connection)
        connection.connection_made(transport)
        data = HANDSHAKE + frames
        sizes = [] if with_handshake else [len(HANDSHAKE)]
        while data:
            size = sizes.pop(0) if sizes else MAX_FRAME_BEFORE_LOGIN
            sizes = sizes or list(pieces)
            part, data = data[:size], data[size:]
            connection.get_buffer(-1)[: len(part)] = part
            connection.buffer_updated(len(part))
        await asyncio.sleep(0)
        assert not transport.over
        assert listener.partial == 0
        assert connection._core is None, "the core is kept although nothing is under way"
        connection.connection_lost(None)
