"""What the server says: answers, room events, mail, presence. One JSON object per text frame; `type` names it.

Names of people are attributes of accounts at the moment of sending. What is permanent is the account id.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct

from talk.protocol.commands import Number, Ping, Pong
from talk.protocol.ids import AccountId, DeviceId, Epoch, MessageId, RoomId, ServerId
from talk.protocol.keys import OLM, Identity, Key, KeyId, NoKey, Signature, SignedKey

Milliseconds = Annotated[int, Meta(ge=0, description="milliseconds since 1970-01-01 UTC, by the server's clock")]


class ServerHello(Struct, tag="hello", frozen=True):
    """The answer to hello. The client checks the server id, the signature and the certificate before it logs in."""

    version: int
    server: ServerId
    key: Key
    nonce: Key
    certificate: NoKey
    signature: Signature
    now: Milliseconds
    invite_needed: bool


class Room(Struct, frozen=True):
    """A room and the sequence number of its newest event."""

    room: RoomId
    name: str
    head: Number


class Welcome(Struct, tag="welcome", frozen=True):
    """The answer to login and register. `one_time_keys` are how many of this device's the server still has."""

    id: MessageId
    account: AccountId
    name: str
    epoch: Epoch
    rooms: list[Room]
    one_time_keys: int
    fallback_used: bool


class Done(Struct, tag="done", frozen=True):
    """The command was carried out, and is on disk where it changed anything."""

    id: MessageId


class Stored(Struct, tag="stored", frozen=True, omit_defaults=True):
    """The message is on disk. `seq` is its place in the room; 0 for a private message."""

    id: MessageId
    at: Milliseconds
    seq: Number = 0


class Profile(Struct, frozen=True):
    """An account as the server knows it: its name now and its signed keys. Trust only what `check_identity` says."""

    account: AccountId
    name: str
    identity: Identity


class Error(Struct, tag="error", frozen=True, omit_defaults=True):
    """A command was refused, or the connection is about to be closed (`id` is "" then)."""

    code: str
    message: str
    id: str = ""
    retryable: bool = False
    retry_after_ms: int = 0
    suggestions: list[str] = []
    profiles: list[Profile] = []


class RoomEvent(Struct, tag="event", frozen=True):
    """One entry of a room's log. Kind `text` has the content `{"text": …}`; an unknown kind moves the cursor on."""

    room: RoomId
    seq: Number
    id: MessageId
    account: AccountId
    device: DeviceId
    name: str
    at: Milliseconds
    kind: str
    content: Raw


class TextContent(Struct, frozen=True):
    """The content of a room event of kind `text`."""

    text: str


class Ciphertext(Struct, frozen=True, forbid_unknown_fields=True):
    """One Olm message: type 0 starts a session, type 1 continues it. `body` is unpadded base64."""

    type: Literal[0, 1]
    body: str


class Sealed(Struct, frozen=True, forbid_unknown_fields=True):
    """A sealed content as Matrix writes it (`m.room.encrypted` to a device): recipient's Curve25519 key → message."""

    algorithm: str
    sender_key: Key
    ciphertext: Annotated[dict[Key, Ciphertext], Meta(min_length=1, max_length=1)]


class NoticeContent(Struct, frozen=True):
    """The content of mail of kind `undecryptable` or `expired`: which message of yours, for which device."""

    id: MessageId
    device: DeviceId


class Mail(Struct, tag="mail", frozen=True):
    """One message in this device's mailbox, numbered from 1; a number is never used again.

    Kind `sealed` comes from `account` and its `device`. Kinds `undecryptable` and `expired` are notices of the server
    about a message of the receiver's own; `account` is whom it was for.
    """

    n: Number
    id: MessageId
    account: AccountId
    device: DeviceId
    name: str
    at: Milliseconds
    kind: str
    content: Raw


class Gap(Struct, tag="gap", frozen=True):
    """The events after `after` and before `next` are not sent by themselves; `history` reads them."""

    room: RoomId
    after: Number
    next: Number


class Live(Struct, tag="live", frozen=True):
    """Everything missed was sent, up to these sequence numbers; what follows is new. `mail` is the last mail number."""

    rooms: dict[RoomId, Number]
    mail: Number


class HistoryPage(Struct, tag="history", frozen=True):
    """The answer to history, oldest first; empty at the beginning of the room."""

    id: MessageId
    events: list[RoomEvent]


class Person(Struct, frozen=True):
    """Somebody who is connected."""

    account: AccountId
    name: str


class People(Struct, tag="people", frozen=True):
    """Who is connected, in one or more frames; the last one says so. `version` counts the changes since the start.

    The answer to list; with `id` "" it comes unasked, after this client was too slow to be told of every change.
    """

    id: str
    version: Number
    people: list[Person]
    last: bool


class Presence(Struct, tag="presence", frozen=True):
    """What changed up to `version`: who came or took a new name, and who left. Applying it twice changes nothing."""

    version: Number
    here: list[Person]
    left: list[AccountId]


class Profiles(Struct, tag="profiles", frozen=True):
    """The answer to query: those that exist."""

    id: MessageId
    profiles: list[Profile]


class ClaimedKeys(Struct, tag="claimed", frozen=True):
    """The answer to claim. A device whose keys ran out gives its fallback key; one with neither is left out."""

    id: MessageId
    keys: dict[DeviceId, dict[KeyId, SignedKey]]


class KeysLeft(Struct, tag="keys_left", frozen=True):
    """How many one-time keys the server still has of this device; sent when they run low."""

    one_time_keys: int
    fallback_used: bool


Event = (
    ServerHello
    | Welcome
    | Done
    | Stored
    | Error
    | RoomEvent
    | Mail
    | Gap
    | Live
    | HistoryPage
    | People
    | Presence
    | Profiles
    | ClaimedKeys
    | KeysLeft
    | Ping
    | Pong
)

SEALED = "sealed"
UNDECRYPTABLE = "undecryptable"
EXPIRED = "expired"
TEXT = "text"
SEALED_ALGORITHM = OLM
