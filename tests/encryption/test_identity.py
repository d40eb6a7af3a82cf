from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from talk.encryption import contacts, identity
from talk.encryption.database import open_database
from talk.encryption.errors import IdentityRefused, NoProfile, ProfileExists
from talk.encryption.own import load_account, own
from talk.protocol.keys import check_identity, is_signature
from talk.protocol.limits import MAX_DEVICES
from talk.protocol.proofs import Channel, hello_bytes, login_bytes

from .conftest import Maker
from .parties import AT, SERVER, Party, self_signing_seed

CHANNEL = Channel(SERVER, "A" * 43, "B" * 43, "")


def test_a_new_profile_is_signed_all_the_way_down(make: Maker) -> None:
    alice = make("Alice")
    checked = check_identity(identity.public_identity(alice.db), SERVER)
    assert checked.account == alice.account
    assert checked.version == 1
    assert checked.devices == {alice.own.device: alice.device}


def test_two_profiles_share_nothing(make: Maker) -> None:
    first, second = make("Alice").own, make("Alice").own
    assert {first.account, first.device, first.ed25519, first.curve25519}.isdisjoint(
        {second.account, second.device, second.ed25519, second.curve25519}
    )


def test_a_profile_is_made_once(make: Maker) -> None:
    alice = make("Alice")
    with pytest.raises(ProfileExists):
        identity.create_profile(alice.db, SERVER)
    alice.reopen()


def test_an_empty_database_has_no_profile(tmp_path: Path) -> None:
    db = open_database(tmp_path / "profile.db", bytes(32))
    for ask in (own, identity.public_identity, load_account, identity.own_device_keys):
        with pytest.raises(NoProfile):
            ask(db)
    with pytest.raises(NoProfile):
        identity.sign_login(db, CHANNEL)
    db.close()


def test_the_login_proof_is_of_this_device_on_this_connection(make: Maker) -> None:
    alice = make("Alice")
    proof = identity.sign_login(alice.db, CHANNEL)
    signed = login_bytes(CHANNEL, alice.account, alice.own.device)
    assert is_signature(alice.own.ed25519, proof, signed)
    other = replace(CHANNEL, server_nonce="C" * 43)
    assert not is_signature(alice.own.ed25519, proof, login_bytes(other, alice.account, alice.own.device))
    assert not is_signature(alice.own.ed25519, proof, hello_bytes(CHANNEL))


def test_devices_are_signed_with_the_next_version(make: Maker) -> None:
    alice = make("Alice")
    laptop = make("laptop", main=alice)
    shown = identity.public_identity(laptop.db)
    assert shown.device_list.version == 2
    assert contacts.learn(alice.db, alice.profile(shown=shown), AT).added == (laptop.device,)

    alone = identity.sign_devices(alice.db, [identity.own_device_keys(alice.db)])
    assert alone == identity.sign_devices(alice.db, [identity.own_device_keys(alice.db)]), "a retry is the same bytes"
    assert identity.public_identity(alice.db) == shown, "it counts only once the server has taken it"
    checked = check_identity(alone, SERVER)
    assert (checked.version, list(checked.devices)) == (3, [alice.own.device])
    assert contacts.learn(alice.db, alice.profile(shown=alone), AT).removed == (laptop.device,)


def test_devices_of_somebody_else_are_not_signed(make: Maker) -> None:
    alice, eve = make("Alice"), make("Eve")
    with pytest.raises(IdentityRefused, match="another account's"):
        identity.sign_devices(alice.db, [identity.own_device_keys(eve.db)])
    for count in (0, MAX_DEVICES + 1):
        with pytest.raises(ValueError, match="1 to 8"):
            identity.sign_devices(alice.db, [identity.own_device_keys(alice.db)] * count)


def test_a_second_device_needs_the_right_key_and_server(make: Maker, tmp_path: Path) -> None:
    alice, eve = make("Alice"), make("Eve")
    shown = identity.public_identity(alice.db)
    db = open_database(tmp_path / "new.db", bytes(32))
    with pytest.raises(IdentityRefused):
        identity.create_second_device(db, SERVER, shown, self_signing_seed(eve))
    with pytest.raises(IdentityRefused):
        identity.create_second_device(db, "a" * 32, shown, self_signing_seed(alice))
    identity.create_second_device(db, SERVER, shown, self_signing_seed(alice))
    db.close()


def test_the_public_documents_are_matrix_shaped(make: Maker) -> None:
    alice = make("Alice")
    shown = msgspec.to_builtins(identity.public_identity(alice.db))
    device = shown["devices"][0]
    name = alice.own.device
    assert device["algorithms"] == ["m.olm.v1.curve25519-aes-sha2"]
    assert device["keys"] == {f"ed25519:{name}": alice.own.ed25519, f"curve25519:{name}": alice.own.curve25519}
    assert set(device) == {"user_id", "device_id", "algorithms", "keys", "signatures"}
    assert shown["master_key"]["usage"] == ["master"]
    assert len(device["signatures"][alice.account]) == 2


def test_the_profile_survives_a_restart(make: Maker) -> None:
    alice = make("Alice")
    before = identity.public_identity(alice.db)
    alice.reopen()
    assert identity.public_identity(alice.db) == before
    assert _account_keys(alice) == (alice.own.ed25519, alice.own.curve25519)


def _account_keys(party: Party) -> tuple[str, str]:
    account = load_account(party.db)
    return account.ed25519_key.to_base64(), account.curve25519_key.to_base64()
