"""What the rules know without asking: accounts, names, rooms and invites, as they are on disk.

The directory follows the store: it changes only when a change was committed, so it is never ahead of the disk.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from talk.protocol.errors import Refused
from talk.protocol.names import folded, skeleton
from talk.server.ports import AccountRow, InviteRow, RoomRow, Snapshot


class Directory:
    """Accounts by id and by name, rooms with their heads, invites by hash. Held by one server in memory."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.epoch = snapshot.epoch
        self.accounts = {row.account: row for row in snapshot.accounts}
        self.names = {row.skeleton: row.account for row in snapshot.accounts if row.name}
        self.rooms = {row.room: row for row in snapshot.rooms}
        self.invites = {invite.token_hash: invite for invite in snapshot.invites}
        # Within one run the heads never go back: only the first cursor beyond them can tell of a restored store.
        self.may_have_been_restored = True

    def find(self, name: str) -> AccountRow | None:
        """The account of this name, in capitals or not. A look-alike is not it: that may be a typo, or a trap."""
        try:
            row = self.holder(name)
            return row if row is not None and folded(row.name) == folded(name) else None
        except Refused:
            return None  # what cannot be a name is nobody's

    def holder(self, name: str) -> AccountRow | None:
        """The account that stands in the way of this name: it has the same one, or one that looks the same."""
        return self.accounts.get(self.names.get(skeleton(name), ""))

    def name_of(self, account: str) -> str:
        """The account's name now; "" for an account whose name was released."""
        row = self.accounts.get(account)
        return row.name if row else ""

    def is_free(self, name: str) -> bool:
        return skeleton(name) not in self.names

    def put(self, row: AccountRow) -> None:
        """Add an account, or put this row in place of its old one."""
        before = self.accounts.get(row.account)
        if before and before.name and self.names.get(before.skeleton) == row.account:
            del self.names[before.skeleton]
        self.accounts[row.account] = row
        if row.name:
            self.names[row.skeleton] = row.account

    def update(
        self,
        account: str,
        *,
        name: str | None = None,
        banned: bool | None = None,
        version: int | None = None,
        devices: dict[str, str] | None = None,
    ) -> AccountRow:
        """Change what is given of an account, and return its new row."""
        row = self.accounts[account]
        if name is not None:
            row = replace(row, name=name, skeleton=skeleton(name) if name else "")
        if banned is not None:
            row = replace(row, banned=banned)
        if version is not None and devices is not None:
            row = replace(row, version=version, devices=devices)
        self.put(row)
        return row

    def put_invite(self, invite: InviteRow) -> None:
        self.invites[invite.token_hash] = invite

    def good_invites(self, now: int) -> list[str]:
        """The hashes of those with which somebody new could come in now."""
        return [invite.token_hash for invite in self.invites.values() if invite.uses_left > 0 and invite.expires > now]

    def revoke_invites(self, token_hashes: Iterable[str]) -> None:
        for token_hash in self.invites.keys() & set(token_hashes):
            self.invites[token_hash] = replace(self.invites[token_hash], uses_left=0)

    def use_invite(self, token_hash: str) -> None:
        invite = self.invites.get(token_hash)
        if invite is not None:
            self.invites[token_hash] = replace(invite, uses_left=invite.uses_left - 1)

    def advance(self, room: str, seq: int) -> None:
        """A record with this number was committed."""
        row = self.rooms[room]
        self.rooms[room] = RoomRow(row.room, row.name, max(row.head, seq))
