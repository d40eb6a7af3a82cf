"""One connection to a server: found at one of the link's addresses, proved to be the right one, and logged in.

The server proves its id with a signature that covers our nonce and the certificate we see; we prove our device with a
signature that covers both nonces and the same certificate. So no one in between can pass either of them on.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from talk.client.errors import CannotConnect, ClientError, Rejected
from talk.protocol import commands, events, wire
from talk.protocol.certificates import certificate_hash
from talk.protocol.errors import Malformed
from talk.protocol.ids import decode64, encode64, hash_id
from talk.protocol.keys import is_signature
from talk.protocol.limits import PROTOCOL_VERSION, SUBPROTOCOL
from talk.protocol.link import Address, Link
from talk.protocol.proofs import NONCE_BYTES, Channel, hello_bytes

OPEN_WITHIN = 10.0  # seconds, for one address
ANSWER_WITHIN = 15.0  # seconds, for one answer before the login
SEND_WITHIN = 30.0  # seconds that the other side may leave our bytes unread
CLOSE_WITHIN = 5.0  # seconds
MAX_EVENT = 2 * 1024 * 1024  # bytes; a page of history is the largest
FAR_OFF_MS = 10 * 60 * 1000

Login = Callable[[Channel], Awaitable[commands.Login | commands.Register]]


class WrongCertificate(CannotConnect):
    """The certificate of this connection is not the one that the server signed."""


@dataclass(slots=True)
class Wire:
    """An open, logged-in connection. `clock_off_ms` is how far this computer's clock is ahead of the server's."""

    socket: ClientConnection
    welcome: events.Welcome
    clock_off_ms: int

    async def send(self, command: commands.Command) -> None:
        await self.send_bytes(wire.encode(command))

    async def send_bytes(self, frame: bytes) -> None:
        """Send a command that is already JSON. Errors: CannotConnect."""
        try:
            async with asyncio.timeout(SEND_WITHIN):
                await self.socket.send(frame, text=True)
        except ConnectionClosed as error:
            raise _gone(error) from error
        except TimeoutError as error:
            raise CannotConnect("the server takes nothing more") from error

    async def receive(self) -> events.Event | None:
        """The next event, None for one of an unknown type. Errors: CannotConnect, Malformed."""
        return await _receive(self.socket)

    async def close(self) -> None:
        """Say goodbye, or hang up on a server that takes not even that."""
        try:
            async with asyncio.timeout(CLOSE_WITHIN):
                await self.socket.close()
        except TimeoutError:
            self.socket.transport.abort()


async def open_wire(link: Link, login: Login, now_ms: int) -> Wire:
    """Connect to the first address that answers as the link's server, and log in.

    `login` is called once the server has proved its id on that connection, and never before.

    Errors: CannotConnect; Rejected when the server refuses the login.
    """
    failures: list[str] = []
    for address in link.addresses:
        try:
            return await _open(link, address, login, now_ms)
        except Rejected:
            raise
        except CannotConnect as error:
            failures.append(f"{address}: {error}")
    raise CannotConnect(_nobody(failures))


async def _open(link: Link, address: Address, login: Login, now_ms: int) -> Wire:
    if link.local:
        return await _open_with(link, address, login, now_ms, None)
    try:
        return await _open_with(link, address, login, now_ms, _unchecked())
    except _NeedsAuthorities:
        # Behind a proxy the server does not know the certificate: then the system's authorities have to vouch for it.
        return await _open_with(link, address, login, now_ms, ssl.create_default_context())


class _NeedsAuthorities(Exception):
    pass


def _unchecked() -> ssl.SSLContext:
    """TLS whose certificate is checked by the server's own signature instead of an authority's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def _open_with(link: Link, address: Address, login: Login, now_ms: int, context: ssl.SSLContext | None) -> Wire:
    socket = await _connect(address, context)
    try:
        return await _log_in(socket, link, login, now_ms, context)
    except BaseException:
        await socket.close()
        raise


async def _connect(address: Address, context: ssl.SSLContext | None) -> ClientConnection:
    scheme = "ws" if context is None else "wss"
    try:
        return await connect(
            f"{scheme}://{address}/",
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            ssl=context,
            compression=None,
            max_size=MAX_EVENT,
            open_timeout=OPEN_WITHIN,
            close_timeout=2,
            ping_interval=None,
            proxy=None,
        )
    except ssl.SSLCertVerificationError as error:
        raise CannotConnect(
            f"its certificate is not accepted ({error.verify_message}). Is this computer's clock right?"
        ) from error
    except (OSError, TimeoutError, WebSocketException, ValueError, EOFError) as error:
        raise CannotConnect(_why(error)) from error


async def _log_in(
    socket: ClientConnection, link: Link, login: Login, now_ms: int, context: ssl.SSLContext | None
) -> Wire:
    nonce = encode64(secrets.token_bytes(NONCE_BYTES))
    await _say(socket, commands.Hello(versions=[PROTOCOL_VERSION], nonce=nonce, server=link.server))
    hello = await _answer(socket)
    if not isinstance(hello, events.ServerHello):
        raise CannotConnect("it does not speak TAlk's protocol")
    channel = Channel(link.server, nonce, hello.nonce, _seen_certificate(socket, hello, context))
    _check_hello(hello, channel)
    await _say(socket, await login(channel))
    welcome = await _answer(socket)
    if not isinstance(welcome, events.Welcome):
        raise CannotConnect("it answered the login with something else")
    return Wire(socket, welcome, now_ms - hello.now)


def _seen_certificate(socket: ClientConnection, hello: events.ServerHello, context: ssl.SSLContext | None) -> str:
    """What both sides sign about the certificate. Errors: WrongCertificate, _NeedsAuthorities."""
    if context is None:
        return ""
    if not hello.certificate:
        if context.verify_mode != ssl.CERT_REQUIRED:
            raise _NeedsAuthorities
        return ""
    tls = socket.transport.get_extra_info("ssl_object")
    try:
        seen = certificate_hash(tls.getpeercert(binary_form=True) or b"")
    except ValueError as error:
        raise WrongCertificate(f"its certificate cannot be used: {error}") from error
    if seen != hello.certificate:
        raise WrongCertificate(
            "its certificate is not the one that the server signed: somebody stands in between. Nothing was sent"
        )
    return seen


def _check_hello(hello: events.ServerHello, channel: Channel) -> None:
    if hello.version != PROTOCOL_VERSION:
        raise CannotConnect(f"it speaks version {hello.version} of the protocol; please update TAlk")
    if hello.server != channel.server or _id_of(hello.key) != channel.server:
        raise CannotConnect("it is another server than the link's. Nothing was sent; check the link")
    if not is_signature(hello.key, hello.signature, hello_bytes(channel)):
        raise CannotConnect("it could not prove that it is the link's server. Nothing was sent; check the link")


def _id_of(key: str) -> str:
    try:
        return hash_id(decode64(key))
    except ValueError:  # not the one spelling of a key
        return ""


async def _say(socket: ClientConnection, command: commands.Command) -> None:
    try:
        await socket.send(wire.encode(command), text=True)
    except ConnectionClosed as error:
        raise _gone(error) from error


async def _answer(socket: ClientConnection) -> events.Event:
    """The next answer before the login. Errors: Rejected, CannotConnect."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            while True:
                match await _receive(socket):
                    case events.Error() as error:
                        raise Rejected(error)
                    case commands.Ping():
                        await _say(socket, commands.Pong())
                    case None:
                        continue
                    case event:
                        return event
    except TimeoutError as error:
        raise CannotConnect("it does not answer") from error
    except (Malformed, msgspec.DecodeError) as error:
        raise CannotConnect("it does not speak TAlk's protocol") from error


async def _receive(socket: ClientConnection) -> events.Event | None:
    try:
        return wire.decode_event(await socket.recv(decode=False))
    except ConnectionClosed as error:
        raise _gone(error) from error


def _gone(error: ConnectionClosed) -> CannotConnect:
    reason = error.rcvd.reason if error.rcvd else ""
    return CannotConnect(f"the connection ended ({reason or 'without a goodbye'})")


def _why(error: Exception) -> str:
    match error:
        case ConnectionRefusedError():
            return "nobody listens there"
        case TimeoutError():
            return "it does not answer"
        case WebSocketException() | EOFError():
            return "something else than TAlk answers there"
        case OSError():
            return error.strerror or str(error) or "it cannot be reached"
        case _:
            return str(error) or type(error).__name__


def _nobody(failures: list[str]) -> str:
    places = "; ".join(failures)
    return (
        f"The server cannot be reached ({places}). Nothing is lost. Is it running, is this computer online, and are "
        "you in the same network as the server, if its address is a private one?"
    )


def clock_warning(off_ms: int) -> ClientError | None:
    """What to tell a person whose clock is far from the server's."""
    if abs(off_ms) < FAR_OFF_MS:
        return None
    direction = "ahead of" if off_ms > 0 else "behind"
    minutes = abs(off_ms) // 60_000
    return ClientError(f"This computer's clock is {minutes} minutes {direction} the server's; times may look odd.")
