"""A store that forgets everything with its process: the port's contract in dictionaries, for tests.

A batch is made without interruption, and a change that is refused has changed nothing, so nothing ever needs undoing.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from talk.protocol.errors import Code
from talk.protocol.events import EXPIRED, SEALED, UNDECRYPTABLE
from talk.protocol.ids import random_id
from talk.protocol.limits import MAX_MAILBOX, MAX_MAILBOX_PER_SENDER, MAX_ONE_TIME_KEYS
from talk.server.ports import (
    AccountRow,
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
    InviteRow,
    KeyCount,
    LeftOff,
    MailItem,
    Noticed,
    Outcome,
    Record,
    Refusal,
    RegisterAccount,
    ReleaseName,
    RenameAccount,
    ReplaceDevices,
    RevokeInvites,
    RoomRow,
    SetBanned,
    Snapshot,
    StartEpoch,
    StoreError,
    StoreUnavailable,
    Sweep,
)
from talk.server.stores.notices import notice
from talk.server.stores.pages import fitting


@dataclass(slots=True)
class _Mailbox:
    head: int = 0
    items: dict[int, MailItem] = field(default_factory=dict)


@dataclass(slots=True)
class _Keys:
    """`given` are the ids of all keys that ever were; `fallback` is the one that counts."""

    one_time: dict[str, bytes] = field(default_factory=dict)
    fallback: tuple[str, bytes] | None = None
    used: bool = False
    given: set[str] = field(default_factory=set)
    given_fallbacks: set[str] = field(default_factory=set)

    def count(self) -> KeyCount:
        return KeyCount(len(self.one_time), self.used and self.fallback is not None)

    def keep(self, key_ids: set[str]) -> None:
        self.one_time = {key_id: content for key_id, content in self.one_time.items() if key_id in key_ids}
        if self.fallback is not None and self.fallback[0] not in key_ids:
            self.fallback = None


class MemoryStore:
    """The port `talk.server.ports.Store`. What was committed outlives `close`, so that a test can open it again.

    `fail_next` makes the next commit raise StoreUnavailable, before or after its changes were made.
    """

    def __init__(self) -> None:
        self.fail_next: Literal["before", "after"] | None = None
        self._open = False
        self._server_key = secrets.token_bytes(32)
        self._epoch = random_id()
        lobby = random_id()
        self._rooms = {lobby: "lobby"}
        self._records: dict[str, list[Record]] = {lobby: []}
        self._accounts: dict[str, AccountRow] = {}
        self._identities: dict[str, bytes] = {}
        self._invites: dict[str, InviteRow] = {}
        self._sends: dict[tuple[str, str], tuple[bytes, int, int]] = {}
        self._mailboxes: dict[str, _Mailbox] = {}
        self._keys: dict[str, _Keys] = {}

    async def open(self) -> None:
        self._open = True

    async def close(self) -> None:
        self._open = False

    async def commit(self, changes: Sequence[Change]) -> list[Outcome]:
        await asyncio.sleep(0)  # as with a disk, others run before it is done
        self._check_open()
        failing, self.fail_next = self.fail_next, None
        if failing == "before":
            raise StoreUnavailable("This commit was told to fail before anything was written.")
        outcomes = [_MAKERS[type(change)](self, change) for change in changes]
        if failing == "after":
            raise StoreUnavailable("This commit was told to fail after everything was written.")
        return outcomes

    async def load(self) -> Snapshot:
        self._check_open()
        rooms = tuple(RoomRow(room, name, len(self._records[room])) for room, name in sorted(self._rooms.items()))
        accounts = tuple(row for _, row in sorted(self._accounts.items()))
        invites = tuple(invite for _, invite in sorted(self._invites.items()))
        return Snapshot(self._server_key, self._epoch, rooms, accounts, invites)

    async def records(self, room: str, after: int, limit: int, max_bytes: int) -> list[Record]:
        self._check_open()
        start = max(after, 0)
        return fitting(self._records.get(room, [])[start : start + max(limit, 0)], max_bytes)

    async def records_before(self, room: str, before: int, limit: int) -> list[Record]:
        self._check_open()
        records = self._records.get(room, [])
        end = len(records) if before == 0 else max(min(before - 1, len(records)), 0)
        return records[max(end - max(limit, 0), 0) : end]

    async def mail(self, device: str, after: int, limit: int, max_bytes: int) -> list[MailItem]:
        self._check_open()
        items = [item for n, item in self._mailbox(device).items.items() if n > after]
        return fitting(items[: max(limit, 0)], max_bytes)

    async def left_off(self, device: str, mail: int, rooms: Mapping[str, int]) -> LeftOff:
        self._check_open()
        mailbox = self._mailbox(device)
        item = mailbox.items.get(mail)
        logs = {room: self._records.get(room, []) for room in rooms}
        ids = {room: logs[room][seq - 1].id for room, seq in rooms.items() if 0 < seq <= len(logs[room])}
        return LeftOff(mailbox.head, item.id if item else "", ids)

    async def identities(self, accounts: Sequence[str]) -> dict[str, bytes]:
        self._check_open()
        return {account: self._identities[account] for account in accounts if account in self._identities}

    async def key_count(self, device: str) -> KeyCount:
        self._check_open()
        return self._keys_of(device).count()

    async def backup(self, target: str) -> None:
        raise StoreError(f"This store is in memory only, so nothing was written to {target}.")

    def _check_open(self) -> None:
        if not self._open:
            raise StoreUnavailable("The store is closed.")

    # ---- accounts

    def _register_account(self, change: RegisterAccount) -> Outcome:
        row = change.row
        known = self._accounts.get(row.account)
        if known is not None:
            return Changed() if known.name == row.name else Refusal(Code.NAME_TAKEN)
        if self._holder(row.skeleton) is not None:
            return Refusal(Code.NAME_TAKEN)
        if self._any_elsewhere(row.devices, row.account):
            return Refusal(Code.UNKNOWN_DEVICE)
        if change.invite:
            invite = self._invites.get(change.invite)
            if invite is None or invite.uses_left < 1 or invite.expires <= change.at:
                return Refusal(Code.INVITE_INVALID)
            self._invites[change.invite] = replace(invite, uses_left=invite.uses_left - 1)
        self._accounts[row.account] = row
        self._identities[row.account] = change.identity
        return Changed()

    def _rename_account(self, change: RenameAccount) -> Outcome:
        row = self._accounts.get(change.account)
        if row is None:
            return Refusal(Code.UNKNOWN_ACCOUNT)
        if self._holder(change.skeleton) not in (None, change.account):
            return Refusal(Code.NAME_TAKEN)
        self._accounts[change.account] = replace(row, name=change.name, skeleton=change.skeleton)
        return Changed()

    def _release_name(self, change: ReleaseName) -> Outcome:
        row = self._accounts.get(change.account)
        if row is not None:
            self._accounts[change.account] = replace(row, name="", skeleton="")
        return Changed()

    def _set_banned(self, change: SetBanned) -> Outcome:
        row = self._accounts.get(change.account)
        if row is None:
            return Refusal(Code.UNKNOWN_ACCOUNT)
        self._accounts[change.account] = replace(row, banned=change.banned)
        return Changed()

    def _replace_devices(self, change: ReplaceDevices) -> Outcome:
        row = self._accounts.get(change.account)
        if row is None:
            return Refusal(Code.UNKNOWN_ACCOUNT)
        if change.version <= row.version:
            again = change.version == row.version and change.identity == self._identities[change.account]
            return Changed() if again else Refusal(Code.OLD_DEVICE_LIST)
        if self._any_elsewhere(change.devices, change.account):
            return Refusal(Code.UNKNOWN_DEVICE)
        for device in row.devices.keys() - change.devices.keys():
            self._mailbox(device).items.clear()
            self._keys_of(device).keep(set())
        self._accounts[change.account] = replace(row, version=change.version, devices=change.devices)
        self._identities[change.account] = change.identity
        return Changed()

    def _holder(self, skeleton: str) -> str | None:
        return next((row.account for row in self._accounts.values() if row.name and row.skeleton == skeleton), None)

    def _any_elsewhere(self, devices: dict[str, str], account: str) -> bool:
        return any(
            device in row.devices for row in self._accounts.values() if row.account != account for device in devices
        )

    # ---- messages

    def _append_record(self, change: AppendRecord) -> Outcome:
        use = self._sends.get((change.device, change.id))
        if use is not None:
            digest, at, seq = use
            return Appended(seq, at, False) if digest == change.digest and seq else Refusal(Code.ID_REUSED)
        if change.room not in self._rooms:
            return Refusal(Code.UNKNOWN_ROOM)
        records = self._records[change.room]
        seq = len(records) + 1
        self._sends[change.device, change.id] = (change.digest, change.at, seq)
        records.append(
            Record(change.room, seq, change.id, change.account, change.device, change.at, change.kind, change.content)
        )
        return Appended(seq, change.at, True)

    def _deliver_mail(self, change: DeliverMail) -> Outcome:
        use = self._sends.get((change.device, change.id))
        if use is not None:
            digest, at, seq = use
            return Delivered(at, {}, False) if digest == change.digest and not seq else Refusal(Code.ID_REUSED)
        theirs, ours = self._accounts.get(change.to), self._accounts.get(change.account)
        if theirs is None:
            return Refusal(Code.UNKNOWN_RECIPIENT)
        if ours is None or change.lists != {change.to: theirs.version, change.account: ours.version}:
            return Refusal(Code.DEVICES_CHANGED)
        if change.contents.keys() != (theirs.devices.keys() | ours.devices.keys()) - {change.device}:
            return Refusal(Code.DEVICES_CHANGED)
        if any(self._is_full(device, change.account) for device in change.contents):
            return Refusal(Code.MAILBOX_FULL)
        self._sends[change.device, change.id] = (change.digest, change.at, 0)
        numbers: dict[str, int] = {}
        for device, content in change.contents.items():
            number = numbers[device] = self._mailbox(device).head + 1
            self._put(device, MailItem(number, change.id, change.account, change.device, change.at, SEALED, content))
        return Delivered(change.at, numbers, True)

    def _is_full(self, device: str, sender: str) -> bool:
        items = self._mailbox(device).items.values()
        if len(items) < MAX_MAILBOX_PER_SENDER:
            return len(items) >= MAX_MAILBOX
        theirs = sum(item.account == sender and item.kind == SEALED for item in items)
        return len(items) >= MAX_MAILBOX or theirs >= MAX_MAILBOX_PER_SENDER

    def _put(self, device: str, item: MailItem) -> None:
        mailbox = self._mailbox(device)
        mailbox.head = item.n
        mailbox.items[item.n] = item

    def _ack_mail(self, change: AckMail) -> Outcome:
        items = self._mailbox(change.device).items
        done = [items.pop(n) for n in list(items) if n <= change.upto]
        lost = [
            (item, change.account, change.device)
            for item in done
            if item.n in change.undecryptable and item.kind == SEALED
        ]
        return self._give_notice(UNDECRYPTABLE, lost, change.at)

    def _sweep(self, change: Sweep) -> Outcome:
        self._invites = {hash: invite for hash, invite in self._invites.items() if invite.expires > change.now}
        lost: list[tuple[MailItem, str, str]] = []
        owners = {device: row.account for row in self._accounts.values() for device in row.devices}
        for device, mailbox in sorted(self._mailboxes.items()):
            old = [mailbox.items.pop(n) for n, item in list(mailbox.items.items()) if item.at < change.mail_before]
            lost += [(item, owners[device], device) for item in old if item.kind == SEALED]
        return self._give_notice(EXPIRED, lost, change.now)

    def _give_notice(self, kind: str, lost: Sequence[tuple[MailItem, str, str]], at: int) -> Noticed:
        """Tell the senders of these items, which were for this account and device."""
        notices: list[tuple[str, MailItem]] = []
        for item, account, device in lost:
            sender = self._accounts.get(item.account)
            if sender is None or item.device not in sender.devices:
                continue
            number = self._mailbox(item.device).head + 1
            told = notice(kind, number, id=item.id, account=account, device=device, at=at)
            self._put(item.device, told)
            notices.append((item.device, told))
        return Noticed(tuple(notices))

    def _mailbox(self, device: str) -> _Mailbox:
        return self._mailboxes.setdefault(device, _Mailbox())

    # ---- keys and the rest

    def _add_keys(self, change: AddKeys) -> Outcome:
        if not any(change.device in row.devices for row in self._accounts.values()):
            return Refusal(Code.UNKNOWN_DEVICE)
        keys = self._keys_of(change.device)
        if change.replace:
            keys.keep({*change.one_time, *change.fallback})
        for key_id, content in change.one_time.items():
            if key_id not in keys.given and len(keys.one_time) < MAX_ONE_TIME_KEYS:
                keys.one_time[key_id] = content
                keys.given.add(key_id)
        for key_id, content in change.fallback.items():
            if key_id not in keys.given_fallbacks:
                keys.fallback, keys.used = (key_id, content), False
                keys.given_fallbacks.add(key_id)
        return keys.count()

    def _claim_keys(self, change: ClaimKeys) -> Outcome:
        claimed: dict[str, tuple[str, bytes]] = {}
        left: dict[str, KeyCount] = {}
        for device in dict.fromkeys(change.devices):
            keys = self._keys_of(device)
            if keys.one_time:
                key_id = next(iter(keys.one_time))
                claimed[device] = (key_id, keys.one_time.pop(key_id))
            elif keys.fallback is not None:
                claimed[device], keys.used = keys.fallback, True
            left[device] = keys.count()
        return Claimed(claimed, left)

    def _keys_of(self, device: str) -> _Keys:
        return self._keys.setdefault(device, _Keys())

    def _add_invite(self, change: AddInvite) -> Outcome:
        self._invites.setdefault(change.invite.token_hash, change.invite)
        return Changed()

    def _revoke_invites(self, change: RevokeInvites) -> Outcome:
        for token_hash in change.token_hashes:
            if (invite := self._invites.get(token_hash)) is not None:
                self._invites[token_hash] = replace(invite, uses_left=0)
        return Changed()

    def _start_epoch(self, change: StartEpoch) -> Outcome:
        self._epoch = change.epoch
        return Changed()


_MAKERS: dict[type, Callable[[MemoryStore, Any], Outcome]] = {
    RegisterAccount: MemoryStore._register_account,
    RenameAccount: MemoryStore._rename_account,
    ReleaseName: MemoryStore._release_name,
    SetBanned: MemoryStore._set_banned,
    ReplaceDevices: MemoryStore._replace_devices,
    AppendRecord: MemoryStore._append_record,
    DeliverMail: MemoryStore._deliver_mail,
    AckMail: MemoryStore._ack_mail,
    AddKeys: MemoryStore._add_keys,
    ClaimKeys: MemoryStore._claim_keys,
    AddInvite: MemoryStore._add_invite,
    RevokeInvites: MemoryStore._revoke_invites,
    StartEpoch: MemoryStore._start_epoch,
    Sweep: MemoryStore._sweep,
}
