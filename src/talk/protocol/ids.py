"""Permanent identifiers: short hashes of public keys, in lower-case base32. Names may change; these may not.

An id is the first 160 bits of SHA-256, which no one can aim at a key of their own (second preimage 2^160).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from typing import Annotated, TypeGuard

import msgspec

HASH_CHARS = 32
_HASH = f"[a-z2-7]{{{HASH_CHARS}}}"
_ACCOUNT = f"@{_HASH}:{_HASH}"

ServerId = Annotated[str, msgspec.Meta(pattern=f"^{_HASH}$", max_length=HASH_CHARS)]
AccountId = Annotated[str, msgspec.Meta(pattern=f"^{_ACCOUNT}$", max_length=2 * HASH_CHARS + 2)]
DeviceId = Annotated[str, msgspec.Meta(pattern=f"^{_HASH}$", max_length=HASH_CHARS)]
AnyServerId = Annotated[str, msgspec.Meta(pattern=rf"^({_HASH})?$(?!\n)", max_length=HASH_CHARS)]
RoomId = Annotated[str, msgspec.Meta(pattern=f"^{_HASH}$", max_length=HASH_CHARS)]
Epoch = Annotated[str, msgspec.Meta(pattern=f"^{_HASH}$", max_length=HASH_CHARS)]
MessageId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}(?!\n)$", max_length=64)]
OptionalId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{0,64}(?!\n)$", max_length=64)]

_ACCOUNT_RE = re.compile(_ACCOUNT)
_MESSAGE_RE = re.compile(r"[A-Za-z0-9_-]{1,64}")


def encode32(data: bytes) -> str:
    """Lower-case base32 (RFC 4648 section 6) without padding."""
    return base64.b32encode(data).decode("ascii").rstrip("=").lower()


def hash_id(data: bytes) -> str:
    """The 32 characters that stand for a public key of a server, an account or a device."""
    return encode32(hashlib.sha256(data).digest()[:20])


def random_id() -> str:
    """A new unguessable id of 160 bits: for rooms, epochs and messages."""
    return encode32(secrets.token_bytes(20))


def account_id(master_key: bytes, server: str) -> str:
    """The permanent id of the account whose master public key (32 bytes) this is, on that server."""
    return f"@{hash_id(master_key)}:{server}"


def is_account_id(text: str) -> bool:
    return _ACCOUNT_RE.fullmatch(text) is not None


def is_message_id(given: object) -> TypeGuard[str]:
    """Whether this is a text that can be the id of a message."""
    return isinstance(given, str) and _MESSAGE_RE.fullmatch(given) is not None


def encode64(data: bytes) -> str:
    """Base64 (RFC 4648 section 4) without padding, as Matrix writes keys and signatures."""
    return base64.b64encode(data).decode("ascii").rstrip("=")


def decode64(text: str) -> bytes:
    """The bytes behind unpadded base64.

    Errors: ValueError when the text is not base64, or not the one canonical spelling of its bytes.
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("not base64") from error
    if encode64(data) != text:
        raise ValueError("not the canonical base64 of these bytes")
    return data
