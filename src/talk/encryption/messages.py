"""Sealing a content for one device, and opening what a device has sealed.

The payload is Matrix's (client-server API, "m.olm.v1.curve25519-aes-sha2"): sender and recipient and the keys of both
stand inside, so that nobody can pass a message on as their own. Ours inside its content are `id`, the id of the send it
came by; `n`, which counts from 1 per pair of devices, so that a message that is kept back shows; and `pad`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from msgspec import Meta, Raw, Struct
from vodozemac import AnyOlmMessage, DecodeException

from talk.encryption import contacts, sessions
from talk.encryption.contacts import Peer
from talk.encryption.database import Database, transaction
from talk.encryption.errors import NoSession, Replayed, Undecryptable, UnknownDevice
from talk.encryption.identity import own_device_keys
from talk.encryption.names import dispute_of
from talk.encryption.own import Own, own
from talk.encryption.padding import pad
from talk.protocol.errors import Malformed, Refused
from talk.protocol.events import SEALED_ALGORITHM, Mail, Sealed
from talk.protocol.ids import MessageId, decode64
from talk.protocol.json import Reader
from talk.protocol.keys import Device, DeviceKeys, canonical, check_device
from talk.protocol.limits import MAX_NUMBER, MAX_SEALED

_OWN_FIELDS = ("n", "pad")


@dataclass(frozen=True, slots=True)
class Opened:
    """A message that was opened and checked.

    `content` holds its `id` and the sender's own fields. `missed` is how many of that device's messages should have
    come before this one and did not.
    """

    kind: str
    content: dict[str, Any] = field(repr=False)
    account: str
    device: str
    missed: int


class _Payload(Struct, frozen=True, omit_defaults=True):
    type: Annotated[str, Meta(max_length=64)]
    content: Raw
    sender: str
    recipient: str
    recipient_keys: dict[str, str]
    keys: dict[str, str]
    sender_device_keys: DeviceKeys | None = None


class _Numbered(Struct, frozen=True):
    id: MessageId
    n: Annotated[int, Meta(ge=1, le=MAX_NUMBER)]


_sealed: Reader[Sealed] = Reader(Sealed)
_payload: Reader[_Payload] = Reader(_Payload)
_numbered: Reader[_Numbered] = Reader(_Numbered)
_content: Reader[dict[str, Any]] = Reader(dict[str, Any])


def seal(db: Database, account: str, device: Device, kind: str, content: dict[str, Any]) -> bytes:
    """Seal a content for one listed device of a contact (or another own one): the JSON of `events.Sealed`.

    `content` has the `id` of the send it goes by, and neither `n` nor `pad`. Commit before it is sent, keep the bytes
    for every retry. What is sealed and never sent is a number that the receiver misses, unless `take_back` follows.
    Errors: NoSession, NameMoved, UnknownDevice, ContentTooLong, NoProfile.
    """
    with transaction(db):
        me = own(db)
        peer = contacts.listed_peer(db, account, device)
        moved = dispute_of(db, account)
        if moved is not None:
            raise moved
        kept = sessions.freshest(db, peer)
        if kept is None:
            raise NoSession([device])
        number = peer.sent + 1
        padded = pad(kind, {**content, "n": number})
        payload = _Payload(
            type=kind,
            content=Raw(canonical(padded)),
            sender=me.account,
            recipient=account,
            recipient_keys={"ed25519": device.ed25519},
            keys={"ed25519": me.ed25519},
            sender_device_keys=None if kept.confirmed else own_device_keys(db),
        )
        message = sessions.encrypt(db, peer, kept, canonical(payload))
        db.run("UPDATE devices SET sent = ? WHERE id = ?", number, peer.row)
    return canonical(Sealed(SEALED_ALGORITHM, me.curve25519, {device.curve25519: message}))


def take_back(db: Database, account: str, device: str) -> None:
    """The server has refused what was sealed last for the device of that id: its number is given to the next.

    Only for the newest, so have one send under way at a time. The ratchet stays where it is: no key is used twice.
    """
    db.run("UPDATE devices SET sent = sent - 1 WHERE account = ? AND device = ? AND sent > 0", account, device)


def unseal(db: Database, mail: Mail) -> Opened:
    """Open mail of kind `sealed`, check who it is from and for, and remember that it was read.

    It is all one transaction, or a part of the caller's: on any error nothing has changed.
    Errors: UnknownDevice (query, learn, try once more), Replayed, Undecryptable, NoProfile.
    """
    with transaction(db):
        me = own(db)
        peer = contacts.peer(db, mail.account, mail.device)
        # Before decrypting: the library cannot tell a repeated message from a damaged one.
        if db.one("SELECT 1 FROM seen WHERE device = ? AND id = ?", peer.row, mail.id) is not None:
            raise Replayed(mail.device, mail.id)
        if not peer.listed:
            raise UnknownDevice(mail.account, mail.device)
        plain = sessions.decrypt(db, peer, _message(mail, me, peer))
        payload = _read(plain)
        _check(payload, me, peer)
        number, content = _content_of(payload, mail)
        db.run("INSERT INTO seen VALUES (?, ?)", peer.row, mail.id)
        db.run("UPDATE devices SET received = max(received, ?) WHERE id = ?", number, peer.row)
    return Opened(payload.type, content, mail.account, mail.device, max(0, number - peer.received - 1))


def _message(mail: Mail, me: Own, peer: Peer) -> AnyOlmMessage:
    raw = bytes(mail.content)
    if peer.device.id == me.device:
        raise Undecryptable("it claims to come from this device itself")
    if len(raw) > MAX_SEALED:
        raise Undecryptable("it is too long")
    try:
        sealed = _sealed.read(raw)
    except Malformed:
        raise Undecryptable("it is not of the right form") from None
    message = sealed.ciphertext.get(me.curve25519)
    if sealed.algorithm != SEALED_ALGORITHM or message is None:
        raise Undecryptable("it is not for this device")
    if sealed.sender_key != peer.device.curve25519:
        raise Undecryptable("it is not from the device that it names")
    try:
        return AnyOlmMessage.from_parts(message.type, decode64(message.body))
    except (DecodeException, ValueError):
        raise Undecryptable("it is not of the right form") from None


def _read(plain: bytes) -> _Payload:
    try:
        return _payload.read(plain)
    except Malformed:
        raise Undecryptable("its inside is not of the right form") from None


def _check(payload: _Payload, me: Own, peer: Peer) -> None:
    """The rules of the Matrix specification against forwarding and unknown key shares."""
    if payload.sender != peer.account or payload.keys.get("ed25519") != peer.device.ed25519:
        raise Undecryptable("it names another sender inside")
    if payload.recipient != me.account or payload.recipient_keys.get("ed25519") != me.ed25519:
        raise Undecryptable("it was meant for somebody else")
    if payload.sender_device_keys is None:
        return
    try:
        shown = check_device(payload.sender_device_keys, peer.account, peer.self_signing)
    except Refused:
        raise Undecryptable("the device keys it carries are not signed") from None
    if shown != peer.device:
        raise Undecryptable("it carries another device's keys")


def _content_of(payload: _Payload, mail: Mail) -> tuple[int, dict[str, Any]]:
    """The counter, and the content as the sender's client wrote it."""
    try:
        numbered, content = _numbered.read(payload.content), _content.read(payload.content)
    except Malformed:
        raise Undecryptable("its content is not of the right form") from None
    if numbered.id != mail.id:
        raise Undecryptable("it came under another id than it was sent with")
    return numbered.n, {name: value for name, value in content.items() if name not in _OWN_FIELDS}
