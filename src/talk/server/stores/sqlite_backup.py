"""Copies of a store: taken while it is written, checked before they are used, put in place so that nothing is lost."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path

from talk.protocol.ids import random_id
from talk.server.ports import StoreDamaged, StoreError
from talk.server.stores.sqlite_errors import when_opening
from talk.server.stores.sqlite_file import (
    KEPT_PREFIX,
    Lock,
    check_content,
    check_kind,
    connect,
    new_private,
    prepare_folder,
    put_in_place,
    sync_folder,
)

_PAGES_AT_ONCE = 2_048  # of 4 KiB, between looks at whether to go on


def write_backup(source: Path, target: Path, is_over: Callable[[], bool]) -> None:
    """Copy an open store as of one moment to a new file. Stops with an error when `is_over` becomes true.

    Errors: StoreError; then there is no such file.
    """
    if target.exists() or target.is_symlink():
        raise StoreError(f"{target} exists already. Nothing was written. Please name a new file.")
    new = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        _copy(source, new, is_over)
        put_in_place(new, target)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"The backup {target} could not be written: {error}. The store itself is not touched. Please look whether "
            "the folder exists and the disk has room."
        ) from error
    finally:
        new.unlink(missing_ok=True)


def restore(backup: Path, path: Path) -> None:
    """Put a checked copy of a backup in a store's place, and begin a new epoch in it, so that clients read again.

    The store that was there is kept beside it as `….before-restore-N`. When this is interrupted, a server does not
    start on what is left, and restoring again is safe.

    Errors: StoreDamaged (the backup), StoreTooNew (the backup), StoreBusy (a server runs), StoreError.
    """
    prepare_folder(path)
    lock = Lock(path)
    new = path.with_name(path.name + ".restoring")
    try:
        if not backup.is_file():
            raise StoreError(f"There is no backup {backup}. Nothing was changed. Please check the name.")
        if path.exists() and path.samefile(backup):
            raise StoreError(f"{backup} is the store itself, not a backup of it. Nothing was changed.")
        new.unlink(missing_ok=True)
        _checked_copy(backup, new)
        _set_aside(path)
        put_in_place(new, path)
    except OSError as error:
        raise StoreError(f"{path} could not be replaced: {error}. Please look at its folder and try again.") from error
    finally:
        new.unlink(missing_ok=True)
        lock.release()


def _checked_copy(backup: Path, new: Path) -> None:
    try:
        _copy(backup, new, lambda: False)
        _make_ready(new, backup)
    except sqlite3.Error as error:
        problem = when_opening(error, backup)
        raise _unusable(backup) if isinstance(problem, StoreDamaged) else problem from error
    except (StoreDamaged, UnicodeError) as error:  # SQLite's own sentence about damage may be no text
        raise _unusable(backup) from error


def _unusable(backup: Path) -> StoreDamaged:
    return StoreDamaged(f"{backup} is damaged or no backup of TAlk's. Nothing was changed. Please use another one.")


def _copy(source: Path, new: Path, is_over: Callable[[], bool]) -> None:
    """Errors: OSError, sqlite3.Error, StoreError."""

    def go_on(_status: int, _remaining: int, _total: int) -> None:
        if is_over():
            raise StoreError("The server is stopping, so the backup was given up. The store itself is not touched.")

    new_private(new)
    reading = connect(source, read_only=True)
    try:
        reading.execute("BEGIN")  # one moment for the whole copy, however much is written meanwhile
        check_kind(reading, source)
        writing = connect(new)
        try:
            reading.backup(writing, pages=_PAGES_AT_ONCE, progress=go_on)
            writing.execute("PRAGMA journal_mode = DELETE")  # a backup is one file
        finally:
            writing.close()
    finally:
        reading.close()


def _make_ready(new: Path, backup: Path) -> None:
    db = connect(new)
    try:
        if db.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok":
            raise _unusable(backup)
        check_content(db, backup)
        db.execute("BEGIN")
        db.execute("REPLACE INTO meta VALUES ('epoch', ?)", (random_id().encode(),))
        db.execute("REPLACE INTO meta VALUES ('clean', ?)", (b"1",))
        db.execute("COMMIT")
    finally:
        db.close()


def _set_aside(path: Path) -> None:
    """Rename the old store with its write-ahead log, which may hold its newest messages."""
    log, index = path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")
    if not path.exists() and not log.exists():
        return
    number = 1
    while any(path.with_name(f"{path.name}{KEPT_PREFIX}{number}{suffix}").exists() for suffix in ("", "-wal")):
        number += 1
    kept = path.with_name(f"{path.name}{KEPT_PREFIX}{number}")
    if path.exists():
        path.replace(kept)
    if log.exists():
        log.replace(kept.with_name(kept.name + "-wal"))
    index.unlink(missing_ok=True)
    sync_folder(path.absolute().parent)
