"""Group commit: together, in order, answered after the disk and not before."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

import pytest
from tests.server.house import TurnableStore, until

from talk.protocol.ids import random_id
from talk.server import commits
from talk.server.commits import MAX_BATCH, Commits
from talk.server.ports import AddInvite, AppendRecord, Changed, DeliverMail, InviteRow, Outcome


def change(number: int) -> AddInvite:
    return AddInvite(InviteRow(f"{number}", 1, 1))


class Run:
    """Commits that run; `events` is what came of it, in order."""

    def __init__(self) -> None:
        self.store = TurnableStore()
        self.events: list[object] = []
        self.on_delivery: Callable[[], object] = lambda: None
        self.commits = Commits(self.store, self._deliver, self._lost)

    def _deliver(self) -> None:
        self.on_delivery()
        self.events.append("delivered")

    def _lost(self, error: Exception) -> None:
        self.events.append(error)
        self.commits.drop()

    def add(self, number: int) -> None:
        self.commits.add(change(number), lambda outcome: self.events.append((number, outcome)))

    @property
    def sizes(self) -> list[int]:
        return [len(batch) for batch in self.store.batches]


@pytest.fixture
async def run() -> AsyncIterator[Run]:
    run = Run()
    await run.store.open()
    task = asyncio.create_task(run.commits.run())
    yield run
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


DONE = Changed()


async def test_one_is_committed_at_once_and_then_answered(run: Run) -> None:
    run.add(1)
    await run.commits.flush()
    assert run.events == [(1, DONE), "delivered"]
    assert run.sizes == [1]


async def test_what_gathers_during_a_commit_goes_together_in_order(run: Run) -> None:
    run.store.writing.clear()
    run.add(1)
    await until(lambda: run.store.held, "commit")
    for number in range(2, 6):
        run.add(number)
    await asyncio.sleep(0)
    assert run.events == []
    run.store.writing.set()
    await run.commits.flush()
    assert run.sizes == [1, 4]
    assert run.events == [(1, DONE), "delivered", *((number, DONE) for number in range(2, 6)), "delivered"]
    assert (run.commits.batches, run.commits.changes) == (2, 5)


async def test_a_batch_is_bounded(run: Run) -> None:
    for number in range(MAX_BATCH + 1):
        run.add(number)
    await run.commits.flush()
    assert run.sizes == [MAX_BATCH, 1]


async def test_while_delivering_takes_time_commits_are_spaced(run: Run) -> None:
    run.on_delivery = lambda: time.sleep(0.01)
    run.add(1)
    await run.commits.flush()
    delivered_at = time.perf_counter()
    run.add(2)
    await until(lambda: len(run.sizes) == 2, "second commit")
    assert time.perf_counter() - delivered_at > 0.015


async def test_the_pause_is_bounded(run: Run) -> None:
    run.on_delivery = lambda: time.sleep(0.4)
    run.add(1)
    await run.commits.flush()
    delivered_at = time.perf_counter()
    run.on_delivery = lambda: None
    run.add(2)
    await run.commits.flush()
    assert time.perf_counter() - delivered_at < 0.4


async def test_flush_waits_for_everything_added_so_far(run: Run) -> None:
    await run.commits.flush()
    run.store.writing.clear()
    run.add(1)
    waiting = asyncio.create_task(run.commits.flush())
    await until(lambda: run.store.held, "commit")
    run.add(2)
    assert not waiting.done()
    run.store.writing.set()
    await waiting
    assert run.events == [(1, DONE), "delivered", (2, DONE), "delivered"]


@pytest.mark.parametrize("failing", ["before", "after"])
async def test_a_failed_commit_answers_nothing_and_drops_what_waits(run: Run, failing: str) -> None:
    run.store.writing.clear()
    run.store.fail_next = "before" if failing == "before" else "after"
    run.add(1)
    await until(lambda: run.store.held, "commit")
    run.add(2)
    run.store.writing.set()
    await run.commits.flush()
    [error] = run.events
    assert isinstance(error, Exception)
    run.add(3)
    await run.commits.flush()
    assert run.events[1:] == [(3, DONE), "delivered"]
    assert run.sizes == [1, 1]


async def test_a_mistake_in_the_store_ends_nothing(run: Run) -> None:
    run.commits.add(object(), run.events.append)  # type: ignore[arg-type]
    await run.commits.flush()
    [error] = run.events
    assert isinstance(error, KeyError)
    run.add(1)
    await run.commits.flush()
    assert run.events[1:] == [(1, DONE), "delivered"]


async def test_a_mistake_in_one_answer_takes_no_other_with_it(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    def mistake(outcome: Outcome) -> None:
        raise KeyError("a mistake")

    run.add(1)
    run.commits.add(change(2), mistake)
    run.add(3)
    await run.commits.flush()
    assert run.events == [(1, DONE), (3, DONE), "delivered"]
    assert "AddInvite" in caplog.text


async def test_a_mistake_in_delivering_starts_anew_and_ends_nothing(run: Run) -> None:
    """What was gathered for people may be half gone: it must not go out a second time."""

    def mistake() -> None:
        raise KeyError("a mistake")

    run.on_delivery = mistake
    run.add(1)
    await run.commits.flush()
    assert [type(event) for event in run.events] == [tuple, KeyError]
    run.on_delivery = lambda: None
    run.add(2)
    await run.commits.flush()
    assert run.events[2:] == [(2, DONE), "delivered"]


async def test_what_is_too_big_to_go_to_every_socket_at_once_goes_in_parts(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "MAX_BATCH_BYTES", 1_000)
    run.store.writing.clear()
    run.add(0)
    await until(lambda: run.store.held, "commit")
    told: list[object] = []
    for change in (line(600), line(400), line(1), mail(500, 500), line(5_000), line(1)):
        run.commits.add(change, told.append)
    run.store.writing.set()
    await run.commits.flush()
    assert run.sizes == [1, 2, 2, 1, 1]  # mail goes to one socket only, so it does not count
    assert len(told) == 6


def line(size: int) -> AppendRecord:
    return AppendRecord("r", random_id(), "a", "d", 1, "text", b"x" * size, b"")


def mail(*sizes: int) -> DeliverMail:
    contents = {f"{number}": b"x" * size for number, size in enumerate(sizes)}
    return DeliverMail(random_id(), "a", "d", "b", 1, contents, {}, b"")
