"""A store in one SQLite file: a thread that writes, a few that read, one for work that takes long.

After a stop that was not in order the file is looked through in the background: `checking` is that work, `damage` what
it found.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from talk.server.ports import Change, KeyCount, LeftOff, MailItem, Outcome, Record, Snapshot, StoreUnavailable
from talk.server.stores import sqlite_reads
from talk.server.stores.sqlite_backup import restore, write_backup
from talk.server.stores.sqlite_changes import key_count
from talk.server.stores.sqlite_errors import RESTORE, when_opening
from talk.server.stores.sqlite_file import connect
from talk.server.stores.sqlite_readers import Readers
from talk.server.stores.sqlite_writer import Writer

__all__ = ["SqliteStore", "restore"]

log = logging.getLogger(__name__)

READERS = 2  # threads
INTERRUPT_AGAIN = 0.05  # seconds; an interrupt between two statements goes unheard

_LOOK = "PRAGMA quick_check(1)"

P = ParamSpec("P")
T = TypeVar("T")


class SqliteStore:
    """The port `talk.server.ports.Store` on the file `path`.

    `checking` is a task while the file is looked through, which ends with the store; None after an orderly stop.
    `damage` is a sentence for the owner once something was found.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Writer | None = None
        self._readers: list[sqlite3.Connection] = []
        self._looking: sqlite3.Connection | None = None
        self._closing = threading.Event()
        self._trusted = False
        self._is_open = False
        self.checking: asyncio.Task[None] | None = None
        self.damage: str | None = None

    async def open(self) -> None:
        self._closing.clear()
        self._writing = ThreadPoolExecutor(1, "store-writing")
        try:
            await self._run(self._writing, self._open)
        except BaseException:
            # Also when the waiting was cancelled: the thread finishes opening and closes again.
            self._writing.submit(self._close)
            self._writing.shutdown(wait=False)
            raise
        self._reading = Readers(self._readers, asyncio.get_running_loop())
        self._aside = ThreadPoolExecutor(1, "store-aside")
        self._is_open = True
        if not self._trusted:
            log.warning("The last server on %s did not stop in order; the file is being looked through.", self._path)
            self.checking = asyncio.create_task(self._run(self._aside, self._look_through))

    async def close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        self._closing.set()
        await self._end_aside()
        await self._reading.close()
        await self._run(self._writing, self._close)
        self._writing.shutdown(wait=False)

    async def commit(self, changes: Sequence[Change]) -> list[Outcome]:
        if not changes:
            return []
        self._check_open()
        assert self._writer is not None
        return await self._run(self._writing, self._writer.commit, tuple(changes))

    async def load(self) -> Snapshot:
        return await self._read(sqlite_reads.load)

    async def records(self, room: str, after: int, limit: int, max_bytes: int) -> list[Record]:
        return await self._read(sqlite_reads.records, room, after, limit, max_bytes)

    async def records_before(self, room: str, before: int, limit: int) -> list[Record]:
        return await self._read(sqlite_reads.records_before, room, before, limit)

    async def mail(self, device: str, after: int, limit: int, max_bytes: int) -> list[MailItem]:
        return await self._read(sqlite_reads.mail, device, after, limit, max_bytes)

    async def left_off(self, device: str, mail: int, rooms: Mapping[str, int]) -> LeftOff:
        return await self._read(sqlite_reads.left_off, device, mail, dict(rooms))

    async def identities(self, accounts: Sequence[str]) -> dict[str, bytes]:
        return await self._read(sqlite_reads.identities, tuple(accounts))

    async def key_count(self, device: str) -> KeyCount:
        return await self._read(key_count, device)

    async def backup(self, target: str) -> None:
        self._check_open()
        await self._run(self._aside, write_backup, self._path, Path(target), self._closing.is_set)

    # ---- threads

    def _check_open(self) -> None:
        if not self._is_open:
            raise StoreUnavailable("The store is closed. What was acknowledged is safe; clients send the rest again.")

    async def _run(self, threads: ThreadPoolExecutor, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.wrap_future(threads.submit(work, *args, **kwargs))

    async def _read(self, query: Callable[..., T], *args: object) -> T:
        self._check_open()
        return await self._reading.ask(query, *args)

    def _open(self) -> None:
        self._writer = Writer(self._path)
        self._trusted = self._writer.was_clean
        try:
            self._readers = [connect(self._path, read_only=True) for _ in range(READERS)]
        except sqlite3.Error as error:
            raise when_opening(error, self._path) from error

    def _close(self) -> None:
        # The writer last: who closes last empties the write-ahead log.
        for reader in self._readers:
            reader.close()
        if self._writer is not None:
            self._writer.close(trusted=self._trusted)
            self._writer = None

    async def _end_aside(self) -> None:
        ending = asyncio.ensure_future(asyncio.to_thread(self._aside.shutdown, cancel_futures=True))
        while not ending.done():
            if (looking := self._looking) is not None:
                with contextlib.suppress(sqlite3.ProgrammingError):  # it was closed just now
                    looking.interrupt()
            await asyncio.wait({ending}, timeout=INTERRUPT_AGAIN)

    def _look_through(self) -> None:
        try:
            found = self._quick_check()
        except sqlite3.Error as error:
            if self._closing.is_set():
                return
            found = str(error)
        if found == "ok":
            self._trusted = True
            log.info("The file %s is whole.", self._path)
        else:
            self.damage = f"The store {self._path} is damaged: {found}. Please stop the server. {RESTORE}"
            log.error("%s", self.damage)

    def _quick_check(self) -> str:
        db = connect(self._path, read_only=True)
        try:
            self._looking = db
            return str(db.execute(_LOOK).fetchone()[0])
        finally:
            self._looking = None
            db.close()
