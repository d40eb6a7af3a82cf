"""What a client may say. Each command is one JSON object in one text frame; its field `type` names it.

Commands with an `id` are answered with exactly one frame that carries that id. The id of `say` and `send` is chosen
once per message and kept for every retry: it is what makes a retry harmless.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Raw, Struct

from talk.protocol.ids import AccountId, AnyServerId, DeviceId, Epoch, MessageId, OptionalId, RoomId
from talk.protocol.keys import DeviceKeys, DeviceList, Identity, Key, KeyId, Signature, SignedKey
from talk.protocol.limits import (
    MAX_ACK_UNDECRYPTABLE,
    MAX_DEVICES,
    MAX_HISTORY,
    MAX_NUMBER,
    MAX_ONE_TIME_KEYS,
    MAX_QUERY,
    MAX_TEXT_BYTES,
)

Number = Annotated[int, Meta(ge=0, le=MAX_NUMBER)]
# A name as typed is longer than a name may be, so that the refusal can say why.
TypedName = Annotated[str, Meta(max_length=256)]
TypedText = Annotated[str, Meta(max_length=4 * MAX_TEXT_BYTES)]


class Hello(Struct, tag="hello", frozen=True):
    """The first frame. `versions` are those the client speaks; `server` is the id it wants, "" for whoever answers."""

    versions: Annotated[list[Number], Meta(min_length=1, max_length=16)]
    nonce: Key
    server: AnyServerId = ""


class Register(Struct, tag="register", frozen=True):
    """Take a name for a new account and log in. The account is the hash of the master key in `identity`."""

    id: MessageId
    name: TypedName
    identity: Identity
    proof: Signature
    invite: Annotated[str, Meta(max_length=128)] = ""


class Login(Struct, tag="login", frozen=True):
    """Log in a device that is on its account's device list."""

    id: MessageId
    account: AccountId
    device: DeviceId
    proof: Signature


class Resume(Struct, tag="resume", frozen=True):
    """Ask for what was missed and for everything from then on.

    `rooms` says per room the last sequence number that is known (0 for none); `mail` the last mail number that was
    worked through. Both count only in the epoch they were seen in. `room_ids` and `mail_id` say what stood there, where
    that is known: a server that lost it, and was given something else in its place, begins a new epoch.
    """

    id: MessageId
    epoch: Epoch
    rooms: Annotated[dict[RoomId, Number], Meta(max_length=1_000)]
    mail: Number = 0
    room_ids: Annotated[dict[RoomId, MessageId], Meta(max_length=1_000)] = {}
    mail_id: OptionalId = ""


class Say(Struct, tag="say", frozen=True):
    """Say a text to everybody in a room."""

    id: MessageId
    room: RoomId
    text: TypedText


class Send(Struct, tag="send", frozen=True):
    """Leave one sealed content for each device of `to` and for each other device of the sender.

    `lists` are the versions of both accounts' device lists that the contents were sealed for.
    """

    id: MessageId
    to: AccountId
    lists: Annotated[dict[AccountId, Number], Meta(min_length=1, max_length=2)]
    sealed: Annotated[dict[DeviceId, Raw], Meta(min_length=1, max_length=2 * MAX_DEVICES)]


class Ack(Struct, tag="ack", frozen=True):
    """Mail up to and including number `mail` was worked through and may be removed. Answered only when it has an id.

    Those in `undecryptable` could not be opened; their senders' devices are asked to send again.
    """

    epoch: Epoch
    mail: Number
    undecryptable: Annotated[list[Number], Meta(max_length=MAX_ACK_UNDECRYPTABLE)] = []
    id: OptionalId = ""


class PublishKeys(Struct, tag="publish_keys", frozen=True):
    """Add one-time keys of this device and set its fallback key. `replace` first removes those still there."""

    id: MessageId
    one_time: Annotated[dict[KeyId, SignedKey], Meta(max_length=MAX_ONE_TIME_KEYS)] = {}
    fallback: Annotated[dict[KeyId, SignedKey], Meta(max_length=1)] = {}
    replace: bool = False


class SetDevices(Struct, tag="set_devices", frozen=True):
    """Replace this account's device list by a newer one, with the keys of every device on it."""

    id: MessageId
    device_list: DeviceList
    devices: Annotated[list[DeviceKeys], Meta(max_length=MAX_DEVICES)]


class Query(Struct, tag="query", frozen=True):
    """Ask for the signed keys of accounts, by id or by name as typed. Together at most 50."""

    id: MessageId
    accounts: Annotated[list[AccountId], Meta(max_length=MAX_QUERY)] = []
    names: Annotated[list[TypedName], Meta(max_length=MAX_QUERY)] = []


class Claim(Struct, tag="claim", frozen=True):
    """Take one one-time key of each of these devices of one account, to start sessions with them."""

    id: MessageId
    account: AccountId
    devices: Annotated[list[DeviceId], Meta(min_length=1, max_length=MAX_DEVICES)]


class History(Struct, tag="history", frozen=True):
    """Read back at most `limit` events of a room that come before sequence number `before` (0: from the end)."""

    id: MessageId
    room: RoomId
    before: Number = 0
    limit: Annotated[int, Meta(ge=1, le=MAX_HISTORY)] = 50


class ListPeople(Struct, tag="list", frozen=True):
    """Ask who is connected, and to be told of every change from then on."""

    id: MessageId


class Rename(Struct, tag="rename", frozen=True):
    """Take another name. The account stays the same."""

    id: MessageId
    name: TypedName


class Ping(Struct, tag="ping", frozen=True):
    """Are you there? Either side may ask; the answer is a pong."""


class Pong(Struct, tag="pong", frozen=True):
    """Yes."""


Command = (
    Hello
    | Register
    | Login
    | Resume
    | Say
    | Send
    | Ack
    | PublishKeys
    | SetDevices
    | Query
    | Claim
    | History
    | ListPeople
    | Rename
    | Ping
    | Pong
)
