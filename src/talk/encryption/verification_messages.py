"""The messages by which two people compare emoji, as they are read, and why one of them ends it.

Source: Matrix client-server API, "Key verification framework" and "Short Authentication String (SAS) verification".
They travel as sealed contents of their own kinds; what TAlk adds around Matrix's fields stands in `OWN_FIELDS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from talk.encryption.errors import VerificationFailed
from talk.protocol.ids import DeviceId, MessageId
from talk.protocol.keys import Key
from talk.protocol.limits import MAX_NUMBER

PREFIX = "m.key.verification."
REQUEST, READY, START, ACCEPT, KEY, MAC, DONE, CANCEL = (
    PREFIX + word for word in ("request", "ready", "start", "accept", "key", "mac", "done", "cancel")
)
SAS = "m.sas.v1"
AGREEMENT = "curve25519-hkdf-sha256"
HASH = "sha256"
MAC_METHOD = "hkdf-hmac-sha256.v2"
STRINGS = ("decimal", "emoji")
OWN_FIELDS = frozenset({"id", "first_id", "to", "to_device"})

# Codes of `cancel`.
USER = "m.user"
TIMEOUT = "m.timeout"
ACCEPTED = "m.accepted"
UNKNOWN_TRANSACTION = "m.unknown_transaction"
UNKNOWN_METHOD = "m.unknown_method"
UNEXPECTED_MESSAGE = "m.unexpected_message"
INVALID_MESSAGE = "m.invalid_message"
KEY_MISMATCH = "m.key_mismatch"
MISMATCHED_COMMITMENT = "m.mismatched_commitment"
MISMATCHED_SAS = "m.mismatched_sas"
# These say that somebody may be in between, where the others say that something went wrong.
SOMEBODY_BETWEEN = frozenset({KEY_MISMATCH, MISMATCHED_COMMITMENT, MISMATCHED_SAS})

_Word = Annotated[str, Meta(max_length=64)]
_Words = Annotated[list[_Word], Meta(max_length=16)]
_Hash = Annotated[str, Meta(max_length=64)]


@dataclass(frozen=True, slots=True)
class VerificationMessage:
    """What is to be sent: Matrix's fields only."""

    kind: str
    content: dict[str, Any]


class Request(Struct, frozen=True):
    """`timestamp`: milliseconds since 1970, by the clock of who asks."""

    transaction_id: MessageId
    from_device: DeviceId
    methods: _Words
    timestamp: Annotated[int, Meta(ge=0, le=MAX_NUMBER)]


class Ready(Struct, frozen=True):
    transaction_id: MessageId
    from_device: DeviceId
    methods: _Words


class Start(Struct, frozen=True):
    """The lists are missing when another method than ours is meant."""

    transaction_id: MessageId
    from_device: DeviceId
    method: _Word
    key_agreement_protocols: _Words = []
    hashes: _Words = []
    message_authentication_codes: _Words = []
    short_authentication_string: _Words = []


class Accept(Struct, frozen=True):
    transaction_id: MessageId
    key_agreement_protocol: _Word
    hash: _Word
    message_authentication_code: _Word
    short_authentication_string: _Words
    commitment: _Hash


class KeyMessage(Struct, frozen=True):
    transaction_id: MessageId
    key: Key


class Mac(Struct, frozen=True):
    """`mac`: key name → MAC of that key. `keys`: MAC of the sorted names, joined by commas."""

    transaction_id: MessageId
    keys: _Hash
    mac: Annotated[dict[Annotated[str, Meta(max_length=80)], _Hash], Meta(max_length=16)]


class Cancel(Struct, frozen=True):
    """`reason` is in the other side's words and is never shown."""

    transaction_id: MessageId
    code: _Word


class AnyMessage(Struct, frozen=True):
    """What every message has."""

    transaction_id: MessageId
    to_device: DeviceId | None = None


M = TypeVar("M", bound=Struct)


def read(type: type[M], content: dict[str, Any]) -> M:
    """A content as this message; fields it does not know are passed over. Errors: VerificationFailed."""
    try:
        return msgspec.convert(content, type)
    except (msgspec.ValidationError, RecursionError):
        raise VerificationFailed(INVALID_MESSAGE) from None


def without_own_fields(content: dict[str, Any]) -> dict[str, Any]:
    """The content as Matrix knows it: of `start`, exactly this is hashed."""
    return {name: value for name, value in content.items() if name not in OWN_FIELDS}


def request(transaction: str, device: str, timestamp: int) -> VerificationMessage:
    """`device` is the one that asks; `timestamp` in milliseconds since 1970."""
    content = {"transaction_id": transaction, "from_device": device, "methods": [SAS], "timestamp": timestamp}
    return VerificationMessage(REQUEST, content)


def ready(transaction: str, device: str) -> VerificationMessage:
    """`device` is the one that agrees."""
    return VerificationMessage(READY, {"transaction_id": transaction, "from_device": device, "methods": [SAS]})


def cancel(transaction: str, code: str) -> VerificationMessage:
    return VerificationMessage(CANCEL, {"transaction_id": transaction, "code": code, "reason": code})
