"""Where this machine keeps TAlk's data, and how it is kept from the machine's other users."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from pathlib import Path

import platformdirs

from talk.local.errors import FolderError

PRIVATE = 0o700


def server_folder() -> Path:
    """The folder of a server that was started without naming one. It may not exist yet."""
    return _data() / "server"


def profiles_folder() -> Path:
    """The folder of the profiles of people who use this machine's account. It may not exist yet."""
    return _data() / "profiles"


def window_folder() -> Path:
    """The folder of what the desktop window remembers. It may not exist yet."""
    return _data() / "window"


def _data() -> Path:
    # Not the roaming folder of Windows: a database that is open must not travel between machines.
    return platformdirs.user_data_path("talk", appauthor=False, roaming=False)


def make_private(folder: Path) -> None:
    """Makes the folder, and parents it lacks, so that only this user can look in (0700).

    A folder that is there is taken if it is this user's; when others may look in it is closed to them only while it is
    empty, because closing a folder in use (`/tmp`, a home) would break what others do there.

    Errors: FolderError.
    """
    try:
        for part in reversed((folder, *folder.parents)):
            if not part.exists():
                part.mkdir(PRIVATE, exist_ok=True)
        found = folder.stat()
        if not stat.S_ISDIR(found.st_mode):
            raise FolderError(f"{folder} is a file, so it cannot be TAlk's folder. Please choose another place.")
        _close_to_others(folder, found)
    except OSError as error:
        raise FolderError(
            f"TAlk cannot use the folder {folder}: {error.strerror or error}. Nothing was changed. "
            "Please choose a folder that you may write to."
        ) from error


def write_private(path: Path, data: bytes) -> None:
    """Writes a file that only this user can read (0600), whole or not at all: a crash leaves the old one.

    Errors: OSError; then the old file is untouched.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    new = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    _sync_names(path.parent)


def _close_to_others(folder: Path, found: os.stat_result) -> None:
    if sys.platform == "win32":
        return  # its user folders are private, and a mode says nothing there
    if found.st_uid != os.geteuid():
        raise FolderError(
            f"The folder {folder} belongs to another user of this computer, so your messages would not be yours alone "
            "there. Nothing was changed. Please choose another folder."
        )
    if not found.st_mode & 0o077:
        return
    if any(folder.iterdir()):
        raise FolderError(
            f"Other users of this computer can look into the folder {folder}, and there are files in it already. "
            f"Nothing was changed. If it is TAlk's own, close it with: chmod 700 '{folder}'. If not, choose another."
        )
    folder.chmod(PRIVATE)


def _sync_names(folder: Path) -> None:
    """A new name is on disk only when its folder is. Windows has no such call and does not need it."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
