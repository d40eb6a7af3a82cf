from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from talk.encryption import contacts, identity, messages, names, sessions
from talk.encryption.database import transaction
from talk.encryption.errors import DeviceListRolledBack, IdentityRefused, NameMoved, NoProfile, UnknownDevice
from talk.protocol.events import Profile
from talk.protocol.keys import DeviceKeys, Identity

from .conftest import Maker
from .parties import AT, Party


def _bytes(shown: Identity) -> bytes:
    return msgspec.json.encode(shown)


def test_a_first_contact_is_pinned(make: Maker) -> None:
    alice, bob = make("Alice"), make("Bob")
    learned = contacts.learn(alice.db, bob.profile(), AT)
    assert (learned.is_new, learned.added, learned.removed, learned.moved) == (True, (), (), None)
    expected = contacts.Contact(bob.account, "Bob", False, 1, (bob.device,), False, AT)
    assert learned.contact == expected
    alice.reopen()
    assert contacts.get(alice.db, bob.account) == expected
    assert contacts.find(alice.db, "bob") == expected
    assert contacts.everyone(alice.db) == [expected]
    assert contacts.find(alice.db, "carol") is None
    assert contacts.find(alice.db, "not a name!") is None
    assert contacts.get(alice.db, "nobody") is None


def test_learning_the_same_again_changes_nothing(make: Maker) -> None:
    alice, bob = make("Alice"), make("Bob")
    alice.learn(bob)
    before = alice.state()
    again = contacts.learn(alice.db, bob.profile(), AT + 1)
    assert (again.is_new, again.added, again.removed) == (False, (), ())
    assert alice.state() == before


def test_the_account_itself_is_known_and_no_contact(make: Maker) -> None:
    alice = make("Alice")
    own = contacts.get(alice.db, alice.account)
    assert own is not None
    assert own.devices == (alice.device,)
    assert contacts.everyone(alice.db) == []


def test_without_a_profile_nobody_is_learned(make: Maker) -> None:
    alice, bob = make("Alice"), make("Bob")
    alice.db.run("DELETE FROM own")
    with pytest.raises(NoProfile):
        contacts.learn(alice.db, bob.profile(), AT)


def test_an_identity_of_another_account_is_refused(make: Maker) -> None:
    alice, bob, eve = make("Alice"), make("Bob"), make("Eve")
    swapped = Profile(bob.account, "Bob", identity.public_identity(eve.db))
    alice.learn(eve)
    before = alice.state()
    with pytest.raises(IdentityRefused, match="another account's") as caught:
        contacts.learn(alice.db, swapped, AT)
    assert caught.value.account == bob.account
    alice.learn(bob)
    with pytest.raises(IdentityRefused):
        contacts.learn(alice.db, swapped, AT)
    assert alice.state() != before
    assert contacts.find(alice.db, "bob") == contacts.get(alice.db, bob.account)


@pytest.mark.parametrize("part", ["master_key", "self_signing_key", "user_signing_key", "device_list", "devices"])
def test_no_part_of_an_identity_can_be_swapped(make: Maker, part: str) -> None:
    alice, bob, eve = make("Alice"), make("Bob"), make("Eve")
    theirs = getattr(identity.public_identity(eve.db), part)
    mixed = msgspec.structs.replace(identity.public_identity(bob.db), **{part: theirs})
    before = alice.state()
    with pytest.raises(IdentityRefused):
        contacts.learn(alice.db, Profile(bob.account, "Bob", mixed), AT)
    assert alice.state() == before


def test_keys_that_are_not_canonical_base64_are_refused(make: Maker) -> None:
    alice, bob = make("Alice"), make("Bob")
    shown = identity.public_identity(bob.db)
    public = next(iter(shown.master_key.keys.values()))
    # The last character carries two bits that stand for nothing.
    twin = public[:-1] + chr(ord(public[-1]) + 1)
    key = msgspec.structs.replace(shown.master_key, keys={f"ed25519:{twin}": twin})
    with pytest.raises(IdentityRefused):
        contacts.learn(alice.db, bob.profile(shown=msgspec.structs.replace(shown, master_key=key)), AT)


def test_a_ghost_device_of_the_server_is_refused(make: Maker) -> None:
    alice, bob, eve = make("Alice"), make("Bob"), make("Eve")
    alice.learn(bob)
    shown = identity.public_identity(bob.db)
    ghost = _claim(identity.own_device_keys(eve.db), bob)
    listed = msgspec.structs.replace(
        shown.device_list, version=2, devices=sorted([*shown.device_list.devices, ghost.device_id])
    )
    for with_ghost in (
        msgspec.structs.replace(shown, devices=[*shown.devices, ghost]),
        msgspec.structs.replace(shown, devices=[*shown.devices, ghost], device_list=listed),
    ):
        with pytest.raises(IdentityRefused):
            contacts.learn(alice.db, bob.profile(shown=with_ghost), AT)
    bob_now = contacts.get(alice.db, bob.account)
    assert bob_now is not None
    assert bob_now.devices == (bob.device,)


def test_a_new_device_is_told(make: Maker) -> None:
    alice, bob = make("Alice"), make("Bob")
    alice.learn(bob)
    laptop = make("laptop", main=bob)
    learned = contacts.learn(alice.db, laptop.profile("Bob"), AT)
    assert learned.added == (laptop.device,)
    assert learned.contact.version == 2
    assert set(learned.contact.devices) == {bob.device, laptop.device}


def test_a_device_list_never_goes_back(make: Maker) -> None:
    alice, bob = make("Alice"), make("Bob")
    old = identity.public_identity(bob.db)
    laptop = make("laptop", main=bob)
    alice.learn(laptop)
    before = alice.state()
    with pytest.raises(DeviceListRolledBack) as caught:
        contacts.learn(alice.db, bob.profile(shown=old), AT)
    assert (caught.value.known, caught.value.shown) == (2, 1)
    assert alice.state() == before
    alice.reopen()
    with pytest.raises(DeviceListRolledBack):
        contacts.learn(alice.db, bob.profile(shown=old), AT)


def test_two_lists_of_one_version_are_refused(make: Maker) -> None:
    alice, bob = make("Alice"), make("Bob")
    first, second = make("laptop", main=bob), make("phone", main=bob)
    alice.learn(first)
    with pytest.raises(IdentityRefused, match="two different lists"):
        contacts.learn(alice.db, second.profile(), AT)


def test_another_self_signing_key_needs_another_version(make: Maker) -> None:
    alice, bob = make("Alice"), make("Bob")
    row = bob.db.one("SELECT master FROM own")
    assert row is not None
    master, fresh = Ed25519PrivateKey.from_private_bytes(row[0]), Ed25519PrivateKey.generate()
    key = identity._cross_signing(fresh, "self_signing", bob.account, master)
    changed = msgspec.structs.replace(identity.public_identity(bob.db), self_signing_key=key)
    newer = identity._with_devices(changed, changed.devices, fresh)
    same = identity._sign(msgspec.structs.replace(newer.device_list, version=1), bob.account, fresh)
    alice.learn(bob)
    with pytest.raises(IdentityRefused, match="two different lists"):
        contacts.learn(alice.db, bob.profile(shown=msgspec.structs.replace(newer, device_list=same)), AT)
    assert contacts.learn(alice.db, bob.profile(shown=newer), AT).contact.version == 2


def test_a_removed_device_is_out_for_good(make: Maker) -> None:
    alice, bob = make("Alice"), make("Bob")
    laptop = make("laptop", main=bob)
    alice.learn(laptop)
    laptop.learn(alice)
    laptop.start(alice)
    alice.open(laptop.seal(alice))
    late = laptop.seal(alice, "after it was stolen")
    contacts.learn(bob.db, bob.profile(shown=identity.public_identity(laptop.db)), AT)
    without = identity.sign_devices(bob.db, [identity.own_device_keys(bob.db)])
    learned = contacts.learn(alice.db, bob.profile(shown=without), AT)
    assert learned.removed == (laptop.device,)
    with pytest.raises(UnknownDevice):
        alice.open(late)
    with pytest.raises(UnknownDevice):
        alice.seal(laptop)
    with pytest.raises(UnknownDevice):
        sessions.start_session(alice.db, bob.account, laptop.device, alice.claim_from(laptop))


def test_a_device_never_changes_its_keys(make: Maker) -> None:
    alice, bob, other = make("Alice"), make("Bob"), make("Bob's other")
    alice.learn(bob)
    # Bob's own engine would never sign this; whoever has stolen his keys might.
    alice.db.run("UPDATE devices SET curve25519 = ? WHERE account = ?", other.own.curve25519, bob.account)
    newer = identity.sign_devices(bob.db, [identity.own_device_keys(bob.db)])
    with pytest.raises(IdentityRefused, match="other keys than before"):
        contacts.learn(alice.db, bob.profile(shown=newer), AT)


def test_blocking_is_remembered_for_anybody(make: Maker) -> None:
    alice, bob = make("Alice"), make("Bob")
    contacts.block(alice.db, bob.account)
    contacts.block(alice.db, bob.account)
    assert contacts.is_blocked(alice.db, bob.account)
    alice.learn(bob)
    found = contacts.find(alice.db, "Bob")
    assert found is not None
    assert found.blocked
    contacts.unblock(alice.db, bob.account)
    assert not contacts.is_blocked(alice.db, bob.account)
    assert contacts.find(alice.db, "Bob") == replace(found, blocked=False)


# ---- names


def test_a_name_that_moves_is_a_hard_stop(make: Maker) -> None:
    alice, bob, eve = make("Alice"), make("Bob"), make("Eve")
    alice.learn(bob)
    alice.start(bob)
    learned = contacts.learn(alice.db, eve.profile("bob"), AT)
    assert learned.moved is not None
    assert (learned.moved.name, learned.moved.old, learned.moved.new) == ("bob", bob.account, eve.account)
    assert learned.contact.disputed
    alice.reopen()
    for spelling in ("bob", "Bob", "BOB", "b0b"):
        with pytest.raises(NameMoved):
            contacts.find(alice.db, spelling)
    alice.start(eve)
    with pytest.raises(NameMoved) as caught:
        alice.seal(eve)
    assert (caught.value.old, caught.value.new) == (bob.account, eve.account)
    assert bob.account not in str(caught.value)
    alice.seal(bob, "the account that is pinned still gets what is sent to its keys")


def test_a_moved_name_can_be_accepted(make: Maker) -> None:
    alice, bob, eve = make("Alice"), make("Bob"), make("Eve")
    alice.learn(bob)
    contacts.learn(alice.db, eve.profile("Bob"), AT)
    names.accept_name(alice.db, "bob", eve.account)
    found = contacts.find(alice.db, "Bob")
    assert found is not None
    assert (found.account, found.disputed) == (eve.account, False)
    alice.start(eve)
    alice.seal(eve)
    old = contacts.get(alice.db, bob.account)
    assert old is not None
    assert (old.name, old.disputed) == ("", False)
    back = names.seen_name(alice.db, bob.account, "Bob")
    assert back is not None, "and if the server shows it for the first one again, that is a move too"
    assert (back.old, back.new) == (eve.account, bob.account)


def test_a_moved_name_can_stay_with_whom_it_was(make: Maker) -> None:
    alice, bob, eve = make("Alice"), make("Bob"), make("Eve")
    alice.learn(bob)
    contacts.learn(alice.db, eve.profile("Bob"), AT)
    names.accept_name(alice.db, "Bob", bob.account)
    found = contacts.find(alice.db, "Bob")
    assert found is not None
    assert found.account == bob.account
    alice.start(eve)
    with pytest.raises(NameMoved):
        alice.seal(eve)
    assert names.seen_name(alice.db, eve.account, "Bob") is not None
    with pytest.raises(NameMoved):
        contacts.find(alice.db, "Bob")


def test_what_is_accepted_is_what_the_person_saw(make: Maker) -> None:
    alice, bob, eve, mallory = make("Alice"), make("Bob"), make("Eve"), make("Mallory")
    alice.learn(bob)
    names.seen_name(alice.db, eve.account, "Bob")
    names.seen_name(alice.db, mallory.account, "Bob")
    with pytest.raises(NameMoved) as caught:
        names.accept_name(alice.db, "Bob", eve.account)
    assert caught.value.new == mallory.account
    names.accept_name(alice.db, "nobody", eve.account)
    with pytest.raises(NameMoved):
        contacts.find(alice.db, "Bob")


def test_a_name_seen_in_a_room_counts(make: Maker) -> None:
    alice, bob, eve = make("Alice"), make("Bob"), make("Eve")
    alice.learn(bob)
    assert names.seen_name(alice.db, bob.account, "Bob") is None
    assert names.seen_name(alice.db, eve.account, "Eve") is None
    assert contacts.find(alice.db, "Eve") is None, "who is only seen is not pinned"
    moved = names.seen_name(alice.db, eve.account, "Ｂｏｂ")
    assert moved is not None
    with pytest.raises(NameMoved):
        contacts.find(alice.db, "bob")
    before = alice.db.one("SELECT total_changes()")
    assert names.seen_name(alice.db, eve.account, "Ｂｏｂ") is not None
    assert alice.db.one("SELECT total_changes()") == before, "the same news again costs no write to the disk"


@pytest.mark.parametrize("name", ["", " ", "x" * 5000, "\ud800", "\u202e", "a b"])
def test_what_is_no_name_is_ignored(make: Maker, name: str) -> None:
    alice, bob = make("Alice"), make("Bob")
    alice.learn(bob)
    before = alice.state()
    assert names.seen_name(alice.db, bob.account, name) is None
    assert alice.state() == before
    learned = contacts.learn(alice.db, Profile(bob.account, name, identity.public_identity(bob.db)), AT)
    assert learned.contact.name == "Bob"


def test_a_rename_keeps_the_account_and_the_old_name(make: Maker) -> None:
    alice, bob, eve = make("Alice"), make("Bob"), make("Eve")
    alice.learn(bob)
    assert names.seen_name(alice.db, bob.account, "Robert") is None
    for name in ("Robert", "Bob"):
        found = contacts.find(alice.db, name)
        assert found is not None
        assert (found.account, found.name) == (bob.account, "Robert")
    moved = contacts.learn(alice.db, eve.profile("Bob"), AT).moved
    assert moved is not None, "whoever takes the old name is not the one who had it"


def test_a_contact_that_takes_a_pinned_name_is_stopped(make: Maker) -> None:
    alice, bob, carol = make("Alice"), make("Bob"), make("Carol")
    alice.learn(bob, carol)
    alice.start(bob)
    moved = names.seen_name(alice.db, bob.account, "Carol")
    assert moved is not None
    with pytest.raises(NameMoved):
        alice.seal(bob)
    with pytest.raises(NameMoved):
        contacts.find(alice.db, "carol")


def test_nobody_else_can_go_by_ones_own_name(make: Maker) -> None:
    alice, eve = make("Alice"), make("Eve")
    assert names.seen_name(alice.db, alice.account, "Alice") is None
    moved = contacts.learn(alice.db, eve.profile("AIice"), AT).moved
    assert moved is not None
    assert moved.old == alice.account


def test_a_move_is_remembered_when_the_caller_goes_on(make: Maker) -> None:
    alice, bob, eve = make("Alice"), make("Bob"), make("Eve")
    alice.learn(bob)
    with transaction(alice.db):
        assert contacts.learn(alice.db, eve.profile("Bob"), AT).moved is not None
    alice.reopen()
    alice.start(eve)
    with pytest.raises(NameMoved):
        messages.seal(alice.db, eve.account, eve.device, "talk.text", {"id": "a"})


def _claim(keys: DeviceKeys, owner: Party) -> DeviceKeys:
    """The same device, said to be somebody else's."""
    return msgspec.structs.replace(keys, user_id=owner.account)
