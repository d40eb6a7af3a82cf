"""What harnesses share: a text of any bytes, one loop, one folder, and logs that may not hold an error."""

from __future__ import annotations

import asyncio
import atexit
import logging
import shutil
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any


def as_text(data: bytes) -> str:
    """UTF-8, with lone surrogates where it is not: Python's own texts from outside may hold those."""
    return data.decode("utf-8", "surrogateescape")


@cache
def folder() -> Path:
    """A folder that goes with the process."""
    path = Path(tempfile.mkdtemp(prefix="talk-fuzz-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


@cache
def _runner() -> asyncio.Runner:
    runner = asyncio.Runner()
    atexit.register(runner.close)
    return runner


def run(work: Coroutine[Any, Any, None]) -> None:
    """Carry this out in an event loop that is kept for the next time."""
    _runner().run(work)


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(logging.Formatter().format(record))


@contextmanager
def nothing_logged() -> Iterator[None]:
    """An error that is logged and lived through is a mistake too."""
    handler, logger = _Errors(), logging.getLogger("talk")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
    assert not handler.said, handler.said[0]
