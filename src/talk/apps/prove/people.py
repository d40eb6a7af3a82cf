"""People as this program sees them: each is a process that writes and reads, at the end of a cable of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from talk.apps.prove.cable import HOST, Cable
from talk.apps.prove.errors import ProveError
from talk.apps.prove.ledger import Ledger
from talk.apps.prove.lines import Key
from talk.apps.prove.processes import Child, python
from talk.protocol.link import Address, parse_link

JOIN_WITHIN = 90.0  # seconds
LOG_WITHIN = 120.0  # seconds
ASK_AT_ONCE = 200  # ids
PROGRAM = python("talk.apps.prove.person")

Event = dict[str, Any]


class Person:
    """`name` is theirs in the chat. `told` is called with everything their program says, after the ledger has it."""

    def __init__(self, name: str, folder: Path, tag: str, ledger: Ledger, told: Callable[[str, Event], None]) -> None:
        self.name, self._folder, self._tag, self._ledger, self._told = name, folder, tag, ledger, told
        self.life = 0
        self.log = folder.with_name(f"{folder.name}.log")
        self._child: Child | None = None
        self._is_ready = asyncio.Event()
        self._log_ended = asyncio.Event()
        self._server_log: list[tuple[int, str, Key]] = []
        self.is_after_put_back = False
        self.had_gap = False
        self.was_killed = False
        self._link = ""

    def plug_into(self, cable: Cable, link: str) -> None:
        """From the next start on they reach the server by this cable."""
        self._link = replace(parse_link(link), addresses=(Address(HOST, cable.port),)).text

    async def start(self) -> None:
        """Begin a life, and be in the chat. Errors: ProveError."""
        self.begin_life()
        await self._child_started()
        await self.ready()

    def begin_life(self) -> None:
        self.life += 1
        self._is_ready.clear()

    async def _child_started(self) -> None:
        words = (*PROGRAM, str(self._folder), self._tag, self.name, str(self.life))
        self._child = await Child.start(words, self.log, self._heard)
        self._child.tell({"do": "join", "link": self._link})

    async def ready(self) -> None:
        """Wait until they are in the chat with everything that was missed. Errors: ProveError."""
        try:
            async with asyncio.timeout(JOIN_WITHIN):
                await self._is_ready.wait()
        except TimeoutError as error:
            raise ProveError(f"{self.name} does not get into the chat within {JOIN_WITHIN:.0f} seconds.") from error

    async def start_again(self) -> None:
        """After a kill: the same profile, and what it had not sent yet."""
        self.begin_life()
        await self._child_started()

    def write(self, others: list[str], every: float) -> None:
        """Write a line about `every` so many seconds, some of them to one of these alone."""
        self._tell({"do": "write", "others": others, "every": every})

    def pause(self) -> None:
        self._tell({"do": "pause"})

    def burst(self, lines: int, size: int) -> None:
        """Write so many long lines to the lobby, one after the other."""
        self._tell({"do": "burst", "lines": lines, "size": size})

    def greet(self, others: list[str]) -> None:
        """Write one private line to each of these."""
        self._tell({"do": "greet", "others": others})

    def set_clock(self, shift: float) -> None:
        self._tell({"do": "clock", "shift": shift})

    def ask(self, ids: list[str]) -> None:
        """Look up on their disk what became of these."""
        self._tell({"do": "ask", "ids": ids[:ASK_AT_ONCE]})

    async def server_log(self) -> list[tuple[int, Key]]:
        """The lobby as the server keeps it, oldest first. Errors: ProveError."""
        self._server_log, self._log_ended = [], asyncio.Event()
        self._tell({"do": "log"})
        try:
            async with asyncio.timeout(LOG_WITHIN):
                await self._log_ended.wait()
        except TimeoutError as error:
            raise ProveError(f"{self.name} could not read the server's history within {LOG_WITHIN:.0f} s.") from error
        return [(seq, key) for seq, _, key in sorted(set(self._server_log))]

    def expect_put_back(self) -> None:
        """The server will be set back: what cannot be opened then is asked for again."""
        self.is_after_put_back = True

    def put_back_is_over(self) -> None:
        self.is_after_put_back = False
        self._ledger.put_back_is_over(self.name)

    # ---- ends

    def freeze(self) -> None:
        self._running.freeze()

    def thaw(self) -> None:
        self._running.thaw()

    async def kill(self) -> None:
        await self._running.kill()
        self.was_killed = True

    async def close(self) -> None:
        if self._child is not None:
            await self._child.end()

    def kill_now(self) -> None:
        if self._child is not None:
            self._child.kill_now()

    @property
    def has_ended(self) -> bool:
        return self._child is None or self._child.has_ended

    @property
    def _running(self) -> Child:
        assert self._child is not None
        return self._child

    def _tell(self, order: dict[str, object]) -> None:
        self._running.tell(order)

    # ---- what they say

    def _heard(self, event: Event) -> None:
        ledger, at = self._ledger, float(event.get("t", time.monotonic()))
        match event:
            case {"event": "sent", "id": id, "key": key, "to": to}:
                ledger.sent(id, Key(*key), to, at)
            case {"event": "mark", "id": id, "state": state}:
                ledger.marked(id, state, at)
            case {"event": "got", "key": key, "to": to, "row": row}:
                ledger.received(self.name, self.life, Key(*key), to, row, int(event.get("seq", 0)))
            case {"event": "notice", "code": "undecryptable"}:
                ledger.could_not_open(self.name, after_put_back=self.is_after_put_back)
            case {"event": "notice", "code": "new_epoch"}:
                ledger.told_of_put_back(self.name, at)
            case {"event": "notice", "code": "gap"}:
                self.had_gap = True
            case {"event": "ready" | "online"}:
                self._is_ready.set()
            case {"event": "log", "lines": lines}:
                self._server_log += [(int(seq), str(id), Key(*key)) for seq, id, key in lines]
            case {"event": "log_ended"}:
                self._log_ended.set()
        self._told(self.name, event)
