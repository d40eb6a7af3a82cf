"""Threads that read, each on a connection of its own that cannot write.

Answers that come close together wake the event loop once. When thousands come back, each of them asks twice; a wake-up
for every answer, as executors give it, was 150 of the 1,715 µs of a login (five times in turn, 5,000 clients).
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from talk.server.stores.sqlite_errors import when_reading

T = TypeVar("T")

_Query = Callable[..., Any]
_Question = tuple["asyncio.Future[Any]", _Query, tuple[object, ...]]


class Readers:
    """Answers questions until `close`, with a thread for each of these connections."""

    def __init__(self, connections: Sequence[sqlite3.Connection], loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._questions: queue.SimpleQueue[_Question | None] = queue.SimpleQueue()
        self._answers: deque[tuple[asyncio.Future[Any], Any, Exception | None]] = deque()
        self._is_woken = False
        self._threads = [
            threading.Thread(target=self._answer, args=(db,), name=f"store-reading-{number}", daemon=True)
            for number, db in enumerate(connections)
        ]
        for thread in self._threads:
            thread.start()

    async def ask(self, query: Callable[..., T], *args: object) -> T:
        """What the query returns for a connection and these. Errors: StoreError."""
        answer: asyncio.Future[T] = self._loop.create_future()
        self._questions.put((answer, query, args))
        return await answer

    async def close(self) -> None:
        """Answer what was asked already, and end."""
        for _ in self._threads:
            self._questions.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        self._give()

    # ---- on the threads

    def _answer(self, db: sqlite3.Connection) -> None:
        while (question := self._questions.get()) is not None:
            answer, query, args = question
            if not answer.cancelled():
                self._answers.append((answer, *_outcome(query, db, args)))
                self._wake()

    def _wake(self) -> None:
        # `_give` clears the flag before it looks, so that an answer behind a flag that is set is always seen.
        if not self._is_woken:
            self._is_woken = True
            self._loop.call_soon_threadsafe(self._give)

    # ---- on the event loop

    def _give(self) -> None:
        self._is_woken = False
        while self._answers:
            answer, value, error = self._answers.popleft()
            if answer.cancelled():
                continue
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(value)


def _outcome(query: _Query, db: sqlite3.Connection, args: tuple[object, ...]) -> tuple[Any, Exception | None]:
    try:
        return query(db, *args), None
    except (sqlite3.Error, UnicodeError) as error:
        unreadable = when_reading(error)
        unreadable.__cause__ = error
        return None, unreadable
    except Exception as error:  # the thread goes on; who asked sees it
        return None, error
