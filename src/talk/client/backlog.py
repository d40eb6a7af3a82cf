"""What was read from the connection and is not worked through yet, as far as memory allows."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from talk.client.errors import CannotConnect
from talk.protocol import events

FAR_BEHIND = 500  # events, from which on reading waits
MAX_AHEAD = 32 * 1024 * 1024  # bytes that are read while the worker waits for an answer


class Backlog:
    """Between the reader and the worker of one connection."""

    def __init__(self) -> None:
        self._events: deque[events.Event] = deque()
        self._filled, self._room = asyncio.Event(), asyncio.Event()
        self._asking = False
        self._ahead = 0

    async def put(self, event: events.Event) -> None:
        """Add an event, and wait while the worker is far behind.

        Not while it is the worker that waits: the answer it waits for comes behind all this.
        Errors: CannotConnect when no answer comes behind more than a server has under way.
        """
        while len(self._events) >= FAR_BEHIND and not self._asking:
            self._room.clear()
            await self._room.wait()
        if self._asking:
            self._ahead += _size(event)
            if self._ahead > MAX_AHEAD:
                raise CannotConnect("the server sends very much and does not answer")
        self._events.append(event)
        self._filled.set()

    async def take(self) -> list[events.Event]:
        """The oldest events, once there are any."""
        while not self._events:
            self._filled.clear()
            await self._filled.wait()
        batch = [self._events.popleft() for _ in range(min(FAR_BEHIND, len(self._events)))]
        self._room.set()
        return batch

    @contextmanager
    def asking(self) -> Iterator[None]:
        """To be held by the worker while it waits for an answer."""
        self._asking, self._ahead = True, 0
        self._room.set()
        try:
            yield
        finally:
            self._asking = False


def _size(event: events.Event) -> int:
    """About how many bytes an event holds; all that can be large is content."""
    match event:
        case events.Mail(content=content) | events.RoomEvent(content=content):
            return 512 + len(bytes(content))
        case events.People(people=people) | events.Presence(here=people):
            return 512 + 128 * len(people)
        case _:
            return 512
