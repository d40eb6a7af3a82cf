"""The WebSocket door: bytes of a TCP or TLS connection to text frames and back, and plain GETs on the same port.

The protocol is that of the `websockets` library's sans-I/O core (RFC 6455); this is our own thin asyncio shell around
it, without a task or a queue per connection.

Nearly all that ever comes is whole text frames. Those are read here, and the core is there only while something else is
under way: the handshake, control frames, fragments, the goodbye. Without it a silent connection takes 3.4 KiB instead
of 10, and a command 15 µs less.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

from websockets.datastructures import Headers
from websockets.exceptions import InvalidState
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

try:
    from websockets.speedups import apply_mask
except ImportError:  # where it was installed without a compiler
    from websockets.utils import apply_mask

from talk.protocol.limits import LOGIN_WITHIN, MAX_FRAME, MAX_FRAME_BEFORE_LOGIN, MAX_PARTIAL_FRAMES, SUBPROTOCOL
from talk.server.connection import Connection
from talk.server.doors.pages import Page
from talk.server.engine import Engine

WRITE_HIGH = 256 * 1024  # bytes waiting for a socket, from which on it counts as full
MAX_FRAGMENTS = 1_024  # of one message; no client of ours sends any
CLOSE_WITHIN = 3.0  # seconds for the other side to say goodbye too

# A client's frame (RFC 6455 section 5.2): two bytes, two or eight more of length, the mask, the payload.
WHOLE_TEXT = 0x81  # the first byte of an unfragmented text frame without extensions
MASKED, LENGTH = 0x80, 0x7F  # in the second byte
HEADER = {126: 8, 127: 14}  # bytes up to the payload, 6 for all other lengths

END_OF_HEADERS = b"\r\n\r\n"

GetPage = Callable[[str], Page]


def text_frame(payload: bytes) -> bytes:
    """One unfragmented, unmasked text frame (RFC 6455 section 5.2) around this UTF-8."""
    # By hand, because the core's own way takes 5 µs, and this is done for every answer.
    size = len(payload)
    if size < 126:
        return bytes((WHOLE_TEXT, size)) + payload
    if size < 0x1_0000:
        return b"\x81\x7e" + size.to_bytes(2) + payload
    return b"\x81\x7f" + size.to_bytes(8) + payload


def _is_request_alone(data: bytes) -> bool:
    """Whether this is a whole request and nothing else."""
    return data.startswith(b"GET ") and data.find(END_OF_HEADERS) == len(data) - len(END_OF_HEADERS) > 0


def _length(data: bytes, at: int, short: int) -> int:
    """The length of the payload of the frame that begins here, whose header is whole."""
    if short < 126:
        return short
    return int.from_bytes(data[at + 2 : at + (4 if short == 126 else 10)])


class Listener:
    """What the connections of one listening socket have in common."""

    def __init__(self, engine: Engine, pages: GetPage, *, behind_proxy: bool, max_connections: int) -> None:
        self.engine, self.pages = engine, pages
        self.behind_proxy, self.max_connections = behind_proxy, max_connections
        self.open: set[WebSocketConnection] = set()
        self.partial = 0  # bytes of frames that are not complete, of all connections

    def __call__(self) -> WebSocketConnection:
        return WebSocketConnection(self)


class WebSocketConnection(asyncio.Protocol):
    """One accepted connection. It is the `Door` of its `Connection`."""

    __slots__ = (
        "_by_core",
        "_connection",
        "_core",
        "_drained",
        "_fragments",
        "_half",
        "_listener",
        "_loop",
        "_needed",
        "_partial",
        "_parts",
        "_parts_size",
        "_said_goodbye",
        "_timer",
        "_transport",
        "address",
        "paused",
    )

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._core: ServerProtocol | None = ServerProtocol(subprotocols=[Subprotocol(SUBPROTOCOL)], max_size=MAX_FRAME)
        self._by_core = True  # whether the core reads everything: during the handshake, and where it may hold a part
        self._half: bytearray | None = None  # of a frame that has `_needed` bytes
        self._needed = 0
        self._connection: Connection | None = None
        self._parts: list[bytes] = []
        self._parts_size = self._fragments = 0
        self._partial = 0
        self._drained: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._said_goodbye = False
        self.paused = False
        self.address = ""

    # ---- called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH)
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        if len(self._listener.open) >= self._listener.max_connections:
            self._transport.abort()
            return
        self._listener.open.add(self)
        self._timer = self._loop.call_later(LOGIN_WITHIN, self.abort)

    def data_received(self, data: bytes) -> None:
        if self._by_core or (self._core is not None and self._core.state is not State.OPEN):
            self._feed_core(data)
        else:
            self._take_frames(data)
        self._count_partial()

    def eof_received(self) -> None:
        self._ws.receive_eof()
        self._handle_events()

    def pause_writing(self) -> None:
        # Who does not read gets no answers, so what they ask meanwhile has to wait outside.
        self.paused = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self.paused = False
        self._wake()
        if self._connection is not None:
            self._listener.engine.drained(self._connection)
        if not self.paused and not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self._listener.open.discard(self)
        self._listener.partial -= self._partial
        self._partial = 0
        if self._timer is not None:
            self._timer.cancel()
        if self._connection is not None:
            self._listener.engine.disconnected(self._connection, said_goodbye=self._said_goodbye)
            self._connection = None  # which holds this: see `_forget_core`
        self._forget_core()
        self._wake()

    # ---- called by the engine (Door)

    def write(self, frames: bytes) -> None:
        # Nothing may follow a close frame, and writing behind the end of the stream is an error.
        if (self._core is None or self._core.state is State.OPEN) and not self._transport.is_closing():
            self._transport.write(frames)

    def close(self, code: int, reason: str) -> None:
        try:
            self._ws.send_close(code, reason)
        except InvalidState:
            self.abort()
            return
        self._send()
        self._end_soon()

    def abort(self) -> None:
        self._transport.abort()

    async def drained(self) -> None:
        if not self.paused or self._transport.is_closing():
            return
        if self._drained is None:
            self._drained = self._loop.create_future()
        await asyncio.shield(self._drained)

    def _wake(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    # ---- frames

    @property
    def _ws(self) -> ServerProtocol:
        """The core, which is made again when there is something for it to do."""
        if self._core is None:
            self._core = ServerProtocol(state=State.OPEN, max_size=MAX_FRAME)
            if self._half:
                self._core.receive_data(bytes(self._half))
                self._half = None
        return self._core

    def _feed_core(self, data: bytes) -> None:
        self._ws.receive_data(data)
        self._handle_events()
        if self._by_core and self._connection is not None:
            self._by_core = not _is_request_alone(data)  # or the core may hold a part of a frame that came behind it
        if not self._by_core and self._ws.state is State.OPEN and self._ws.current_size is None:
            self._forget_core()

    def _forget_core(self) -> None:
        if self._core is not None:
            # It and its generator hold each other, and would be there until the garbage collector comes round.
            self._core.parser.close()
            self._core = None

    def _take_frames(self, data: bytes) -> None:
        """Read the frames that are whole: texts here, all others by the core. Half a frame waits for its rest."""
        if self._half:
            self._half += data
            if len(self._half) < self._needed:
                return
            data, self._half = bytes(self._half), None
        at, end = 0, len(data)
        while at < end:
            second = data[at + 1] if at + 1 < end else MASKED
            begin = at + HEADER.get(second & LENGTH, 6)
            stop = begin if begin > end else begin + _length(data, at, second & LENGTH)
            if not second & MASKED or stop - begin > MAX_FRAME or (self._core and self._core.state is not State.OPEN):
                self._feed_core(data[at:])  # which ends the connection
                return
            if stop > end or begin > end:
                self._half, self._needed = bytearray(data[at:]), stop - at
                return
            if data[at] == WHOLE_TEXT and self._core is None:
                self._take_text(apply_mask(data[begin:stop], data[begin - 4 : begin]))
            else:
                self._feed_core(data[at:stop])
            at = stop
        if self._core is not None:
            self._handle_events()  # what reading a text has led to

    def _handle_events(self) -> None:
        for event in self._ws.events_received():
            if isinstance(event, Request):
                self._handshake(event)
            elif self._connection is not None and not self._connection.closed:
                self._handle_frame(cast(Frame, event))
        self._send()
        if self._ws.close_expected():
            self._end_soon()

    def _send(self) -> None:
        for data in self._ws.data_to_send():
            if self._transport.is_closing():
                return
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()
            else:
                self._transport.close()

    def _end_soon(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(CLOSE_WITHIN, self.abort)

    def _handshake(self, request: Request) -> None:
        if self._listener.behind_proxy:
            forwarded = request.headers.get("X-Forwarded-For", "")
            self.address = forwarded.rpartition(",")[2].strip() or self.address
        if "Upgrade" not in request.headers:
            self._answer_get(request.path)
            return
        response = self._ws.accept(request)  # refuses who does not offer our subprotocol
        self._ws.send_response(response)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            return
        self._send()  # before whatever the engine has to say at once
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._connection = self._listener.engine.connected(self)

    def _answer_get(self, path: str) -> None:
        page = self._listener.pages(path)
        headers = Headers(
            {"Content-Type": page.content_type, "Content-Length": str(len(page.body)), "Connection": "close"}
        )
        for name, value in page.headers.items():
            headers[name] = value
        status = HTTPStatus(page.status)
        self._ws.send_response(Response(page.status, status.phrase, headers, page.body))

    def _handle_frame(self, frame: Frame) -> None:
        match frame.opcode:
            case Opcode.TEXT | Opcode.CONT:
                self._add_part(bytes(frame.data))
                if frame.fin:
                    self._handle_text()
            case Opcode.BINARY:
                self._ws.fail(CloseCode.UNSUPPORTED_DATA, "binary frames are an error in version 1")
            case Opcode.CLOSE:
                self._said_goodbye = (
                    self._ws.close_rcvd is not None and self._ws.close_rcvd.code == CloseCode.NORMAL_CLOSURE
                )

    def _add_part(self, part: bytes) -> None:
        self._fragments += 1
        self._parts_size += len(part)
        if part:
            self._parts.append(part)
        if self._fragments > MAX_FRAGMENTS:
            self._ws.fail(CloseCode.POLICY_VIOLATION, f"at most {MAX_FRAGMENTS} fragments in one message")

    def _handle_text(self) -> None:
        text = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts, self._parts_size, self._fragments = [], 0, 0
        self._take_text(text)

    def _take_text(self, text: bytes) -> None:
        try:
            text.decode()
        except UnicodeDecodeError:
            self._ws.fail(CloseCode.INVALID_DATA, "a text frame was not UTF-8")
            return
        if self._is_too_big(len(text)):
            return
        self._listener.engine.received(cast(Connection, self._connection), text)

    def _is_too_big(self, size: int) -> bool:
        """Close a connection that sends more before its login than a login needs."""
        # Not left to the core: it fixes the limit of a frame before it knows that the login succeeded.
        if size <= MAX_FRAME_BEFORE_LOGIN or (self._connection is not None and self._connection.session.logged_in):
            return False
        self._ws.fail(CloseCode.MESSAGE_TOO_BIG, f"at most {MAX_FRAME_BEFORE_LOGIN} bytes before login")
        return True

    def _count_partial(self) -> None:
        """Keep the sum of all incomplete frames below its limit; whoever goes over it is closed."""
        in_core = len(cast(Any, self._core.reader).buffer) if self._core is not None else 0
        partial = in_core + len(self._half or b"") + self._parts_size
        if self._is_too_big(partial):
            self._send()
        self._listener.partial += partial - self._partial
        self._partial = partial
        if partial and self._listener.partial > MAX_PARTIAL_FRAMES:
            self._ws.fail(CloseCode.TRY_AGAIN_LATER, "too much is half sent")
            self._send()
            self.abort()
