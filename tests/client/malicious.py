"""Somebody between a real client and a real server, who reads and changes every frame and has no key of the server.

On this machine's own address there is no TLS, so nothing but signatures and ratchets is in the way.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from talk.protocol.limits import SUBPROTOCOL
from talk.protocol.link import Address, Link, parse_link

Frame = dict[str, Any]
Change = Callable[[Frame], Iterable[Frame | bytes]]
OPTIONS: dict[str, Any] = {"compression": None, "max_size": 2**24, "ping_interval": None, "close_timeout": 0.2}


def honest(frame: Frame) -> list[Frame | bytes]:
    return [frame]


class Between:
    """Passes frames on as `from_server` and `from_client` change them. `link` leads clients here.

    `answer` may answer a client's frame, which does not reach the server then; None leaves it alone.
    `server_said` and `client_said` hold what both really said, of all connections, in its order.
    """

    def __init__(self, link: str) -> None:
        self._real = parse_link(link)
        self.from_server: Change = honest
        self.from_client: Change = honest
        self.answer: Callable[[Frame], Iterable[Frame | bytes] | None] = lambda _: None
        self.server_said: list[Frame] = []
        self.client_said: list[Frame] = []
        self._clients: list[ServerConnection] = []

    async def __aenter__(self) -> Self:
        protocols = [Subprotocol(SUBPROTOCOL)]
        self._door = await serve(self._accept, "127.0.0.1", 0, subprotocols=protocols, **OPTIONS)
        port = self._door.sockets[0].getsockname()[1]
        self.link = Link((Address("127.0.0.1", port),), self._real.server, self._real.token, local=True).text
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._door.close()
        await self._door.wait_closed()

    async def _accept(self, client: ServerConnection) -> None:
        try:
            server = await connect(
                f"ws://{self._real.addresses[0]}/", subprotocols=[Subprotocol(SUBPROTOCOL)], proxy=None, **OPTIONS
            )
        except OSError:
            return
        self._clients.append(client)
        try:
            async with server, asyncio.TaskGroup() as group:
                group.create_task(self._pass_up(client, server))
                group.create_task(self._pass_down(server, client))
        finally:
            self._clients.remove(client)

    async def _pass_up(self, client: ServerConnection, server: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for raw in client:
                frame = _frame(raw)
                self.client_said.append(frame)
                answers = self.answer(frame)
                if answers is None:
                    await _send(server, self.from_client(frame))
                else:
                    await _send(client, answers)
        await server.close()

    async def _pass_down(self, server: ClientConnection, client: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for raw in server:
                frame = _frame(raw)
                self.server_said.append(copy.deepcopy(frame))
                await _send(client, self.from_server(frame))
        await client.close()

    async def tell(self, *frames: Frame | bytes) -> None:
        """Say something to the client that came last, as if the server said it."""
        await _send(self._clients[-1], frames)

    async def cut(self) -> None:
        """End every connection."""
        for client in list(self._clients):
            await client.close()

    def sent(self, kind: str) -> list[Frame]:
        """What the clients really said of this kind."""
        return [frame for frame in self.client_said if frame["type"] == kind]

    def got(self, kind: str) -> list[Frame]:
        """What the server really said of this kind."""
        return [frame for frame in self.server_said if frame["type"] == kind]


async def _send(target: ClientConnection | ServerConnection, frames: Iterable[Frame | bytes]) -> None:
    for frame in frames:
        await target.send(_bytes(frame), text=True)


def _frame(raw: str | bytes) -> Frame:
    return msgspec.json.decode(raw, type=Frame)


def _bytes(frame: Frame | bytes) -> bytes:
    return frame if isinstance(frame, bytes) else msgspec.json.encode(frame)


def changing(kind: str, change: Callable[[Frame], Frame | bytes | None], *, times: int = -1) -> Change:
    """Change each frame of this type, or the first so many; None drops it."""
    left = times

    def changed(frame: Frame) -> Iterable[Frame | bytes]:
        nonlocal left
        if frame["type"] != kind or left == 0:
            return [frame]
        left -= 1
        other = change(frame)
        return [] if other is None else [other]

    return changed
