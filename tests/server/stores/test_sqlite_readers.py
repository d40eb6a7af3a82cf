"""Threads that answer: each asker its own answer, one wake-up for many, and nothing that stops them."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from talk.server.ports import StoreUnavailable
from talk.server.stores.sqlite_readers import Readers

PATIENCE = 20.0  # seconds


@asynccontextmanager
async def readers(count: int) -> AsyncIterator[Readers]:
    connections = [sqlite3.connect(":memory:", check_same_thread=False) for _ in range(count)]
    reading = Readers(connections, asyncio.get_running_loop())
    try:
        yield reading
    finally:
        await reading.close()
        for connection in connections:
            connection.close()


def echo(db: sqlite3.Connection, number: int) -> int:
    return int(db.execute("SELECT ?", (number,)).fetchone()[0])


def fail(db: sqlite3.Connection, error: Exception) -> None:
    raise error


async def asked(reading: Readers, query: Callable[..., object], *args: object) -> asyncio.Task[object]:
    """A question that has been put, and is not waited for."""
    task = asyncio.create_task(reading.ask(query, *args))
    await asyncio.sleep(0)
    return task


async def test_everybody_gets_their_own_answer() -> None:
    async with readers(2) as reading:
        assert await asyncio.gather(*(reading.ask(echo, number) for number in range(1_000))) == list(range(1_000))


async def test_answers_that_come_together_wake_the_loop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    wake = loop.call_soon_threadsafe
    woken: list[object] = []

    def counted(*args: object) -> object:
        woken.append(args)
        return wake(*args)  # type: ignore[arg-type]

    all_asked, all_read = threading.Event(), threading.Event()
    async with readers(1) as reading:
        tasks = [await asked(reading, lambda db: all_asked.wait(PATIENCE))]
        tasks += [await asked(reading, echo, number) for number in range(50)]
        tasks.append(await asked(reading, lambda db: all_read.set()))
        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
        all_asked.set()
        all_read.wait(PATIENCE)  # the loop is busy with this meanwhile
        assert await asyncio.gather(*tasks[1:51]) == list(range(50))
        await tasks[51]
        assert len(woken) <= 2  # the last answer may come after the loop has gone on
        monkeypatch.undo()


async def test_a_question_that_nobody_waits_for_any_more_is_not_asked() -> None:
    began, go_on = threading.Event(), threading.Event()
    ran: list[int] = []

    def hold(db: sqlite3.Connection) -> None:
        began.set()
        go_on.wait(PATIENCE)

    async with readers(1) as reading:
        first = await asked(reading, hold)
        second = await asked(reading, lambda db: ran.append(2))
        third = await asked(reading, lambda db: ran.append(3))
        began.wait(PATIENCE)
        first.cancel()  # its answer comes all the same, and is dropped
        second.cancel()
        await asyncio.sleep(0)
        go_on.set()
        await third
    assert ran == [3]


@pytest.mark.parametrize(
    ("raised", "seen"),
    [(sqlite3.OperationalError("disk I/O error"), StoreUnavailable), (RuntimeError("our mistake"), RuntimeError)],
)
async def test_a_question_that_fails_tells_its_asker_and_nobody_else(raised: Exception, seen: type[Exception]) -> None:
    async with readers(1) as reading:
        with pytest.raises(seen):
            await reading.ask(fail, raised)
        assert await reading.ask(echo, 7) == 7


async def test_what_was_asked_before_the_end_is_answered() -> None:
    async with readers(2) as reading:
        tasks = [await asked(reading, echo, number) for number in range(100)]
    assert await asyncio.gather(*tasks) == list(range(100))


async def test_they_end_with_their_threads() -> None:
    before = set(threading.enumerate())
    async with readers(2) as reading:
        await reading.ask(echo, 1)
        started = {thread for thread in threading.enumerate() if thread.name.startswith("store-reading")} - before
        assert len(started) == 2
    assert not any(thread.is_alive() for thread in started)
