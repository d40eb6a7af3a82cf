"""The key that makes a server this server, wherever it moves and whatever certificate it uses."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from talk.protocol.ids import encode64, hash_id


class ServerKey:
    """An Ed25519 key pair made from a 32-byte seed. `id` is the server id, `public` unpadded base64."""

    def __init__(self, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        raw = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public = encode64(raw)
        self.id = hash_id(raw)

    def sign(self, message: bytes) -> str:
        """The Ed25519 signature (RFC 8032) in unpadded base64."""
        return encode64(self._private.sign(message))

    def __repr__(self) -> str:
        return f"ServerKey({self.id})"
