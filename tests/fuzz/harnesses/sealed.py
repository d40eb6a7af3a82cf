"""What others seal: mail as it comes, what is inside once it is open, and the messages of a comparison."""

from __future__ import annotations

import atexit
from contextlib import suppress
from functools import cache
from typing import Any

import msgspec
from msgspec import Raw
from tests.encryption.parties import AT, Party
from tests.fuzz.harnesses.common import folder

from talk.client import inbox, store
from talk.client.tables import MIGRATIONS
from talk.encryption import verification_messages
from talk.encryption.database import migrate, transaction
from talk.encryption.errors import PeerError, UnknownDevice, VerificationFailed
from talk.protocol.events import Mail

KINDS = ("talk.text", "talk.receipt", "m.dummy", "m.key.verification.start", "something new")
_object = msgspec.json.Decoder(dict[str, Any])


@cache
def _talking() -> tuple[Party, Party]:
    """Two who talk; the second one's profile is a whole client's."""
    alice, bob = Party(folder() / "alice", "Alice"), Party(folder() / "bob", "Bob")
    alice.learn(bob)
    bob.learn(alice)
    alice.start(bob)
    bob.open(alice.seal(bob, "first"))
    alice.open(bob.seal(alice, "second"))
    migrate(bob.db, "client", MIGRATIONS)
    bob.db.run(
        "INSERT INTO profile (id, link, name, registered, epoch, mail, shown) VALUES (1, '', 'bob', 1, '', 0, 0)"
    )
    bob.db.run("INSERT INTO own_names VALUES ('bob')")
    atexit.register(alice.db.close)
    atexit.register(bob.db.close)
    return alice, bob


def mail(data: bytes) -> None:
    """Mail whose first byte says of which kind, and the rest is its content."""
    alice, bob = _talking()
    number = alice.forge(bob).n
    kind = ("sealed", "undecryptable", "expired", "new kind")[data[0] & 3 if data else 0]
    _take(bob, Mail(number, f"m{number}", alice.account, alice.own.device, "Alice", AT, kind, Raw(data[1:])))


def inside(data: bytes) -> None:
    """What a contact's own device sealed: any bytes, or a content of any JSON within an honest envelope."""
    alice, bob = _talking()
    try:
        content = _object.decode(data[1:])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        with suppress(PeerError):
            bob.open(alice.forge_plain(bob, data))
        return
    send_id = f"fuzz{alice.forge(bob).n}"
    honest = {"id": send_id, "n": 1, "pad": "", "to": bob.account, "text": "hello"}
    try:
        mail = alice.forge(bob, send_id, type=KINDS[data[0] % len(KINDS)], content=honest | content)
    except (TypeError, ValueError):
        return  # what no device can seal
    _take(bob, mail)


def _take(bob: Party, mail: Mail) -> None:
    """As a client does: in a transaction, and then once more when the keys were asked for."""
    with transaction(bob.db):
        bob.db.run("UPDATE profile SET mail = 0")
    for final in (False, True):
        try:
            with transaction(bob.db):
                told = inbox.take_mail(bob.db, mail, AT, final=final)
        except UnknownDevice:
            assert not final
            continue
        assert isinstance(told, list)
        for _, message in store.received_after(bob.db, 0, 10):
            assert message is None or message.text
        return


def comparison(data: bytes) -> None:
    """The content of each message of a comparison of keys."""
    try:
        content = _object.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return
    for kind in vars(verification_messages).values():
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind is not msgspec.Struct:
            with suppress(VerificationFailed):
                verification_messages.read(kind, content)
    verification_messages.without_own_fields(content)
