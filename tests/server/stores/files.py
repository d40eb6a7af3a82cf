"""Store files to open, harm and limit, and a few changes to put into them."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from talk.server.ports import (
    AccountRow,
    AppendRecord,
    Change,
    DeliverMail,
    RegisterAccount,
    Snapshot,
    StoreError,
)
from talk.server.stores.sqlite import SqliteStore

NEEDLE = b"a record in the middle"
PAGE = 4096


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def register(account: str) -> RegisterAccount:
    row = AccountRow(account, account, account, 1, {f"{account}-1": "key"})
    return RegisterAccount(row, b"identity", "", 1)


def say(room: str, id: str, content: bytes = b"hello") -> AppendRecord:
    return AppendRecord(room, id, "alice", "alice-1", 10, "text", content, hashlib.sha256(content).digest())


def send(id: str, content: bytes = b"sealed") -> DeliverMail:
    lists = {"alice": 1, "bob": 1}
    return DeliverMail(id, "alice", "alice-1", "bob", 10, {"bob-1": content}, lists, hashlib.sha256(content).digest())


async def lobby_of(store: SqliteStore) -> str:
    return (await store.load()).rooms[0].room


async def filled(path: Path, records: int = 50, size: int = 200) -> Snapshot:
    """Make a store with two accounts and some records, and close it."""
    async with opened(path) as store:
        lobby = await lobby_of(store)
        batch: list[Change] = [register("alice"), register("bob")]
        batch += [say(lobby, str(i), NEEDLE if i == records // 2 else os.urandom(size)) for i in range(records)]
        await store.commit(batch)
        return await store.load()


async def why_not_opened(path: Path, kind: type[StoreError]) -> str:
    with pytest.raises(kind) as caught:
        async with opened(path):
            pass
    assert caught.type is kind
    return str(caught.value)


def edit(path: Path, script: str) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript(script)
    db.close()


def spoil(path: Path) -> None:
    """Damage one page of records, which nothing needs for opening."""
    data = bytearray(path.read_bytes())
    page = data.index(NEEDLE) // PAGE * PAGE
    data[page : page + 8] = b"\xa5" * 8
    path.write_bytes(data)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process may grow beyond this size, as when a disk is full."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def server_process(path: Path) -> Iterator[None]:
    """Another process that opens the store, commits one record, and is killed at the end."""
    program = (
        "import asyncio, pathlib, sys\n"
        "from talk.server.ports import AppendRecord\n"
        "from talk.server.stores.sqlite import SqliteStore\n"
        "async def main():\n"
        "    store = SqliteStore(pathlib.Path(sys.argv[1]))\n"
        "    await store.open()\n"
        "    room = (await store.load()).rooms[0].room\n"
        "    await store.commit([AppendRecord(room, 'theirs', 'a', 'a-1', 1, 'text', b'x', b'd')])\n"
        "    print('ready', flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().strip() == b"ready"
            yield
        finally:
            process.send_signal(signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
