"""Lines of standard input without blocking the event loop, each bounded."""

from __future__ import annotations

import asyncio
import os
import threading

from talk.protocol.limits import MAX_TEXT_BYTES

MAX_LINE = 8 * MAX_TEXT_BYTES  # bytes; the text inside has its own bound and its own answer
READ = 64 * 1024
AHEAD = 64  # lines that are read and not yet used


class LineError(Exception):
    code = "bad_line"


class TooLong(LineError):
    code = "text_too_long"

    def __init__(self) -> None:
        super().__init__("The line is far too long, so it was not sent. Please send it in parts.")


class Undecodable(LineError):
    code = "text_forbidden"

    def __init__(self) -> None:
        super().__init__("The line is not UTF-8 text, so it was not sent.")


class Lines:
    """Standard input, line by line. A thread reads it, because files and pipes cannot all be waited for."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._room = threading.Semaphore(AHEAD)
        threading.Thread(target=self._read, name="stdin", daemon=True).start()

    async def next(self) -> str | None:
        """The next line without its end; None at the end of the input. Errors: TooLong, Undecodable."""
        line = await self._queue.get()
        self._room.release()
        if line is None:
            return None
        if len(line) > MAX_LINE:
            raise TooLong
        try:
            return line.decode()
        except UnicodeDecodeError:
            raise Undecodable from None

    def _read(self) -> None:
        # os.read, because a thread that is blocked in sys.stdin makes the interpreter hang or abort at its end.
        pending = b""
        while data := self._some():
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                self._put(line)
            if len(pending) > MAX_LINE:
                pending = pending[: MAX_LINE + 1]
        if pending:
            self._put(pending)
        self._put(None)

    def _some(self) -> bytes:
        """What comes next; nothing at the end, or where there is no standard input."""
        try:
            return os.read(0, READ)
        except OSError:
            return b""

    def _put(self, line: bytes | None) -> None:
        self._room.acquire()
        try:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, line)
        except RuntimeError:  # the loop is closed: nobody waits for lines any more
            return
