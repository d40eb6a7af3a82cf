"""Group commit: everything decided since the last commit goes to the store in one transaction.

It is also the tick of delivery. When it is quiet a commit follows at once. After each there is a pause of twice the
time that it and its delivery took, at most 25 ms: what is committed together is written to the disk, encoded and sent
together.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from talk.server.ports import AppendRecord, Change, Outcome, Store

log = logging.getLogger(__name__)

MAX_BATCH = 2_000  # changes
MAX_BATCH_BYTES = 256 * 1024  # of content: what is committed together is written to every socket together
MAX_PAUSE = 0.025  # seconds

Answer = Callable[[Outcome], None]


class Commits:
    """Takes changes and answers each after it is on disk.

    `deliver` is called once after each batch; `lost` when it is not known whether a batch was written, or who was told
    of it, whatever went wrong: nothing that waits is answered then.
    """

    def __init__(self, store: Store, deliver: Callable[[], None], lost: Callable[[Exception], None]) -> None:
        self._store, self._deliver, self._lost = store, deliver, lost
        self._pending: list[tuple[Change, Answer]] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.batches = self.changes = 0

    def add(self, change: Change, answer: Answer) -> None:
        self._pending.append((change, answer))
        self._idle.clear()
        self._wake.set()

    async def run(self) -> None:
        """Commit until cancelled."""
        while True:
            await self._wake.wait()
            spent = await self._commit_once()
            if spent:
                await asyncio.sleep(min(2 * spent, MAX_PAUSE))

    async def flush(self) -> None:
        """Wait until everything added so far is committed or lost."""
        await self._idle.wait()

    def drop(self) -> None:
        """Forget what waits, unanswered: its senders will ask again."""
        self._pending.clear()
        self._idle.set()

    async def _commit_once(self) -> float:
        """Commit what has gathered; the seconds that this and delivering it took."""
        started = time.perf_counter()
        size = self._batch_size()
        batch, self._pending = self._pending[:size], self._pending[size:]
        try:
            outcomes = await self._store.commit([change for change, _ in batch]) if batch else []
        except Exception as error:
            self._lost(error)
            return 0.0
        finally:
            if not self._pending:
                self._wake.clear()
        self._answer(batch, outcomes)
        self.batches += 1
        self.changes += len(batch)
        if not self._pending:
            self._idle.set()
        return time.perf_counter() - started

    def _batch_size(self) -> int:
        """How many of the changes that wait are committed next; one at least, if there is one."""
        left = MAX_BATCH_BYTES
        for number, (change, _) in enumerate(self._pending[:MAX_BATCH]):
            left -= _content_size(change)
            if left < 0 and number:
                return number
        return min(len(self._pending), MAX_BATCH)

    def _answer(self, batch: Sequence[tuple[Change, Answer]], outcomes: Sequence[Outcome]) -> None:
        for (change, answer), outcome in zip(batch, outcomes, strict=True):
            try:
                answer(outcome)
            except Exception:
                # A mistake in one rule must not take the answers of everybody else with it.
                log.exception("the answer to a %s failed", type(change).__name__)
        try:
            self._deliver()
        except Exception as error:
            # Nobody knows who got what: only from the disk can each be given all of it once.
            log.exception("delivering a commit failed")
            self._lost(error)


def _content_size(change: Change) -> int:
    """Bytes that go to everybody in a room; mail goes to one mailbox, which has bounds of its own."""
    return len(change.content) if isinstance(change, AppendRecord) else 0
