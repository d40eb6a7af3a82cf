"""People with real profiles who exchange mail without a server: the harness of these tests."""

from __future__ import annotations

import secrets
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from talk.encryption import contacts, identity, keys, messages, sessions
from talk.encryption.database import FILE, Database, open_database
from talk.encryption.messages import Opened
from talk.encryption.own import own
from talk.protocol.events import SEALED, Ciphertext, Mail, Profile, Sealed
from talk.protocol.ids import decode64, encode64, hash_id, random_id
from talk.protocol.keys import Device, Identity, SignedKey, canonical

SERVER = hash_id(b"the server of these tests")
AT = 1_700_000_000_000
_numbers = count(1)


class Party:
    """One device: its database, and what a server would hold of its keys."""

    def __init__(self, folder: Path, name: str, main: Party | None = None) -> None:
        folder.mkdir()
        self.name = name
        self.path = folder / FILE
        self.key = secrets.token_bytes(32)
        self.db: Database = open_database(self.path, self.key)
        if main is None:
            self.own = identity.create_profile(self.db, SERVER)
        else:
            seed = self_signing_seed(main)
            self.own = identity.create_second_device(self.db, SERVER, identity.public_identity(main.db), seed)
        self.one_time: dict[str, SignedKey] = {}
        self.fallback: dict[str, SignedKey] = {}
        self.publish()

    @property
    def account(self) -> str:
        return self.own.account

    @property
    def device(self) -> Device:
        return Device(self.own.device, self.own.ed25519, self.own.curve25519)

    def reopen(self) -> None:
        self.db.close()
        self.db = open_database(self.path, self.key)
        assert own(self.db) == self.own

    def publish(self, fallback_used: bool = False) -> None:
        contents = keys.publish(self.db, len(self.one_time), fallback_used)
        if contents is not None:
            self.one_time |= contents.one_time
            self.fallback = contents.fallback or self.fallback
            keys.mark_published(self.db)

    def profile(self, name: str | None = None, shown: Identity | None = None) -> Profile:
        return Profile(self.account, name or self.name, shown or identity.public_identity(self.db))

    def learn(self, *others: Party) -> None:
        for other in others:
            contacts.learn(self.db, other.profile(), AT)

    def claim_from(self, other: Party) -> SignedKey:
        stock = other.one_time or other.fallback
        name = next(iter(stock))
        return stock.pop(name) if other.one_time else stock[name]

    def start(self, other: Party) -> None:
        sessions.start_session(self.db, other.account, other.device, self.claim_from(other))

    def seal(self, other: Party, text: str = "hello", send_id: str = "", kind: str = "talk.text") -> Mail:
        send_id = send_id or random_id()
        content = {"id": send_id, "to": other.account, "text": text}
        return self.mail(messages.seal(self.db, other.account, other.device, kind, content), send_id)

    def forge(self, other: Party, send_id: str = "", **changed: Any) -> Mail:
        """A message that this party's own engine would not write: its payload with these fields changed."""
        send_id = send_id or random_id()
        payload: dict[str, Any] = {
            "type": "talk.text",
            "content": {"id": send_id, "n": self._peer(other).sent + 1, "pad": "", "text": "forged"},
            "sender": self.account,
            "recipient": other.account,
            "recipient_keys": {"ed25519": other.own.ed25519},
            "keys": {"ed25519": self.own.ed25519},
        }
        return self.forge_plain(other, canonical(payload | changed), send_id)

    def forge_plain(self, other: Party, plain: bytes, send_id: str = "") -> Mail:
        """Whatever bytes, sealed by this party's real session."""
        kept = sessions.freshest(self.db, self._peer(other))
        assert kept is not None
        message = sessions.encrypt(self.db, self._peer(other), kept, plain)
        sealed = Sealed("m.olm.v1.curve25519-aes-sha2", self.own.curve25519, {other.own.curve25519: message})
        return self.mail(canonical(sealed), send_id or random_id())

    def _peer(self, other: Party) -> contacts.Peer:
        return contacts.peer(self.db, other.account, other.device.id)

    def mail(self, sealed: bytes, id: str) -> Mail:
        return Mail(next(_numbers), id, self.account, self.own.device, self.name, AT, SEALED, Raw(sealed))

    def open(self, mail: Mail) -> Opened:
        return messages.unseal(self.db, mail)

    def state(self) -> list[Any]:
        """Everything that the database holds, to see that nothing has changed."""
        tables = [row[0] for row in self.db.all("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
        return [(table, sorted(self.db.all(f"SELECT * FROM {table}"), key=repr)) for table in tables]


def say(sender: Party, receiver: Party, text: str) -> None:
    """Send a text that has to arrive."""
    opened = receiver.open(sender.seal(receiver, text))
    assert (opened.content["text"], opened.account, opened.device) == (text, sender.account, sender.own.device)


def self_signing_seed(party: Party) -> bytes:
    row = party.db.one("SELECT self_signing FROM own")
    assert row is not None
    return bytes(row[0])


def sealed_of(mail: Mail) -> Sealed:
    return msgspec.json.decode(bytes(mail.content), type=Sealed)


def olm_of(mail: Mail) -> Ciphertext:
    return next(iter(sealed_of(mail).ciphertext.values()))


def with_content(mail: Mail, content: bytes) -> Mail:
    return msgspec.structs.replace(mail, content=Raw(content))


def with_body(mail: Mail, body: bytes, type: int | None = None) -> Mail:
    """The same mail around another Olm message."""
    sealed = sealed_of(mail)
    name, message = next(iter(sealed.ciphertext.items()))
    number = message.type if type is None else type
    changed = Ciphertext(1 if number else 0, encode64(body))
    return with_content(mail, canonical(msgspec.structs.replace(sealed, ciphertext={name: changed})))


def body_of(mail: Mail) -> bytes:
    return decode64(olm_of(mail).body)
