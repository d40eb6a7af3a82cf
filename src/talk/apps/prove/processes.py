"""Programs that this one starts: each in a process group of its own, tells what happens as JSON lines, and is ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

MAX_LINE = 4 * 1024 * 1024  # bytes
END_WITHIN = 15.0  # seconds
IS_POSIX = os.name == "posix"

Heard = Callable[[dict[str, Any]], None]


def python(module: str) -> tuple[str, ...]:
    """The words that run a module of ours."""
    return sys.executable, "-P", "-m", module


def environment() -> Mapping[str, str]:
    """For programs that we start: they find the same TAlk, and touch no keyring of the person's."""
    paths = [str(Path(path).absolute()) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        "PYTHONUNBUFFERED": "1",
    }


class Child:
    """A running program. `heard` is called with each object it says; what it complains of goes into `log`."""

    def __init__(self, process: asyncio.subprocess.Process, heard: Heard) -> None:
        self._process, self._heard = process, heard
        self._is_frozen = False
        self._reading = asyncio.create_task(self._read(), name="reading a program")

    @classmethod
    async def start(cls, words: Sequence[str], log: Path, heard: Heard, folder: Path | None = None) -> Child:
        """Errors: OSError."""
        apart: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(),
                cwd=folder,
                limit=MAX_LINE,
                **apart,
            )
        return cls(process, heard)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.returncode is not None

    @property
    def has_succeeded(self) -> bool:
        """Whether it has ended with exit status 0."""
        return self._process.returncode == 0

    def tell(self, order: dict[str, object]) -> None:
        """Give an order. One that has ended hears nothing."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, RuntimeError):
            self._process.stdin.write(msgspec.json.encode(order) + b"\n")

    async def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            while line := await self._process.stdout.readline():
                with contextlib.suppress(msgspec.DecodeError):  # a kill may cut the last one off
                    self._heard(msgspec.json.decode(line))

    # ---- ends

    def freeze(self) -> None:
        self._signal("SIGSTOP")
        self._is_frozen = True

    def thaw(self) -> None:
        self._signal("SIGCONT")
        self._is_frozen = False

    async def kill(self) -> None:
        """End it without a chance to do anything, and hear what it had said until then."""
        self._signal("SIGKILL")
        await self._ended(END_WITHIN)

    async def wait(self, within: float) -> bool:
        """Whether it has ended by itself within so many seconds."""
        with contextlib.suppress(TimeoutError):
            await self._ended(within)
        return self.has_ended

    async def end(self) -> None:
        """Let it end in order, by the end of its orders; or else without."""
        if self._is_frozen:
            self.thaw()
        assert self._process.stdin is not None
        self._process.stdin.close()
        if not await self.wait(END_WITHIN):
            await self.kill()

    def kill_now(self) -> None:
        """The same as kill, where nothing can be waited for."""
        self._signal("SIGKILL")

    async def _ended(self, within: float) -> None:
        async with asyncio.timeout(within):
            await self._process.wait()
            await asyncio.wait({self._reading}, timeout=within)

    def _signal(self, name: str) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self.has_ended:
                return  # its number may be another's by now
            if IS_POSIX:
                os.killpg(self.pid, getattr(signal, name))
            elif name == "SIGKILL":
                self._process.kill()
