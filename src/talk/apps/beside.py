"""`talk send` and `talk list`: beside a chat that is running, or by themselves when none is."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from talk.apps.chat import Chat
from talk.apps.loop import run
from talk.apps.output import complain, print_line
from talk.apps.profiles import choose_folder
from talk.client import Client, ClientError, Mark, Message, PrivateMessage
from talk.client.lines import Ask, read_line
from talk.encryption.errors import EncryptionError
from talk.local.control import ask_once
from talk.local.errors import Declined, LocalError, NobodyHome
from talk.protocol.errors import Refused
from talk.protocol.text import printable

REACHED_WITHIN = 15.0  # seconds, for the server when no talk is running
WITHIN = 60.0  # seconds


class _Collect:
    """Keeps what a line led to, for whoever asked from beside."""

    def __init__(self) -> None:
        self.users: tuple[str, ...] | None = None
        self.problem = ""

    def listed(self, users: tuple[str, ...]) -> None:
        self.users = users

    def looked_back(self, messages: list[Message | PrivateMessage], *, further: bool) -> None:
        pass

    def helped(self, intro: str, commands: dict[str, str]) -> None:
        pass

    def told(self, text: str) -> None:
        pass

    def refused(self, code: str, text: str) -> None:
        self.problem = text


def handler(client: Client) -> Callable[[dict[str, object]], AsyncIterator[dict[str, object]]]:
    """Answers requests `{"do": "send", "line": …}` and `{"do": "list"}` of the profile's control socket."""

    async def answer(request: dict[str, object]) -> AsyncIterator[dict[str, object]]:
        match request.get("do"):
            case "list":
                yield {"users": list(client.people())}
            case "send":
                await _type(client, str(request.get("line", "")))
                yield {"done": "queued"}
            case other:
                raise Declined(f"The running talk does not know {other!r}. Is it older than this one?")

    return answer


async def _type(client: Client, line: str) -> None:
    """Errors: Declined, with the reason why the line went to nobody."""
    collected = _Collect()
    chat = Chat(client, collected)
    with contextlib.suppress(ClientError, Refused):
        if isinstance(read_line(line), Ask):
            raise Declined("talk send sends texts; commands with ? are for the chat itself. Nothing was done.")
    await chat.typed(line)
    if collected.problem:
        raise Declined(collected.problem)


def beside(given: argparse.Namespace) -> int:
    """Exit status 0 when it was done: for send, when the server has it, or the running talk has queued it."""
    try:
        folder = choose_folder(given.data, "")
        return run(_beside(given, folder))
    except (ClientError, EncryptionError, LocalError) as error:
        complain(str(error))
        return 1


async def _beside(given: argparse.Namespace, folder: Path) -> int:
    request = {"do": given.command, "line": getattr(given, "line", "")}
    try:
        answer = await ask_once(folder, request, WITHIN)
    except NobodyHome:
        return await _alone(given, folder)
    _print_users(answer.get("users"))
    return 0


async def _alone(given: argparse.Namespace, folder: Path) -> int:
    async with Client(folder) as client:
        try:
            async with asyncio.timeout(REACHED_WITHIN):
                await client.live()
        except TimeoutError:
            complain("The server cannot be reached, so nothing was sent. Is it running, and is this computer online?")
            return 1
        if given.command == "list":
            _print_users(client.people())
            return 0
        return await _send(client, given.line)


async def _send(client: Client, line: str) -> int:
    watching = asyncio.create_task(_first_failure(client))
    try:
        async with asyncio.timeout(WITHIN):
            await _type(client, line)
            await client.sent()
            await client.shown()
    except TimeoutError:
        complain("The server did not take it in time. It is kept, and sent the next time.")
        return 1
    finally:
        watching.cancel()
    if watching.done() and not watching.cancelled():
        complain(watching.result())
        return 1
    return 0


async def _first_failure(client: Client) -> str:
    """Why something was not sent; it goes on taking events until then."""
    async for event in client.events():
        if isinstance(event, Mark) and event.state == "failed":
            return event.reason
    return ""


def _print_users(users: object) -> None:
    if isinstance(users, list | tuple):
        for user in users:
            print_line(printable(str(user)))
