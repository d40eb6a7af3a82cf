"""What the server held of each private message, kept beside the message: so that a person can see what it sees."""

from __future__ import annotations

import json

from talk.client.conversations import ServerRecord
from talk.encryption import contacts
from talk.encryption.database import Database
from talk.encryption.own import own
from talk.protocol import commands, events
from talk.protocol.errors import Malformed
from talk.protocol.json import Reader

SHOWN = 160  # characters of the sealed body

_sealed: Reader[events.Sealed] = Reader(events.Sealed)


def keep_sent(db: Database, id: str, send: commands.Send, at: int) -> None:
    """The server has stored this frame, at that time of its clock, for the message of this id. The first one counts."""
    me = own(db)
    contact = contacts.get(db, send.to)
    theirs = {device.id for device in contact.devices} if contact else set()
    first = next((device for device in send.sealed if device in theirs), next(iter(send.sealed), ""))
    sizes = {device: len(bytes(sealed)) for device, sealed in send.sealed.items()}
    body = _body(bytes(send.sealed[first])) if first else ""
    record = ServerRecord(send.id, me.account, me.device, send.to, at, sizes, body)
    _keep(db, me.device, id, send.to, record)


def keep_received(db: Database, id: str, conversation: str, mail: events.Mail, to: str) -> None:
    """The same of mail for this device that is kept as the message of this id."""
    sealed = bytes(mail.content)
    record = ServerRecord(mail.id, mail.account, mail.device, to, mail.at, {own(db).device: len(sealed)}, _body(sealed))
    _keep(db, mail.device, id, conversation, record)


def of_message(db: Database, row: int) -> ServerRecord | None:
    """What the server held of the private message in this row; None for any other, and for one not stored yet."""
    kept = db.one(
        "SELECT id, sender, sender_device, recipient, at, sizes, ciphertext FROM held WHERE row = ?",
        row,
    )
    if kept is None:
        return None
    id, sender, device, recipient, at, sizes, ciphertext = kept
    return ServerRecord(id, sender, device, recipient, at, json.loads(sizes), ciphertext)


def _keep(db: Database, device: str, id: str, conversation: str, record: ServerRecord) -> None:
    db.run(
        "INSERT OR IGNORE INTO held SELECT row, ?, ?, ?, ?, ?, ?, ?"
        " FROM messages WHERE device = ? AND id = ? AND conversation = ?",
        record.id,
        record.sender,
        record.sender_device,
        record.recipient,
        record.at,
        json.dumps(record.sizes),
        record.ciphertext,
        device,
        id,
        conversation,
    )


def _body(sealed: bytes) -> str:
    """The start of what is sealed; "" for what is of another form."""
    try:
        messages = _sealed.read(sealed).ciphertext.values()
    except Malformed:
        return ""
    return next((message.body[:SHOWN] for message in messages), "")
