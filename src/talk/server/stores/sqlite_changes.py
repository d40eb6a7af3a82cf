"""How each change is made: decide first, then write. A change that is refused has written nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from talk.protocol.errors import Code
from talk.protocol.events import EXPIRED, SEALED, UNDECRYPTABLE
from talk.protocol.limits import MAX_ONE_TIME_KEYS
from talk.server.ports import (
    AckMail,
    AddInvite,
    AddKeys,
    Appended,
    AppendRecord,
    Change,
    Changed,
    Claimed,
    ClaimKeys,
    Delivered,
    DeliverMail,
    KeyCount,
    MailItem,
    Noticed,
    Outcome,
    Refusal,
    RegisterAccount,
    ReleaseName,
    RenameAccount,
    ReplaceDevices,
    RevokeInvites,
    SetBanned,
    StartEpoch,
    Sweep,
)
from talk.server.stores.notices import notice
from talk.server.stores.sqlite_batch import Batch, Use, insert

CHANGED = Changed()
_AT_ONCE = 100  # values in one list of a statement


def make(batch: Batch, change: Change) -> Outcome:
    """Make one change. Errors: sqlite3.Error; then the caller undoes what is half done."""
    return _MAKERS[type(change)](batch, change)


# ---- accounts


def register_account(batch: Batch, change: RegisterAccount) -> Outcome:
    row, db = change.row, batch.db
    known = db.execute("SELECT name FROM accounts WHERE account = ?", (row.account,)).fetchone()
    if known is not None:
        return CHANGED if known[0] == row.name else Refusal(Code.NAME_TAKEN)
    if _holder(db, row.skeleton) is not None:
        return Refusal(Code.NAME_TAKEN)
    if _any_elsewhere(db, row.devices, row.account):
        return Refusal(Code.UNKNOWN_DEVICE)
    if change.invite and not _use_invite(db, change.invite, change.at):
        return Refusal(Code.INVITE_INVALID)
    db.execute(
        "INSERT INTO accounts VALUES (?, ?, ?, ?, ?)",
        (row.account, row.name, row.skeleton, row.version, row.banned),
    )
    db.execute("INSERT INTO identities VALUES (?, ?)", (row.account, change.identity))
    _insert_devices(db, row.account, row.devices)
    batch.forget_list(row.account)
    return CHANGED


def rename_account(batch: Batch, change: RenameAccount) -> Outcome:
    if batch.listed(change.account) is None:
        return Refusal(Code.UNKNOWN_ACCOUNT)
    if _holder(batch.db, change.skeleton) not in (None, change.account):
        return Refusal(Code.NAME_TAKEN)
    named = (change.name, change.skeleton, change.account)
    batch.db.execute("UPDATE accounts SET name = ?, skeleton = ? WHERE account = ?", named)
    return CHANGED


def release_name(batch: Batch, change: ReleaseName) -> Outcome:
    batch.db.execute("UPDATE accounts SET name = '', skeleton = '' WHERE account = ?", (change.account,))
    return CHANGED


def set_banned(batch: Batch, change: SetBanned) -> Outcome:
    if batch.listed(change.account) is None:
        return Refusal(Code.UNKNOWN_ACCOUNT)
    batch.db.execute("UPDATE accounts SET banned = ? WHERE account = ?", (change.banned, change.account))
    return CHANGED


def replace_devices(batch: Batch, change: ReplaceDevices) -> Outcome:
    db, account = batch.db, change.account
    listed = batch.listed(account)
    if listed is None:
        return Refusal(Code.UNKNOWN_ACCOUNT)
    if change.version <= listed.version:
        known = db.execute("SELECT content FROM identities WHERE account = ?", (account,)).fetchone()[0]
        again = change.version == listed.version and change.identity == known
        return CHANGED if again else Refusal(Code.OLD_DEVICE_LIST)
    if _any_elsewhere(db, change.devices, account):
        return Refusal(Code.UNKNOWN_DEVICE)
    for device in sorted(listed.devices - change.devices.keys()):
        _remove_keys(db, device, kept=())
        if batch.mailbox(device).waiting:
            batch.remove(device, batch.mailbox(device).head)
    db.execute("UPDATE accounts SET version = ? WHERE account = ?", (change.version, account))
    db.execute("UPDATE identities SET content = ? WHERE account = ?", (change.identity, account))
    db.execute("DELETE FROM devices WHERE account = ?", (account,))
    _insert_devices(db, account, change.devices)
    batch.forget_list(account)
    return CHANGED


def _holder(db: sqlite3.Connection, skeleton: str) -> str | None:
    found = db.execute("SELECT account FROM accounts WHERE skeleton = ? AND skeleton <> ''", (skeleton,)).fetchone()
    return found[0] if found else None


def _any_elsewhere(db: sqlite3.Connection, devices: Iterable[str], account: str) -> bool:
    """Whether one of these devices is on another account's list: a mailbox has one owner."""
    asked = "SELECT 1 FROM devices WHERE device = ? AND account <> ?"
    return any(db.execute(asked, (device, account)).fetchone() for device in devices)


def _insert_devices(db: sqlite3.Connection, account: str, devices: dict[str, str]) -> None:
    rows = [(device, account, key) for device, key in devices.items()]
    db.executemany("INSERT INTO devices VALUES (?, ?, ?)", rows)


# ---- messages


def append_record(batch: Batch, change: AppendRecord) -> Outcome:
    use = batch.use_of(change.device, change.id)
    if use is not None:
        same = use.digest == change.digest and use.seq > 0
        return Appended(use.seq, use.at, False) if same else Refusal(Code.ID_REUSED)
    head = batch.head_of(change.room)
    if head is None:
        return Refusal(Code.UNKNOWN_ROOM)
    batch.use(change.device, change.id, Use(change.digest, change.at, head + 1))
    batch.append(change, head + 1)
    return Appended(head + 1, change.at, True)


def deliver_mail(batch: Batch, change: DeliverMail) -> Outcome:
    use = batch.use_of(change.device, change.id)
    if use is not None:
        same = use.digest == change.digest and use.seq == 0
        return Delivered(use.at, {}, False) if same else Refusal(Code.ID_REUSED)
    refused = _why_not_delivered(batch, change)
    if refused is not None:
        return Refusal(refused)
    batch.use(change.device, change.id, Use(change.digest, change.at, 0))
    numbers: dict[str, int] = {}
    for device, content in change.contents.items():
        number = numbers[device] = batch.mailbox(device).head + 1
        batch.put(device, MailItem(number, change.id, change.account, change.device, change.at, SEALED, content))
    return Delivered(change.at, numbers, True)


def _why_not_delivered(batch: Batch, change: DeliverMail) -> Code | None:
    theirs, ours = batch.listed(change.to), batch.listed(change.account)
    if theirs is None:
        return Code.UNKNOWN_RECIPIENT
    if ours is None or change.lists != {change.to: theirs.version, change.account: ours.version}:
        return Code.DEVICES_CHANGED
    if change.contents.keys() != (theirs.devices | ours.devices) - {change.device}:
        return Code.DEVICES_CHANGED
    if any(batch.is_full(device, change.account) for device in change.contents):
        return Code.MAILBOX_FULL
    return None


def ack_mail(batch: Batch, change: AckMail) -> Outcome:
    mailbox = batch.mailbox(change.device)
    upto = min(change.upto, mailbox.head)
    if upto < mailbox.lowest:
        return Noticed(())
    # A number beyond `upto` would be noticed again with every ack, so it does not count yet.
    unread = _unread(batch, change.device, sorted({n for n in change.undecryptable if mailbox.lowest <= n <= upto}))
    batch.remove(change.device, upto)
    lost = [(id, sender, sender_device, change.account, change.device) for id, sender, sender_device in unread]
    return _give_notice(batch, UNDECRYPTABLE, lost, change.at)


def _unread(batch: Batch, device: str, numbers: Sequence[int]) -> list[tuple[str, str, str]]:
    if not numbers:
        return []
    batch.flush()
    found: list[tuple[str, str, str]] = []
    for start in range(0, len(numbers), _AT_ONCE):
        part = numbers[start : start + _AT_ONCE]
        found += batch.db.execute(
            f"SELECT id, sender, sender_device FROM mail WHERE device = ? AND kind = '{SEALED}' "
            f"AND n IN ({_marks(part)}) ORDER BY n",
            (device, *part),
        ).fetchall()
    return found


def sweep(batch: Batch, change: Sweep) -> Outcome:
    db = batch.db
    batch.flush()
    db.execute("DELETE FROM invites WHERE expires <= ?", (change.now,))
    lost = db.execute(
        "SELECT mail.id, mail.sender, mail.sender_device, devices.account, mail.device "
        f"FROM mail JOIN devices ON devices.device = mail.device WHERE mail.at < ? AND mail.kind = '{SEALED}' "
        "ORDER BY mail.device, mail.n",
        (change.mail_before,),
    ).fetchall()
    touched = db.execute("SELECT DISTINCT device FROM mail WHERE at < ?", (change.mail_before,)).fetchall()
    db.execute("DELETE FROM mail WHERE at < ?", (change.mail_before,))
    for (device,) in touched:
        batch.count_again(device)
    return _give_notice(batch, EXPIRED, lost, change.now)


def _give_notice(batch: Batch, kind: str, lost: Iterable[tuple[str, str, str, str, str]], at: int) -> Noticed:
    """Tell the senders of lost messages: (id, sender, sender's device, account and device it was for)."""
    notices: list[tuple[str, MailItem]] = []
    for id, sender, sender_device, account, device in lost:
        listed = batch.listed(sender)
        if listed is None or sender_device not in listed.devices:
            continue
        number = batch.mailbox(sender_device).head + 1
        item = notice(kind, number, id=id, account=account, device=device, at=at)
        batch.put(sender_device, item)
        notices.append((sender_device, item))
    return Noticed(tuple(notices))


# ---- keys


def add_keys(batch: Batch, change: AddKeys) -> Outcome:
    db, device = batch.db, change.device
    if db.execute("SELECT 1 FROM devices WHERE device = ?", (device,)).fetchone() is None:
        return Refusal(Code.UNKNOWN_DEVICE)
    if change.replace:
        _remove_keys(db, device, kept=[*change.one_time, *change.fallback])
    free = MAX_ONE_TIME_KEYS - key_count(db, device).one_time
    known = {key_id for (key_id,) in _given(db, device, list(change.one_time))}
    fresh = [(device, key_id, content) for key_id, content in change.one_time.items() if key_id not in known]
    insert(db, "INSERT OR FAIL INTO one_time_keys (device, key_id, content) VALUES", fresh[: max(free, 0)])
    for key_id, content in change.fallback.items():
        _set_fallback(db, device, key_id, content)
    return key_count(db, device)


def _given(db: sqlite3.Connection, device: str, key_ids: Sequence[str]) -> list[tuple[str]]:
    """Which of these key ids the device ever gave."""
    found: list[tuple[str]] = []
    for start in range(0, len(key_ids), _AT_ONCE):
        part = key_ids[start : start + _AT_ONCE]
        asked = f"SELECT key_id FROM one_time_keys WHERE device = ? AND key_id IN ({_marks(part)})"
        found += db.execute(asked, (device, *part)).fetchall()
    return found


def _set_fallback(db: sqlite3.Connection, device: str, key_id: str, content: bytes) -> None:
    asked = "SELECT 1 FROM fallback_keys WHERE device = ? AND key_id = ?"
    if db.execute(asked, (device, key_id)).fetchone():
        return
    db.execute("UPDATE fallback_keys SET content = NULL WHERE device = ? AND content IS NOT NULL", (device,))
    db.execute("INSERT INTO fallback_keys VALUES (?, ?, ?, 0)", (device, key_id, content))


def _remove_keys(db: sqlite3.Connection, device: str, kept: Sequence[str]) -> None:
    for table in ("one_time_keys", "fallback_keys"):
        held = db.execute(f"SELECT key_id FROM {table} WHERE device = ? AND content IS NOT NULL", (device,)).fetchall()
        gone = [(device, key_id) for (key_id,) in held if key_id not in kept]
        db.executemany(f"UPDATE {table} SET content = NULL WHERE device = ? AND key_id = ?", gone)


def claim_keys(batch: Batch, change: ClaimKeys) -> Outcome:
    keys: dict[str, tuple[str, bytes]] = {}
    left: dict[str, KeyCount] = {}
    for device in dict.fromkeys(change.devices):
        key = _claim_one(batch.db, device)
        if key is not None:
            keys[device] = key
        left[device] = key_count(batch.db, device)
    return Claimed(keys, left)


def _claim_one(db: sqlite3.Connection, device: str) -> tuple[str, bytes] | None:
    oldest = db.execute(
        "SELECT n, key_id, content FROM one_time_keys WHERE device = ? AND content IS NOT NULL ORDER BY n LIMIT 1",
        (device,),
    ).fetchone()
    if oldest is not None:
        n, key_id, content = oldest
        db.execute("UPDATE one_time_keys SET content = NULL WHERE n = ?", (n,))
        return key_id, content
    asked = "SELECT key_id, content FROM fallback_keys WHERE device = ? AND content IS NOT NULL"
    fallback = db.execute(asked, (device,)).fetchone()
    if fallback is None:
        return None
    db.execute("UPDATE fallback_keys SET used = 1 WHERE device = ? AND key_id = ?", (device, fallback[0]))
    return fallback[0], fallback[1]


def key_count(db: sqlite3.Connection, device: str) -> KeyCount:
    """What this device has left to be claimed."""
    one_time, used = db.execute(
        "SELECT (SELECT count(*) FROM one_time_keys WHERE device = ?1 AND content IS NOT NULL), "
        "(SELECT max(used) FROM fallback_keys WHERE device = ?1 AND content IS NOT NULL)",
        (device,),
    ).fetchone()
    return KeyCount(one_time, bool(used))


# ---- the rest


def add_invite(batch: Batch, change: AddInvite) -> Outcome:
    # One that was used up stays until it expires: given again, it would count as new.
    row = (change.invite.token_hash, change.invite.uses_left, change.invite.expires)
    batch.db.execute("INSERT INTO invites VALUES (?, ?, ?) ON CONFLICT (token_hash) DO NOTHING", row)
    return CHANGED


def revoke_invites(batch: Batch, change: RevokeInvites) -> Outcome:
    # They stay until they expire, as those that are used up do.
    rows = [(token_hash,) for token_hash in change.token_hashes]
    batch.db.executemany("UPDATE invites SET uses_left = 0 WHERE token_hash = ?", rows)
    return CHANGED


def _use_invite(db: sqlite3.Connection, token_hash: str, at: int) -> bool:
    asked = "UPDATE invites SET uses_left = uses_left - 1 WHERE token_hash = ? AND uses_left > 0 AND expires > ?"
    return db.execute(asked, (token_hash, at)).rowcount == 1


def start_epoch(batch: Batch, change: StartEpoch) -> Outcome:
    batch.db.execute("UPDATE meta SET value = ? WHERE key = 'epoch'", (change.epoch.encode(),))
    return CHANGED


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


_MAKERS: dict[type, Callable[[Batch, Any], Outcome]] = {
    RegisterAccount: register_account,
    RenameAccount: rename_account,
    ReleaseName: release_name,
    SetBanned: set_banned,
    ReplaceDevices: replace_devices,
    AppendRecord: append_record,
    DeliverMail: deliver_mail,
    AckMail: ack_mail,
    AddKeys: add_keys,
    ClaimKeys: claim_keys,
    AddInvite: add_invite,
    RevokeInvites: revoke_invites,
    StartEpoch: start_epoch,
    Sweep: sweep,
}
