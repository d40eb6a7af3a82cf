"""Frames, identities, signatures and certificates."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from talk.client.store import text_of
from talk.protocol import wire
from talk.protocol.certificates import certificate_hash
from talk.protocol.errors import Malformed, Refused
from talk.protocol.events import Error, Event, RoomEvent
from talk.protocol.ids import hash_id
from talk.protocol.keys import Identity, check_identity, is_signature
from talk.protocol.proofs import Channel, login_bytes

_SERVER = hash_id(b"a server")
_identity = msgspec.json.Decoder(Identity)


def command(data: bytes) -> None:
    """What a server reads of a client; what it read is the same when it is written again."""
    try:
        read = wire.decode_command(data)
    except wire.RefusedFrame as refused:
        assert str(refused.reason)
        wire.encode(Error(refused.reason.code, str(refused.reason), id=refused.id))
        return
    assert wire.decode_command(wire.encode(read)) == read


def event(data: bytes) -> None:
    """What a client reads of a server."""
    try:
        read: Event | None = wire.decode_event(data)
    except Malformed:
        return
    if isinstance(read, RoomEvent):
        assert text_of(read)
    if read is not None:
        with suppress(Malformed):  # a content may be no text, which nobody minds before it is opened
            assert wire.encode(wire.decode_event(wire.encode(read))) == wire.encode(read)


def identity(data: bytes) -> None:
    """Keys that somebody shows as an account's."""
    try:
        read = _identity.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return
    with suppress(Refused):
        check_identity(read, _SERVER)


def proof(data: bytes) -> None:
    """A login's key, signature and the names that are signed, a line each."""
    key, signature, *names = data.decode("ascii", "replace").replace("\ufffd", "?").split("\n", 4)[:5] + [""] * 5
    channel = Channel(_SERVER, names[0], names[1], names[2])
    assert not is_signature(key, signature, login_bytes(channel, names[0], names[1])) or len(signature) > 80


def certificate(data: bytes) -> None:
    """A certificate that the other side shows."""
    with suppress(ValueError):
        assert len(certificate_hash(data)) == 43
