"""The bytes that are signed at the start of a connection.

Each begins with its own purpose, so that no signature can be used for anything else, and holds both nonces and the
TLS certificate in use, so that none can be replayed or passed on by another server (channel binding, RFC 5929's idea).
"""

from __future__ import annotations

from dataclasses import dataclass

from talk.protocol.limits import PROTOCOL_VERSION

NONCE_BYTES = 32


@dataclass(frozen=True, slots=True)
class Channel:
    """What is particular to one connection.

    `server` is the server id; both nonces are unpadded base64 of 32 bytes; `certificate` is the unpadded base64 of
    SHA-256 over the SubjectPublicKeyInfo of the TLS certificate in use, or "" where the system's CAs check TLS or
    the connection does not leave the machine.
    """

    server: str
    client_nonce: str
    server_nonce: str
    certificate: str


def hello_bytes(channel: Channel) -> bytes:
    """What the server signs with its key to show that it is the server of that id."""
    return _fields("talk server hello", channel)


def login_bytes(channel: Channel, account: str, device: str) -> bytes:
    """What a device signs with its Ed25519 key to log in on this connection."""
    return _fields("talk device login", channel, account, device)


def _fields(purpose: str, channel: Channel, *more: str) -> bytes:
    parts = (
        purpose,
        str(PROTOCOL_VERSION),
        channel.server,
        channel.client_nonce,
        channel.server_nonce,
        channel.certificate,
        *more,
    )
    return "\n".join(parts).encode("ascii")
