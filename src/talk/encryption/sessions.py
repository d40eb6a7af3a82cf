"""Olm sessions with each device of each contact: at most five are kept, the freshest is sent on.

Both sides may start at once and hold two sessions then. Sending on the one that was made or decrypted something last
brings them together, and the others still open what is under way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vodozemac import (
    AnyOlmMessage,
    Curve25519PublicKey,
    KeyException,
    OlmDecryptionException,
    OlmEncryptionException,
    PickleException,
    Session,
    SessionCreationException,
)

from talk.encryption.contacts import Peer, listed_peer
from talk.encryption.database import Database, Row, transaction
from talk.encryption.errors import IdentityRefused, ProfileDamaged, Undecryptable
from talk.encryption.own import PICKLE_KEY, load_account, save_account
from talk.protocol.events import Ciphertext
from talk.protocol.ids import encode64
from talk.protocol.keys import Device, SignedKey, is_signed

KEPT = 5


@dataclass(frozen=True, slots=True, repr=False)
class Kept:
    """A session in memory for the length of one call. `confirmed`: it has decrypted something."""

    session: Session
    confirmed: bool


def needs_session(db: Database, account: str, devices: Sequence[Device]) -> list[Device]:
    """Those of the account's devices for which a one-time key has to be claimed before anything can be sealed.

    Errors: UnknownDevice.
    """
    return [device for device in devices if _freshest(db, listed_peer(db, account, device)) is None]


def start_session(db: Database, account: str, device: Device, key: SignedKey) -> None:
    """Start a session with a device by one of its one-time keys, as the server gave it for a claim.

    Errors: UnknownDevice; IdentityRefused when the key is not signed by the pinned key of that device.
    """
    if not is_signed(key, account, device.id, device.ed25519):
        raise IdentityRefused(account, "A one-time key is not signed by its device.")
    with transaction(db):
        peer = listed_peer(db, account, device)
        try:
            session = load_account(db).create_outbound_session(
                Curve25519PublicKey.from_base64(device.curve25519), Curve25519PublicKey.from_base64(key.key)
            )
        except (KeyException, SessionCreationException):
            raise IdentityRefused(account, "A one-time key is not a usable key.") from None
        _add(db, peer, session, confirmed=False)


def mark_broken(db: Database, account: str, device: str) -> None:
    """The device of that id could not open what was sent to it: seal nothing more for it until it has a new session.

    The old sessions stay, for what is still under way on them. Limit how often this is done for a device: the server
    alone says that something could not be opened.
    """
    db.run("UPDATE devices SET broken = 1 WHERE account = ? AND device = ?", account, device)


def freshest(db: Database, peer: Peer) -> Kept | None:
    """The session to send on, or None if one has to be started. Errors: ProfileDamaged."""
    row = _freshest(db, peer)
    return None if row is None else Kept(_unpickled(row[0]), bool(row[1]))


def encrypt(db: Database, peer: Peer, kept: Kept, plain: bytes) -> Ciphertext:
    """Encrypt on this session and keep its new state. Errors: IdentityRefused."""
    try:
        number, body = kept.session.encrypt(plain).to_parts()
    except OlmEncryptionException:
        raise IdentityRefused(peer.account, "The keys of their device cannot be used.") from None
    db.run(
        "UPDATE sessions SET pickle = ? WHERE device = ? AND session = ?",
        *(kept.session.pickle(PICKLE_KEY), peer.row, kept.session.session_id),
    )
    return Ciphertext(1 if number else 0, encode64(body))


def decrypt(db: Database, peer: Peer, message: AnyOlmMessage) -> bytes:
    """Open a message of this device by the session it belongs to, and keep the new state.

    What it writes belongs into the transaction of the caller, who undoes it when the plaintext does not check out.
    Errors: Undecryptable, ProfileDamaged.
    """
    first = message.to_pre_key()
    for session in _sessions(db, peer):
        if first is not None and not session.session_matches(first):
            continue
        try:
            plain = session.decrypt(message)
        except OlmDecryptionException:
            if first is None:
                continue
            # A fallback key would open this once more as a second session, so a replay would be read twice.
            raise Undecryptable("it was damaged or does not continue its session") from None
        db.run(
            "UPDATE sessions SET pickle = ?, confirmed = 1, used = ? WHERE device = ? AND session = ?",
            *(session.pickle(PICKLE_KEY), _next_use(db, peer), peer.row, session.session_id),
        )
        return plain
    if first is None:
        raise Undecryptable("no session opens it")
    return _accept(db, peer, message)


def _freshest(db: Database, peer: Peer) -> Row | None:
    return db.one(
        "SELECT s.pickle, s.confirmed FROM sessions s JOIN devices d ON d.id = s.device"
        " WHERE d.id = ? AND NOT d.broken ORDER BY s.used DESC LIMIT 1",
        peer.row,
    )


def _accept(db: Database, peer: Peer, message: AnyOlmMessage) -> bytes:
    first = message.to_pre_key()
    assert first is not None
    account = load_account(db)
    try:
        session, plain = account.create_inbound_session(Curve25519PublicKey.from_base64(peer.device.curve25519), first)
    except (KeyException, SessionCreationException):
        raise Undecryptable("it was damaged or its one-time key is used up") from None
    save_account(db, account)
    _add(db, peer, session, confirmed=True)
    return plain


def _add(db: Database, peer: Peer, session: Session, confirmed: bool) -> None:
    db.run(
        "INSERT OR REPLACE INTO sessions (device, session, used, confirmed, pickle) VALUES (?, ?, ?, ?, ?)",
        *(peer.row, session.session_id, _next_use(db, peer), confirmed, session.pickle(PICKLE_KEY)),
    )
    db.run("UPDATE devices SET broken = 0 WHERE id = ?", peer.row)
    db.run(
        "DELETE FROM sessions WHERE device = ?1 AND session NOT IN"
        " (SELECT session FROM sessions WHERE device = ?1 ORDER BY used DESC LIMIT ?2)",
        *(peer.row, KEPT),
    )


def _sessions(db: Database, peer: Peer) -> list[Session]:
    rows = db.all("SELECT pickle FROM sessions WHERE device = ? ORDER BY used DESC", peer.row)
    return [_unpickled(row[0]) for row in rows]


def _next_use(db: Database, peer: Peer) -> int:
    row = db.one("SELECT coalesce(max(used), 0) + 1 FROM sessions WHERE device = ?", peer.row)
    assert row is not None
    return int(row[0])


def _unpickled(pickle: str) -> Session:
    try:
        return Session.from_pickle(pickle, PICKLE_KEY)
    except PickleException:
        raise ProfileDamaged("a session") from None
