"""A profile's folder, held by this process: its lock, its key, and its database on a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from talk.client.tables import MIGRATIONS
from talk.encryption.database import FILE, Database, migrate, open_database, transaction
from talk.encryption.vault import open_key
from talk.local.folders import make_private
from talk.local.lock import FolderLock

P = ParamSpec("P")
R = TypeVar("R")
AskPassphrase = Callable[[str], str | None]
Warn = Callable[[str], None]


class ProfileFolder:
    """An open profile. `run` carries out a function on its database, in one transaction, on the database's thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = FolderLock(folder)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="talk-profile")
        self._db: Database | None = None

    async def open(self, ask_passphrase: AskPassphrase | None, warn: Warn) -> None:
        """Errors: FolderBusy and FolderError of talk.local; ProfileError of talk.encryption."""
        make_private(self.folder)
        self._lock.__enter__()
        try:
            key = await asyncio.to_thread(open_key, self.folder, ask_passphrase, warn)
            self._db = await self._call(self._open, key)
        except BaseException:
            await self.close()
            raise

    def _open(self, key: bytes) -> Database:
        db = open_database(self.folder / FILE, key)
        migrate(db, "client", MIGRATIONS)
        return db

    async def run(self, work: Callable[Concatenate[Database, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What `work` returns, once it is on disk. On any error nothing of it is.

        Errors: those of `work`; ProfileError.
        """
        db = self._db
        if db is None:
            raise RuntimeError("the profile is closed")

        def inside() -> R:
            with transaction(db):
                return work(db, *args, **kwargs)

        return await self._call(inside)

    async def _call(self, work: Callable[..., R], *args: object) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)

    async def close(self) -> None:
        """Give the folder back. A second close does nothing."""
        db, self._db = self._db, None
        if db is not None:
            await self._call(db.close)
        self._thread.shutdown()
        self._lock.__exit__(None, None, None)
