"""What the rules need from outside: a store that keeps what was decided, and a clock.

A store takes **changes**. A batch of changes is one transaction; each change is all or nothing by itself (a savepoint),
and is answered by its **outcome** in the same order. Changes are idempotent by the ids they carry, so that a change
whose outcome never arrived may be given again, today or in a year. Removing what is not there is not an error.

Every adapter passes `tests/contracts/test_store.py`.

What is made for every message is a msgspec Struct: a frozen dataclass takes 2 µs to make, and there are a dozen.

    StoreUnavailable     the batch may or may not be on disk; nothing may be answered; giving it again is safe
    StoreDamaged         the file cannot be trusted
    StoreTooNew          the file was written by a newer TAlk
    StoreBusy            another process holds it
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import Struct

from talk.protocol.errors import Code

Clock = Callable[[], int]
"""Milliseconds since 1970-01-01 UTC."""


class StoreError(Exception):
    """A sentence for the owner of the server: what is wrong with the store, and what to do."""


class StoreUnavailable(StoreError):
    """It is not known whether the batch was written."""


class StoreDamaged(StoreError):
    """The file is not a whole store."""


class StoreTooNew(StoreError):
    """The file needs a newer TAlk."""


class StoreBusy(StoreError):
    """Another server runs on this data."""


# ---- what is kept -------------------------------------------------------------------------------------------------


class Record(Struct, frozen=True, gc=False):
    """One entry of a room's log. `content` is the JSON that the sender's command led to, as bytes."""

    room: str
    seq: int
    id: str
    account: str
    device: str
    at: int
    kind: str
    content: bytes


class MailItem(Struct, frozen=True, gc=False):
    """One message in a device's mailbox. `content` is kept as the bytes that came in."""

    n: int
    id: str
    account: str
    device: str
    at: int
    kind: str
    content: bytes


class LeftOff(Struct, frozen=True, gc=False):
    """What stands where a device left off, with the number of the newest mail that it ever got (0 for none).

    `mail_id` is "" where nothing stands any more; `room_ids` has no entry for a number that the room does not have.
    """

    mail_head: int
    mail_id: str
    room_ids: dict[str, str]


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account. `devices` maps the ids on its device list to their Ed25519 keys (unpadded base64).

    `name` is "" when the owner released it; `skeleton` is what makes look-alike names the same (UTS 39).
    """

    account: str
    name: str
    skeleton: str
    version: int
    devices: dict[str, str]
    banned: bool = False


@dataclass(frozen=True, slots=True)
class RoomRow:
    room: str
    name: str
    head: int


@dataclass(frozen=True, slots=True)
class InviteRow:
    """An invite token, known only by its hash. `expires` in milliseconds since 1970."""

    token_hash: str
    uses_left: int
    expires: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that the rules keep in memory, as it is on disk now. `server_key` is the Ed25519 seed, 32 bytes."""

    server_key: bytes = field(repr=False)
    epoch: str
    rooms: tuple[RoomRow, ...]
    accounts: tuple[AccountRow, ...]
    invites: tuple[InviteRow, ...]


# ---- changes and their outcomes -----------------------------------------------------------------------------------


class RegisterAccount(Struct, frozen=True):
    """Create an account and use up one use of an invite (`invite` "" where none is needed).

    Outcome: Changed; the same account again with the same name is Changed too. Refusal NAME_TAKEN when another
    account holds the name's skeleton, INVITE_INVALID when the invite is unknown, used up or expired at `at`.
    """

    row: AccountRow
    identity: bytes
    invite: str
    at: int


class RenameAccount(Struct, frozen=True):
    """Outcome: Changed. Refusal NAME_TAKEN."""

    account: str
    name: str
    skeleton: str


class ReleaseName(Struct, frozen=True):
    """Take the name from an account, so that others may have it. Outcome: Changed."""

    account: str


class SetBanned(Struct, frozen=True):
    """Outcome: Changed."""

    account: str
    banned: bool


class ReplaceDevices(Struct, frozen=True):
    """Put a newer device list in place; mailboxes and one-time keys of devices that are gone go with them.

    Outcome: Changed; the same version with the same identity again is Changed too. Refusal OLD_DEVICE_LIST when the
    stored version is not lower.
    """

    account: str
    version: int
    devices: dict[str, str]
    identity: bytes


class AppendRecord(Struct, frozen=True):
    """Give a record the next number of its room. Numbers start at 1, have no holes and are never used again.

    Outcome: Appended; the same (device, id) again with the same digest gives the first outcome with `new` false.
    Refusal ID_REUSED when (device, id) was used with another digest, UNKNOWN_ROOM.
    """

    room: str
    id: str
    account: str
    device: str
    at: int
    kind: str
    content: bytes
    digest: bytes


class DeliverMail(Struct, frozen=True):
    """Put one content into each of these devices' mailboxes, all or nothing.

    `lists` are the device-list versions that the contents were made for, for the recipient `to` and the sender.
    Outcome: Delivered; the same (device, id) again with the same digest gives `new` false and no numbers, whatever the
    lists are by now. Refusals: ID_REUSED; UNKNOWN_RECIPIENT; DEVICES_CHANGED when a list is of another version or the
    devices are not exactly those of both lists less the sending one; MAILBOX_FULL.
    """

    id: str
    account: str
    device: str
    to: str
    at: int
    contents: dict[str, bytes]
    lists: dict[str, int]
    digest: bytes


class AckMail(Struct, frozen=True):
    """Remove a device's mail up to `upto`; for the numbers in `undecryptable`, leave a notice for the sending device.

    Only mail that is still there, of kind sealed, and whose sending device is still on its account's list is noticed.
    Outcome: Noticed.
    """

    account: str
    device: str
    upto: int
    undecryptable: tuple[int, ...]
    at: int


class AddKeys(Struct, frozen=True):
    """Add one-time keys (key id → JSON) up to 100 in all, and set the fallback key if one is given.

    `replace` first removes every key of the device that is not in this change. A key id that was ever given for the
    device is not added again, even when it was claimed since. Outcome: KeyCount.
    """

    device: str
    one_time: dict[str, bytes]
    fallback: dict[str, bytes]
    replace: bool


class ClaimKeys(Struct, frozen=True):
    """Take the oldest one-time key of each of these devices; each is handed out at most once, ever.

    A device without any gives its fallback key, which stays and is marked used; one with neither is left out.
    Outcome: Claimed.
    """

    devices: tuple[str, ...]


class AddInvite(Struct, frozen=True):
    """Outcome: Changed."""

    invite: InviteRow


class RevokeInvites(Struct, frozen=True):
    """Let nobody new come in with these. What has no such invite stays as it is. Outcome: Changed."""

    token_hashes: tuple[str, ...]


class StartEpoch(Struct, frozen=True):
    """Begin a new epoch with this id. Room numbers and mail numbers go on from where they are. Outcome: Changed."""

    epoch: str


class Sweep(Struct, frozen=True):
    """Remove expired invites, and sealed mail from before `mail_before`, leaving `expired` notices for its senders.

    Notices themselves expire without one. Outcome: Noticed.
    """

    now: int
    mail_before: int


Change = (
    RegisterAccount
    | RenameAccount
    | ReleaseName
    | SetBanned
    | ReplaceDevices
    | AppendRecord
    | DeliverMail
    | AckMail
    | AddKeys
    | ClaimKeys
    | AddInvite
    | RevokeInvites
    | StartEpoch
    | Sweep
)


class Changed(Struct, frozen=True, gc=False):
    """It is so now."""


class Appended(Struct, frozen=True, gc=False):
    seq: int
    at: int
    new: bool


class Delivered(Struct, frozen=True):
    """`numbers` maps each device to the number of the mail it got."""

    at: int
    numbers: dict[str, int]
    new: bool


class Noticed(Struct, frozen=True):
    """The notices that were put into mailboxes: device → item."""

    notices: tuple[tuple[str, MailItem], ...]


class KeyCount(Struct, frozen=True):
    one_time: int
    fallback_used: bool


class Claimed(Struct, frozen=True):
    """Device → (key id, JSON), and how many keys each of these devices has left."""

    keys: dict[str, tuple[str, bytes]]
    left: dict[str, KeyCount]


class Refusal(Struct, frozen=True, gc=False):
    """The change was not made; nothing of it is on disk."""

    code: Code


Outcome = Changed | Appended | Delivered | Noticed | KeyCount | Claimed | Refusal


# ---- the store ----------------------------------------------------------------------------------------------------


class Store(Protocol):
    """Where everything is kept. One server process at a time holds it; calls may come concurrently."""

    async def open(self) -> None:
        """Make or open it: a new one gets a server key, an epoch and the room `lobby`.

        Errors: StoreDamaged, StoreTooNew, StoreBusy, StoreError.
        """

    async def close(self) -> None:
        """Give it back. Everything committed stays; a second close does nothing."""

    async def commit(self, changes: Sequence[Change]) -> list[Outcome]:
        """Make these changes in this order in one transaction, and return when it is on disk.

        Errors: StoreUnavailable.
        """

    async def load(self) -> Snapshot:
        """Everything the rules keep in memory. Errors: StoreUnavailable."""

    async def records(self, room: str, after: int, limit: int, max_bytes: int) -> list[Record]:
        """Records with seq > after, ascending: at most `limit`, and no more after `max_bytes` of content."""

    async def records_before(self, room: str, before: int, limit: int) -> list[Record]:
        """The last `limit` records with seq < before (0: all), ascending."""

    async def mail(self, device: str, after: int, limit: int, max_bytes: int) -> list[MailItem]:
        """Mail with n > after, ascending, not removed: at most `limit`, and no more after `max_bytes` of content."""

    async def left_off(self, device: str, mail: int, rooms: Mapping[str, int]) -> LeftOff:
        """What stands today where a device left off: at this number of its mail, and at these numbers of rooms."""

    async def identities(self, accounts: Sequence[str]) -> dict[str, bytes]:
        """The identity JSON of those accounts that exist."""

    async def key_count(self, device: str) -> KeyCount:
        """What this device has left to be claimed."""

    async def backup(self, target: str) -> None:
        """Write a consistent copy to a new file while everything goes on.

        Errors: StoreError (the file exists, cannot be written, or this store cannot be copied to a file).
        """
