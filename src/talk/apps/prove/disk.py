"""A disk that can be full, and whose power can be cut: a FUSE file system over a folder (Linux, libfuse 2, fusepy).

`python -m talk.apps.prove.disk FOLDER MOUNTPOINT SEED` mounts it, and prints `{"event": "mounted"}`. FOLDER is what is
on disk. What programs write stays in memory until they sync it. Names are an exception: files that are made, renamed or
removed are so at once. Orders on standard input, each answered by `{"event": "done"}`:

    full (on)           every write fails as on a full disk
    kill_at (sync, pid) as the sync of this number from now begins, the process group `pid` is killed
    cut_at (sync, pid)  the same, and the power is cut at that moment
    cut                 the power is cut: what was not synced is lost, and every call fails until `plug`
    plug                the disk is there again
    sync                everything is on disk
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from talk.apps.output import print_json
from talk.apps.prove.unsynced import Unsynced

_STAT = ("st_atime", "st_ctime", "st_gid", "st_mode", "st_mtime", "st_nlink", "st_size", "st_uid", "st_blocks")
_STATFS = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files", "f_flag", "f_frsize")
_SHARED = "-shm"  # SQLite's index of its log, in memory that processes share: nothing in it has to last

Order = dict[str, Any]


class Disk:
    """The folder and what is not synced, as FUSE asks for it. Errors: OSError, which programs get to see.

    A method for each of FUSE's operations (fusepy calls them by name); `fi` is its struct fuse_file_info.
    """

    use_ns = True

    def __init__(self, folder: str, seed: str) -> None:
        self._folder = folder
        self._chance = Random(seed)  # noqa: S311 - which pages a power cut finds on the disk
        self._lock = threading.RLock()
        self._unsynced: dict[int, Unsynced] = {}  # by inode
        self._inode: dict[int, int] = {}  # by open file
        self._is_full = self._is_cut = False
        self._syncs = self._kill_at = self._kill = 0
        self._cut_then = False

    def __call__(self, operation: str, *arguments: Any) -> Any:
        method = getattr(self, operation, None)
        if method is None:
            raise OSError(errno.ENOSYS, "")
        with self._lock:
            if self._is_cut and operation not in ("init", "destroy", "release", "releasedir"):
                raise OSError(errno.EIO, "")
            return method(*arguments)

    # ---- what is ordered

    def obey(self, order: Order) -> None:
        with self._lock:
            match order:
                case {"do": "full", "on": on}:
                    self._is_full = bool(on)
                case {"do": "kill_at" | "cut_at" as what, "sync": number, "pid": pid}:
                    self._kill_at, self._kill = self._syncs + int(number), int(pid)
                    self._cut_then = what == "cut_at"
                case {"do": "cut"}:
                    self._cut()
                case {"do": "plug"}:
                    self._is_cut, self._kill_at = False, 0
                case {"do": "sync"}:
                    self._sync_all()

    def _cut(self) -> None:
        for path, unsynced in self._files():
            file = os.open(path, os.O_RDWR)
            try:
                unsynced.lose(file, self._chance)
            finally:
                os.close(file)
        self._unsynced.clear()
        self._is_cut = True

    def _sync_all(self) -> None:
        for path, unsynced in self._files():
            file = os.open(path, os.O_RDWR)
            try:
                unsynced.sync(file)
            finally:
                os.close(file)
        self._unsynced.clear()

    def _files(self) -> list[tuple[Path, Unsynced]]:
        """Every file that has something unsynced."""
        files = [path for path in Path(self._folder).rglob("*") if path.is_file()]
        inodes = {path.stat().st_ino: path for path in files}
        return [(inodes[inode], unsynced) for inode, unsynced in self._unsynced.items() if inode in inodes]

    # ---- names

    def _path(self, path: str) -> str:
        return self._folder + path

    def init(self, path: str) -> None:
        print_json({"event": "mounted"})

    def destroy(self, path: str) -> None:
        pass

    def getattr(self, path: str, fi: Any = None) -> dict[str, Any]:
        found = os.lstat(self._path(path))
        seen = {name: getattr(found, name) for name in _STAT}
        for name in ("st_atime", "st_mtime", "st_ctime"):
            seen[name] = getattr(found, f"{name}_ns")
        unsynced = self._unsynced.get(found.st_ino)
        if unsynced is not None:
            seen["st_size"] = unsynced.size
        return seen

    def opendir(self, path: str) -> int:
        return 0

    def releasedir(self, path: str, fh: int) -> None:
        pass

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *os.listdir(self._path(path))]  # noqa: PTH208

    def mkdir(self, path: str, mode: int) -> None:
        os.mkdir(self._path(path), mode)  # noqa: PTH102

    def rmdir(self, path: str) -> None:
        os.rmdir(self._path(path))  # noqa: PTH106

    def mknod(self, path: str, mode: int, device: int) -> None:
        os.mknod(self._path(path), mode, device)

    def unlink(self, path: str) -> None:
        self._unsynced.pop(os.lstat(self._path(path)).st_ino, None)
        os.unlink(self._path(path))  # noqa: PTH108

    def rename(self, old: str, new: str) -> None:
        os.rename(self._path(old), self._path(new))  # noqa: PTH104

    def chmod(self, path: str, mode: int) -> None:
        os.chmod(self._path(path), mode)  # noqa: PTH101

    def chown(self, path: str, user: int, group: int) -> None:
        os.chown(self._path(path), user, group)

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> None:
        os.utime(self._path(path), ns=times or (time.time_ns(), time.time_ns()))

    def access(self, path: str, mode: int) -> None:
        if not os.access(self._path(path), mode):
            raise OSError(errno.EACCES, "")

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._folder)
        return {name: getattr(found, name) for name in _STATFS}

    # ---- content

    def create(self, path: str, mode: int, fi: Any) -> int:
        return self._opened(os.open(self._path(path), os.O_RDWR | os.O_CREAT, mode), path, fi)

    def open(self, path: str, fi: Any) -> int:
        # What is unsynced is read through the same file, so one for writing has to be readable too.
        writes = fi.flags & (os.O_WRONLY | os.O_RDWR)
        file = self._opened(os.open(self._path(path), os.O_RDWR if writes else os.O_RDONLY), path, fi)
        if writes and fi.flags & os.O_TRUNC:
            self.truncate(path, 0)
        return file

    def _opened(self, file: int, path: str, fi: Any) -> int:
        self._inode[file] = os.fstat(file).st_ino
        fi.fh = file
        fi.direct_io = not path.endswith(_SHARED)  # shared memory is not to be had without the kernel's own pages
        return 0

    def read(self, path: str, length: int, offset: int, fi: Any) -> bytes:
        unsynced = self._unsynced.get(self._inode[fi.fh])
        return os.pread(fi.fh, length, offset) if unsynced is None else unsynced.read(fi.fh, length, offset)

    def write(self, path: str, data: bytes, offset: int, fi: Any) -> int:
        if path.endswith(_SHARED):
            return os.pwrite(fi.fh, data, offset)
        if self._is_full:
            raise OSError(errno.ENOSPC, "")
        inode = self._inode[fi.fh]
        if inode not in self._unsynced:
            self._unsynced[inode] = Unsynced(os.fstat(fi.fh).st_size)
        self._unsynced[inode].write(fi.fh, data, offset)
        return len(data)

    def truncate(self, path: str, length: int, fi: Any = None) -> None:
        if self._is_full and length > self.getattr(path)["st_size"]:
            raise OSError(errno.ENOSPC, "")
        os.truncate(self._path(path), length)
        unsynced = self._unsynced.get(os.stat(self._path(path)).st_ino)  # noqa: PTH116
        if unsynced is not None:
            unsynced.truncate(length)

    def fsync(self, path: str, only_data: int, fi: Any) -> None:
        self._syncs += 1
        if self._syncs == self._kill_at:
            os.killpg(self._kill, signal.SIGKILL)
            if self._cut_then:
                self._cut()
            raise OSError(errno.EIO, "")
        unsynced = self._unsynced.pop(self._inode[fi.fh], None)
        if unsynced is not None:
            file = os.open(self._path(path), os.O_RDWR)
            try:
                unsynced.sync(file)
            finally:
                os.close(file)

    def fsyncdir(self, path: str, only_data: int, fh: int) -> None:
        pass

    def flush(self, path: str, fi: Any) -> None:
        pass

    def release(self, path: str, fi: Any) -> None:
        self._inode.pop(fi.fh, None)
        os.close(fi.fh)


def _obey_orders(disk: Disk) -> None:
    """Until there will be none: whoever mounted this has gone then, and it shall not stay behind."""
    while line := sys.stdin.buffer.readline():
        disk.obey(msgspec.json.decode(line))
        print_json({"event": "done"})
    os.kill(os.getpid(), signal.SIGTERM)


def main(arguments: list[str]) -> int:
    """Mount it, until somebody unmounts it."""
    from fuse import FUSE

    folder, mountpoint, seed = arguments
    disk = Disk(folder, seed)
    threading.Thread(target=_obey_orders, args=[disk], name="orders", daemon=True).start()
    FUSE(
        disk,
        mountpoint,
        foreground=True,
        raw_fi=True,
        fsname="talk-prove",
        big_writes=True,
        attr_timeout=0,
        entry_timeout=0,
        ac_attr_timeout=0,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
