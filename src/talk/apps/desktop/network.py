"""The thread on which clients live, with an event loop of its own, and the way there and back.

    window ── ask(work) ──▶ loop            work is carried out there, its result is carried back
    window ◀── deliver() ── queue ◀── loop  the window takes what has gathered, a few milliseconds at a time

Nothing here touches a widget, and nothing in the window waits for the network.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
import traceback
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from talk.apps.beside import handler
from talk.apps.desktop.ahead import draw_ahead
from talk.apps.desktop.said import said
from talk.apps.desktop.words import _
from talk.client import Client, ClientError, ClientEvent, EncryptionError, Line, Message
from talk.local.control import ControlServer
from talk.local.errors import LocalError
from talk.protocol.errors import Refused
from talk.protocol.link import LinkError

R = TypeVar("R")
log = logging.getLogger(__name__)

MOST_WAITING = 2_000  # things for the window, from which on no more events are taken from clients
LOOK_AGAIN = 0.02  # seconds, until it is seen whether the window has caught up
AT_ONCE, FOR_SECONDS = 50, 0.006  # what the window takes at a time, so that it never stutters
STOP_WITHIN = 12.0  # seconds; closing clients has bounds of its own

# What a person can be told; anything else is a mistake of ours.
TELLABLE = (ClientError, EncryptionError, LocalError, Refused, LinkError, OSError)


class Network:
    """The thread. Everything public is called from the window's thread."""

    def __init__(self, text_size: Callable[[], int]) -> None:
        """`text_size` says how tall letters of messages are, in pixels: what comes is drawn ahead for that."""
        self._text_size = text_size
        self._waiting: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="talk-network", daemon=True)
        self._tasks: dict[asyncio.Task[None], Path] = {}
        self._stopping = False
        self.delivered_at = 0.0  # when the window last got something, by time.monotonic

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    # ---- for the window

    def deliver(self) -> bool:
        """Hand over what has gathered, as much as fits into a moment; whether there is more."""
        end = time.perf_counter() + FOR_SECONDS
        for _turn in range(AT_ONCE):
            try:
                told = self._waiting.get_nowait()
            except Empty:
                return False
            self._hand_over_now(told)
            self.delivered_at = time.monotonic()
            if time.perf_counter() > end:
                break
        return not self._waiting.empty()

    def _hand_over_now(self, told: Callable[[], object]) -> None:
        """One mistake in the window must not end the window."""
        try:
            told()
        except Exception as error:
            log.error("%s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))

    def ask(
        self,
        work: Callable[[], Coroutine[Any, Any, R]],
        then: Callable[[R], object] | None = None,
        failed: Callable[[str, Exception], object] | None = None,
    ) -> Future[None]:
        """Carry out work on the network's loop, and what follows from it in the window.

        `failed` gets a sentence for people, and the error. Once it is stopping nothing more is begun.
        """
        if self._stopping:
            never: Future[None] = Future()
            never.cancel()
            return never

        async def carry_out() -> None:
            try:
                result = await work()
            except TELLABLE as error:
                self._tell_failed(failed, said(error), error)
            except Exception as error:
                # Its words may hold what is private.
                place = "".join(traceback.format_tb(error.__traceback__))
                log.error("%s\n%s", type(error).__name__, place)
                self._tell_failed(failed, _our_mistake(error), error)
            else:
                if then is not None:
                    self._waiting.put(lambda: then(result))

        return asyncio.run_coroutine_threadsafe(carry_out(), self._loop)

    async def read(self, page: Coroutine[Any, Any, list[Line]]) -> list[Line]:
        """On the loop: the lines of a page, their words drawn ahead."""
        lines = await page
        await draw_ahead((line.text for line in lines), self._text_size())
        return lines

    def call(self, work: Callable[[], object]) -> None:
        """Carry out something on the network's loop that needs no answer."""
        if not self._stopping:
            self._loop.call_soon_threadsafe(work)

    def hand_over(self, act: Callable[[], object]) -> None:
        """From the network's thread: have this done in the window."""
        self._waiting.put(act)

    def _tell_failed(self, failed: Callable[[str, Exception], object] | None, words: str, error: Exception) -> None:
        if failed is not None:
            self._waiting.put(lambda: failed(words, error))

    def open(
        self,
        client: Client,
        opened: Callable[[], object],
        told: Callable[[ClientEvent], object],
        closed: Callable[[str, Exception | None], object],
    ) -> None:
        """Open a profile and keep it open. `closed` is told when it could not be opened, or has ended."""

        def begin() -> None:
            task = self._loop.create_task(self._live(client, opened, told, closed))
            self._tasks[task] = client.folder
            task.add_done_callback(self._tasks.pop)

        self.call(begin)

    def serve(self, control: ControlServer, failed: Callable[[str, Exception], object]) -> None:
        """Answer on this control socket until the thread ends; `failed` as in `ask`."""

        async def answer() -> None:
            async with control:
                await asyncio.Event().wait()

        self._serving = self.ask(answer, None, failed)

    def close(self, folder: Path, then: Callable[[], object] | None = None) -> None:
        """Close one profile; what waits to be sent stays on disk."""

        async def end() -> None:
            tasks = {task for task, place in self._tasks.items() if place == folder}
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=STOP_WITHIN)

        self.ask(end, lambda _: then() if then is not None else None)

    def stop(self) -> None:
        """Close every profile and end the thread; it waits for that as long as it may take at most."""
        if self._stopping:
            return
        self._stopping = True
        ending = asyncio.run_coroutine_threadsafe(self._end_all(), self._loop)
        with contextlib.suppress(TimeoutError):
            ending.result(STOP_WITHIN)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_WITHIN)
        if not self._thread.is_alive():
            self._loop.close()

    # ---- on the loop

    async def _live(
        self,
        client: Client,
        opened: Callable[[], object],
        told: Callable[[ClientEvent], object],
        closed: Callable[[str, Exception | None], object],
    ) -> None:
        words = ""
        problem: Exception | None = None
        try:
            async with client, ControlServer(client.folder, handler(client)):
                self._waiting.put(opened)
                async for event in client.events():
                    if isinstance(event, Message):
                        await draw_ahead([event.text], self._text_size())
                    self._waiting.put(lambda event=event: told(event))  # type: ignore[misc]
                    # The other side of the queue is a thread that cannot set an event of this loop cheaply.
                    while self._waiting.qsize() > MOST_WAITING and not self._stopping:  # noqa: ASYNC110
                        await asyncio.sleep(LOOK_AGAIN)
        except TELLABLE as error:
            words, problem = said(error), error
        except Exception as error:
            log.error("%s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
            words, problem = _our_mistake(error), error
        self._waiting.put(lambda: closed(words, problem))

    async def _end_all(self) -> None:
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_WITHIN - 1)
        others = {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=1)


def _our_mistake(error: Exception) -> str:
    words = _("TAlk made a mistake ({what}); its log says where. Nothing is lost.")
    return words.format(what=type(error).__name__)
