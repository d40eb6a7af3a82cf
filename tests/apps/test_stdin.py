"""Lines of standard input: any bytes, any length, no end, and no input at all."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator

import pytest

from talk.apps.stdin import AHEAD, MAX_LINE, Lines, TooLong, Undecodable


@pytest.fixture
def keyboard() -> Iterator[int]:
    """The writing end of this process's standard input."""
    kept = os.dup(0)
    reading, writing = os.pipe()
    os.dup2(reading, 0)
    os.close(reading)
    yield writing
    os.dup2(kept, 0)
    os.close(kept)


def write(writing: int, data: bytes) -> threading.Thread:
    """Write it all from a thread, because a pipe holds little, and end the input."""

    def work() -> None:
        with os.fdopen(writing, "wb") as file:
            file.write(data)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


async def everything(lines: Lines) -> list[str]:
    read: list[str] = []
    async with asyncio.timeout(20):
        while True:
            try:
                line = await lines.next()
            except (TooLong, Undecodable) as error:
                line = f"<{error.code}>"
            if line is None:
                return read
            read.append(line)


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (b"", []),
        (b"one\ntwo\n", ["one", "two"]),
        (b"one\n\ntwo", ["one", "", "two"]),
        (b"no newline at the end", ["no newline at the end"]),
        ("नमस्ते\n".encode(), ["नमस्ते"]),
        (b"\xff\xfe\nafter\n", ["<text_forbidden>", "after"]),
        (b"cut off \xe0\xa4", ["<text_forbidden>"]),
        (b"a\x00b\r\nnext\n", ["a\x00b\r", "next"]),
        (b"x" * MAX_LINE + b"\nafter\n", ["x" * MAX_LINE, "after"]),
        (b"x" * (MAX_LINE + 1) + b"\nafter\n", ["<text_too_long>", "after"]),
        (b"x" * (20 * MAX_LINE) + b"\nafter\n", ["<text_too_long>", "after"]),
        (b"x" * (20 * MAX_LINE), ["<text_too_long>"]),
        (b"\n" * 3 * AHEAD, [""] * 3 * AHEAD),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_lines(keyboard: int, data: bytes, read: list[str]) -> None:
    thread = write(keyboard, data)
    assert await everything(Lines()) == read
    thread.join()


async def test_a_line_is_there_before_the_next_is_written(keyboard: int) -> None:
    lines = Lines()
    for text in ("first", "second"):
        os.write(keyboard, f"{text}\n".encode())
        async with asyncio.timeout(20):
            assert await lines.next() == text
    os.close(keyboard)
    assert await everything(lines) == []


async def test_no_standard_input_is_an_end(keyboard: int) -> None:
    os.close(keyboard)
    os.close(0)
    try:
        assert await everything(Lines()) == []
    finally:
        os.open(os.devnull, os.O_RDONLY)


async def test_only_so_much_is_read_ahead(keyboard: int) -> None:
    thread = write(keyboard, b"line\n" * 20_000)
    lines = Lines()
    async with asyncio.timeout(20):
        assert await lines.next() == "line"
    assert lines._queue.qsize() <= AHEAD
    assert len(await everything(lines)) == 19_999
    thread.join()
