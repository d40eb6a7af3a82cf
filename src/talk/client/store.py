"""What the client keeps on disk, as functions on an open database. Each runs inside one transaction.

Nothing here waits or sends. Whoever calls it does so on the database's own thread (`profile.ProfileFolder.run`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from talk.client.events import Message, PrivateMessage
from talk.client.people import shown_name
from talk.encryption import contacts, identity
from talk.encryption.database import Database
from talk.encryption.own import Own, own
from talk.protocol import events
from talk.protocol.errors import Malformed, Refused
from talk.protocol.ids import is_account_id
from talk.protocol.json import Reader
from talk.protocol.limits import MAX_ACK_UNDECRYPTABLE, MAX_NUMBER
from talk.protocol.names import folded
from talk.protocol.text import check_text

UNREADABLE = "(something that needs a newer TAlk)"
_text: Reader[events.TextContent] = Reader(events.TextContent)
NOT_ALLOWED = "(a text that is not allowed, so it is not shown)"


@dataclass(frozen=True, slots=True)
class Profile:
    """Who this profile is and how far it has read. `registered` says whether the server knows it.

    `mail_id` is the id of the mail with the number `mail`, `room_ids` of the lines at the numbers in `rooms`, as far as
    they are known.
    """

    own: Own
    link: str
    name: str
    registered: bool
    epoch: str
    mail: int
    shown: int
    rooms: dict[str, int]
    mail_id: str
    room_ids: dict[str, str]


def create(db: Database, server: str, link: str, name: str) -> None:
    """Make the keys and the empty profile. Errors: ProfileExists."""
    identity.create_profile(db, server)
    db.run(
        "INSERT INTO profile (id, link, name, registered, epoch, mail, shown) VALUES (1, ?, ?, 0, '', 0, 0)", link, name
    )


def load(db: Database) -> Profile | None:
    """The profile in this database, or None while it is new."""
    row = db.one("SELECT link, name, registered, epoch, mail, shown, mail_id FROM profile")
    if row is None:
        return None
    rooms = db.all("SELECT room, seq, id FROM rooms LIMIT 1000")
    seqs = {room: seq for room, seq, _ in rooms}
    ids = {room: id for room, _, id in rooms if id}
    return Profile(own(db), row[0], row[1], bool(row[2]), row[3], row[4], row[5], seqs, row[6], ids)


def loaded(db: Database) -> Profile:
    """The profile, which is there from the start of a client on."""
    profile = load(db)
    assert profile is not None
    return profile


def set_link(db: Database, link: str) -> None:
    db.run("UPDATE profile SET link = ?", link)


def set_name(db: Database, name: str) -> None:
    db.run("UPDATE profile SET name = ?", name)
    db.run("INSERT OR IGNORE INTO own_names VALUES (?)", name)


def has_had_name(db: Database, name: str) -> bool:
    """Whether this profile goes or went by this name, in any spelling."""
    try:
        wanted = folded(name.strip())
        return any(folded(row[0]) == wanted for row in db.all("SELECT name FROM own_names LIMIT 1000"))
    except Refused:
        return False


def forget_registration(db: Database) -> None:
    """The server does not know this account any more: the next login registers the same keys again."""
    db.run("UPDATE profile SET registered = 0")


def welcomed(db: Database, welcome: events.Welcome, *, at_head: bool) -> None:
    """The server has let us in: remember our name and its rooms. `at_head`: a new room starts at its end."""
    db.run("UPDATE profile SET registered = 1, epoch = iif(epoch = '', ?, epoch)", welcome.epoch)
    set_name(db, shown_name(welcome.name))
    for room in welcome.rooms:
        db.run(
            "INSERT INTO rooms (room, name, seq) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET name = excluded.name",
            room.room,
            room.name,
            room.head if at_head else 0,
        )
    # What was said before the first login did not know its room yet.
    db.run(
        "UPDATE messages SET conversation = ? WHERE conversation = '' AND id IN"
        " (SELECT id FROM outbox WHERE kind = 'say' AND target = '')",
        lobby(db),
    )
    db.run("UPDATE outbox SET target = ? WHERE kind = 'say' AND target = ''", lobby(db))


def set_epoch(db: Database, epoch: str, rooms: dict[str, int]) -> None:
    """Count from here in a new epoch. What was received before stays."""
    db.run("UPDATE profile SET epoch = ?, mail = 0, mail_id = ''", epoch)
    db.run("DELETE FROM undecryptable")
    for room, seq in rooms.items():
        db.run("UPDATE rooms SET seq = ?, id = '' WHERE room = ?", seq, room)
        db.run("UPDATE messages SET seq = 0 WHERE conversation = ? AND seq > ?", room, seq)


def id_at(db: Database, room: str, seq: int) -> str | None:
    """The id of the message that has this number here."""
    row = db.one("SELECT id FROM messages WHERE conversation = ? AND seq = ?", room, seq)
    return row[0] if row else None


def take_room_events(db: Database, batch: list[events.RoomEvent]) -> None:
    """Keep these events and move each room's cursor on. What is known already changes nothing but its place."""
    me = own(db)
    for event in batch:
        moved = "UPDATE rooms SET id = iif(?1 >= seq, ?2, id), seq = max(seq, ?1) WHERE room = ?3"
        if not db.run(moved, event.seq, event.id, event.room):
            continue  # of a room that this profile is not in
        if event.device == me.device:
            # Until now it stood where it was written; rows are in the order in which everybody reads them.
            db.run(
                "DELETE FROM messages WHERE device = ? AND id = ? AND conversation = ? AND seq IS NULL",
                *(event.device, event.id, event.room),
            )
        db.run(
            "INSERT INTO messages (conversation, id, account, device, name, text, at, seq, mark)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (device, id, conversation) DO UPDATE SET seq = excluded.seq",
            event.room,
            event.id,
            event.account,
            event.device,
            shown_name(event.name),
            text_of(event),
            min(event.at, MAX_NUMBER),
            event.seq,
            "stored" if event.account == me.account else "",
        )


def text_of(event: events.RoomEvent) -> str:
    """What to show of an event. The server vouches for nothing in it."""
    if event.kind != events.TEXT:
        return UNREADABLE
    try:
        text = _text.read(event.content).text
        check_text(text)
    except Malformed:
        return UNREADABLE
    except Refused:
        return NOT_ALLOWED
    return text


def lobby(db: Database) -> str:
    """The room that everybody is in; "" before the first login, until which its lines wait."""
    row = db.one("SELECT room FROM rooms WHERE name = 'lobby'")
    return row[0] if row else ""


def skip_to(db: Database, room: str, seq: int) -> None:
    """The server will not send what comes before; `history` reads it."""
    db.run("UPDATE rooms SET id = iif(?1 > seq, '', id), seq = max(seq, ?1) WHERE room = ?2", seq, room)


def received_after(db: Database, row: int, limit: int) -> list[tuple[int, Message | PrivateMessage | None]]:
    """What came after this row, each with its own, in the order it came; None for what the program needs not be told.

    That is what it has typed itself, and what blocked people wrote.
    """
    profile = loaded(db)
    rows = db.all(f"{_SELECT} WHERE m.row > ? ORDER BY m.row LIMIT ?", row, limit)
    return [(row[0], None if contacts.is_blocked(db, row[3]) else _shown(profile, row)) for row in rows]


def set_shown(db: Database, row: int) -> None:
    db.run("UPDATE profile SET shown = max(shown, ?)", row)


def last_of(db: Database, conversation: str, limit: int, before: int = 0) -> list[Message | PrivateMessage]:
    """The newest messages of a conversation, oldest first; with `before` those before that `seq`, or `row`."""
    profile = loaded(db)
    # In one's own conversation with somebody who is blocked, what was said before stays to be read.
    wanted = (
        "m.conversation = ?1 AND (m.account = ?1 OR m.account NOT IN (SELECT account FROM blocked))"
        " AND (m.seq IS NOT NULL OR m.conversation LIKE '@%') AND coalesce(m.seq, m.row) < ?3"
    )
    rows = db.all(f"{_SELECT} WHERE {wanted} ORDER BY m.row DESC LIMIT ?2", conversation, limit, before or MAX_NUMBER)
    return [shown for row in reversed(rows) if (shown := _shown(profile, row, history=True)) is not None]


def as_shown(db: Database, page: list[events.RoomEvent]) -> list[Message | PrivateMessage]:
    """A page of history as the program sees it. Nothing of it is kept."""
    account = own(db).account
    rooms: dict[str, str] = dict(db.all("SELECT room, name FROM rooms"))
    return [
        Message(
            rooms.get(event.room, ""),
            event.seq,
            event.id,
            shown_name(event.name),
            text_of(event),
            min(event.at, MAX_NUMBER),
            event.account == account,
            conversation=event.room,
            account=event.account,
        )
        for event in page
    ]


_SELECT = (
    "SELECT m.row, m.conversation, m.id, m.account, m.device, m.name, m.text, m.at, m.seq, m.missed, r.name,"
    " c.name FROM messages m LEFT JOIN rooms r ON r.room = m.conversation"
    " LEFT JOIN contacts c ON c.account = m.conversation"
)


def _shown(profile: Profile, row: tuple[Any, ...], *, history: bool = False) -> Message | PrivateMessage | None:
    """A row as the program sees it; None for what it has typed itself and needs not be told."""
    number, conversation, id, account, device, name, text, at, seq, missed, room, other = row
    mine = account == profile.own.account
    if room is not None:
        # A line of one's own that has no place in the room yet is told when it has.
        return None if seq is None else Message(room, seq, id, name, text, at, mine, number, conversation, account)
    if conversation and not is_account_id(conversation):
        return None
    if device == profile.own.device and not history:
        return None
    to = (other or "") if mine else profile.name
    return PrivateMessage(id, name, to, text, at, mine, missed, number, conversation, account)


def keep_line(
    db: Database,
    conversation: str,
    id: str,
    sender: tuple[str, str, str],
    text: str,
    at: int,
    *,
    missed: int = 0,
    typed: str = "",
) -> bool:
    """Keep a private text, or a line that has no place in its room yet; False when it was here before.

    `sender` is account, device and name; `typed` is the name that was written to.
    """
    me = own(db)
    first_mark = "stored" if sender[0] == me.account else ""
    return bool(
        db.run(
            "INSERT OR IGNORE INTO messages (conversation, id, account, device, name, text, at, mark, missed, typed)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            conversation,
            id,
            *sender,
            text,
            min(at, MAX_NUMBER),
            "sending" if sender[1] == me.device else first_mark,
            missed,
            typed,
        )
    )


def set_mark(db: Database, device: str, id: str, mark: str, reason: str = "") -> bool:
    """Raise the mark of a message of one's own that has no place in a room; False when that is no news.

    `reason` says in words why it has failed.
    What a device has opened stays delivered, whatever is heard of other devices later.
    """
    return bool(
        db.run(
            "UPDATE messages SET mark = ?1, reason = ?4"
            " WHERE device = ?2 AND id = ?3 AND seq IS NULL AND mark NOT IN ('', 'delivered', ?1)",
            *(mark, device, id, reason),
        )
    )


def contact_name(db: Database, account: str) -> str:
    """The name to show for what this contact wrote; "" for somebody who is none."""
    contact = contacts.get(db, account)
    if contact is None:
        return ""
    return f"{contact.name} (other keys)" if contact.disputed else contact.name


def called_otherwise(db: Database, here: dict[str, str]) -> dict[str, str]:
    """The contacts among these people, account → name, who went by another name when they were last heard of."""
    rows = db.all("SELECT account, name FROM contacts LIMIT 100000")
    return {account: here[account] for account, name in rows if here.get(account, "") not in ("", name)}


def strangers(db: Database) -> list[str]:
    """Accounts that another device of one's own has written to, and that this one knows nothing of."""
    rows = db.all(
        "SELECT DISTINCT conversation FROM messages WHERE conversation LIKE '@%'"
        " AND conversation NOT IN (SELECT account FROM contacts) LIMIT 50"
    )
    return [row[0] for row in rows]


def put_undecryptable(db: Database, n: int, device: str) -> int:
    """Ask for this mail once more with the next acknowledgement. How many of this device were not opened by now."""
    db.run("INSERT OR IGNORE INTO undecryptable VALUES (?)", n)
    db.run("INSERT INTO unopened VALUES (?, 1) ON CONFLICT DO UPDATE SET count = count + 1", device)
    row = db.one("SELECT count FROM unopened WHERE device = ?", device)
    return int(row[0]) if row else 0


def take_unopened(db: Database, device: str, most: int) -> int:
    """How many of the messages that this device counted on for did come and could not be opened."""
    row = db.one("SELECT count FROM unopened WHERE device = ?", device)
    db.run("DELETE FROM unopened WHERE device = ?", device)
    return min(most, row[0]) if row else 0


def to_acknowledge(db: Database) -> tuple[str, int, list[int]]:
    """The epoch, the number up to which mail was worked through, and the numbers of what could not be opened."""
    profile = loaded(db)
    rows = db.all("SELECT n FROM undecryptable ORDER BY n LIMIT ?", MAX_ACK_UNDECRYPTABLE)
    return profile.epoch, profile.mail, [row[0] for row in rows]


def forget_undecryptable(db: Database, numbers: list[int]) -> None:
    db.run_many("DELETE FROM undecryptable WHERE n = ?", [(n,) for n in numbers])
