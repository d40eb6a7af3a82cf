"""The chat in a terminal: a prompt that names its audience, and what others say above it."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

from prompt_toolkit import PromptSession
from prompt_toolkit.formatted_text import ANSI
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.shortcuts import print_formatted_text

from talk.apps.chat import Chat
from talk.apps.faces import PeopleFace
from talk.client import Client, Ended, Message, PrivateMessage, Ready
from talk.client.errors import OnlyBlocked
from talk.client.lines import LOBBY
from talk.local.control import ControlServer
from talk.protocol.text import printable

LOOK_BACK = 10  # messages that are shown at the start when none was missed
MISSED = 50  # lines that are shown at the start, of those that were missed
GOODBYE_WITHIN = 3.0  # seconds for what is not sent yet


async def talk_in_terminal(client: Client, hidden: frozenset[str] = frozenset()) -> Ended | None:
    """Talk until the person leaves. What ended it, when the server did. `hidden` are codes of notices not to show."""
    from talk.apps.beside import handler
    from talk.apps.join import forget

    face = PeopleFace(_print, colour=True, typing=True, hidden=hidden)
    async with client, ControlServer(client.folder, handler(client)):
        chat = Chat(client, face)
        with patch_stdout(raw=True):
            ended = await _talk(client, chat, face)
        if ended is None:
            await _say_goodbye(client)
    if chat.forget:
        forget(client.folder)
    return ended


def _print(line: str) -> None:
    print_formatted_text(ANSI(line))


async def _talk(client: Client, chat: Chat, face: PeopleFace) -> Ended | None:
    typing = asyncio.create_task(_type(chat))
    showing = asyncio.create_task(_show(client, chat, face))
    try:
        await asyncio.wait({typing, showing}, return_when=asyncio.FIRST_COMPLETED)
        if typing.done():
            typing.result()  # a mistake there must not look like leaving
        return showing.result() if showing.done() else None
    finally:
        for task in (typing, showing):
            task.cancel()
        await asyncio.gather(typing, showing, return_exceptions=True)


async def _show(client: Client, chat: Chat, face: PeopleFace) -> Ended | None:
    """Show what happens. Of the lines that were missed, the newest; of none, those said last."""
    missed: list[Message | PrivateMessage] = []
    ready = False
    async for event in client.events():
        if isinstance(event, Message) and not ready:
            missed.append(event)
            continue
        face.event(event)
        if isinstance(event, Ended):
            return event
        if isinstance(event, Ready):
            ready = True
            await _look_back(client, chat, face, missed)
    return None


async def _look_back(client: Client, chat: Chat, face: PeopleFace, missed: list[Message | PrivateMessage]) -> None:
    if len(missed) > MISSED:
        face.told(f"{len(missed) - MISSED} earlier lines are not shown; ?more shows what was before these.")
    shown = missed[-MISSED:]
    if not shown:
        with suppress(OnlyBlocked):  # the person wants to see nothing of it
            shown = await client.history(limit=LOOK_BACK)
    if shown and chat.audience == LOBBY:
        chat.looked_back(shown)
    elif shown:
        face.looked_back(shown, further=False)


async def _type(chat: Chat) -> None:
    session: PromptSession[str] = PromptSession()

    def prompt() -> str:
        return "lobby> " if chat.audience == LOBBY else f"@{printable(chat.audience)} (private)> "

    while not chat.left:
        try:
            line = await session.prompt_async(prompt)
        except (EOFError, KeyboardInterrupt):
            return
        await chat.typed(line)


async def _say_goodbye(client: Client) -> None:
    try:
        async with asyncio.timeout(GOODBYE_WITHIN):
            await client.sent()
    except TimeoutError:
        sys.stderr.write("Not everything could be sent yet. It is kept, and sent the next time.\n")
