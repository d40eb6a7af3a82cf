"""The owner's commands: asked of the running server through its control socket; `restore` of the stopped one."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from talk.apps.hosting import stop
from talk.apps.output import complain, print_line
from talk.local.control import ask_once
from talk.local.errors import LocalError, NobodyHome
from talk.local.folders import make_private, server_folder
from talk.local.lock import FolderLock

WITHIN = 90.0  # seconds


def owner(given: argparse.Namespace) -> int:
    """Exit status 0 when it was done."""
    folder = Path(given.data) if given.data else server_folder()
    try:
        return _restore(Path(given.file), folder) if given.command == "restore" else _ask(given, folder)
    except NobodyHome:
        complain(f"No server runs on {folder}. Start it with talk serve, or say which one with --data FOLDER.")
        return 1
    except LocalError as error:
        complain(str(error))
        return 1


def _ask(given: argparse.Namespace, folder: Path) -> int:
    request: dict[str, object] = {"do": "release" if given.command == "name" else given.command}
    if hasattr(given, "name"):
        request["name"] = given.name
    if hasattr(given, "link"):
        request["link"] = given.link
    if hasattr(given, "file"):
        request["file"] = str(Path(given.file).absolute())
    if given.command == "stop":
        asyncio.run(stop(folder))
        print_line("The server has stopped. Everything that it acknowledged is saved.")
        return 0
    answer = asyncio.run(ask_once(folder, request, WITHIN))
    print_line(str(answer.get("link") or answer.get("done") or ""))
    return 0


def _restore(backup: Path, folder: Path) -> int:
    from talk.server.app import STORE_FILE
    from talk.server.ports import StoreError
    from talk.server.stores.sqlite import restore

    make_private(folder)
    try:
        with FolderLock(folder):
            restore(backup, folder / STORE_FILE)
    except StoreError as error:
        complain(str(error))
        return 1
    print_line("The backup is in place. Start the server with talk serve; clients notice, and people are told.")
    return 0
