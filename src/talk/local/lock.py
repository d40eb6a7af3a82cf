"""One process per folder. The lock is the operating system's, so it ends with its process, however that ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from talk.local.errors import FolderBusy, FolderError

LOCK_NAME = "lock"


class FolderLock:
    """Holds a folder while the `with` block runs.

    The file is never removed: two processes could then each hold a lock on a file of that name. It holds the owner's
    process id, for people. When this process is killed, a child that `os.fork` made without `exec` keeps the lock.

    Errors on entering: FolderBusy when another process (or this one) holds it, FolderError when the folder cannot be
    used or its disk cannot lock.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._handle: int | None = None

    def __enter__(self) -> Self:
        path = self._folder / LOCK_NAME
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        except OSError as error:
            raise _unusable(self._folder, error) from error
        try:
            if not _try_lock(handle):
                raise FolderBusy(self._folder, _read_pid(handle))
            _write_pid(handle)
        except OSError as error:
            os.close(handle)
            raise _unusable(self._folder, error) from error
        except FolderBusy:
            os.close(handle)
            raise
        self._handle = handle
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is None:
            return
        handle, self._handle = self._handle, None
        try:
            os.ftruncate(handle, 0)
            # Closing alone would leave the lock to a child that is just being started and has not closed its copy.
            _unlock(handle)
        finally:
            os.close(handle)


def _unusable(folder: Path, error: OSError) -> FolderError:
    return FolderError(
        f"TAlk cannot keep the folder {folder} to itself: {error.strerror or error}. Nothing was changed. "
        "Please choose a folder on a disk of this computer that you may write to."
    )


def _read_pid(handle: int) -> int | None:
    """None while its owner has not written it yet."""
    os.lseek(handle, 0, os.SEEK_SET)
    text = os.read(handle, 20).strip()
    return int(text) if text.isdigit() else None


def _write_pid(handle: int) -> None:
    os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, b"%d\n" % os.getpid())


if sys.platform == "win32":
    import msvcrt

    # A locked byte cannot be read by others there, so the lock lies far behind the process id.
    _LOCKED_BYTE = 1 << 30

    def _try_lock(handle: int) -> bool:
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

    def _unlock(handle: int) -> None:
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)
