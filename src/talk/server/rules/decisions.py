"""What a rule can decide. A handler returns one decision; whoever runs the rules carries it out.

A `Write` is answered only after its change is on disk: `then` turns the outcome into effects. A `Read` asks the store
something that the directory does not hold. Effects are things to do now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from talk.protocol.errors import Code
from talk.protocol.events import Error, Event, Welcome
from talk.server.ports import Change, MailItem, Record


class Reply(Struct, frozen=True):
    """Say this to the connection that asked; it answers its command."""

    frame: Event


class Close(Struct, frozen=True):
    """Say this to the connection that asked, and close it."""

    error: Error


class Arrived(Struct, frozen=True):
    """The connection that asked is this device of the welcomed account from now on."""

    device: str
    welcome: Welcome


class Follow(Struct, frozen=True):
    """The connection that asked wants what it missed since these numbers, and everything from now on.

    `mail_head` is the number of its newest mail, as the store said it a moment ago.
    """

    reply: Event
    rooms: dict[str, int]
    mail: int
    mail_head: int


class Watch(Struct, frozen=True):
    """The connection that asked wants to know who is here, now and whenever it changes."""

    id: str


class Publish(Struct, frozen=True):
    """Pass this record on to everybody in its room."""

    record: Record


class Post(Struct, frozen=True):
    """This mail is in that device's mailbox now."""

    device: str
    item: MailItem


class KeysLow(Struct, frozen=True):
    """This device should publish new one-time keys, if it is connected."""

    device: str
    frame: Event


class Renamed(Struct, frozen=True):
    """People who are looking should see this account's new name."""

    account: str


class CloseDevices(Struct, frozen=True):
    """Close every connection of these devices."""

    devices: Sequence[str]
    code: Code


class CloseAll(Struct, frozen=True):
    """Close every connection."""

    code: Code


class TellOwner(Struct, frozen=True):
    """A line for the owner, worked out only if somebody is watching. Never kept: pairs of people stand in no log."""

    event: str
    fields: Callable[[], dict[str, object]]


Effect = (
    Reply | Close | Arrived | Follow | Watch | Publish | Post | KeysLow | Renamed | CloseDevices | CloseAll | TellOwner
)


class Write(Struct, frozen=True):
    """Commit this change, then do what `then` makes of its outcome."""

    change: Change
    then: Callable[[Any], Sequence[Effect]]
    """Called with the change's own kind of outcome; a Refusal is answered before it comes to this."""
    refused: Callable[[Code], Decision] | None = None
    """What a refusal of the store leads to, where that is more than an error frame."""


class Records(Struct, frozen=True):
    """Read `limit` records of a room before this number (0: the last ones)."""

    room: str
    before: int
    limit: int


class Identities(Struct, frozen=True):
    """Read the identity documents of these accounts."""

    accounts: tuple[str, ...]


class KeysLeft(Struct, frozen=True):
    """Read how many keys a device has left."""

    device: str


class WhereLeftOff(Struct, frozen=True):
    """Read what stands where a device left off: at this number of its mail, and at these numbers of rooms."""

    device: str
    mail: int
    rooms: dict[str, int]


Query = Records | Identities | KeysLeft | WhereLeftOff


class Read(Struct, frozen=True):
    """Ask the store, then decide further with what it says."""

    query: Query
    then: Callable[[Any], Decision]


Decision = Sequence[Effect] | Write | Read
