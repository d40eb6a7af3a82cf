"""`talk` where there is a display: one window for all chats of this user. A second start raises the first."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from talk.apps.output import complain
from talk.encryption.database import FILE
from talk.local.control import ControlServer, ask_once
from talk.local.errors import Declined, FolderBusy, LocalError
from talk.local.folders import make_private, profiles_folder, window_folder
from talk.local.lock import FolderLock

RAISE_WITHIN = 5.0  # seconds


def desktop() -> int:
    """Show the window until it is closed, or bring the one that is open to the front; the exit status."""
    logging.basicConfig(level=logging.WARNING, format="talk: %(message)s", stream=sys.stderr)
    folder = window_folder()
    try:
        make_private(folder)
        with FolderLock(folder):
            _show(folder)
    except FolderBusy as busy:
        return _raise_other(folder, busy)
    except LocalError as error:
        complain(str(error))
        return 1
    return 0


def profiles() -> list[Path]:
    """The folders of the chats that this user has joined."""
    return sorted(path.parent for path in profiles_folder().glob(f"*/{FILE}"))


def _raise_other(folder: Path, busy: FolderBusy) -> int:
    try:
        asyncio.run(ask_once(folder, {"do": "raise"}, RAISE_WITHIN))
    except LocalError:
        complain(str(busy))
        return 1
    return 0


def _show(folder: Path) -> None:
    # Loaded here: whoever only raises another window needs nothing of it.
    from talk.apps.desktop.fonts import load_toolkit
    from talk.apps.desktop.settings import load

    load_toolkit()
    from talk.apps.desktop.window import Window

    window = Window(folder, load(folder), profiles())

    async def answer(request: dict[str, object]) -> AsyncIterator[dict[str, object]]:
        if request.get("do") != "raise":
            raise Declined("The window can only be raised.")
        window.network.hand_over(window.come_to_front)
        yield {"done": "raised"}

    window.network.serve(ControlServer(folder, answer), window.out_of_reach)
    window.run()
