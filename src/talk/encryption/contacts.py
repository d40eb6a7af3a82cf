"""Contacts: people whose keys are pinned from the first time they were seen. This account itself is one of them.

An account is the hash of its master key, so the account a contact is pinned to cannot change its keys; what can go
wrong is a device that nobody listed, a list that goes back, and a name that wanders (`names`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from talk.encryption import names
from talk.encryption.database import Database, transaction
from talk.encryption.errors import DeviceListRolledBack, IdentityRefused, NameMoved, UnknownDevice
from talk.encryption.own import own
from talk.protocol.errors import Refused
from talk.protocol.events import Profile
from talk.protocol.keys import CheckedIdentity, Device, Identity, check_identity


@dataclass(frozen=True, slots=True)
class Contact:
    """A person whose keys are pinned.

    `name` is the one last shown, "" when it was accepted as another account's since. `disputed` says that this name is
    pinned to another account. `devices` are those on the newest device list, by id. `since` is in milliseconds;
    `verified` too: when the person here compared keys with them, 0 for not yet.
    """

    account: str
    name: str
    disputed: bool
    version: int
    devices: tuple[Device, ...]
    blocked: bool
    since: int
    verified: int = 0


@dataclass(frozen=True, slots=True)
class Learned:
    """What was new in a profile. `added` and `removed` are devices of a contact that was known before."""

    contact: Contact
    is_new: bool
    added: tuple[Device, ...]
    removed: tuple[Device, ...]
    moved: NameMoved | None


@dataclass(frozen=True, slots=True)
class Peer:
    """One pinned device of a contact, as the ratchet needs it. `row` is its key in the tables."""

    row: int
    account: str
    device: Device
    self_signing: str
    listed: bool
    sent: int
    received: int


def learn(db: Database, profile: Profile, at: int) -> Learned:
    """Check a profile that the server shows, and pin what is new in it. `at` is now, in milliseconds.

    A name that was pinned to another account does not hide the keys: they are pinned, and `moved` says what to ask the
    person; until they decide, nothing is sealed for this contact.
    Errors: IdentityRefused, DeviceListRolledBack, NoProfile.
    """
    checked = check(profile.identity, profile.account, own(db).server)
    with transaction(db):
        before = get(db, profile.account)
        if before is not None:
            _check_follows(db, before, checked)
        if before is None or before.version < checked.version:
            store_identity(db, checked, at)
            document = msgspec.json.encode(profile.identity)
            db.run("UPDATE own SET identity = ? WHERE account = ?", document, profile.account)
        moved = names.seen_name(db, profile.account, profile.name)
        after = get(db, profile.account)
        assert after is not None
        if before is None:
            return Learned(after, True, (), (), moved)
        added = tuple(device for device in after.devices if device not in before.devices)
        removed = tuple(device for device in before.devices if device not in after.devices)
        return Learned(after, False, added, removed, moved)


def check(identity: Identity, account: str, server: str) -> CheckedIdentity:
    """Follow an identity's signatures, and see that it is that account's. Errors: IdentityRefused."""
    try:
        checked = check_identity(identity, server)
    except Refused as error:
        raise IdentityRefused(account, str(error)) from None
    if checked.account != account:
        raise IdentityRefused(account, "They are another account's.")
    return checked


def get(db: Database, account: str) -> Contact | None:
    """The contact with this account id, this account itself included."""
    row = db.one("SELECT * FROM people WHERE account = ?", account)
    return _contact(db, row) if row else None


def find(db: Database, name: str) -> Contact | None:
    """The contact to whom this name is pinned, whatever its spelling.

    Errors: NameMoved when the name was shown for another account: nothing is sent to it until a person accepts that.
    """
    moved = names.dispute(db, name)
    if moved is not None:
        raise moved
    account = names.owner(db, name)
    return get(db, account) if account else None


def everyone(db: Database) -> list[Contact]:
    """Every contact except this account itself."""
    rows = db.all("SELECT * FROM people WHERE account NOT IN (SELECT account FROM own) ORDER BY name, account")
    return [_contact(db, row) for row in rows]


def block(db: Database, account: str) -> None:
    """Remember that this person wants nothing of that account. The client drops what it says."""
    db.run("INSERT OR IGNORE INTO blocked VALUES (?)", account)


def unblock(db: Database, account: str) -> None:
    db.run("DELETE FROM blocked WHERE account = ?", account)


def is_blocked(db: Database, account: str) -> bool:
    """Whether the account is blocked, be it a contact or not."""
    return db.one("SELECT 1 FROM blocked WHERE account = ?", account) is not None


def verify(db: Database, account: str, at: int, how: str) -> None:
    """Remember that a person has compared keys with this account, contact or not yet. `at` in milliseconds."""
    db.run("INSERT OR REPLACE INTO verified VALUES (?, ?, ?)", account, at, how)


def doubt(db: Database, account: str) -> None:
    """Undo `verify`: they compared again, and it was not the same."""
    db.run("DELETE FROM verified WHERE account = ?", account)


def verified(db: Database, account: str) -> int | None:
    """When it was verified, in milliseconds; None for not yet."""
    row = db.one("SELECT at FROM verified WHERE account = ?", account)
    return int(row[0]) if row else None


def peer(db: Database, account: str, device: str) -> Peer:
    """The pinned device, listed now or earlier. Errors: UnknownDevice."""
    row = db.one(
        "SELECT id, ed25519, curve25519, self_signing, listed, sent, received"
        " FROM devices JOIN contacts USING (account) WHERE account = ? AND device = ?",
        *(account, device),
    )
    if row is None:
        raise UnknownDevice(account, device)
    number, ed25519, curve25519, self_signing, listed, sent, received = row
    return Peer(number, account, Device(device, ed25519, curve25519), self_signing, bool(listed), sent, received)


def listed_peer(db: Database, account: str, device: Device) -> Peer:
    """The pinned device, if it is on its account's newest device list with these keys. Errors: UnknownDevice."""
    found = peer(db, account, device.id)
    if not found.listed or found.device != device:
        raise UnknownDevice(account, device.id)
    return found


def store_identity(db: Database, checked: CheckedIdentity, at: int) -> None:
    """Pin what was checked. Whoever calls it has seen that it follows on what was pinned before."""
    account = checked.account
    db.run(
        "INSERT INTO contacts (account, self_signing, version, since, name, skeleton) VALUES (?, ?, ?, ?, '', '')"
        " ON CONFLICT DO UPDATE SET self_signing = excluded.self_signing, version = excluded.version",
        *(account, checked.self_signing, checked.version, at),
    )
    db.run("UPDATE devices SET listed = 0 WHERE account = ?", account)
    db.run_many(
        "INSERT INTO devices (account, device, ed25519, curve25519, listed) VALUES (?, ?, ?, ?, 1)"
        " ON CONFLICT DO UPDATE SET listed = 1",
        [(account, device.id, device.ed25519, device.curve25519) for device in checked.devices.values()],
    )


def _check_follows(db: Database, before: Contact, checked: CheckedIdentity) -> None:
    account = before.account
    if checked.version < before.version:
        raise DeviceListRolledBack(account, before.version, checked.version)
    pinned = {row[0]: Device(*row) for row in _devices(db, account)}
    if any(pinned.get(device.id, device) != device for device in checked.devices.values()):
        raise IdentityRefused(account, "A device has other keys than before.")
    if checked.version > before.version:
        return
    row = db.one("SELECT self_signing FROM contacts WHERE account = ?", account)
    if row != (checked.self_signing,) or checked.devices != {device.id: device for device in before.devices}:
        raise IdentityRefused(account, f"There are two different lists of devices with version {checked.version}.")


def _devices(db: Database, account: str, least: int = 0) -> list[tuple[Any, ...]]:
    return db.all(
        "SELECT device, ed25519, curve25519 FROM devices WHERE account = ? AND listed >= ? ORDER BY device",
        *(account, least),
    )


def _contact(db: Database, row: tuple[Any, ...]) -> Contact:
    account, name, disputed, version, blocked, since, at = row
    devices = tuple(Device(*device) for device in _devices(db, account, least=1))
    return Contact(account, name, bool(disputed), version, devices, bool(blocked), since, at)
