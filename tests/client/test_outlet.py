"""Events on their way to the program, and what is read ahead of the worker."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from talk.client.backlog import FAR_BEHIND, MAX_AHEAD, Backlog
from talk.client.errors import CannotConnect
from talk.client.events import Notice
from talk.client.outlet import Outlet
from talk.protocol import events
from talk.protocol.ids import encode32


def notice(number: int) -> Notice:
    return Notice("test", str(number))


async def take(outlet: Outlet, count: int) -> list[str]:
    taken = [await outlet.take() for _ in range(count)]
    return [event.text for event in taken if isinstance(event, Notice)]


async def test_a_row_counts_as_shown_when_it_is_taken() -> None:
    outlet = Outlet(shown=7)
    outlet.put_received(8, notice(8))
    outlet.put_received(9, notice(9))
    outlet.put_received(10, None)
    assert (outlet.queued, outlet.taken) == (10, 7)
    assert await take(outlet, 1) == ["8"]
    assert outlet.taken == 8
    assert await take(outlet, 1) == ["9"]
    outlet.put_received(11, None)
    assert (outlet.queued, outlet.taken) == (11, 11)


async def test_what_the_program_causes_itself_never_waits() -> None:
    outlet = Outlet(limit=3)
    taking = asyncio.create_task(outlet.take())
    await asyncio.sleep(0)
    for number in range(9):
        outlet.put(notice(number))
    await taking
    assert await take(outlet, 8) == [str(number) for number in range(1, 9)]


async def test_who_takes_slowly_holds_up_what_is_fetched_and_gets_everything() -> None:
    outlet = Outlet(limit=3)
    outlet.put(notice(-1))
    await outlet.take()
    fetched = 0

    async def fetch() -> None:
        nonlocal fetched
        for number in range(10):
            await outlet.room()
            outlet.put_received(number + 1, notice(number))
            fetched += 1

    fetching = asyncio.create_task(fetch())
    await asyncio.sleep(0)
    assert fetched == 3
    assert await take(outlet, 10) == [str(number) for number in range(10)]
    await fetching


async def test_who_never_takes_misses_the_oldest_and_holds_up_nothing() -> None:
    outlet = Outlet(limit=3)
    async with asyncio.timeout(10):
        for number in range(10):
            await outlet.room()
            outlet.put_received(number, notice(number))
    assert outlet.taken == 6
    assert await take(outlet, 3) == ["7", "8", "9"]


async def test_a_closed_outlet_lets_nobody_wait() -> None:
    outlet = Outlet(limit=1)
    taking = asyncio.create_task(outlet.take())
    await asyncio.sleep(0)
    outlet.close()
    assert await taking is None
    outlet.put_received(1, notice(1))
    outlet.put_received(2, notice(2))
    await outlet.room()
    await outlet.all_taken()
    assert await outlet.take() is None
    assert outlet.taken == 0


async def test_all_taken_waits_for_the_last() -> None:
    outlet = Outlet()
    outlet.put(notice(1))
    outlet.put(notice(2))
    waiting = asyncio.create_task(outlet.all_taken())
    await take(outlet, 1)
    await asyncio.sleep(0)
    assert not waiting.done()
    await take(outlet, 1)
    await waiting


def mail(number: int, size: int = 0) -> events.Mail:
    id = encode32(bytes(20))
    content = msgspec.Raw(b'"' + bytes(size) + b'"')
    return events.Mail(number, "id", f"@{id}:{id}", id, "", 0, "sealed", content)


async def test_reading_waits_for_a_worker_that_is_far_behind() -> None:
    backlog = Backlog()
    for number in range(FAR_BEHIND):
        await backlog.put(mail(number))
    putting = asyncio.create_task(backlog.put(mail(FAR_BEHIND)))
    await asyncio.sleep(0)
    assert not putting.done()
    assert len(await backlog.take()) == FAR_BEHIND
    await putting
    assert [event.n for event in await backlog.take() if isinstance(event, events.Mail)] == [FAR_BEHIND]


async def test_reading_goes_on_while_the_worker_waits_for_an_answer_and_has_an_end() -> None:
    backlog = Backlog()
    for number in range(FAR_BEHIND):
        await backlog.put(mail(number))
    putting = asyncio.create_task(backlog.put(mail(FAR_BEHIND)))
    await asyncio.sleep(0)
    with backlog.asking():
        await putting
        with pytest.raises(CannotConnect):
            for number in range(40):
                await backlog.put(mail(number, 1024 * 1024))
    assert number * 1024 * 1024 <= MAX_AHEAD
    full = asyncio.create_task(backlog.put(mail(0)))
    await asyncio.sleep(0)
    assert not full.done()
    full.cancel()
