"""Takes connections from listening sockets, counted from their first moment: also while TLS is still being agreed on.

asyncio's own servers tell of a connection only after its TLS handshake, so that one that never ends is bounded by
nothing but the number of open files.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from talk.server.tasks import Tasks

log = logging.getLogger(__name__)

BACKLOG = 4096  # connections that the kernel may hold for us during a storm
NO_MORE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
PAUSE = 1.0  # seconds, when the system has no more sockets to give
_NOT_HERE = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


class Listening(socket.socket):
    """A socket that listens, and knows the connection it gave last until `taken` says that somebody has it.

    A `sock_accept` that is cancelled in the moment in which it has one drops it, open.
    """

    _given: socket.socket | None = None

    def accept(self) -> tuple[socket.socket, Any]:
        self._given, address = super().accept()
        return self._given, address

    def taken(self) -> None:
        self._given = None

    def close(self) -> None:
        if self._given is not None:
            self._given.close()
        super().close()


def listening(host: str | None, port: int) -> list[Listening]:
    """Sockets that listen there; for None on every address, IPv4 and IPv6 as far as this machine has them.

    Errors: OSError.
    """
    sockets: list[Listening] = []
    missing: OSError | None = None
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, address in dict.fromkeys((info[0], info[4]) for info in found):
        try:
            one = socket.create_server(address[:2], family=family, backlog=BACKLOG)
        except OSError as error:
            if error.errno in _NOT_HERE:
                missing = error
                continue
            for other in sockets:
                other.close()
            raise
        one.setblocking(False)
        sockets.append(Listening(one.family, one.type, one.proto, one.detach()))
    if missing is not None and not sockets:
        raise missing
    return sockets


Arrived = Callable[[socket.socket, str], Coroutine[Any, Any, None] | None]
"""Takes an accepted socket and the address it comes from. What it returns is run in the background."""


class Entrance:
    """Accepts connections on these sockets from `open` until `close`, which ends those that are not through yet."""

    def __init__(self, sockets: Sequence[Listening], arrived: Arrived) -> None:
        self.sockets = sockets
        self._arrived = arrived
        self._accepting, self._arrivals = Tasks(), Tasks()

    def open(self) -> None:
        for listener in self.sockets:
            self._accepting.start(self._accept_for_ever(listener), "accepting connections")

    async def close(self) -> None:
        # First, and so every arrival has begun when it is cancelled: before that it could not clean up behind itself.
        await self._accepting.close()
        await self._arrivals.close()
        for listener in self.sockets:
            listener.close()

    async def _accept_for_ever(self, listener: Listening) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(listener)
            except OSError as error:  # the other side is gone again, or there are too many
                if error.errno in NO_MORE:
                    log.error("no more connections can be taken for now: %s", error.strerror)
                    await asyncio.sleep(PAUSE)
                continue
            listener.taken()
            if (work := self._arrived(accepted, str(address[0]))) is not None:
                self._arrivals.start(work, "an arrival")
            await asyncio.sleep(0)  # sock_accept does not pause while there are more


async def let_in(
    accepted: socket.socket, protocol: asyncio.BaseProtocol, tls: ssl.SSLContext | None, within: float
) -> bool:
    """Give this socket to the protocol, after TLS was agreed on within so many seconds; False when it was not."""
    loop = asyncio.get_running_loop()
    timeout = within if tls is not None else None
    try:
        await loop.connect_accepted_socket(lambda: protocol, accepted, ssl=tls, ssl_handshake_timeout=timeout)
    except OSError:  # also SSLError and TimeoutError
        accepted.close()
        return False
    except BaseException:
        accepted.close()
        raise
    return True
