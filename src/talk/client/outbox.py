"""What waits to be sent, on disk: as text until its first try, from then on as the very bytes of that try.

A retry sends identical bytes. Only when the server has refused them for good (`devices_changed`, a full mailbox), so
that nobody can have them, is a text sealed anew. Private messages go one at a time, in the order of sealing: the
counters inside would show a gap otherwise.

Functions here run inside one transaction on the database's thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from talk.client import held, store
from talk.client.errors import ClientError
from talk.client.events import Sent
from talk.encryption import contacts, messages, names, sessions
from talk.encryption.contacts import Contact
from talk.encryption.database import Database
from talk.encryption.errors import NameMoved
from talk.encryption.own import own
from talk.protocol import commands, wire
from talk.protocol.ids import is_account_id, random_id
from talk.protocol.keys import Device, SignedKey
from talk.protocol.limits import MAIL_LIFETIME_MS

SAY, TEXT, RECEIPT, DUMMY = "say", "talk.text", "talk.receipt", "m.dummy"
MAX_AGAIN = 3  # times that one message is sealed again for a device that could not open it
MAX_RECEIPTS = 100  # message ids in one receipt


@dataclass(frozen=True, slots=True)
class Waiting:
    """One row of the outbox. `name` is what was typed while `target` is not known."""

    row: int
    id: str
    kind: str
    target: str
    name: str
    content: dict[str, Any]
    frame: bytes | None


@dataclass(frozen=True, slots=True)
class NeedsPerson:
    """Ask the server whose name this is, or for this account's devices."""

    name: str
    account: str


@dataclass(frozen=True, slots=True)
class NeedsSessions:
    """Claim a one-time key of each of these devices of this account."""

    account: str
    devices: tuple[Device, ...]


def put_say(db: Database, room: str, text: str, at: int) -> str:
    """Queue a line for a room, "" for the lobby before it is known; its id."""
    id = _put(db, SAY, room, "", {"text": text})
    store.keep_line(db, room, id, _me(db), text, at)
    return id


def put_private(db: Database, name: str, text: str, at: int) -> str:
    """Queue a private text for whoever has this name; its id.

    Errors: NameMoved when the name belongs to other keys than before.
    """
    contact = contacts.find(db, name)
    return _put_private(db, contact.account if contact else "", name, text, at)


def put_to(db: Database, contact: Contact, text: str, at: int) -> str:
    """Queue a private text for this contact; its id. Errors: NameMoved when their name is in dispute."""
    moved = dispute_about(db, contact)
    if moved is not None:
        raise moved
    return _put_private(db, contact.account, contact.name, text, at)


def dispute_about(db: Database, contact: Contact) -> NameMoved | None:
    """What stands against sending to this contact: their name is another's, or is shown for another."""
    return names.dispute_of(db, contact.account) or names.dispute(db, contact.name)


def _put_private(db: Database, account: str, name: str, text: str, at: int) -> str:
    id = _put(db, TEXT, account, name, {"text": text})
    store.keep_line(db, account, id, _me(db), text, at, typed=name)
    return id


def _me(db: Database) -> tuple[str, str, str]:
    me, profile = own(db), store.load(db)
    return me.account, me.device, profile.name if profile else ""


def put_failed_again(db: Database, id: str, at: int) -> Sent:
    """Queue the text of a line that has failed once more, as a new message in its place.

    Errors: ClientError when it has not failed, NameMoved.
    """
    row, conversation, typed, text = _failed_line(db, id)
    contact = contacts.get(db, conversation) if is_account_id(conversation) else None
    if contact is not None:
        new_id, to = put_to(db, contact, text, at), contact.name
    elif typed:
        new_id, to = put_private(db, typed, text, at), typed
    else:
        new_id, to = put_say(db, conversation, text, at), ""
    _remove(db, row, id)
    now_in = db.one("SELECT conversation FROM messages WHERE device = ? AND id = ?", own(db).device, new_id)
    return Sent(new_id, text, to, now_in[0] if now_in else conversation)


def discard(db: Database, id: str) -> None:
    """Remove a line that has failed. Errors: ClientError when it has not."""
    row, *_ = _failed_line(db, id)
    _remove(db, row, id)


def _failed_line(db: Database, id: str) -> tuple[int, str, str, str]:
    row = db.one(
        "SELECT row, conversation, typed, text FROM messages WHERE id = ? AND device = ? AND mark = 'failed'",
        *(id, own(db).device),
    )
    if row is None:
        raise ClientError("This line has not failed, or is gone already. Nothing was changed.")
    return row[0], row[1], row[2], row[3]


def _remove(db: Database, row: int, id: str) -> None:
    db.run("DELETE FROM messages WHERE row = ?", row)
    db.run("DELETE FROM held WHERE row = ?", row)
    # Nobody shall get both: it is not sealed again for a device that asks for it.
    db.run("DELETE FROM sent WHERE id = ?", id)


def put_receipt(db: Database, account: str, message_id: str, due: int) -> None:
    """Tell this person, with others from the same second, that their message was opened."""
    row = db.one(
        "SELECT row, content FROM outbox WHERE kind = ? AND target = ? AND frame IS NULL ORDER BY row DESC LIMIT 1",
        RECEIPT,
        account,
    )
    if row is not None:
        content = msgspec.json.decode(row[1])
        if len(content["ids"]) < MAX_RECEIPTS:
            content["ids"].append(message_id)
            db.run("UPDATE outbox SET content = ? WHERE row = ?", msgspec.json.encode(content), row[0])
            return
    _put(db, RECEIPT, account, "", {"ids": [message_id]}, due)


def put_content(db: Database, kind: str, account: str, content: dict[str, Any]) -> None:
    """Queue a content of a kind that no person is told of."""
    _put(db, kind, account, "", content)


def put_again(db: Database, id: str, account: str, device_id: str, now: int) -> None:
    """A device could not open what was sent by this id: seal it again for all, on a new session with that device."""
    contact = contacts.get(db, account)
    device = next((d for d in contact.devices if d.id == device_id), None) if contact else None
    if device is None:
        return
    row = db.one("SELECT kind, account, content, again FROM sent WHERE id = ?", id)
    if row is None or row[3] >= MAX_AGAIN or account not in (row[1], own(db).account):
        return
    sessions.mark_broken(db, account, device.id)
    db.run("UPDATE sent SET again = again + 1 WHERE id = ?", id)
    content = msgspec.json.decode(row[2])
    content.setdefault("first_id", id)
    new_id = _put(db, row[0], row[1], "", content)
    # The next one of the chain counts on from here, so that a device that opens nothing is not served for ever.
    encoded = msgspec.json.encode(content)
    db.run("INSERT INTO sent VALUES (?, ?, ?, ?, ?, ?)", new_id, row[0], row[1], encoded, now, row[3] + 1)


def _put(db: Database, kind: str, target: str, name: str, content: dict[str, Any], due: int = 0) -> str:
    id = random_id()
    db.run(
        "INSERT INTO outbox (id, kind, target, name, content, due) VALUES (?, ?, ?, ?, ?, ?)",
        id,
        kind,
        target,
        name,
        msgspec.json.encode(content),
        due,
    )
    return id


def next_says(db: Database, limit: int) -> list[Waiting]:
    """The oldest lines for rooms."""
    rows = db.all(f"{_SELECT} WHERE kind = ? AND target != '' ORDER BY row LIMIT ?", SAY, limit)
    return [_waiting(row) for row in rows]


def next_private(db: Database, now: int) -> Waiting | None:
    """The oldest private message that is due, and the first of its conversation.

    One that is sealed already goes first: nobody may count on before it is known whether the server has it.
    """
    row = db.one(f"{_SELECT} {_FIRST_OF_EACH} AND o.due <= ? ORDER BY o.frame IS NULL, o.row LIMIT 1", SAY, now)
    return _waiting(row) if row else None


def next_due(db: Database) -> int | None:
    """When the next private message is due, in milliseconds since 1970."""
    row = db.one(f"SELECT min(o.due) FROM outbox o {_FIRST_OF_EACH}", SAY)
    return row[0] if row else None


def make_due(db: Database, now: int, latest: int) -> None:
    """What is due after `latest` was put off by a clock that has been set back since: it is due now."""
    db.run("UPDATE outbox SET due = ? WHERE due > ?", now, latest)


def how_many(db: Database) -> int:
    """What waits to be sent and is not a receipt."""
    row = db.one("SELECT count(*) FROM outbox WHERE kind IN (?, ?)", SAY, TEXT)
    return int(row[0]) if row else 0


_SELECT = "SELECT row, id, kind, target, name, content, frame FROM outbox o"

_FIRST_OF_EACH = (
    "WHERE o.kind != ? AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.row < o.row AND e.kind = o.kind"
    " AND e.target = o.target AND (e.target != '' OR e.name = o.name))"
)


def _waiting(row: tuple[Any, ...]) -> Waiting:
    return Waiting(row[0], row[1], row[2], row[3], row[4], msgspec.json.decode(row[5]), row[6])


def seal(db: Database, waiting: Waiting) -> bytes | NeedsPerson | NeedsSessions:
    """Seal a message for every device it goes to, and keep the frame; or what has to be asked for first.

    Errors: those of `encryption.messages.seal`.
    """
    # A receipt may have grown since it was looked at.
    waiting = _again(db, waiting)
    contact = contacts.get(db, waiting.target) if waiting.target else contacts.find(db, waiting.name)
    if contact is None:
        return NeedsPerson(waiting.name, waiting.target)
    if not waiting.target:
        _address(db, waiting, contact)
    me = own(db)
    mine = contacts.get(db, me.account)
    assert mine is not None
    others = tuple(device for device in mine.devices if device.id != me.device)
    for account, devices in ((contact.account, contact.devices), (me.account, others)):
        missing = sessions.needs_session(db, account, devices)
        if missing:
            return NeedsSessions(account, tuple(missing))
    content = {**waiting.content, "id": waiting.id, "to": contact.account}
    everyone = [(contact.account, device) for device in contact.devices] + [(me.account, device) for device in others]
    sealed = {
        device.id: msgspec.Raw(messages.seal(db, account, device, waiting.kind, content))
        for account, device in everyone
    }
    lists = {contact.account: contact.version, me.account: mine.version}
    frame = wire.encode(commands.Send(id=waiting.id, to=contact.account, lists=lists, sealed=sealed))
    db.run("UPDATE outbox SET frame = ? WHERE row = ?", frame, waiting.row)
    return frame


def _again(db: Database, waiting: Waiting) -> Waiting:
    row = db.one(f"{_SELECT} WHERE row = ?", waiting.row)
    assert row is not None
    return _waiting(row)


def is_known(db: Database, waiting: Waiting) -> bool:
    """Whether it is known by now who this goes to."""
    contact = contacts.get(db, waiting.target) if waiting.target else contacts.find(db, waiting.name)
    return contact is not None


def _address(db: Database, waiting: Waiting, contact: Contact) -> None:
    """Now it is known whose name was meant."""
    db.run("UPDATE outbox SET target = ? WHERE row = ?", contact.account, waiting.row)
    db.run(
        "UPDATE messages SET conversation = ? WHERE device = ? AND id = ?",
        contact.account,
        own(db).device,
        waiting.id,
    )


def put_off(db: Database, waiting: Waiting, due: int) -> None:
    """Try again when it is due, sealed anew."""
    take_back(db, waiting)
    db.run("UPDATE outbox SET due = ? WHERE row = ?", due, waiting.row)


def take_back(db: Database, waiting: Waiting) -> None:
    """The server has refused this frame for good: nobody has it, and it is sealed anew."""
    row = db.one("SELECT frame, target FROM outbox WHERE row = ?", waiting.row)
    if row is None or row[0] is None:
        return
    send = wire.decode_command(row[0])
    assert isinstance(send, commands.Send)
    for account in (row[1], own(db).account):
        contact = contacts.get(db, account)
        for device in contact.devices if contact else ():
            if device.id in send.sealed:
                messages.take_back(db, account, device.id)
    db.run("UPDATE outbox SET frame = NULL WHERE row = ?", waiting.row)


def stored(db: Database, waiting: Waiting, now: int, at: int) -> bool:
    """The server has it on disk since `at` by its clock; whether that is news to the person who wrote it."""
    if waiting.kind == SAY:
        store.set_mark(db, own(db).device, waiting.id, "stored")
        return bool(db.run("DELETE FROM outbox WHERE row = ?", waiting.row))
    db.run(
        "INSERT OR IGNORE INTO sent SELECT id, kind, target, content, ?, 0 FROM outbox WHERE row = ?", now, waiting.row
    )
    if waiting.kind == TEXT:
        _keep_what_is_held(db, waiting, at)
    db.run("DELETE FROM outbox WHERE row = ?", waiting.row)
    db.run("DELETE FROM sent WHERE at < ?", now - 2 * MAIL_LIFETIME_MS)
    if waiting.kind != TEXT or "first_id" in waiting.content:
        return False
    return store.set_mark(db, own(db).device, waiting.id, "stored")


def _keep_what_is_held(db: Database, waiting: Waiting, at: int) -> None:
    row = db.one("SELECT frame FROM outbox WHERE row = ?", waiting.row)
    if row is not None and row[0] is not None:
        send = wire.decode_command(row[0])
        assert isinstance(send, commands.Send)
        held.keep_sent(db, str(waiting.content.get("first_id", waiting.id)), send, at)


def failed(db: Database, waiting: Waiting, reason: str) -> str | None:
    """It cannot be sent, and will not be tried again; the id of the text that has failed, if that is news."""
    take_back(db, waiting)
    db.run("DELETE FROM outbox WHERE row = ?", waiting.row)
    first_id = str(waiting.content.get("first_id", waiting.id))
    is_news = store.set_mark(db, own(db).device, first_id, "failed", reason)
    return first_id if is_news or waiting.kind == SAY else None


def start_sessions(
    db: Database, account: str, devices: tuple[Device, ...], keys: dict[str, dict[str, SignedKey]]
) -> int:
    """Start a session with each device that a key was claimed of; how many. Errors: IdentityRefused."""
    started = 0
    for device in devices:
        for key in keys.get(device.id, {}).values():
            sessions.start_session(db, account, device, key)
            started += 1
    return started
