"""What a client tells the program it is part of. Names are as people see them; times are milliseconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["stored", "delivered", "failed"]
ComparingStep = Literal["asked", "waiting", "emoji", "confirmed", "verified", "ended"]


@dataclass(frozen=True, slots=True)
class Ready:
    """Logged in, and everything that was missed has been given. `users` are those who are connected, sorted."""

    name: str
    users: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """A line is queued on disk. `to` is the person's name for a private one, "" for the lobby.

    `conversation` is the room's id or the person's account, "" while that is not known.
    """

    id: str
    text: str
    to: str = ""
    conversation: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """Somebody said this in a room; one's own lines come too, in their place.

    `row` is where it stands on this device's disk, 0 when it is not kept; `conversation` is the room's id, `account`
    who wrote it.
    """

    room: str
    seq: int
    id: str
    sender: str
    text: str
    at: int
    mine: bool
    row: int = 0
    conversation: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True)
class PrivateMessage:
    """A private text. `missed` says how many of that device's messages should have come before it and did not.

    With `mine` another of one's own devices wrote it, to `to`. `row` is where it stands on this device's disk,
    `conversation` the other person's account, `account` who wrote it.
    """

    id: str
    sender: str
    to: str
    text: str
    at: int
    mine: bool = False
    missed: int = 0
    row: int = 0
    conversation: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """What is certain about a line of one's own: on the server's disk, decrypted by a device, or not sent and why."""

    id: str
    state: State
    reason: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class PeopleChanged:
    """Who came and who left, gathered over a second."""

    came: tuple[str, ...]
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Renamed:
    """A contact, or somebody who is connected, goes by another name than was last shown."""

    account: str
    name: str


@dataclass(frozen=True, slots=True)
class CatchingUp:
    """After a login, while much that was missed comes in: lines so far, and how many they will be as far as is known.

    The last of them has `done == total`.
    """

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Offline:
    """No connection; the next try is in `retry_in` seconds. What is written meanwhile is sent later."""

    reason: str
    retry_in: float


@dataclass(frozen=True, slots=True)
class Online:
    """Connected again."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the person should know. `code` is for programs."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The server will not have this profile any more, so the client has stopped trying."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Comparing:
    """A comparison of keys with somebody has got this far; `text` says it to the person.

    `asked`: they ask, so agree or not. `waiting`: for them. `emoji`: compare the seven `emoji` (each with its English
    name) now. `confirmed`: the person here has said that they are the same, the other one has not yet. `verified`:
    done. `ended`: it was not done, and `code` says why: Matrix's of `m.key.verification.cancel`.
    """

    id: str
    account: str
    name: str
    step: ComparingStep
    emoji: tuple[tuple[str, str], ...]
    text: str
    code: str = ""


ClientEvent = (
    Ready
    | Sent
    | Message
    | PrivateMessage
    | Mark
    | PeopleChanged
    | Renamed
    | CatchingUp
    | Offline
    | Online
    | Notice
    | Ended
    | Comparing
)
