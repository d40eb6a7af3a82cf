"""Hosting a chat from another program: a server as a process of its own, which goes on when that program ends.

The server is asked through its control socket. Nothing of it is loaded here.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import msgspec

from talk.local.control import ask_once
from talk.local.errors import FolderBusy, LocalError, NobodyHome
from talk.local.folders import make_private
from talk.local.lock import FolderLock
from talk.protocol.limits import DEFAULT_PORT

LOG_FILE = "server.log"  # in the data folder; the server bounds it
START_WITHIN = 30.0  # seconds
ANSWER_WITHIN = 15.0  # seconds
STOP_WITHIN = 30.0  # seconds
END_WITHIN = 5.0  # seconds
OTHER_PORTS = 5  # that are tried when the usual one is taken
MAX_LINE = 64 * 1024  # bytes of what the server says as it starts
MAX_LINES = 100
LOOK_EVERY = 0.05  # seconds

_OBJECT = msgspec.json.Decoder(dict[str, Any])


class HostingFailed(LocalError):
    """Why no chat was started, in the server's own sentence where it gave one; `code` is "port_taken" or another."""

    def __init__(self, sentence: str, code: str = "not_started") -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class Hosted:
    """A server that runs on the folder `data`.

    `address` is what it listens on; `open` whether a new name needs no invitation; `who_can_join` a sentence part for
    each address in its links; `people` how many are connected. `link` is an invitation, "" when only its state was
    asked for; `note` says what is not as it was asked for.
    """

    data: Path
    title: str
    address: str
    open: bool
    who_can_join: tuple[str, ...]
    people: int = 0
    link: str = field(default="", repr=False)
    note: str = ""


async def start(
    data: Path,
    *,
    title: str = "",
    open: bool = False,
    listen: str = "",
    addresses: Sequence[str] = (),
    hidden: bool = False,
) -> Hosted:
    """Start a server on this folder, or find the one that runs there already.

    `title` is what others on the network see, "" for the user's name; `listen` is HOST:PORT, "" for every address and
    the usual port, or the next one that is free; `addresses` are how others reach it; `hidden` keeps it from being
    announced.

    Errors: HostingFailed; others of LocalError when a server runs there and does not answer.
    """
    data = _absolute(data)
    if (running := await status(data)) is not None:
        note = "A chat was running here already. It goes on as it was."
        return replace(running, link=await invite(data), note=note)
    words = [f"--title={title}", *(f"--address={address}" for address in addresses)]
    words += ["--open"] * open + ["--hidden"] * hidden
    if listen:
        return await _start(data, [*words, f"--listen={listen}"])
    for port in range(DEFAULT_PORT, DEFAULT_PORT + OTHER_PORTS):
        try:
            hosted = await _start(data, [*words, f"--listen=*:{port}"])
        except HostingFailed as error:
            failed = error
            if error.code != "port_taken":
                break
        else:
            note = f"Another program uses port {DEFAULT_PORT}, so this chat is at port {port}."
            return replace(hosted, note=note if port != DEFAULT_PORT else "")
    raise failed


async def status(data: Path) -> Hosted | None:
    """What runs on this folder; None when nothing does. Errors: LocalError when it does not answer."""
    try:
        return _hosted(data, await ask_once(data, {"do": "status"}, ANSWER_WITHIN))
    except NobodyHome:
        return None


async def invite(data: Path) -> str:
    """A fresh invitation's link. Errors: NobodyHome, and others of LocalError."""
    return str((await ask_once(data, {"do": "invite"}, ANSWER_WITHIN)).get("link", ""))


async def revoke(data: Path) -> None:
    """Let nobody new in with the links given out so far. Errors: NobodyHome, and others of LocalError."""
    await ask_once(data, {"do": "revoke"}, ANSWER_WITHIN)


async def stop(data: Path) -> None:
    """Ask the server to stop, and wait until it has. Errors: NobodyHome; HostingFailed when it goes on."""
    await ask_once(data, {"do": "stop"}, ANSWER_WITHIN)
    try:
        async with asyncio.timeout(STOP_WITHIN):
            while True:
                if not _is_held(data):
                    return
                await asyncio.sleep(LOOK_EVERY)
    except TimeoutError as error:
        raise HostingFailed(
            f"The server on {data} was asked to stop and still runs. What it acknowledged is saved. Look again soon.",
            "not_stopped",
        ) from error


def _is_held(folder: Path) -> bool:
    try:
        with FolderLock(folder):
            return False
    except FolderBusy:
        return True


def _hosted(data: Path, said: dict[str, Any]) -> Hosted:
    who = said.get("who_can_join")
    people = said.get("people")
    return Hosted(
        data=data,
        title=str(said.get("title", "")),
        address=str(said.get("address", "")),
        open=said.get("open") is True,
        who_can_join=tuple(map(str, who)) if isinstance(who, list) else (),
        people=people if isinstance(people, int) else 0,
        link=str(said.get("link", "")),
    )


async def _start(data: Path, words: Sequence[str]) -> Hosted:
    make_private(data)
    process = _spawn(data, words)
    assert process.stdout is not None
    reading = asyncio.ensure_future(asyncio.to_thread(_first_words, process.stdout))
    said: dict[str, Any] = {}
    try:
        async with asyncio.timeout(START_WITHIN):
            said = await asyncio.shield(reading)
    except TimeoutError as error:
        raise HostingFailed(
            f"The server did not start within {START_WITHIN:.0f} seconds, so it was ended. Please try again."
        ) from error
    finally:
        if said.get("event") != "listening":
            await _end(process, reading)
        process.stdout.close()
        # Somebody has to take its exit status while this program runs.
        threading.Thread(target=process.wait, name="hosted server", daemon=True).start()
    if said.get("event") != "listening":
        raise HostingFailed(str(said.get("message", "")), str(said.get("code", "")))
    return _hosted(data, said)


async def _end(process: subprocess.Popen[bytes], reading: asyncio.Future[dict[str, Any]]) -> None:
    """End what did not start. What reads its words ends with it."""
    process.terminate()
    await asyncio.wait({reading}, timeout=END_WITHIN)
    process.kill()
    await asyncio.wait({reading})


def _spawn(data: Path, words: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start `talk serve` apart from this process: its terminal, its group, its folder. Errors: HostingFailed."""
    program = [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-P", "-m", "talk"]
    # It runs in another folder. PyInstaller's programs would share the files that this one removes when it ends.
    paths = [str(_absolute(Path(path))) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    changes = {"PYTHONPATH": os.pathsep.join(paths), "PYINSTALLER_RESET_ENVIRONMENT": "1"}
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS}
    try:
        return subprocess.Popen(  # noqa: S603 - its own program
            [*program, "serve", "--json", f"--data={data}", f"--log={data / LOG_FILE}", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=data,
            env={**os.environ, **changes},
            **apart,
        )
    except OSError as error:
        raise HostingFailed(f"The server could not be started: {error.strerror or error}.") from error


def _absolute(path: Path) -> Path:
    return path.absolute()


def _first_words(stdout: IO[bytes]) -> dict[str, Any]:
    """The first object that the server says. One that says none has failed with its last line."""
    last = ""
    for _ in range(MAX_LINES):
        line = stdout.readline(MAX_LINE)
        if not line:
            break
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            return _OBJECT.decode(line)
        last = line.decode(errors="replace").strip() or last
    return {"message": f"The server ended before it could say why. {last}".strip(), "code": "not_started"}
