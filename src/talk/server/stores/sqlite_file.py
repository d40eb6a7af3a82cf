"""The file that a store is: who may open it, where it may lie, how a new one comes to be."""

from __future__ import annotations

import os
import secrets
import sqlite3
import sys
from pathlib import Path

from talk.local.errors import FolderError
from talk.local.folders import make_private
from talk.protocol.ids import random_id
from talk.server.ports import StoreError, StoreTooNew
from talk.server.stores import schema
from talk.server.stores.sqlite_errors import busy, code_of, damaged, when_opening

BUSY_SECONDS = 2.0  # how long another program's lock on the file is waited for
KEPT_PREFIX = ".before-restore-"
LOBBY = "lobby"
SEED_BYTES = 32  # Ed25519 (RFC 8032 section 5.1.5)

_PAGES_BEFORE_CHECKPOINT = 4_000  # of 4 KiB: fewer, larger checkpoints write a page once that changed many times
_WAL_KEPT = 64 * 1024 * 1024  # bytes that the write-ahead log may keep on disk after a burst
_CACHE_KIB = 16 * 1024
_STATEMENTS = 256  # prepared statements kept per connection

_TABLES = (
    "accounts",
    "identities",
    "devices",
    "invites",
    "sends",
    "mailboxes",
    "mail",
    "one_time_keys",
    "fallback_keys",
)

# SQLite needs locks and shared memory that these do not give (sqlite.org/wal.html, "Disadvantages").
_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncpfs", "afs", "ceph", "lustre", "glusterfs", "davfs"}
    | {"fuse.sshfs", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.davfs", "fuse.ceph", "fuse.smbnetfs"}
)


class Lock:
    """Keeps other processes from this store, by a lock on an empty file beside it, until `release` or the end of the
    process. The store's own file cannot be locked as a whole, because our readers would be kept out too.

    Errors: StoreBusy, StoreError.
    """

    def __init__(self, path: Path) -> None:
        file = path.with_name(path.name + ".lock")
        _touch_private(file)
        try:
            self._db = connect(file)
        except sqlite3.Error as error:
            raise when_opening(error, file) from error
        try:
            self._db.execute("PRAGMA journal_mode = OFF")  # nothing is ever written to it
            self._db.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            self._db.close()
            if code_of(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise busy(path) from error
            raise when_opening(error, file) from error

    def release(self) -> None:
        self._db.close()


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection to a file that exists. It is in autocommit mode and may be handed from thread to thread."""
    mode = "ro" if read_only else "rw"
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENTS,
    )


def connect_to_write(path: Path) -> sqlite3.Connection:
    """The one connection that writes: what it commits is on disk.

    Errors: StoreError when the disk cannot hold a write-ahead log, sqlite3.Error.
    """
    db = connect(path)
    try:
        if db.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise StoreError(
                f"The disk of {path} cannot hold a store safely. Please put it on a disk of this computer."
            )
        for setting in (
            "synchronous = FULL",
            "secure_delete = ON",
            f"wal_autocheckpoint = {_PAGES_BEFORE_CHECKPOINT}",
            f"journal_size_limit = {_WAL_KEPT}",
            f"cache_size = -{_CACHE_KIB}",
        ):
            db.execute(f"PRAGMA {setting}")
        if sys.platform == "darwin":  # where fsync leaves data in the drive's own memory
            db.execute("PRAGMA fullfsync = ON")
            db.execute("PRAGMA checkpoint_fullfsync = ON")
    except BaseException:
        db.close()
        raise
    return db


def prepare_folder(path: Path) -> None:
    """Make the store's folder if it is missing. Errors: StoreError, also for a folder of another machine."""
    folder = path.absolute().parent
    try:
        if not folder.exists():
            make_private(folder)
        mounts = Path("/proc/mounts").read_text("utf-8", "replace") if sys.platform == "linux" else ""
    except FolderError as error:
        raise StoreError(str(error)) from error
    except OSError:
        return  # a system that does not tell
    kind = filesystem_of(folder.resolve(), mounts)
    if kind in _NETWORK:
        raise StoreError(
            f"{folder} lies on another machine ({kind}), where a store can be damaged. Nothing was changed. "
            "Please choose a folder on a disk of this computer."
        )


def filesystem_of(folder: Path, mounts: str) -> str:
    """The kind of file system that holds this folder, by a table as in /proc/mounts (proc(5)); "" if unknown."""
    best, kind = -1, ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(fields[1].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\"))
        if folder.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), fields[2]
    return kind


def create(path: Path) -> None:
    """Make a new store. It appears under its name whole or not at all.

    Errors: StoreDamaged when there are remains of an older one, StoreError.
    """
    remains = sorted(entry.name for entry in path.absolute().parent.iterdir() if _is_remains(entry, path))
    if remains:
        raise damaged(
            path, f"the file is gone, but {remains[0]} is still beside it; a restore may have been interrupted"
        )
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    new.with_name(new.name + "-journal").unlink(missing_ok=True)
    _touch_private(new)
    try:
        db = connect(new)
        try:
            schema.migrate(db)
            rows = [("server_key", secrets.token_bytes(SEED_BYTES)), ("epoch", random_id().encode()), ("clean", b"1")]
            db.executemany("INSERT INTO meta VALUES (?, ?)", rows)
            db.execute("INSERT INTO rooms (room, name, head) VALUES (?, ?, 0)", (random_id(), LOBBY))
        finally:
            db.close()
        put_in_place(new, path)
    except sqlite3.Error as error:
        new.unlink(missing_ok=True)
        raise when_opening(error, path) from error


def check_kind(db: sqlite3.Connection, path: Path) -> None:
    """See that this is a TAlk store which this TAlk can read. Nothing is written.

    Errors: StoreDamaged, StoreTooNew, sqlite3.Error.
    """
    if db.execute("PRAGMA application_id").fetchone()[0] != schema.APPLICATION_ID:
        raise damaged(path, "it does not begin like one")
    version = schema.version_of(db)
    if version > len(schema.MIGRATIONS):
        raise StoreTooNew(
            f"The store {path} was written by a newer TAlk (its version is {version}, this program knows "
            f"{len(schema.MIGRATIONS)}). Nothing was changed. Please update TAlk."
        )


def check_content(db: sqlite3.Connection, path: Path) -> None:
    """See that what every start needs is there. Cheap: the whole file is not read.

    Errors: StoreDamaged, sqlite3.Error.
    """
    try:
        meta = dict(db.execute("SELECT key, value FROM meta").fetchall())
        heads = "SELECT count(*) FROM rooms WHERE head <> "
        behind = db.execute(heads + "(SELECT coalesce(max(seq), 0) FROM records WHERE room = rooms.room)").fetchone()[0]
        for table in _TABLES:
            db.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()
    except sqlite3.OperationalError as error:
        if code_of(error) == sqlite3.SQLITE_ERROR:  # there is no such table
            raise damaged(path, str(error)) from error
        raise
    except UnicodeError as error:  # SQLite tells it by itself of values, but not of the names of columns
        raise damaged(path, "a name in it is no text") from error
    key, epoch = meta.get("server_key"), meta.get("epoch")
    if not (isinstance(key, bytes) and len(key) == SEED_BYTES and isinstance(epoch, bytes) and epoch.isalnum()):
        raise damaged(path, "the server's key or epoch is missing")
    if behind:
        raise damaged(path, "the newest messages of a room are missing")


def put_in_place(new: Path, path: Path) -> None:
    """Give a finished file its name, so that a power cut leaves either none or the whole of it. Errors: StoreError."""
    try:
        with new.open("rb+") as file:
            os.fsync(file.fileno())
        new.replace(path)
        sync_folder(path.absolute().parent)
    except OSError as error:
        raise StoreError(f"{path} could not be written: {error.strerror}. Nothing else was changed.") from error


def sync_folder(folder: Path) -> None:
    """Put names in a folder on disk. Windows has no such call."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def new_private(path: Path) -> None:
    """Make an empty file that only this user can read (0600). Errors: OSError, also when it exists."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _touch_private(path: Path) -> None:
    try:
        new_private(path)
    except FileExistsError:
        return
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror}. Nothing was changed. Please look whether the disk is full "
            "and whether this user may write to the folder."
        ) from error


def _is_remains(entry: Path, path: Path) -> bool:
    if entry.name == path.name + "-wal":
        return entry.stat().st_size > 0
    return entry.name.startswith(path.name + KEPT_PREFIX)
