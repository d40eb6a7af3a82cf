"""What a window shows, as it stands on this device's disk. Times are milliseconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

LineMark = Literal["", "sending", "stored", "delivered", "failed"]


@dataclass(frozen=True, slots=True)
class Line:
    """One message.

    `row` orders lines as they came to this device; it is 0 for one that was read from the server and not kept.
    `conversation` is the room's id or the other person's account id, "" while it is not known whose name it is.
    `account` and `name` are who wrote it. `seq` is its place in the room, 0 for none. `mark` is "" for what others
    wrote; `reason` says in words why it has failed.
    """

    row: int
    id: str
    conversation: str
    account: str
    name: str
    text: str = field(repr=False)
    at: int
    seq: int
    mark: str
    reason: str
    mine: bool
    missed: int


@dataclass(frozen=True, slots=True)
class Conversation:
    """A room, or what was said with one person. `key` is the room's id or the person's account id.

    `unread` counts lines of others after row `read`, to 1,000 at most. `disputed` says that nothing can be sent until a
    person has decided whose name it is (`Client.details` says why, `Client.accept` decides). `verified` is
    when keys were compared with them, 0 for not yet.
    """

    key: str
    name: str
    is_room: bool
    last: Line | None
    unread: int
    read: int
    draft: str = field(repr=False)
    muted: bool
    disputed: bool
    blocked: bool
    verified: int = 0


@dataclass(frozen=True, slots=True)
class Details:
    """Whose keys an account's are, as far as this device knows. `since` is 0 for somebody who is no contact.

    `version` is that of the list of `devices` (their ids). `fingerprint` is the account's hash in groups of four, for
    reading aloud. `moved` is the sentence about a name that belongs to other keys than before, or "".
    `verified` is when keys were compared with them, 0 for not yet.
    """

    account: str
    name: str
    since: int
    version: int
    devices: tuple[str, ...]
    fingerprint: str
    disputed: bool
    blocked: bool
    moved: str
    verified: int = 0


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """Exactly what the server held of one private message.

    `id` is the one it travelled by, `sender` and `recipient` are accounts, `at` is by the server's clock. `sizes` says
    per device id how many bytes the sealed content had; of a message that came here, this device's alone.
    `ciphertext` is the start of what was sealed, for one device.
    """

    id: str
    sender: str
    sender_device: str
    recipient: str
    at: int
    sizes: dict[str, int]
    ciphertext: str


def fingerprint(account: str) -> str:
    """The hash inside an account id, in groups of four."""
    digest = account.removeprefix("@").partition(":")[0]
    return " ".join(digest[start : start + 4] for start in range(0, len(digest), 4))
