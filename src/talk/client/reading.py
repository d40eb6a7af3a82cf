"""Reading conversations from the disk, for whoever shows them. Functions on an open database, like those of `store`."""

from __future__ import annotations

import json
from typing import Any

from talk.client import held, outbox, store
from talk.client.conversations import Conversation, Details, Line, ServerRecord, fingerprint
from talk.client.people import shown_name
from talk.encryption import contacts
from talk.encryption.database import Database
from talk.encryption.own import own
from talk.protocol import events
from talk.protocol.ids import is_account_id
from talk.protocol.limits import MAX_NUMBER

MAX_LINES = 1_000  # at once
MAX_UNREAD = 1_000  # that are counted
MAX_CONVERSATIONS = 10_000
MAX_DRAFT = 20_000  # code points

_LINE = (
    "SELECT m.row, m.id, m.conversation, m.account, m.name, m.text, m.at, m.seq, m.mark, m.reason, m.missed"
    " FROM messages m"
)
# In one's own conversation with somebody who is blocked, what was said before stays to be read.
_SHOWN = "m.conversation = ?1 AND (m.account = ?1 OR m.account NOT IN (SELECT account FROM blocked))"


def lines(db: Database, key: str, before: int, limit: int) -> list[Line]:
    """The newest lines of a conversation before this row (0: of all), oldest first."""
    rows = db.all(
        f"{_LINE} WHERE {_SHOWN} AND m.row < ?2 ORDER BY m.row DESC LIMIT ?3",
        *(key, before or MAX_NUMBER, max(1, min(limit, MAX_LINES))),
    )
    me = own(db).account
    return [_line(me, row) for row in reversed(rows)]


def lines_after(db: Database, key: str, after: int, until: int, limit: int) -> list[Line]:
    """The oldest lines of a conversation after one row, up to another."""
    rows = db.all(
        f"{_LINE} WHERE {_SHOWN} AND m.row > ?2 AND m.row <= ?3 ORDER BY m.row LIMIT ?4", key, after, until, limit
    )
    me = own(db).account
    return [_line(me, row) for row in rows]


def size(db: Database, key: str) -> tuple[int, int]:
    """How many lines a conversation has, and the row of its newest."""
    row = db.one(f"SELECT count(*), coalesce(max(m.row), 0) FROM messages m WHERE {_SHOWN}", key)
    return (row[0], row[1]) if row else (0, 0)


def line(db: Database, id: str) -> Line | None:
    """The line of this id; one's own if there are several."""
    row = db.one(f"{_LINE} WHERE m.id = ?1 ORDER BY m.device = ?2 DESC, m.row DESC LIMIT 1", id, own(db).device)
    return _line(own(db).account, row) if row else None


def server_record(db: Database, id: str) -> ServerRecord | None:
    """What the server held of the private message of this id."""
    found = line(db, id)
    return held.of_message(db, found.row) if found else None


def _line(me: str, row: tuple[Any, ...]) -> Line:
    number, id, conversation, account, name, text, at, seq, mark, reason, missed = row
    return Line(number, id, conversation, account, name, text, at, seq or 0, mark, reason, account == me, missed)


def of_page(db: Database, page: list[events.RoomEvent]) -> list[Line]:
    """Lines of a page of a room's history. What is kept here comes with its row."""
    me = own(db).account
    found: list[Line] = []
    for event in page:
        row = db.one(
            f"{_LINE} WHERE m.device = ? AND m.id = ? AND m.conversation = ?", event.device, event.id, event.room
        )
        found.append(_line(me, row) if row else _unkept(me, event))
    return found


def _unkept(me: str, event: events.RoomEvent) -> Line:
    mine = event.account == me
    return Line(
        row=0,
        id=event.id,
        conversation=event.room,
        account=event.account,
        name=shown_name(event.name),
        text=store.text_of(event),
        at=min(event.at, MAX_NUMBER),
        seq=event.seq,
        mark="stored" if mine else "",
        reason="",
        mine=mine,
        missed=0,
    )


# ---- all conversations

# The index is jumped through: one step for each conversation, however many lines it has.
_KEYS = """WITH RECURSIVE
    spoken (key) AS (
        SELECT min(conversation) FROM messages WHERE conversation > ''
        UNION ALL SELECT (SELECT min(conversation) FROM messages WHERE conversation > spoken.key) FROM spoken
        WHERE spoken.key IS NOT NULL),
    keys (key) AS (
        SELECT key FROM spoken WHERE key IS NOT NULL
        UNION SELECT room FROM rooms UNION SELECT key FROM conversations WHERE draft != '')"""

_ALL = f"""{_KEYS} SELECT k.key, r.name, p.name,
        p.disputed OR EXISTS (SELECT 1 FROM moved v JOIN contacts a USING (skeleton) WHERE a.account = k.key),
        b.account IS NOT NULL, coalesce(c.read, 0), coalesce(c.draft, ''), coalesce(c.muted, 0),
        coalesce(p.verified, 0),
        (SELECT count(*) FROM (
            SELECT 1 FROM messages m WHERE m.conversation = k.key AND m.mark = '' AND m.row > coalesce(c.read, 0)
            AND (m.account = k.key OR m.account NOT IN (SELECT account FROM blocked)) LIMIT {MAX_UNREAD})),
        (SELECT m.row FROM messages m WHERE m.conversation = k.key
            AND (m.account = k.key OR m.account NOT IN (SELECT account FROM blocked)) ORDER BY m.row DESC LIMIT 1)
    FROM keys k LEFT JOIN conversations c ON c.key = k.key LEFT JOIN rooms r ON r.room = k.key
        LEFT JOIN people p ON p.account = k.key LEFT JOIN blocked b ON b.account = k.key
    WHERE k.key != '' LIMIT {MAX_CONVERSATIONS}"""


def conversations(db: Database) -> list[Conversation]:
    """Rooms, the lobby first; then people, whoever spoke last first."""
    rows = db.all(_ALL)
    newest = _lines_in(db, [row[-1] for row in rows if row[-1]])
    found = [_conversation(db, row, newest.get(row[-1])) for row in rows]
    return sorted(
        found,
        key=lambda one: (not one.is_room, one.name != "lobby" if one.is_room else -one.last.row if one.last else 0),
    )


def _lines_in(db: Database, rows: list[int]) -> dict[int, Line]:
    me = own(db).account
    found = db.all(f"{_LINE} WHERE m.row IN (SELECT value FROM json_each(?))", json.dumps(rows))
    return {row[0]: _line(me, row) for row in found}


def _conversation(db: Database, row: tuple[Any, ...], last: Line | None) -> Conversation:
    key, room, name, disputed, blocked, read, draft, muted, verified, unread, _ = row
    is_room = not is_account_id(key)
    shown = room if is_room else name or _earlier_name(db, key)
    return Conversation(
        key=key,
        name=shown or "",
        is_room=is_room,
        last=last,
        unread=unread,
        read=read,
        draft=draft,
        muted=bool(muted),
        disputed=bool(disputed),
        blocked=bool(blocked),
        verified=0 if disputed else verified,
    )


def _earlier_name(db: Database, account: str) -> str:
    """What to call somebody who goes by no name now: it may be somebody else's since."""
    name = _last_known_name(db, account)
    return f"{name} (earlier keys)" if name else ""


def _last_known_name(db: Database, account: str) -> str:
    """What somebody was called when they last wrote."""
    row = db.one(
        "SELECT name FROM messages WHERE conversation = ? AND account = conversation ORDER BY row DESC LIMIT 1", account
    )
    return row[0] if row else ""


def title(db: Database, key: str) -> str:
    """What a conversation is called."""
    room = db.one("SELECT name FROM rooms WHERE room = ?", key)
    if room is not None:
        return str(room[0])
    return store.contact_name(db, key) or _earlier_name(db, key)


def mark_read(db: Database, key: str, row: int) -> None:
    """A person has read this conversation up to that row. It never goes back."""
    newest = db.one("SELECT coalesce(max(row), 0) FROM messages")
    assert newest is not None
    db.run(
        "INSERT INTO conversations (key, read) VALUES (?, ?) ON CONFLICT DO UPDATE SET read = max(read, excluded.read)",
        *(key, max(0, min(row, newest[0]))),
    )


def set_draft(db: Database, key: str, text: str) -> None:
    db.run(
        "INSERT INTO conversations (key, draft) VALUES (?, ?) ON CONFLICT DO UPDATE SET draft = excluded.draft",
        *(key, text[:MAX_DRAFT]),
    )


def set_muted(db: Database, key: str, muted: bool) -> None:
    db.run(
        "INSERT INTO conversations (key, muted) VALUES (?, ?) ON CONFLICT DO UPDATE SET muted = excluded.muted",
        *(key, int(muted)),
    )


# ---- one person


def details(db: Database, account: str, name: str) -> Details:
    """Whose keys these are; of somebody who is no contact, what account id and name alone say."""
    contact = contacts.get(db, account)
    if contact is None:
        blocked = contacts.is_blocked(db, account)
        return Details(account, name, 0, 0, (), fingerprint(account), disputed=False, blocked=blocked, moved="")
    moved = outbox.dispute_about(db, contact)
    return Details(
        account=account,
        name=contact.name or _earlier_name(db, account),
        since=contact.since,
        version=contact.version,
        devices=tuple(device.id for device in contact.devices),
        fingerprint=fingerprint(account),
        disputed=moved is not None,
        blocked=contact.blocked,
        moved=str(moved or ""),
        verified=0 if moved else contact.verified,
    )
