"""Nothing secret in what is printed: reprs, errors, tracebacks and the files beside the profile."""

from __future__ import annotations

import traceback
from collections.abc import Callable

import pytest

from talk.encryption import contacts, errors, identity, keys, messages, sessions, vault
from talk.encryption.database import transaction
from talk.encryption.errors import EncryptionError
from talk.encryption.own import load_account
from talk.protocol.ids import encode64

from .conftest import Maker
from .parties import AT, Party, olm_of, with_body

TEXT = "the treasure is under the apple tree"


def _secrets(party: Party) -> list[str]:
    row = party.db.one("SELECT self_signing, master, user_signing FROM own")
    assert row is not None
    raw = [party.key, *row]
    pickles = [row[0] for row in party.db.all("SELECT pickle FROM olm UNION ALL SELECT pickle FROM sessions")]
    return [TEXT, *(form for secret in raw for form in (encode64(secret), secret.hex(), repr(secret)[2:-1])), *pickles]


def _holds_none(shown: str, party: Party) -> None:
    assert not [secret for secret in _secrets(party) if secret in shown]


def test_no_repr_shows_a_secret(talking: tuple[Party, Party]) -> None:
    alice, bob = talking
    opened = bob.open(alice.seal(bob, TEXT))
    peer = contacts.peer(alice.db, bob.account, bob.own.device)
    shown = [
        alice.db,
        alice.own,
        load_account(alice.db),
        identity._Secrets(b"s" * 32, b"m" * 32),
        identity.public_identity(alice.db),
        contacts.learn(alice.db, bob.profile(), AT),
        peer,
        sessions.freshest(alice.db, peer),
        keys.replace_all(alice.db),
        opened,
        vault._File("c2VjcmV0"),
        vault._Passphrase("salt", "nonce", "wrapped"),
    ]
    for thing in shown:
        _holds_none(f"{thing!r} {thing}", alice)
        assert "ssss" not in repr(thing)
        assert "c2VjcmV0" not in repr(thing)
        assert "wrapped" not in repr(thing)


def test_these_reprs_are_known(make: Maker) -> None:
    alice = make("Alice")
    assert repr(alice.db) == "<Database>"
    assert repr(vault._File("c2VjcmV0")) == "<_File>"
    opened = messages.Opened("talk.text", {"text": TEXT}, "@a", "d", 0)
    assert repr(opened) == "Opened(kind='talk.text', account='@a', device='d', missed=0)"


def test_no_error_shows_a_secret(talking: tuple[Party, Party], make: Maker) -> None:
    alice, bob = talking
    eve = make("Eve")
    mail = alice.seal(bob, TEXT)
    body = olm_of(mail).body.encode()
    bob.open(mail)
    attempts: list[Callable[[], object]] = [
        lambda: bob.open(mail),
        lambda: bob.open(with_body(mail, body)),
        lambda: bob.open(alice.forge(bob, recipient="x", content={"id": "m", "n": 1, "text": TEXT})),
        lambda: bob.open(alice.forge(bob, content={"id": 5, "n": TEXT})),
        lambda: bob.open(alice.forge(bob, type=[TEXT])),
        lambda: bob.open(eve.mail(bytes(mail.content), "m")),
        lambda: alice.seal(eve, TEXT),
        lambda: messages.seal(alice.db, bob.account, bob.device, "talk.text", {"id": "m", "text": TEXT * 1000}),
        lambda: sessions.start_session(alice.db, bob.account, bob.device, alice.claim_from(eve)),
        lambda: identity.create_profile(alice.db, "a" * 32),
    ]
    for attempt in attempts:
        with pytest.raises(EncryptionError) as caught, transaction(alice.db):
            attempt()
        _holds_none("".join(traceback.format_exception(caught.value)), alice)
        _holds_none("".join(traceback.format_exception(caught.value)), bob)


def test_a_damaged_pickle_is_not_printed(talking: tuple[Party, Party]) -> None:
    alice, bob = talking
    alice.db.run("UPDATE sessions SET pickle = 'halfofapickle'")
    with pytest.raises(errors.ProfileDamaged) as caught:
        alice.seal(bob)
    assert "halfofapickle" not in "".join(traceback.format_exception(caught.value))


def test_the_file_holds_nothing_in_the_clear(talking: tuple[Party, Party]) -> None:
    alice, bob = talking
    bob.open(alice.seal(bob, TEXT))
    alice.db.close()
    data = alice.path.read_bytes()
    alice.reopen()
    for word in (TEXT, bob.account, bob.own.ed25519, "sessions", *_secrets(alice)):
        assert word.encode() not in data


def test_every_error_speaks_to_people_and_says_what_became_of_their_data() -> None:
    all_errors = [
        errors.NoProfile(),
        errors.ProfileExists(),
        errors.ProfileLocked("Unlock it."),
        errors.WrongPassphrase(),
        errors.WrongKey(),
        errors.ProfileDamaged("its database"),
        errors.ProfileTooNew(),
        errors.ProfileInUse(),
        errors.StorageFailed("full"),
        errors.ContentTooLong(2, 1),
        errors.NoSession([]),
        errors.NameMoved("bob", "@a", "@b"),
        errors.UnknownDevice("@a", "d"),
        errors.IdentityRefused("@a", "Something does not fit."),
        errors.DeviceListRolledBack("@a", 2, 1),
        errors.Undecryptable("it is too long"),
        errors.Replayed("d", "m"),
        errors.VerificationFailed("m.key_mismatch"),
    ]
    assert {type(error) for error in all_errors} == _leaves(EncryptionError)
    for error in all_errors:
        text = str(error)
        assert text[0].isupper()
        assert text.endswith(".")
        assert 30 < len(text) < 300


def test_a_name_in_an_error_cannot_move_the_cursor() -> None:
    assert "\u202e" not in str(errors.NameMoved("b\u202eob\x1b[2J", "@a", "@b"))
    assert len(str(errors.NameMoved("x" * 5000, "@a", "@b"))) < 400


def test_the_documented_tree_is_the_tree() -> None:
    documented = errors.__doc__ or ""
    for error in _leaves(EncryptionError):
        assert error.__name__ in documented


def _leaves(root: type[EncryptionError]) -> set[type[EncryptionError]]:
    abstract = {errors.EncryptionError, errors.ProfileError, errors.SendError, errors.PeerError}
    found = {root} - abstract
    for child in root.__subclasses__():
        found |= _leaves(child)
    return found
