"""The WebSocket door: bytes of a TCP or TLS connection to text frames and back, and plain GETs on the same port.

The protocol is that of the `websockets` library's sans-I/O core (RFC 6455); this is our own thin asyncio shell around
it, without a task or a queue per connection.

Nearly all that ever comes is whole text frames. Those are read here, and the core is there only while something else is
under way: the handshake, a control frame, fragments, the goodbye. It is given whole frames, so that it can be let go
between two of them. Without it a silent connection takes 3.4 KiB instead of 10, and a command 15 µs less.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, cast

from websockets.datastructures import Headers
from websockets.exceptions import InvalidState
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from talk.protocol.limits import LOGIN_WITHIN, MAX_FRAME, MAX_FRAME_BEFORE_LOGIN, MAX_PARTIAL_FRAMES, SUBPROTOCOL
from talk.server.connection import Connection
from talk.server.doors.accepting import let_in
from talk.server.doors.arrivals import Arrivals, origin
from talk.server.doors.frames import frame_size, is_whole_text, payload
from talk.server.doors.pages import Page
from talk.server.engine import Engine

WRITE_HIGH = 256 * 1024  # bytes waiting for a socket, from which on it counts as full
MAX_FRAGMENTS = 1_024  # of one message; no client of ours sends any
READ_AT_ONCE = 16 * 1024  # bytes of one connection, before it is another one's turn
MAX_REQUEST = 8 * 1024  # bytes of an HTTP request, all its lines together
CLOSE_WITHIN = 3.0  # seconds for the other side to say goodbye too
HANDSHAKE_WORK = 0.002  # seconds of the processor that a TLS handshake takes
METHOD = b"GET "  # a handshake is one too (RFC 6455 section 4.1)
REQUEST_END = b"\r\n\r\n"
HEADER = 14  # bytes, the longest of a frame

GetPage = Callable[[str], Page]


class Listener:
    """What the connections of one listening socket have in common. `tls` is None for a socket without it."""

    def __init__(
        self,
        engine: Engine,
        pages: GetPage,
        *,
        behind_proxy: bool,
        max_connections: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.engine, self.pages, self.tls = engine, pages, tls
        self.behind_proxy, self.max_connections = behind_proxy, max_connections
        self.arrivals = Arrivals(max_connections)
        self.open: set[WebSocketConnection] = set()
        self.partial = 0  # bytes of frames that are not complete, of all connections
        self.buffer = memoryview(bytearray(READ_AT_ONCE))  # one for all: each read is copied before the next

    def arrived(self, accepted: socket.socket, address: str) -> Coroutine[Any, Any, None] | None:
        """Take this socket in, or end it."""
        connection = WebSocketConnection(self, origin(address))
        # Behind a proxy this is the proxy's address; those of people stand in their handshakes.
        if not self.has_room_for(connection.address) or not (self.behind_proxy or self.arrivals.admit(connection)):
            accepted.close()
            return None
        self.open.add(connection)
        return self._let_in(accepted, connection)

    async def _let_in(self, accepted: socket.socket, connection: WebSocketConnection) -> None:
        if self.tls is not None:
            self.engine.bounds.worked(connection.address, "", HANDSHAKE_WORK)
        is_in = False
        try:
            is_in = await let_in(accepted, connection, self.tls, LOGIN_WITHIN)
        finally:
            if not is_in:
                self.let_go(connection)

    def let_go(self, connection: WebSocketConnection) -> None:
        self.open.discard(connection)
        self.arrivals.let_go(connection)

    def has_room_for(self, address: str) -> bool:
        return len(self.open) < self.max_connections and not self.engine.bounds.is_worn_out(address)


class WebSocketConnection(asyncio.BufferedProtocol):
    """One accepted connection. It is the `Door` of its `Connection`."""

    __slots__ = (
        "_connection",
        "_core",
        "_drained",
        "_fragments",
        "_held",
        "_listener",
        "_loop",
        "_partial",
        "_parts",
        "_parts_size",
        "_rest",
        "_said_goodbye",
        "_timer",
        "_transport",
        "address",
        "paused",
    )

    def __init__(self, listener: Listener, address: str) -> None:
        self.address = address
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._core: ServerProtocol | None = ServerProtocol(subprotocols=[Subprotocol(SUBPROTOCOL)], max_size=MAX_FRAME)
        self._connection: Connection | None = None
        self._held: bytes | bytearray = b""  # of a frame that has not come whole, or the last three of a request
        self._parts: list[bytes] = []
        self._parts_size = self._fragments = 0
        self._partial = 0
        self._drained: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._said_goodbye = False
        self.paused = False

    # ---- called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH)
        self._timer = self._loop.call_later(LOGIN_WITHIN, self.abort)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._listener.buffer

    def buffer_updated(self, nbytes: int) -> None:
        began = time.thread_time()
        self._read(bytes(self._listener.buffer[:nbytes]))
        account = self._connection.session.account if self._connection is not None else ""
        if account:
            self._listener.arrivals.let_go(self)
        rest = self._listener.engine.bounds.worked(self.address, account, time.thread_time() - began)
        if rest > 0 and not self._transport.is_closing():
            self._transport.pause_reading()
            self._rest = self._loop.call_later(rest, self._rested)

    def _read(self, data: bytes) -> None:
        if self._connection is None:
            data = self._read_request(data)
        if self._connection is not None:
            self._read_frames(data)
        self._count_partial()

    def _rested(self) -> None:
        self._rest = None
        self._read_on()

    def _read_on(self) -> None:
        if not self.paused and self._rest is None and not self._transport.is_closing():
            self._transport.resume_reading()

    def eof_received(self) -> None:
        if self._core is not None:  # else there is nothing to answer, and asyncio closes the connection
            self._core.receive_eof()
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
        self._read_on()

    def connection_lost(self, error: Exception | None) -> None:
        self._listener.let_go(self)
        self._listener.partial -= self._partial
        self._partial = 0
        for timer in (self._timer, self._rest):
            if timer is not None:
                timer.cancel()
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
        return self._core

    def _forget_core(self) -> None:
        if self._core is not None:
            # It and its generator hold each other, and would be there until the garbage collector comes round.
            self._core.parser.close()
            self._core = None

    def _read_request(self, data: bytes) -> bytes:
        """Give the core a request once it is there whole; what stands behind it.

        Until then only its bytes are kept, at most MAX_REQUEST: what the core makes of each line takes far more.
        """
        seen = bytes(self._held) + data
        end = seen.find(REQUEST_END)
        self._held = b""
        if self._ws.eof_sent:
            return b""  # it was refused, and nothing more is read
        if not METHOD.startswith(seen[: len(METHOD)]):
            self._give_to_core(seen[:MAX_REQUEST] + REQUEST_END)  # which refuses what is no request
            return b""
        if (len(seen) if end < 0 else end) > MAX_REQUEST:
            self._answer(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, Headers(), b"")
            self._send()
            self._end_soon()
            return b""
        if end < 0:
            self._held = seen
            return b""
        self._give_to_core(seen[: end + len(REQUEST_END)])
        return seen[end + len(REQUEST_END) :]

    def _read_frames(self, data: bytes) -> None:
        if self._core is not None and self._core.state is not State.OPEN:
            held, self._held = bytes(self._held), b""
            self._give_to_core(held + data)  # it waits for the other side's goodbye, and for nothing else
            return
        if self._held:
            part = self._held if isinstance(self._held, bytearray) else bytearray(self._held)
            part += data
            self._held = part
            size = frame_size(part, 0)
            if size <= MAX_FRAME + HEADER and not 0 < size <= len(part):
                return  # one that comes in very many parts is put together once
            data, self._held = bytes(part), b""
        at = 0
        while at < len(data):
            size = frame_size(data, at)
            if size > MAX_FRAME + HEADER:
                self._give_to_core(data[at:])  # which refuses it
                return
            if not 0 < size <= len(data) - at:
                break
            if self._core is None and size <= MAX_FRAME and is_whole_text(data, at):
                self._take_text(payload(data, at, size))
            else:
                self._give_to_core(data[at : at + size])
            at += size
        self._held = data[at:]

    def _give_to_core(self, data: bytes) -> None:
        self._ws.receive_data(data)
        self._handle_events()
        core = self._core
        if core and self._connection and core.state is State.OPEN and core.current_size is None:
            self._forget_core()

    def _handle_events(self) -> None:
        for event in self._ws.events_received():
            if isinstance(event, Request):
                if not self._ws.eof_sent:  # it is when something came behind the request that is no frame
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
            forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
            self.address = origin(forwarded) if forwarded else self.address
            if not (self._listener.arrivals.admit(self) and self._listener.has_room_for(self.address)):
                self.abort()
                return
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
        self._answer(HTTPStatus(page.status), Headers({"Content-Type": page.content_type, **page.headers}), page.body)

    def _answer(self, status: HTTPStatus, headers: Headers, body: bytes) -> None:
        headers["Content-Length"], headers["Connection"] = str(len(body)), "close"
        self._ws.send_response(Response(status, status.phrase, headers, body))

    def _handle_frame(self, frame: Frame) -> None:
        match frame.opcode:
            case Opcode.TEXT | Opcode.CONT:
                self._add_part(bytes(frame.data))
                if frame.fin:
                    self._handle_text()
            case Opcode.BINARY:
                self._fail(CloseCode.UNSUPPORTED_DATA, "binary frames are an error in version 1")
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
            self._fail(CloseCode.POLICY_VIOLATION, f"at most {MAX_FRAGMENTS} fragments in one message")

    def _handle_text(self) -> None:
        text = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts, self._parts_size, self._fragments = [], 0, 0
        self._take_text(text)

    def _take_text(self, text: bytes) -> None:
        try:
            text.decode()
        except UnicodeDecodeError:
            self._fail(CloseCode.INVALID_DATA, "a text frame was not UTF-8")
            return
        if self._is_too_big(len(text)):
            return
        self._listener.engine.received(cast(Connection, self._connection), text)

    def _fail(self, code: CloseCode, reason: str) -> None:
        self._ws.fail(code, reason)
        self._send()
        self._end_soon()

    def _is_too_big(self, size: int) -> bool:
        """Close a connection that sends more before its login than a login needs."""
        # Not left to the core: it fixes the limit of a frame before it knows that the login succeeded.
        if size <= MAX_FRAME_BEFORE_LOGIN or (self._connection is not None and self._connection.session.logged_in):
            return False
        self._fail(CloseCode.MESSAGE_TOO_BIG, f"at most {MAX_FRAME_BEFORE_LOGIN} bytes before login")
        return True

    def _count_partial(self) -> None:
        """Keep the sum of all incomplete frames below its limit; whoever goes over it is closed."""
        partial = len(self._held) + self._parts_size
        self._is_too_big(partial)
        self._listener.partial += partial - self._partial
        self._partial = partial
        if partial and self._listener.partial > MAX_PARTIAL_FRAMES:
            self._fail(CloseCode.TRY_AGAIN_LATER, "too much is half sent")
            self.abort()
