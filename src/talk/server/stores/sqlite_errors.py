"""What SQLite's errors mean for the owner of a server."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from talk.server.ports import StoreBusy, StoreDamaged, StoreError, StoreUnavailable

RESTORE = "Put a backup in its place with `talk restore BACKUP`; the file is kept beside it."

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


def code_of(error: BaseException) -> int:
    """The primary result code (sqlite.org/rescode.html); 0 for an error that Python's module made up."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_of_the_engine(error: Exception) -> bool:
    """Whether this error is about the disk or the file, and so concerns every change, not only the one at hand."""
    own_fault = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError, sqlite3.NotSupportedError)
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, own_fault)


def when_opening(error: sqlite3.Error, path: Path) -> StoreError:
    code = code_of(error)
    if code in _DAMAGED:
        return damaged(path, str(error))
    if code in _BUSY:
        return busy(path)
    return StoreError(
        f"The store {path} cannot be opened: {error}. Nothing was changed. Look whether the disk is full or failing, "
        "and whether this user may read and write the file and its folder; then start again."
    )


def damaged(path: Path, why: str) -> StoreDamaged:
    return StoreDamaged(f"The store {path} is damaged or not a TAlk store: {why}. It was left as it is. {RESTORE}")


def busy(path: Path) -> StoreBusy:
    return StoreBusy(
        f"Another program is using the store {path}. Nothing was changed. Stop the other TAlk server, or close what "
        "has the file open, and start again."
    )


def when_committing(error: BaseException) -> StoreUnavailable:
    match code_of(error):
        case sqlite3.SQLITE_FULL:
            why = "the disk is full. Please make room on it"
        case code if code in _BUSY:
            why = "another program has the file locked. Please close it"
        case code if code in _DAMAGED:
            why = f"the file is damaged. Please stop the server. {RESTORE.removesuffix('.')}"
        case _:
            why = f"the disk did not take it ({error}). Please look whether it is failing"
    return StoreUnavailable(
        f"The last messages could not be saved: {why}. What was acknowledged is safe; clients send the rest again."
    )


def when_reading(error: BaseException) -> StoreUnavailable:
    why = RESTORE if code_of(error) in _DAMAGED else "Please look whether the disk is failing."
    return StoreUnavailable(f"The store could not be read: {error}. Nothing was lost by that. {why}")
