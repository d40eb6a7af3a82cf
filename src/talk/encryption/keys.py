"""One-time keys and the fallback key: what others need to start a session with this device while it is away.

The library cannot forget a private one-time key that was handed out and never used. It keeps the newest 5,000 and the
last two fallback keys, so the worst that an old server copy can do is to hand out a key that still works.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vodozemac import Account, Curve25519PublicKey

from talk.encryption.database import Database, transaction
from talk.encryption.identity import sign_key
from talk.encryption.own import Own, load_account, new_fallback, own, save_account, unpublished_fallback
from talk.protocol.keys import ONE_TIME, SignedKey
from talk.protocol.limits import MAX_ONE_TIME_KEYS

KEPT_ON_SERVER = MAX_ONE_TIME_KEYS // 2
REFILL_BELOW = KEPT_ON_SERVER // 2


@dataclass(frozen=True, slots=True)
class PublishContents:
    """What goes into `publish_keys`: key id → signed key. Ids start with `signed_curve25519:`."""

    one_time: dict[str, SignedKey]
    fallback: dict[str, SignedKey]
    replace: bool


def publish(db: Database, count_on_server: int, fallback_used: bool) -> PublishContents | None:
    """What to publish now, or None. Until `mark_published`, every call returns the same keys with the same bytes.

    Have one `publish_keys` under way at a time, and read the server's frames in order: what it said before its answer
    is about the keys before.
    Errors: NoProfile.
    """
    with transaction(db):
        account = load_account(db)
        replace = _is_replacing(db)
        if not account.one_time_keys and count_on_server < REFILL_BELOW:
            account.generate_one_time_keys(KEPT_ON_SERVER - max(0, count_on_server))
        if fallback_used and not unpublished_fallback(account):
            new_fallback(account)
        contents = _contents(account, own(db), replace)
        if not (contents.one_time or contents.fallback):
            return None
        save_account(db, account)
        return contents


def replace_all(db: Database) -> PublishContents:
    """Fresh keys for a server that was set back, to stand in place of all it has: some of those were used already.

    `publish` goes on returning them, to be sent with `replace`, until `mark_published`. Errors: NoProfile.
    """
    with transaction(db):
        account = load_account(db)
        if not _is_replacing(db):
            account.mark_keys_as_published()
            account.generate_one_time_keys(KEPT_ON_SERVER)
            new_fallback(account)
            save_account(db, account)
            db.run("UPDATE olm SET replacing = 1")
        return _contents(account, own(db), replace=True)


def mark_published(db: Database) -> None:
    """The server has answered `done`: what `publish` returned is out. Errors: NoProfile."""
    with transaction(db):
        account = load_account(db)
        account.mark_keys_as_published()
        save_account(db, account)
        db.run("UPDATE olm SET replacing = 0")


def _is_replacing(db: Database) -> bool:
    return db.one("SELECT 1 FROM olm WHERE replacing") is not None


def _contents(account: Account, me: Own, replace: bool) -> PublishContents:
    one_time = _signed(account, me, account.one_time_keys, fallback=False)
    return PublishContents(one_time, _signed(account, me, unpublished_fallback(account), fallback=True), replace)


def _signed(account: Account, me: Own, keys: Mapping[str, Curve25519PublicKey], fallback: bool) -> dict[str, SignedKey]:
    # The library's order is a hash map's: sorted, so that a retry is the same bytes.
    return {
        f"{ONE_TIME}:{name}": sign_key(account, me, SignedKey(key.to_base64(), {}, fallback))
        for name, key in sorted(keys.items())
    }
