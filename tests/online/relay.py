"""Somebody in between: a TLS server with a certificate of its own that passes on what two sides say to each other."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from talk.protocol.limits import SUBPROTOCOL
from talk.server.certificate import self_made_certificate, server_context

Change = Callable[[dict[str, Any]], None]
PROTOCOLS = [Subprotocol(SUBPROTOCOL)]


class Relay:
    """Stands between clients and the server at `address`. `change` may alter what the server says.

    `port` is where clients find it; `heard` are the commands that it could read, `certificate` the hash of its own.
    """

    def __init__(self, folder: Path, address: str, change: Callable[[Relay], Change]) -> None:
        folder.mkdir()
        self._files = self_made_certificate(folder, ["127.0.0.1"])
        self._address, self._change = address, change(self)
        self.heard: list[dict[str, Any]] = []
        self.port = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._run()])

    @property
    def certificate(self) -> str:
        return self._files.certificate_hash

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    async def _run(self) -> None:
        self._stop = asyncio.Event()
        context = server_context(self._files)
        async with serve(self._stand_between, "127.0.0.1", 0, ssl=context, subprotocols=PROTOCOLS) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            self._ready.set()
            await self._stop.wait()

    async def _stand_between(self, client: ServerConnection) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        async with connect(f"wss://{self._address}/", ssl=context, subprotocols=PROTOCOLS, proxy=None) as server:
            ways = {
                asyncio.create_task(self._pass_on(client, server, self.heard.append)),
                asyncio.create_task(self._pass_on(server, client, self._change)),
            }
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()

    async def _pass_on(
        self, source: ClientConnection | ServerConnection, sink: ClientConnection | ServerConnection, look: Change
    ) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for frame in source:
                said = msgspec.json.decode(frame)
                look(said)
                await sink.send(msgspec.json.encode(said), text=True)
