"""A profile's folder, held by this process: its lock, its key, and its database on a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from talk.client import store
from talk.client.errors import ProfileError
from talk.client.tables import MIGRATIONS
from talk.encryption.database import FILE, Database, migrate, open_database, transaction
from talk.encryption.vault import open_key
from talk.local.folders import make_private
from talk.local.lock import FolderLock
from talk.protocol.link import Link

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
            # To its end: who opened the folder next would meet a new key that is just being written.
            await self.finish(self._open(ask_passphrase, warn))
        except BaseException:
            await self.close()
            raise

    async def _open(self, ask_passphrase: AskPassphrase | None, warn: Warn) -> None:
        def inside() -> Database:
            key = open_key(self.folder, ask_passphrase, warn)
            db = open_database(self.folder / FILE, key)
            try:
                migrate(db, "client", MIGRATIONS)
            except BaseException:
                db.close()
                raise
            return db

        self._db = await self._call(inside)

    @property
    def is_open(self) -> bool:
        return self._db is not None

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

    async def finish(self, steps: Coroutine[Any, Any, R]) -> R:
        """Carry out steps to their end even when who waits for them is cancelled.

        For what is put on disk and then told: it would never be told otherwise.
        """
        task = asyncio.ensure_future(steps)
        task.add_done_callback(_look_at)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task})
            raise

    async def _call(self, work: Callable[..., R], *args: object) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)

    async def close(self) -> None:
        """Give the folder back. A second close does nothing."""
        db, self._db = self._db, None
        try:
            if db is not None:
                # Work that is cancelled before its turn is never done, and the file would stay open.
                await asyncio.shield(self._call(db.close))
        finally:
            self._thread.shutdown()
            self._lock.__exit__(None, None, None)


def begin(db: Database, folder: Path, link: Link | None, wanted: str) -> store.Profile:
    """The profile in this database; a new one for this link and wanted name while there is none.

    Errors: ProfileError where what was given does not fit it, or is missing.
    """
    profile = store.load(db)
    if profile is None:
        if link is None:
            raise ProfileError(f"There is no profile in {folder} yet. Join with a link first.")
        if not wanted:
            raise ProfileError("Choose a name to join with: --name NAME")
        store.create(db, link.server, link.text, wanted)
        return store.loaded(db)
    if link is not None and link.server != profile.own.server:
        raise ProfileError(
            f"The profile in {folder} belongs to another chat. Nothing was changed. Choose another folder for this "
            "one: --data FOLDER"
        )
    if profile.registered and wanted and not store.has_had_name(db, wanted):
        raise ProfileError(
            f"You are {profile.name} in this chat. To take another name: ?name {wanted}. To join as somebody else, "
            "choose another folder: --data FOLDER"
        )
    return profile


def _look_at(task: asyncio.Future[R]) -> None:
    """An error is told to whoever waits; nobody does any more when they were cancelled."""
    if not task.cancelled():
        task.exception()
