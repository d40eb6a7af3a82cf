"""What this device is, and its Olm account: loaded from the database at each use and put back in the transaction."""

from __future__ import annotations

from dataclasses import dataclass

from vodozemac import Account, Curve25519PublicKey, PickleException

from talk.encryption.database import Database
from talk.encryption.errors import NoProfile, ProfileDamaged

# The library's pickles reuse a nonce across states, so their encryption protects nothing: SQLCipher's does. The key is
# fixed to say so.
PICKLE_KEY = bytes(32)


@dataclass(frozen=True, slots=True)
class Own:
    """The public side of this device. Keys in unpadded base64."""

    account: str
    device: str
    server: str
    ed25519: str
    curve25519: str


def own(db: Database) -> Own:
    """Who this profile is. Errors: NoProfile."""
    row = db.one("SELECT account, device, server, ed25519, curve25519 FROM own")
    if row is None:
        raise NoProfile
    return Own(*row)


def load_account(db: Database) -> Account:
    """Errors: NoProfile, ProfileDamaged."""
    row = db.one("SELECT pickle FROM olm")
    if row is None:
        raise NoProfile
    try:
        return Account.from_pickle(row[0], PICKLE_KEY)
    except PickleException:
        raise ProfileDamaged("the keys of this device") from None


def save_account(db: Database, account: Account) -> None:
    db.run("UPDATE olm SET pickle = ?", account.pickle(PICKLE_KEY))


def new_fallback(account: Account) -> None:
    """Make a fallback key; the one before it goes on working until the next."""
    account.generate_fallback_key()  # type: ignore[attr-defined]  # missing from the library's stubs


def unpublished_fallback(account: Account) -> dict[str, Curve25519PublicKey]:
    """Id → the fallback key that was not yet published; empty if it was."""
    keys: dict[str, Curve25519PublicKey] = account.fallback_key  # type: ignore[attr-defined]
    return keys
