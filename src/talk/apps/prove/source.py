"""A copy of a server's data, so that what is tried is never the original."""

from __future__ import annotations

import shutil
from pathlib import Path

from talk.apps.prove.errors import ProveError
from talk.apps.prove.server import ASK_WITHIN, STORE_FILE
from talk.local.control import ask_once
from talk.local.errors import LocalError, NobodyHome
from talk.local.folders import make_private
from talk.local.lock import FolderLock

LOG_FILE = STORE_FILE + "-wal"


def check_source(source: Path) -> None:
    """Errors: ProveError when there is nothing to copy."""
    if not (source / STORE_FILE).is_file():
        raise ProveError(f"There is no server's data in {source}. Nothing was done. Please check the folder.")


async def copy_data(source: Path, target: Path) -> None:
    """Copy the store of a server's folder: by a backup where one runs, which goes on, and else file by file.

    Errors: ProveError.
    """
    try:
        make_private(target)
        try:
            await ask_once(source, {"do": "backup", "file": str(target / STORE_FILE)}, ASK_WITHIN)
        except NobodyHome:
            _copy_files(source, target)
    except (LocalError, OSError) as error:
        raise ProveError(f"The data in {source} could not be copied, and is as it was: {error}") from error


def _copy_files(source: Path, target: Path) -> None:
    """Errors: FolderBusy when a server starts there just now; OSError."""
    with FolderLock(source):
        for name in (STORE_FILE, LOG_FILE):
            if (source / name).exists():
                shutil.copyfile(source / name, target / name)
                (target / name).chmod(0o600)
