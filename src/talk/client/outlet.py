"""Events on their way to the program, in their order.

What was received carries the row it has on disk. It counts as shown when the program takes it and not before, so that
what still waits here when the client stops is given again the next time.
"""

from __future__ import annotations

import asyncio
from collections import deque

from talk.client.events import ClientEvent

EVENTS = 10_000  # that wait for the program


class Outlet:
    """`queued` and `taken` are the rows up to which was put in and taken out."""

    def __init__(self, shown: int = 0, limit: int = EVENTS) -> None:
        self._limit = limit
        self._waiting: deque[tuple[int, ClientEvent]] = deque()
        self._filled, self._emptied = asyncio.Event(), asyncio.Event()
        self._watched = self._closed = False
        self.queued = self.taken = shown

    def begin(self, shown: int) -> None:
        """What the program has taken before, as the profile remembers it."""
        self.queued = self.taken = shown

    @property
    def is_empty(self) -> bool:
        return not self._waiting

    def put(self, event: ClientEvent) -> None:
        """Add an event. This never waits: a program that sends while it takes an event must not wait for itself."""
        self._put(0, event)

    def put_received(self, row: int, event: ClientEvent | None) -> None:
        """Add what was received as this row; None for what is passed over."""
        self.queued = row
        if event is not None:
            self._put(row, event)
        elif not self._waiting:
            self.taken = row

    def _put(self, row: int, event: ClientEvent) -> None:
        if len(self._waiting) >= self._limit and not self._watched:
            # Nobody has ever asked for events, so nobody misses the oldest.
            self._take()
        self._waiting.append((row, event))
        self._filled.set()

    async def room(self) -> None:
        """Wait while a program that takes events is far behind: to be called before more is fetched for it."""
        while len(self._waiting) >= self._limit and self._watched and not self._closed:
            self._emptied.clear()
            await self._emptied.wait()

    async def take(self) -> ClientEvent | None:
        """The next event, once there is one; None when the client was closed."""
        self._watched = True
        while not self._waiting and not self._closed:
            self._filled.clear()
            await self._filled.wait()
        return None if self._closed else self._take()

    def _take(self) -> ClientEvent:
        row, event = self._waiting.popleft()
        self.taken = max(self.taken, row)
        self._emptied.set()
        return event

    async def all_taken(self) -> None:
        """Wait until the program has taken every event."""
        while self._waiting and not self._closed:
            self._emptied.clear()
            await self._emptied.wait()

    def close(self) -> None:
        """Give out nothing more, and let nobody wait."""
        self._closed = True
        self._filled.set()
        self._emptied.set()
