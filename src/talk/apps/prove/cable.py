"""The cable between a person and the server: a relay on this machine that can be cut, fall silent, or be held.

What it passes on it does not understand. Each person has one of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from types import TracebackType
from typing import Self

CHUNK = 64 * 1024  # bytes
SMALL = 32 * 1024  # bytes that the kernel may hold for us, so that whoever is not read from notices soon
CONNECT_WITHIN = 5.0  # seconds
END_WITHIN = 5.0  # seconds
HOST = "127.0.0.1"


class _Run:
    """One connection through the cable."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client, self.server = client, server
        self.is_dead = False  # half-open: no byte gets through, and neither side is told
        self.is_deaf = False  # what the server says does not arrive

    def abort(self) -> None:
        for side in (self.client, self.server):
            side.transport.abort()


class Cable:
    """Passes on to the server at `port`; people find it at `self.port`. Everything it does is about all its
    connections."""

    def __init__(self, port: int) -> None:
        self._to, self.port = port, 0
        self._runs: set[_Run] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_cut = False
        self._open = {"up": asyncio.Event(), "down": asyncio.Event()}

    async def __aenter__(self) -> Self:
        self.release()
        self._server = await asyncio.start_server(self._accepted, HOST, 0, limit=CHUNK)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for run in list(self._runs):
            run.abort()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=END_WITHIN)

    # ---- what can happen to it

    def cut(self) -> None:
        """Everything that goes through ends at once."""
        for run in list(self._runs):
            if not run.is_dead:
                run.abort()

    def unplug(self) -> None:
        """The same, and nothing new gets through, until `plug`."""
        self._is_cut = True
        self.cut()

    def plug(self) -> None:
        self._is_cut = False

    def kill_silently(self) -> None:
        """What is connected stays so and never hears of the other side again; who connects anew gets through."""
        for run in self._runs:
            run.is_dead = True

    def hold(self, *ways: str) -> None:
        """Take nothing more from the server ("down") or the client ("up"), until `release`. Nothing gets lost."""
        for way in ways:
            self._open[way].clear()

    def release(self) -> None:
        for way in self._open.values():
            way.set()

    def swallow_answers(self) -> None:
        """What the server says from now on does not arrive, and what it is told does. Only `cut` ends that."""
        for run in self._runs:
            run.is_deaf = True

    # ---- passing on

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._pass_on(reader, writer), name="cable")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = None if self._is_cut else await _connect(self._to)
        if server is None:
            writer.transport.abort()
            return
        run = _Run(writer, server[1])
        self._runs.add(run)
        up = asyncio.ensure_future(self._pump(run, "up", reader, run.server))
        down = asyncio.ensure_future(self._pump(run, "down", server[0], run.client))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            if run.is_dead:
                await asyncio.wait({up})  # only the client may end this; the server hears nothing of it
        finally:
            up.cancel()
            down.cancel()
            if not run.is_dead:
                run.abort()
                self._runs.discard(run)
            else:
                run.client.transport.abort()

    async def _pump(self, run: _Run, way: str, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._open[way].wait()
                if run.is_dead or (run.is_deaf and way == "down"):
                    continue
                to.write(data)
                await to.drain()


async def _connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    ours = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        async with asyncio.timeout(CONNECT_WITHIN):
            await asyncio.get_running_loop().sock_connect(ours, (HOST, port))
            return await asyncio.open_connection(sock=ours, limit=CHUNK)
    except (OSError, TimeoutError):
        ours.close()
        return None
