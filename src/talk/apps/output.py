"""Lines on standard output and error: the one place that prints."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import sys
import threading
from types import TracebackType
from typing import Any, Self

import msgspec

from talk.protocol.text import printable


def as_json(event: dict[str, Any]) -> str:
    """One line of JSON. What a terminal could take for a command is written as an escape, also where JSON need not."""
    return _COMMANDING.sub(lambda found: f"\\u{ord(found[0]):04x}", msgspec.json.encode(event).decode())


def print_json(event: dict[str, Any]) -> None:
    """One JSON object on one line, at once."""
    print_line(as_json(event))


def print_line(text: str) -> None:
    """Errors: BrokenPipeError when nobody reads any more."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Tell the person what went wrong."""
    # It may be a sentence of the server's.
    sys.stderr.write(f"talk: {printable(text)}\n")
    sys.stderr.flush()


def nobody_reads() -> None:
    """Standard output's reader is gone: what is still to come goes nowhere, also what Python flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


_COMMANDING = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Aside:
    """Prints lines from a thread, so that whoever does not read them holds nobody up.

    At most `MAX_WAITING` lines wait; what comes then is left out, and counted.
    """

    MAX_WAITING = 10_000

    def __init__(self) -> None:
        self._lines: queue.Queue[str | None] = queue.Queue(self.MAX_WAITING)
        self._thread = threading.Thread(target=self._print, name="printing", daemon=True)
        self._is_read = True
        self.left_out = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
            self._thread.join(1.0)

    def print_line(self, text: str) -> None:
        if not self._is_read:
            return
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            self.left_out += 1

    def _print(self) -> None:
        try:
            while (line := self._lines.get()) is not None:
                print_line(line)
                if self.left_out and self._lines.empty():
                    complain(f"{self.left_out} lines were left out, because nobody read them")
                    self.left_out = 0
        except OSError:  # a broken pipe; Windows calls it an invalid argument
            self._is_read = False
            nobody_reads()
