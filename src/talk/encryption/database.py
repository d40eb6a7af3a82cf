"""The encrypted file of a profile: one SQLCipher database on one thread, and transactions that nest.

The client keeps its own tables in the same file (`migrate`), so that a message and the ratchet that opened it are
saved together or not at all. Nothing here remembers anything between calls but the open file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlcipher3 import dbapi2 as sqlcipher

from talk.encryption.errors import (
    ProfileDamaged,
    ProfileInUse,
    ProfileTooNew,
    StorageFailed,
    WrongKey,
)
from talk.encryption.tables import MIGRATIONS

FILE = "profile.db"
KEY_BYTES = 32
BUSY_SECONDS = 2.0
Row = tuple[Any, ...]
_DISK = tuple(
    f"SQLITE_{word}" for word in ("FULL", "IOERR", "READONLY", "CANTOPEN", "PERM", "NOMEM", "NOLFS", "TOOBIG")
)


class Database:
    """An open profile. Use it on the thread that opened it, and close it there.

    Errors of every method: StorageFailed, ProfileDamaged, ProfileInUse.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __repr__(self) -> str:
        return "<Database>"

    @property
    def in_transaction(self) -> bool:
        return bool(self._connection.in_transaction)

    def run(self, sql: str, *values: object) -> int:
        """Carry out one statement; says how many rows it changed."""
        with _translated():
            return int(self._connection.execute(sql, values).rowcount)

    def run_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Carry out one statement for each of the rows."""
        with _translated():
            self._connection.executemany(sql, rows)

    def one(self, sql: str, *values: object) -> Row | None:
        """The first row of a query, or None."""
        rows = self.all(sql, *values)
        return rows[0] if rows else None

    def all(self, sql: str, *values: object) -> list[Row]:
        """Every row of a query. Whatever can grow is asked for with LIMIT."""
        with _translated():
            return list(self._connection.execute(sql, values))

    def close(self) -> None:
        self._connection.close()


def open_database(path: Path, key: bytes) -> Database:
    """Open or make the SQLCipher database at `path` (mode 0600) with a raw key of 32 bytes, and bring it up to date.

    The file stays locked for other programs until it is closed.
    Errors: WrongKey, ProfileDamaged, ProfileTooNew, ProfileInUse, StorageFailed.
    """
    if len(key) != KEY_BYTES:
        raise WrongKey
    try:
        # SQLite gives its own files the mode of the database, so this one call makes all of them private.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise StorageFailed(error.strerror or "cannot open the file") from error
    connection = sqlcipher.connect(str(path), isolation_level=None, timeout=BUSY_SECONDS)
    try:
        _prepare(connection, key)
        db = Database(connection)
        migrate(db, "encryption", MIGRATIONS)
    except BaseException:
        connection.close()
        raise
    return db


def _prepare(connection: Any, key: bytes) -> None:
    try:
        # It writes to stderr by itself otherwise, over whatever a terminal client is showing.
        connection.execute("PRAGMA cipher_log_level = NONE")
        connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    except sqlcipher.DatabaseError as error:
        if _name(error) == "SQLITE_NOTADB":
            raise WrongKey from None
        with _translated():
            raise


@contextmanager
def transaction(db: Database) -> Iterator[None]:
    """Everything inside is saved together, or nothing is. Inside another transaction it is a part of that one.

    An exception that leaves the block undoes the block: the whole transaction if it is the outermost one, otherwise
    only this part, so that a caller may catch it and go on.
    Errors: StorageFailed, ProfileDamaged, ProfileInUse.
    """
    nested = db.in_transaction
    db.run("SAVEPOINT part" if nested else "BEGIN IMMEDIATE")
    try:
        yield
        db.run("RELEASE part" if nested else "COMMIT")
    except BaseException:
        _undo(db, nested)
        raise


def _undo(db: Database, nested: bool) -> None:
    # SQLite ends the whole transaction by itself after some errors, a full disk among them.
    if not db.in_transaction:
        return
    if nested:
        db.run("ROLLBACK TO part")
        db.run("RELEASE part")
    else:
        db.run("ROLLBACK")


def migrate(db: Database, component: str, steps: Sequence[Sequence[str]]) -> None:
    """Bring the tables of a component up to date. Step number n is the statements that lead from version n to n + 1.

    Steps that were released never change; new ones are added at the end.
    Errors: ProfileTooNew when the file has seen more steps than these.
    """
    with transaction(db):
        db.run("CREATE TABLE IF NOT EXISTS components (name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT")
        row = db.one("SELECT version FROM components WHERE name = ?", component)
        version = row[0] if row else 0
        if version > len(steps):
            raise ProfileTooNew
        for statement in (statement for step in steps[version:] for statement in step):
            db.run(statement)
        db.run("INSERT OR REPLACE INTO components VALUES (?, ?)", component, len(steps))


def _name(error: Exception) -> str:
    return str(getattr(error, "sqlite_errorname", ""))


@contextmanager
def _translated() -> Iterator[None]:
    """What can happen to anybody becomes an error of ours; a mistake in a statement stays what it is, and loud."""
    try:
        yield
    except sqlcipher.Error as error:
        name = _name(error)
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            raise ProfileDamaged("its database") from error
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise ProfileInUse from error
        if name.startswith(_DISK):
            raise StorageFailed(name.removeprefix("SQLITE_").lower()) from error
        raise
