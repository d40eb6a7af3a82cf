"""Which profile a command is about."""

from __future__ import annotations

from pathlib import Path

from talk.client import ProfileError, default_folder
from talk.encryption.database import FILE
from talk.local.folders import profiles_folder


def choose_folder(data: str | None, link: str) -> Path:
    """The folder that was named, that of the link's server, or the only one there is.

    Errors: ProfileError when there is none, or several to choose from; LinkError.
    """
    if data:
        return Path(data)
    if link:
        return default_folder(link)
    found = sorted(path.parent for path in profiles_folder().glob(f"*/{FILE}"))
    match found:
        case []:
            raise ProfileError("You have joined no chat yet. Join one with its link: talk join 'talk://…' --name NAME")
        case [only]:
            return only
        case _:
            listed = "\n  ".join(str(path) for path in found)
            raise ProfileError(f"You are in several chats; say which one with --data FOLDER:\n  {listed}")
