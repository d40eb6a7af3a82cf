"""What is read from a store, on a connection that cannot write."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from talk.protocol.limits import MAX_NUMBER
from talk.server.ports import AccountRow, InviteRow, LeftOff, MailItem, Record, RoomRow, Snapshot
from talk.server.stores.pages import fitting

_AT_ONCE = 100  # values in one list of a statement


def load(db: sqlite3.Connection) -> Snapshot:
    """Everything that the rules keep in memory, as of one moment."""
    db.execute("BEGIN")
    try:
        meta = dict(db.execute("SELECT key, value FROM meta").fetchall())
        devices: dict[str, dict[str, str]] = {}
        for account, device, key in db.execute("SELECT account, device, key FROM devices ORDER BY account, device"):
            devices.setdefault(account, {})[device] = key
        rows = db.execute("SELECT account, name, skeleton, version, banned FROM accounts ORDER BY account")
        accounts = tuple(
            AccountRow(account, name, skeleton, version, devices.get(account, {}), bool(banned))
            for account, name, skeleton, version, banned in rows
        )
        rooms = tuple(RoomRow(*row) for row in db.execute("SELECT room, name, head FROM rooms ORDER BY room"))
        found = db.execute("SELECT token_hash, uses_left, expires FROM invites ORDER BY token_hash")
        invites = tuple(InviteRow(*row) for row in found)
        return Snapshot(meta["server_key"], meta["epoch"].decode(), rooms, accounts, invites)
    finally:
        db.execute("ROLLBACK")


def records(db: sqlite3.Connection, room: str, after: int, limit: int, max_bytes: int) -> list[Record]:
    asked = (
        "SELECT room, seq, id, account, device, at, kind, content FROM records "
        "WHERE room = ? AND seq > ? ORDER BY seq LIMIT ?"
    )
    return fitting((Record(*row) for row in db.execute(asked, (room, after, max(limit, 0)))), max_bytes)


def records_before(db: sqlite3.Connection, room: str, before: int, limit: int) -> list[Record]:
    asked = (
        "SELECT room, seq, id, account, device, at, kind, content FROM records "
        "WHERE room = ? AND seq < ? ORDER BY seq DESC LIMIT ?"
    )
    # One plain bound, which the index finds at once. With `OR ? = 0` SQLite walked back from the end: 11 ms in a log of
    # 100,000, a second in one of 10 million.
    rows = db.execute(asked, (room, before or MAX_NUMBER + 1, max(limit, 0))).fetchall()
    return [Record(*row) for row in reversed(rows)]


def mail(db: sqlite3.Connection, device: str, after: int, limit: int, max_bytes: int) -> list[MailItem]:
    asked = (
        "SELECT n, id, sender, sender_device, at, kind, content FROM mail WHERE device = ? AND n > ? ORDER BY n LIMIT ?"
    )
    return fitting((MailItem(*row) for row in db.execute(asked, (device, after, max(limit, 0)))), max_bytes)


def left_off(db: sqlite3.Connection, device: str, mail: int, rooms: dict[str, int]) -> LeftOff:
    asked = (
        "SELECT head, (SELECT id FROM mail WHERE device = mailboxes.device AND n = ?) FROM mailboxes WHERE device = ?"
    )
    head, mail_id = db.execute(asked, (mail, device)).fetchone() or (0, None)
    found = ((room, _record_id(db, room, seq)) for room, seq in rooms.items())
    return LeftOff(head, mail_id or "", {room: id for room, id in found if id})


def _record_id(db: sqlite3.Connection, room: str, seq: int) -> str:
    row = db.execute("SELECT id FROM records WHERE room = ? AND seq = ?", (room, seq)).fetchone()
    return str(row[0]) if row else ""


def identities(db: sqlite3.Connection, accounts: Sequence[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for start in range(0, len(accounts), _AT_ONCE):
        part = accounts[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(part))
        found.update(db.execute(f"SELECT account, content FROM identities WHERE account IN ({marks})", part).fetchall())
    return found
