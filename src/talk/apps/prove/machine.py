"""What this machine can do for the troubles, and where it cannot, why, in a sentence."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import Sequence
from ctypes.util import find_library
from importlib.util import find_spec
from pathlib import Path

from talk.apps.prove.errors import ProveError
from talk.apps.prove.processes import Child, python

MOUNT_WITHIN = 15.0  # seconds
ANSWER_WITHIN = 30.0  # seconds
PROGRAM = python("talk.apps.prove.disk")
DEVICE = Path("/dev/fuse")
FUSE_NEEDED = "it needs a FUSE file system: Linux, apt-get install libfuse2, pip install '.[prove]'"


def why_no_signals() -> str:
    """Why programs cannot be frozen here; "" when they can."""
    return "" if os.name == "posix" else "this system cannot freeze a program"


def why_no_limits() -> str:
    """Why a running program's files cannot be limited here; "" when they can."""
    return "" if sys.platform == "linux" else "it needs a FUSE file system, or Linux"


def why_no_strace() -> str:
    """Why a program's system calls cannot be watched here; "" when they can."""
    return "" if shutil.which("strace") else "it needs a FUSE file system, or strace"


def may_have_fuse() -> bool:
    """Whether all is there that a FUSE file system needs; mounting one may still not be allowed."""
    found = sys.platform == "linux" and DEVICE.exists() and find_spec("fuse") is not None
    return found and find_library("fuse") is not None


class LossyDisk:
    """A mounted disk of `talk.apps.prove.disk`. `folder` is what is really on it, `mountpoint` how programs see it."""

    def __init__(self, folder: Path, mountpoint: Path, log: Path, seed: str) -> None:
        self.folder, self.mountpoint, self._log, self._seed = folder, mountpoint, log, seed
        self._child: Child | None = None
        self._mounted, self._done = asyncio.Event(), asyncio.Event()

    async def mount(self) -> str:
        """Mount it; "" when that is done, or why it cannot be."""
        if not may_have_fuse():
            return FUSE_NEEDED
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.mountpoint.mkdir(mode=0o700)
        words: Sequence[str] = (*PROGRAM, str(self.folder), str(self.mountpoint), self._seed)
        self._child = await Child.start(words, self._log, self._heard)
        ended = asyncio.ensure_future(self._child.wait(MOUNT_WITHIN))
        mounted = asyncio.ensure_future(self._mounted.wait())
        try:
            await asyncio.wait({ended, mounted}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            mounted.cancel()
            ended.cancel()
        if not self._mounted.is_set():
            await self.close()
            return FUSE_NEEDED
        return ""

    def _heard(self, said: dict[str, object]) -> None:
        {"mounted": self._mounted, "done": self._done}[str(said["event"])].set()

    async def order(self, what: str, **fields: object) -> None:
        """Give an order and wait until it is carried out. Errors: ProveError."""
        assert self._child is not None
        self._done.clear()
        self._child.tell({"do": what, **fields})
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                await self._done.wait()
        except TimeoutError as error:
            raise ProveError("The disk that loses what is not synced does not answer.") from error

    async def close(self) -> None:
        """Unmount it, whatever state it is in."""
        if self._child is None:
            return
        await self._child.end()
        if self._is_mounted():
            await _unmount(self.mountpoint, self._log)

    def _is_mounted(self) -> bool:
        try:
            return self.mountpoint.is_mount()
        except OSError:  # its program has died, and has left it there
            return True

    def kill_now(self) -> None:
        if self._child is not None:
            self._child.kill_now()


async def _unmount(mountpoint: Path, log: Path) -> None:
    for words in (("fusermount", "-uz"), ("fusermount3", "-uz"), ("umount", "-l")):
        with contextlib.suppress(OSError, TimeoutError):
            child = await Child.start((*words, str(mountpoint)), log, lambda _: None)
            if await child.wait(MOUNT_WITHIN) and child.has_succeeded:
                return


def limit_files(pid: int, size: int | None) -> None:
    """Let no file of this process grow beyond so many bytes; None for as the system has it."""
    if sys.platform == "linux":
        import resource

        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))
