"""Everything that can go wrong on this machine, before a word of chat. `str()` of each is a sentence for people.

LocalError
├ FolderError     a folder cannot be made, or others could look into it
├ FolderBusy      another process holds the folder
├ NobodyHome      no process listens beside the folder
├ ControlFailed   one listens, and its answer did not come or was cut off
├ Declined        one listens, and it said no
└ NearbyFailed    this machine's network does not carry announcements
"""

from __future__ import annotations

from pathlib import Path


class LocalError(Exception):
    """A sentence: what happened, whether anything was lost, what to do."""


class FolderError(LocalError):
    """A folder cannot be used for things that only its owner may see."""


class FolderBusy(LocalError):
    """Another process holds `path`; `pid` is its number where it could be read."""

    def __init__(self, path: Path, pid: int | None) -> None:
        who = "Another TAlk" if pid is None else f"Another TAlk (process {pid})"
        super().__init__(
            f"{who} is using the folder {path} already. Nothing was changed. Use that one, or close it first."
        )
        self.path = path
        self.pid = pid


class NobodyHome(LocalError):
    """No process listens on the control socket of `folder`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"No TAlk is running on the folder {folder}. Nothing was sent. Start it, then try again.")
        self.folder = folder


class ControlFailed(LocalError):
    """The other process was there, but its answer is not whole: what it did about the request is not known."""


class Declined(LocalError):
    """The other process answered that it will not, or could not. A handler raises it to say so in its own words."""


class NearbyFailed(LocalError):
    """Services on the network can be neither announced nor found, and why."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"This computer can show nothing to its network and find nothing there: {reason}. Nothing was lost. Use "
            "links instead."
        )
