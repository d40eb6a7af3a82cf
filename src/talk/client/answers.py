"""Commands under way on one connection, and their answers."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from talk.client.connection import Wire
from talk.client.errors import CannotConnect, Rejected
from talk.protocol import events, wire

ANSWER_WITHIN = 120.0  # seconds; over the rate a command waits its turn

E = TypeVar("E", bound=events.Event)


class Answers:
    """Asks, and gives each answer to whoever waits for it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._awaited: dict[str, asyncio.Future[events.Event]] = {}

    async def ask(self, command: Any, expected: type[E]) -> E:
        """Send a command that has an id, and wait for its answer. Errors: Rejected, CannotConnect."""
        return await self.ask_bytes(command.id, wire.encode(command), expected)

    async def ask_bytes(self, id: str, frame: bytes, expected: type[E]) -> E:
        """The same for a command that is JSON already."""
        answer: asyncio.Future[events.Event] = asyncio.get_running_loop().create_future()
        self._awaited[id] = answer
        try:
            await self._wire.send_bytes(frame)
            async with asyncio.timeout(ANSWER_WITHIN):
                event = await answer
        except TimeoutError as error:
            raise CannotConnect("the server does not answer") from error
        finally:
            self._awaited.pop(id, None)
            if answer.done() and not answer.cancelled():
                answer.exception()  # nobody else will look at it
        if isinstance(event, events.Error):
            raise Rejected(event)
        if not isinstance(event, expected):
            raise CannotConnect("the server answered with something else than it was asked")
        return event

    def take(self, event: events.Event) -> bool:
        """Whether somebody waited for this; they have it then."""
        answer = self._awaited.get(getattr(event, "id", ""))
        if answer is None:
            return False
        if not answer.done():
            answer.set_result(event)
        return True

    def close(self) -> None:
        """The connection is over: tell those who still wait, who may be no part of it."""
        for answer in self._awaited.values():
            if not answer.done():
                answer.set_exception(CannotConnect("The connection ended before the server answered. Try it again."))
