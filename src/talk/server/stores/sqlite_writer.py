"""The one connection that writes, used on one thread: opening a store, a batch as one transaction, the end in order."""

from __future__ import annotations

import logging
import sqlite3
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from talk.protocol.errors import Code
from talk.server.ports import AppendRecord, Change, DeliverMail, Outcome, Refusal, StoreError
from talk.server.stores import schema
from talk.server.stores.sqlite_batch import Batch, Known
from talk.server.stores.sqlite_changes import make
from talk.server.stores.sqlite_errors import damaged, is_of_the_engine, when_committing, when_opening
from talk.server.stores.sqlite_file import (
    Lock,
    check_content,
    check_kind,
    connect,
    connect_to_write,
    create,
    prepare_folder,
)

log = logging.getLogger(__name__)

_Way = Callable[[sqlite3.Connection, Known, Sequence[Change]], list[Outcome]]


class Writer:
    """An open store. `was_clean` says whether the last server on it ended in order.

    Errors: StoreDamaged, StoreTooNew, StoreBusy, StoreError.
    """

    def __init__(self, path: Path) -> None:
        prepare_folder(path)
        self._path = path
        self._known = Known()
        self._db: sqlite3.Connection | None = None
        self._lock = Lock(path)
        try:
            self._db = _open(path)
            self.was_clean = self._mark_clean(False)
        except BaseException as error:
            self._drop()
            self._lock.release()
            if isinstance(error, sqlite3.Error):
                raise when_opening(error, path) from error
            if isinstance(error, UnicodeError):  # SQLite's own sentence about damage may be no text
                raise damaged(path, "its tables have names that are no text") from error
            raise

    def close(self, *, trusted: bool) -> None:
        """End in order: the next start need not look through the file, unless it is not trusted."""
        try:
            self._mark_clean(trusted)
        except (sqlite3.Error, StoreError) as error:
            log.warning("the end of the store could not be noted, so the next start checks it: %s", error)
        finally:
            self._drop()
            self._lock.release()

    def commit(self, changes: Sequence[Change]) -> list[Outcome]:
        """Make the changes in one transaction, and return when it is on disk. Errors: StoreUnavailable."""
        try:
            return self._commit(changes)
        except (sqlite3.Error, StoreError) as error:
            # What this connection believes about a disk that failed is not to be built on.
            self._drop()
            raise when_committing(error) from error
        finally:
            self._known.trim()

    def _commit(self, changes: Sequence[Change]) -> list[Outcome]:
        """All at once; and where one of them fails by itself, each with a savepoint of its own."""
        try:
            return self._in_transaction(changes, _make_together)
        except Exception as error:
            if is_of_the_engine(error):
                raise
            return self._in_transaction(changes, _make_apart)

    def _in_transaction(self, changes: Sequence[Change], way: _Way) -> list[Outcome]:
        db = self._connection()
        db.execute("BEGIN IMMEDIATE")
        try:
            outcomes = way(db, self._known, changes)
            db.execute("COMMIT")
        except BaseException as error:
            self._known.forget()
            if not (isinstance(error, Exception) and is_of_the_engine(error)):
                db.execute("ROLLBACK")
            raise
        return outcomes

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            self._db = connect_to_write(self._path)
        return self._db

    def _drop(self) -> None:
        """Closing undoes what was not committed."""
        self._known.forget()
        if self._db is not None:
            self._db.close()
            self._db = None

    def _mark_clean(self, clean: bool) -> bool:
        """Note whether the store is at rest, and return what was noted before."""
        db = self._connection()
        before = db.execute("SELECT value FROM meta WHERE key = 'clean'").fetchone()
        db.execute("REPLACE INTO meta VALUES ('clean', ?)", (b"1" if clean else b"0",))
        return before is not None and before[0] == b"1"


def _open(path: Path) -> sqlite3.Connection:
    """Errors: StoreError, sqlite3.Error."""
    if not path.exists():
        create(path)
    # Before the connection that changes a file to a write-ahead log: a file that is not ours stays as it is.
    looking = connect(path)
    try:
        check_kind(looking, path)
    finally:
        looking.close()
    db = connect_to_write(path)
    try:
        schema.migrate(db)
        check_content(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _make_together(db: sqlite3.Connection, known: Known, changes: Sequence[Change]) -> list[Outcome]:
    batch = Batch(db, known)
    batch.look_up([(change.device, change.id) for change in changes if isinstance(change, AppendRecord | DeliverMail)])
    outcomes = [make(batch, change) for change in changes]
    batch.flush()
    return outcomes


def _make_apart(db: sqlite3.Connection, known: Known, changes: Sequence[Change]) -> list[Outcome]:
    return [_make_one(db, known, change) for change in changes]


def _make_one(db: sqlite3.Connection, known: Known, change: Change) -> Outcome:
    db.execute("SAVEPOINT change")
    try:
        [outcome] = _make_together(db, known, [change])
    except Exception as error:
        if is_of_the_engine(error):
            raise
        db.execute("ROLLBACK TO change")
        known.forget()
        where = "".join(traceback.format_tb(error.__traceback__))  # without the error's text: it may quote the change
        log.error("%s was left out, because it failed with %s:\n%s", type(change).__name__, type(error).__name__, where)
        outcome = Refusal(Code.TRY_AGAIN)
    db.execute("RELEASE change")
    return outcome
