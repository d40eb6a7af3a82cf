"""The server that is tried: `talk serve` as a process of its own, always on the same port of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from talk.apps import hosting
from talk.apps.prove.errors import ServerGone
from talk.apps.prove.processes import Child, python
from talk.local.control import ask_once
from talk.local.errors import LocalError

START_WITHIN = 60.0  # seconds; a machine that is busy is no failure
STOP_WITHIN = 30.0  # seconds
ASK_WITHIN = 60.0  # seconds
STORE_FILE = "talk.db"  # as the server calls it; a test holds the two together
FREE_PORTS = range(10_000, 32_000)  # below those that systems hand out by themselves
LAST_WORDS = 2_000  # characters
TALK = python("talk")


def free_port() -> int:
    """A port of this machine that a server may take, leave and take again."""
    while True:
        port = random.choice(FREE_PORTS)  # noqa: S311 - nothing secret
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Server:
    """Runs on the folder `data`, or not. `program` are the words before `serve`."""

    def __init__(self, data: Path, log: Path, program: Sequence[str] = TALK) -> None:
        self.data, self.log, self._program = data, log, tuple(program)
        self.port = free_port()
        self.link = ""
        self._child: Child | None = None
        self._listening = asyncio.Event()
        self._said: dict[str, Any] = {}

    async def start(self, *, wrap: Sequence[str] = (), program: Sequence[str] = ()) -> None:
        """Start it and wait until it listens. Errors: ServerGone."""
        child = await self._start(wrap, program)
        listening, ended = (
            asyncio.ensure_future(self._listening.wait()),
            asyncio.ensure_future(child.wait(START_WITHIN)),
        )
        try:
            await asyncio.wait({listening, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            listening.cancel()
            ended.cancel()
        if not self._listening.is_set():
            await child.kill()
            raise ServerGone(f"The server does not start. {self.last_words()}")
        self.link = str(self._said.get("link", ""))

    async def start_to_die(self, wrap: Sequence[str]) -> None:
        """Start it so that it will be killed, perhaps before it listens."""
        await self._start(wrap, ())

    async def _start(self, wrap: Sequence[str], program: Sequence[str]) -> Child:
        self._listening.clear()
        self._said = {}
        words = (*wrap, *(program or self._program), "serve", "--json", f"--listen=127.0.0.1:{self.port}")
        child = await Child.start([*words, f"--data={self.data}", "--rate=0"], self.log, self._heard)
        self._child = child
        return child

    def _heard(self, said: dict[str, Any]) -> None:
        if said.get("event") in ("listening", "error"):
            self._said = said
        if said.get("event") == "listening":
            self._listening.set()

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def has_ended(self) -> bool:
        return self._child is None or self._child.has_ended

    @property
    def _running(self) -> Child:
        assert self._child is not None
        return self._child

    def last_words(self) -> str:
        """What it said of its end, or complained of last."""
        if message := self._said.get("message"):
            return str(message)
        with contextlib.suppress(OSError):
            return "Its last words: " + self.log.read_text("utf-8", "replace")[-LAST_WORDS:].strip()
        return ""

    def freeze(self) -> None:
        self._running.freeze()

    def thaw(self) -> None:
        self._running.thaw()

    async def kill(self) -> None:
        """End it without a chance to do anything."""
        await self._running.kill()

    async def wait_killed(self, within: float) -> bool:
        """Whether it has been killed by what it was started under."""
        return await self._running.wait(within)

    async def stop(self) -> None:
        """Let it end in order. Errors: ServerGone."""
        try:
            await hosting.stop(self.data)
        except LocalError as error:
            raise ServerGone(f"The server does not stop: {error}") from error
        if not await self._running.wait(STOP_WITHIN):
            raise ServerGone("The server was asked to stop and goes on.")

    async def backup(self, file: Path) -> None:
        """Errors: ServerGone."""
        try:
            await ask_once(self.data, {"do": "backup", "file": str(file)}, ASK_WITHIN)
        except LocalError as error:
            raise ServerGone(f"The server makes no backup: {error}") from error

    async def restore(self, file: Path) -> None:
        """Put a backup in place while it is stopped. Errors: ServerGone."""
        words = [*TALK, "restore", str(file), f"--data={self.data}"]
        child = await Child.start(words, self.log, lambda _: None)
        if not await child.wait(ASK_WITHIN):
            await child.kill()
        if not child.has_succeeded:
            raise ServerGone(f"The backup is not put in place. {self.last_words()}")

    async def close(self) -> None:
        """End it, whatever state it is in."""
        if self._child is not None and not self._child.has_ended:
            self._child.thaw()
            await self._child.kill()

    def kill_now(self) -> None:
        if self._child is not None:
            self._child.kill_now()
