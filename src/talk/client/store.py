"""What the client keeps on disk, as functions on an open database. Each runs inside one transaction.

Nothing here waits or sends. Whoever calls it does so on the database's own thread (`DatabaseThread`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from talk.client.events import Message, PrivateMessage
from talk.encryption import contacts, identity
from talk.encryption.database import Database
from talk.encryption.own import Own, own
from talk.protocol import events

OWN_MARKS = ("sending", "stored", "delivered", "failed")


@dataclass(frozen=True, slots=True)
class Profile:
    """Who this profile is and how far it has read. `registered` says whether the server knows it."""

    own: Own
    link: str
    name: str
    registered: bool
    epoch: str
    mail: int
    shown: int
    rooms: dict[str, int]


def create(db: Database, server: str, link: str, name: str) -> None:
    """Make the keys and the empty profile. Errors: ProfileExists."""
    identity.create_profile(db, server)
    db.run("INSERT INTO profile VALUES (1, ?, ?, 0, '', 0, 0)", link, name)


def load(db: Database) -> Profile | None:
    """The profile in this database, or None while it is new."""
    row = db.one("SELECT link, name, registered, epoch, mail, shown FROM profile")
    if row is None:
        return None
    rooms: dict[str, int] = dict(db.all("SELECT room, seq FROM rooms LIMIT 1000"))
    return Profile(own(db), row[0], row[1], bool(row[2]), row[3], row[4], row[5], rooms)


def set_link(db: Database, link: str) -> None:
    db.run("UPDATE profile SET link = ?", link)


def set_name(db: Database, name: str) -> None:
    db.run("UPDATE profile SET name = ?", name)
    db.run("INSERT OR IGNORE INTO own_names VALUES (?)", name)


def has_had_name(db: Database, name: str) -> bool:
    return db.one("SELECT 1 FROM own_names WHERE name = ?", name) is not None


def welcomed(db: Database, welcome: events.Welcome, *, at_head: bool) -> None:
    """The server has let us in: remember our name and its rooms. `at_head`: a new room starts at its end."""
    db.run("UPDATE profile SET registered = 1, epoch = iif(epoch = '', ?, epoch)", welcome.epoch)
    set_name(db, welcome.name)
    for room in welcome.rooms:
        db.run(
            "INSERT INTO rooms VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET name = excluded.name",
            room.room,
            room.name,
            room.head if at_head else 0,
        )


def set_epoch(db: Database, epoch: str, rooms: dict[str, int]) -> None:
    """Count from here in a new epoch. What was received before stays."""
    db.run("UPDATE profile SET epoch = ?, mail = 0", epoch)
    db.run("DELETE FROM undecryptable")
    for room, seq in rooms.items():
        db.run("UPDATE rooms SET seq = ? WHERE room = ?", seq, room)
        db.run("UPDATE messages SET seq = NULL WHERE conversation = ? AND seq > ?", room, seq)


def id_at(db: Database, room: str, seq: int) -> str | None:
    """The id of the message that has this number here."""
    row = db.one("SELECT id FROM messages WHERE conversation = ? AND seq = ?", room, seq)
    return row[0] if row else None


def take_room_events(db: Database, batch: list[events.RoomEvent]) -> None:
    """Keep these events and move each room's cursor on. What is known already changes nothing but its place."""
    for event in batch:
        if event.kind == events.TEXT:
            text = msgspec.json.decode(event.content, type=events.TextContent).text
        else:
            text = "(something that needs a newer TAlk)"
        db.run(
            "INSERT INTO messages (conversation, id, account, device, name, text, at, seq, mark)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, '') ON CONFLICT (device, id) DO UPDATE SET seq = excluded.seq",
            event.room,
            event.id,
            event.account,
            event.device,
            event.name,
            text,
            event.at,
            event.seq,
        )
        db.run("UPDATE rooms SET seq = max(seq, ?) WHERE room = ?", event.seq, event.room)


def lobby(db: Database) -> str:
    """The room that everybody is in; "" before the first login, until which its lines wait."""
    row = db.one("SELECT room FROM rooms WHERE name = 'lobby'")
    return row[0] if row else ""


def skip_to(db: Database, room: str, seq: int) -> None:
    """The server will not send what comes before; `history` reads it."""
    db.run("UPDATE rooms SET seq = max(seq, ?) WHERE room = ?", seq, room)


def not_shown(db: Database, limit: int) -> tuple[int, list[Message | PrivateMessage]]:
    """What was received and not yet given to the program, in the order it came, and the row that it reaches to.

    The row is 0 when there is nothing more. What blocked people wrote is passed over.
    """
    profile = load(db)
    if profile is None:
        return 0, []
    rows = db.all(f"{_SELECT} WHERE m.row > ? ORDER BY m.row LIMIT ?", profile.shown, limit)
    wanted = [row for row in rows if not contacts.is_blocked(db, row[3])]
    return (rows[-1][0] if rows else 0), [shown for row in wanted if (shown := _shown(profile, row)) is not None]


def set_shown(db: Database, row: int) -> None:
    db.run("UPDATE profile SET shown = max(shown, ?)", row)


def last_of(db: Database, conversation: str, limit: int) -> list[Message | PrivateMessage]:
    """The newest messages of a conversation, oldest first."""
    profile = load(db)
    if profile is None:
        return []
    rows = db.all(f"{_SELECT} WHERE m.conversation = ? ORDER BY m.row DESC LIMIT ?", conversation, limit)
    return [shown for row in reversed(rows) if (shown := _shown(profile, row, history=True)) is not None]


_SELECT = (
    "SELECT m.row, m.conversation, m.id, m.account, m.device, m.name, m.text, m.at, m.seq, m.missed, r.name,"
    " c.name FROM messages m LEFT JOIN rooms r ON r.room = m.conversation"
    " LEFT JOIN contacts c ON c.account = m.conversation"
)


def _shown(profile: Profile, row: tuple[Any, ...], *, history: bool = False) -> Message | PrivateMessage | None:
    """A row as the program sees it; None for what it has typed itself and needs not be told."""
    _, _, id, account, device, name, text, at, seq, missed, room, other = row
    mine = account == profile.own.account
    if room is not None:
        return None if seq is None and not history else Message(room, seq or 0, id, name, text, at, mine)
    if device == profile.own.device and not history:
        return None
    return PrivateMessage(id, name, (other or "") if mine else profile.name, text, at, mine, missed)


def keep_private(
    db: Database, conversation: str, id: str, sender: tuple[str, str, str], text: str, at: int, missed: int = 0
) -> bool:
    """Keep a private text; False when it was here before. `sender` is account, device and name."""
    mark = "sending" if sender[1] == own(db).device else ""
    return bool(
        db.run(
            "INSERT OR IGNORE INTO messages (conversation, id, account, device, name, text, at, mark, missed)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            conversation,
            id,
            *sender,
            text,
            at,
            mark,
            missed,
        )
    )


def set_mark(db: Database, device: str, id: str, mark: str) -> bool:
    """Raise the mark of one's own message; False when that is no news."""
    row = db.one("SELECT mark FROM messages WHERE device = ? AND id = ?", device, id)
    if row is None or row[0] == mark or (row[0] == "delivered" and mark == "stored"):
        return False
    db.run("UPDATE messages SET mark = ? WHERE device = ? AND id = ?", mark, device, id)
    return True


def contact_name(db: Database, account: str) -> str:
    contact = contacts.get(db, account)
    return contact.name if contact else ""
