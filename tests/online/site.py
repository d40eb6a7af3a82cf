"""A server process, two who talk on it, and connections of which every byte is one's own."""

from __future__ import annotations

import contextlib
import itertools
import json
import secrets
import ssl
from collections.abc import Iterable, Iterator
from socket import SO_RCVBUF, SOL_SOCKET, create_connection
from socket import socket as Socket  # noqa: N812 - the site has a method of that name
from typing import Any, Self

from tests.online.processes import PATIENCE, ClientProcess, ServerProcess
from tests.server.people import Person, Phone, some_key
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from talk.protocol import commands, events, wire
from talk.protocol.ids import random_id
from talk.protocol.limits import SUBPROTOCOL
from talk.protocol.proofs import Channel

_numbers = itertools.count(1)


class Site:
    """The server, and two who talk on it."""

    def __init__(self, server: ServerProcess, asha: ClientProcess, bob: ClientProcess) -> None:
        self.server, self.asha, self.bob = server, asha, bob
        host, _, port = server.address.rpartition(":")
        self.place = (host, int(port))

    def is_well(self) -> None:
        """Both still hear each other, in the room and privately."""
        number = next(_numbers)
        self.asha.type(f"all well {number}")
        self.bob.wait_for("message", text=f"all well {number}")
        self.bob.type(f"@asha just us {number}")
        self.asha.wait_for("private", text=f"just us {number}")

    def client(self) -> ClientConnection:
        url = f"ws://{self.server.address}"
        return connect(url, subprotocols=[Subprotocol(SUBPROTOCOL)], compression=None, max_size=None, close_timeout=2)

    def socket(self) -> Socket:
        return create_connection(self.place, timeout=PATIENCE)

    @contextlib.contextmanager
    def raw(self) -> Iterator[Socket]:
        """A socket behind a good handshake."""
        with self.socket() as raw:
            handshake(raw)
            yield raw

    def get(self, path: str) -> tuple[int, str, str]:
        """Status, headers and body."""
        answer = self.ask(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        headers, _, body = answer.partition("\r\n\r\n")
        return int(headers.split()[1]), headers, body

    def ask(self, request: bytes) -> str:
        with self.socket() as raw:
            with contextlib.suppress(ConnectionError):
                raw.sendall(request)
            return everything(raw).decode()


def everything(raw: Socket) -> bytes:
    """All until the server ends."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while part := raw.recv(65536):
            data += part
    return data


def close_of(raw: Socket) -> tuple[int, str]:
    """Code and reason of the close frame at the end of all; pongs and errors may come before it."""
    data = everything(raw)
    at = data.rfind(b"\x88")
    assert at >= 0, f"no close frame in {data!r}"
    return int.from_bytes(data[at + 2 : at + 4]), data[at + 4 :].decode()


def frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin=fin).serialize(mask=True)


def ends_with(client: ClientConnection) -> tuple[list[dict[str, Any]], int]:
    """What still came, and the code of the close."""
    seen: list[dict[str, Any]] = []
    try:
        while True:
            seen.append(json.loads(client.recv(timeout=PATIENCE)))
    except ConnectionClosed as closed:
        assert closed.rcvd is not None, "no close frame"
        return seen, closed.rcvd.code


def tell(client: ClientConnection, command: commands.Command) -> None:
    client.send(wire.encode(command).decode())


def answer(client: ClientConnection, id: str = "") -> Any:
    """The next answer with this id; without one, the next event."""
    while True:
        event = wire.decode_event(client.recv(timeout=PATIENCE))
        if not id or getattr(event, "id", None) == id:
            return event


def log_in(client: ClientConnection) -> tuple[Phone, events.Welcome]:
    """Somebody new, logged in."""
    nonce = some_key()
    tell(client, commands.Hello([1], nonce))
    hello = answer(client)
    phone = Person(f"guest{secrets.token_hex(4)}", hello.server).phone
    tell(client, phone.register(Channel(hello.server, nonce, hello.nonce, hello.certificate)))
    welcome = answer(client)
    assert isinstance(welcome, events.Welcome), welcome
    return phone, welcome


def handshake(raw: Socket, more: str = "") -> str:
    """Become a WebSocket; the server's headers. `more` are further lines of the request."""
    raw.sendall(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: " + SUBPROTOCOL.encode() + b"\r\n" + more.encode() + b"\r\n"
    )
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        part = raw.recv(1)
        assert part, f"the server ended the connection after {answer!r}"
        answer += part
    assert b" 101 " in answer
    return answer.decode()


def place_of(server: ServerProcess) -> tuple[str, int]:
    """Where to connect to, on this machine."""
    return "127.0.0.1", int(server.address.rpartition(":")[2])


def frames_of(said: Iterable[commands.Command]) -> bytes:
    return b"".join(frame(Opcode.TEXT, wire.encode(command)) for command in said)


@contextlib.contextmanager
def bare(place: tuple[str, int], *, tls: bool = False, small: bool = False) -> Iterator[Socket]:
    """A socket that is connected there. `small` takes few bytes that nobody reads."""
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(Socket())
        raw.settimeout(PATIENCE)
        if small:
            raw.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)
        raw.connect(place)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            raw = stack.enter_context(context.wrap_socket(raw))
        yield raw


class Wire:
    """Somebody new on a bare socket, who can be quick: answers are counted and not read."""

    phone: Phone
    welcome: events.Welcome

    def __init__(self, raw: Socket) -> None:
        self.raw = raw
        self._data = b""
        self._nonce = some_key()
        self.tell(commands.Hello([1], self._nonce))
        hello = self.next()
        assert isinstance(hello, events.ServerHello), hello
        self._channel = Channel(hello.server, self._nonce, hello.nonce, hello.certificate)

    def register(self, invite: str = "") -> Any:
        """Try to come in under a new name; the answer."""
        self.phone = Person(f"guest{secrets.token_hex(4)}", self._channel.server).phone
        self.tell(self.phone.register(self._channel, invite=invite))
        return self.next()

    def back(self, phone: Phone) -> Self:
        """Log in a device that was here before."""
        self.phone = phone
        self.tell(phone.login(self._channel))
        welcome = self.next()
        assert isinstance(welcome, events.Welcome), welcome
        self.welcome = welcome
        return self

    @classmethod
    @contextlib.contextmanager
    def at(cls, place: tuple[str, int], *, invite: str = "", small: bool = False) -> Iterator[Self]:
        """A new account there, logged in; with an invitation over TLS."""
        with bare(place, tls=bool(invite), small=small) as raw:
            handshake(raw)
            yield cls(raw).logged_in(invite)

    def logged_in(self, invite: str = "") -> Self:
        welcome = self.register(invite)
        assert isinstance(welcome, events.Welcome), welcome
        self.welcome = welcome
        return self

    @property
    def room(self) -> str:
        return self.welcome.rooms[0].room

    def answer(self, id: str) -> Any:
        """The answer with this id; what comes before it is passed over."""
        while True:
            event = self.next()
            if getattr(event, "id", None) == id and not isinstance(event, events.RoomEvent | events.Mail):
                return event

    def follow(self) -> None:
        """Be told what is said in the lobby from now on."""
        self.tell(commands.Resume("follow", self.welcome.epoch, {room.room: room.head for room in self.welcome.rooms}))
        while not isinstance(self.next(), events.Live):
            pass

    def talks_to(self, other: Wire) -> None:
        """What this one says in the lobby reaches the other."""
        other.follow()
        text = f"can you hear me, {secrets.token_hex(4)}"
        self.tell(commands.Say(random_id(), self.room, text))
        other.count(text.encode(), 1)

    def tell(self, *said: commands.Command) -> None:
        self.raw.sendall(frames_of(said))

    def next(self) -> Any:
        """The next event."""
        while True:
            length = self._data[1] if len(self._data) > 1 else 0
            start = {126: 4, 127: 10}.get(length, 2)
            if len(self._data) >= start and length > 125:
                length = int.from_bytes(self._data[2:start])
            if len(self._data) > 1 and len(self._data) >= start + length:
                assert self._data[0] & 15 == Opcode.TEXT, "the server said goodbye"
                event, self._data = self._data[start : start + length], self._data[start + length :]
                return wire.decode_event(event)
            data = self.raw.recv(65536)
            assert data, "the server ended the connection"
            self._data += data

    def count(self, needle: bytes, wanted: int) -> None:
        """Read until this came so many times."""
        found = self._data.count(needle)
        rest = self._data[-len(needle) + 1 :]
        self._data = b""
        while found < wanted:
            data = self.raw.recv(1024 * 1024)
            assert data, "the server ended the connection"
            rest += data
            found += rest.count(needle)
            rest = rest[-len(needle) + 1 :]
