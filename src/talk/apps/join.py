"""`talk join`: the chat in a terminal, or behind a pipe."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import getpass
import os
import sys
from pathlib import Path

from talk.apps.beside import handler
from talk.apps.chat import Chat
from talk.apps.faces import JsonFace, PeopleFace
from talk.apps.loop import run
from talk.apps.output import complain, print_line
from talk.apps.profiles import choose_folder
from talk.apps.stdin import Lines, TooLong, Undecodable
from talk.client import Client, ClientError, ClientEvent, Ended, Mark, Ready
from talk.encryption.database import FILE
from talk.encryption.errors import EncryptionError
from talk.encryption.vault import forget_key
from talk.local.control import ControlServer
from talk.local.errors import LocalError
from talk.local.lock import LOCK_NAME
from talk.protocol.errors import Code
from talk.protocol.link import MAX_LINK, LinkError

NAME_REFUSED = frozenset({Code.NAME_TAKEN, Code.NAME_INVALID, Code.NAME_RESERVED})
FILES = (*(f"{FILE}{ending}" for ending in ("", "-wal", "-shm", "-journal")), "key.new", LOCK_NAME)
OFFLINE_START = 5.0  # seconds after which a profile that was here before goes on offline


def join(given: argparse.Namespace) -> int:
    """Exit status 0 when everything that was written is stored, 1 otherwise."""
    try:
        return _join(given)
    except (ClientError, EncryptionError, LocalError, LinkError) as error:
        complain(str(error))
        return 1
    except (KeyboardInterrupt, EOFError):
        return 130


def _join(given: argparse.Namespace) -> int:
    in_terminal = sys.stdin.isatty() and sys.stdout.isatty() and not given.json
    link = _read_link() if given.link == "-" else given.link
    folder = choose_folder(given.data, link)
    name = given.name
    asks_name = in_terminal and not name and not (folder / FILE).exists()
    while True:
        if asks_name:
            name = _ask_name()
        may_ask = in_terminal and not given.no_passphrase
        client = Client(folder, link=link, name=name, ask_passphrase=_ask_passphrase if may_ask else None)
        if in_terminal:
            from talk.apps.terminal import talk_in_terminal

            # Not on uvloop: it would leave the terminal non-blocking, for the next question and for the shell.
            ended = asyncio.run(talk_in_terminal(client, _hidden(given)))
            if ended is not None and ended.code in NAME_REFUSED:
                asks_name = True
                continue
            return 0 if ended is None else 1
        return run(_talk_behind_a_pipe(client, given))


def _hidden(given: argparse.Namespace) -> frozenset[str]:
    """Who asked for the key to lie in a file needs no warning that it does."""
    return frozenset({"key_in_file"} if given.no_passphrase else ())


def _read_link() -> str:
    if sys.stdin.isatty():
        return input("Paste the link: ")
    link = b""
    # Byte by byte, because what follows the link are lines to send, which somebody else reads.
    while len(link) < MAX_LINK and (byte := os.read(0, 1)) not in (b"", b"\n"):
        link += byte
    return link.decode(errors="replace")


def _ask_name() -> str:
    try:
        suggested = getpass.getuser()
    except (OSError, KeyError, ImportError):  # some systems know no name for the user
        return input("Your name in this chat: ").strip()
    return input(f"Your name in this chat [{suggested}]: ").strip() or suggested


def _ask_passphrase(question: str) -> str | None:
    return getpass.getpass(f"{question} ")


class _Pipe:
    """What happens to the lines of one run: whether it got ready, and whether anything failed."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.ended: Ended | None = None
        self.failed = 0

    def saw(self, event: ClientEvent) -> None:
        match event:
            case Ready():
                self.ready.set()
            case Ended():
                self.ended = event
                self.ready.set()
            case Mark(state="failed"):
                self.failed += 1


async def _talk_behind_a_pipe(client: Client, given: argparse.Namespace) -> int:
    face = JsonFace() if given.json else PeopleFace(print_line, colour=False, typing=False, hidden=_hidden(given))
    pipe = _Pipe()
    async with client:
        chat = Chat(client, face)
        async with ControlServer(client.folder, handler(client)):
            showing = asyncio.create_task(_show(client, face, pipe))
            pumping = asyncio.create_task(_pump(client, chat, face, pipe, given))
            try:
                status = await _until_done(showing, pumping)
                if status == 0 and given.stay and not chat.left and pipe.ended is None:
                    await showing
                    status = 1
            finally:
                showing.cancel()
                pumping.cancel()
                await asyncio.gather(showing, pumping, return_exceptions=True)
    if chat.forget:
        forget(client.folder)
    return status


async def _until_done(showing: asyncio.Task[None], pumping: asyncio.Task[int]) -> int:
    """The exit status of the lines. Errors: what showing events fails with, such as BrokenPipeError."""
    await asyncio.wait({showing, pumping}, return_when=asyncio.FIRST_COMPLETED)
    if showing.done():
        showing.result()
    # Without events to come nothing more can be sent either, whether or not there are lines to come.
    return pumping.result() if pumping.done() else 1


async def _show(client: Client, face: JsonFace | PeopleFace, pipe: _Pipe) -> None:
    async for event in client.events():
        face.event(event)
        pipe.saw(event)


async def _pump(client: Client, chat: Chat, face: JsonFace | PeopleFace, pipe: _Pipe, given: argparse.Namespace) -> int:
    """Send every line of the input; the exit status."""
    if not await _wait_ready(client, pipe, given.timeout):
        face.refused("timeout", "The server could not be reached in time. Nothing is lost; try again.")
        return 1
    if pipe.ended is not None:
        return 1
    lines = Lines()
    while not chat.left and pipe.ended is None:
        try:
            line = await lines.next()
        except (TooLong, Undecodable) as error:
            chat.refusals += 1
            face.refused(error.code, str(error))
            continue
        if line is None:
            break
        await chat.typed(line)
    try:
        async with asyncio.timeout(given.timeout):
            await client.sent()
            await client.shown()
    except TimeoutError:
        face.refused("timeout", "Not everything could be sent in time. It is kept, and sent the next time.")
        return 1
    except ClientError:  # it has ended, and that was shown
        return 1
    return 1 if pipe.failed or chat.refusals or pipe.ended is not None else 0


async def _wait_ready(client: Client, pipe: _Pipe, timeout: float) -> bool:
    patience = min(timeout, OFFLINE_START) if client.is_registered else timeout
    try:
        async with asyncio.timeout(patience):
            await pipe.ready.wait()
    except TimeoutError:
        return client.is_registered
    return True


def forget(folder: Path) -> None:
    """Remove a profile: its key, its files, and its folder when nothing else is in it.

    Only files of its own, because --data may name any folder, somebody's home among them.
    """
    try:
        forget_key(folder)
        for name in FILES:
            (folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()
    except (OSError, EncryptionError) as error:
        complain(f"The profile could not be removed ({error}). Please delete the folder {folder} yourself.")
        return
    complain("The profile is removed from this computer.")
