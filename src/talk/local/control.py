"""The control socket: how other programs of the same user talk to the process that holds a folder.

One connection carries one request: a JSON object and a newline. The answer is any number of JSON objects, a line each,
and then an empty line; an answer without it was cut off. `{"error": sentence}` is the last object of an answer that
failed. The asking side keeps its end open until then: closing it means that it no longer wants the rest.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from talk.local.endpoint import connect, is_owner, listen
from talk.local.errors import ControlFailed, Declined, FolderError, NobodyHome

MAX_REQUEST = 256 * 1024  # bytes of a line, with its newline
MAX_REPLY = 1024 * 1024  # bytes of a line, with its newline
MAX_CONNECTIONS = 32
READ_WITHIN = 10.0  # seconds, for the request
WRITE_WITHIN = 30.0  # seconds that an asker may leave an answer unread
STOP_WITHIN = 5.0  # seconds, for handlers to clean up

Handler = Callable[[dict[str, object]], AsyncIterator[dict[str, object]]]

_END = b"\n"
_OBJECT = msgspec.json.Decoder(dict[str, object])
_log = logging.getLogger(__name__)


class _Gone(Exception):
    """The asker left, or does not read."""


class ControlServer:
    """Answers requests beside a folder while the `async with` block runs. The caller holds the folder's FolderLock.

    `handler` is called once per request, and its iterator is closed when the asker leaves or the block ends. What it
    raises ends the answer: Declined in its own words; anything else with a general sentence, and its place in the code
    (never its words or the request, which may hold what is private) in the log.

    Errors on entering: FolderError.
    """

    def __init__(self, folder: Path, handler: Handler) -> None:
        self._folder = folder
        self._handler = handler
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop_listening: Callable[[], None] | None = None

    async def __aenter__(self) -> Self:
        try:
            self._stop_listening = await listen(self._folder, self._accept, MAX_REQUEST)
        except OSError as error:
            raise FolderError(
                f"TAlk cannot open its control socket beside {self._folder}: {error.strerror or error}. Nothing was "
                "lost. Please choose another folder."
            ) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stop_listening is not None:
            self._stop_listening()
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_WITHIN)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not is_owner(writer):
            _log.warning("somebody else tried to use the control socket and was turned away")
            writer.transport.abort()
            return
        if len(self._tasks) >= MAX_CONNECTIONS:
            writer.write(_line({"error": "TAlk is answering too many programs at once. Please try again soon."}) + _END)
            writer.close()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _read_request(reader)
            await self._answer_until_gone(request, reader, writer)
            async with asyncio.timeout(WRITE_WITHIN):
                writer.close()
                await writer.wait_closed()
        except (_Gone, OSError):
            return  # nobody is left to be told
        finally:
            writer.transport.abort()

    async def _answer_until_gone(
        self, request: dict[str, object] | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        answering = asyncio.create_task(self._answer(request, writer))
        leaving = asyncio.create_task(reader.read(1))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not answering.done():
                answering.cancel()
            _, outcome = await asyncio.gather(leaving, answering, return_exceptions=True)
        if isinstance(outcome, BaseException):
            raise _Gone

    async def _answer(self, request: dict[str, object] | None, writer: asyncio.StreamWriter) -> None:
        try:
            if request is None:
                raise Declined("That is not a request of one line of JSON. Nothing was done.")
            await self._hand_over(request, writer)
        except _Gone:
            raise
        except Declined as error:
            await _send(writer, _line({"error": str(error)}))
        except Exception as error:
            place = "".join(traceback.format_tb(error.__traceback__))
            _log.error("a request to the control socket failed: %s\n%s", type(error).__name__, place)
            sentence = f"TAlk made a mistake while doing that ({type(error).__name__}); its log says where."
            await _send(writer, _line({"error": sentence}))
        await _send(writer, _END)

    async def _hand_over(self, request: dict[str, object], writer: asyncio.StreamWriter) -> None:
        replies = self._handler(request)
        try:
            async for reply in replies:
                line = _line(reply)
                if len(line) > MAX_REPLY:
                    raise ValueError("a reply is longer than the asker reads")
                await _send(writer, line)
        finally:
            if isinstance(replies, AsyncGenerator):
                await replies.aclose()


async def ask(folder: Path, request: Mapping[str, object], timeout: float) -> AsyncGenerator[dict[str, object], None]:
    """The answer of the process that holds the folder, reply by reply, as they come.

    `timeout` is how many seconds to wait for the connection, and then for each reply. Who stops before the end closes
    the generator (`contextlib.aclosing`), and the other side stops working on it.

    Errors: NobodyHome; ControlFailed when the answer did not come in time or was cut off; Declined with the sentence of
    `{"error": ...}`; FolderError when the way there is not private.
    """
    line = _line(request)
    if len(line) > MAX_REQUEST:
        raise ControlFailed(
            f"That is too long to hand over: {len(line)} of at most {MAX_REQUEST} bytes. Nothing was sent."
        )
    with _in_plain_words(folder):
        async with asyncio.timeout(timeout):
            reader, writer = await connect(folder, MAX_REPLY)
    try:
        if not is_owner(writer):
            raise ControlFailed(f"The program that listens at {folder} is another user's. Nothing was sent.")
        with _in_plain_words(folder):
            async with asyncio.timeout(timeout):
                writer.write(line)
                await writer.drain()
        while (reply := await _read_reply(folder, reader, timeout)) is not None:
            if "error" in reply:
                raise Declined(str(reply["error"]))
            yield reply
    finally:
        writer.transport.abort()


async def ask_once(folder: Path, request: Mapping[str, object], timeout: float) -> dict[str, object]:
    """The first reply. Errors: those of `ask`, and ControlFailed when there was none."""
    async with aclosing(ask(folder, request, timeout)) as replies:
        async for reply in replies:
            return reply
    raise ControlFailed("TAlk ended its answer without saying anything. Please try again.")


async def _read_request(reader: asyncio.StreamReader) -> dict[str, object] | None:
    """None when it is no JSON object, or longer than MAX_REQUEST. Errors: _Gone."""
    try:
        async with asyncio.timeout(READ_WITHIN):
            return _OBJECT.decode(await reader.readuntil(b"\n"))
    except (asyncio.LimitOverrunError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    except (EOFError, OSError) as error:
        raise _Gone from error


async def _read_reply(folder: Path, reader: asyncio.StreamReader, timeout: float) -> dict[str, object] | None:
    with _in_plain_words(folder):
        async with asyncio.timeout(timeout):
            line = await reader.readuntil(b"\n")
        return None if line == _END else _OBJECT.decode(line)


async def _send(writer: asyncio.StreamWriter, line: bytes) -> None:
    try:
        async with asyncio.timeout(WRITE_WITHIN):
            writer.write(line)
            await writer.drain()
    except OSError as error:
        raise _Gone from error


def _line(message: Mapping[str, object]) -> bytes:
    return msgspec.json.encode(message) + b"\n"


@contextmanager
def _in_plain_words(folder: Path) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise ControlFailed(
            f"The TAlk that runs on {folder} did not answer in time. It may still do what it was asked; look before "
            "you try again."
        ) from error
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
        raise NobodyHome(folder) from error
    except PermissionError as error:
        raise ControlFailed(
            f"The folder {folder} belongs to another user of this computer. Nothing was sent. Run this as that user."
        ) from error
    except (EOFError, OSError) as error:
        raise ControlFailed(
            f"The TAlk that runs on {folder} stopped in the middle of its answer. Look at what was done before you "
            "try again."
        ) from error
    except (asyncio.LimitOverrunError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ControlFailed(
            f"The answer of the TAlk that runs on {folder} cannot be understood. It may be of another version."
        ) from error
