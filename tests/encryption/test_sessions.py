from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from talk.encryption import contacts, identity, messages, sessions
from talk.encryption.database import open_database, transaction
from talk.encryption.errors import IdentityRefused, NoSession, ProfileDamaged, Undecryptable, UnknownDevice
from talk.encryption.own import load_account
from talk.protocol.keys import Device, SignedKey

from .conftest import Maker
from .parties import Party, olm_of, say


def _sessions(party: Party) -> int:
    row = party.db.one("SELECT count(*) FROM sessions")
    assert row is not None
    return int(row[0])


def _needs(party: Party, other: Party) -> bool:
    return sessions.needs_session(party.db, other.account, [other.device]) == [other.device]


def test_a_session_is_needed_first(pair: tuple[Party, Party]) -> None:
    alice, bob = pair
    assert _needs(alice, bob)
    with pytest.raises(NoSession) as caught:
        alice.seal(bob)
    assert caught.value.devices == (bob.device,)
    alice.start(bob)
    assert not _needs(alice, bob)
    say(alice, bob, "hello")
    assert not _needs(bob, alice)
    say(bob, alice, "hello back")


def test_long_ping_pong(talking: tuple[Party, Party]) -> None:
    alice, bob = talking
    for turn in range(60):
        say(alice, bob, f"ping {turn}")
        for again in range(turn % 3):
            say(bob, alice, f"pong {turn} {again}")
    assert (_sessions(alice), _sessions(bob)) == (1, 1)
    assert olm_of(alice.seal(bob)).type == 1


def test_first_messages_until_there_is_an_answer(pair: tuple[Party, Party]) -> None:
    alice, bob = pair
    alice.start(bob)
    many = [alice.seal(bob, f"{n}") for n in range(5)]
    assert {olm_of(mail).type for mail in many} == {0}
    assert [bob.open(mail).content["text"] for mail in many] == ["0", "1", "2", "3", "4"]
    assert _sessions(bob) == 1
    alice.open(bob.seal(alice))
    assert olm_of(alice.seal(bob)).type == 1


def test_both_start_at_once_and_come_together(pair: tuple[Party, Party]) -> None:
    alice, bob = pair
    alice.start(bob)
    bob.start(alice)
    from_alice, from_bob = alice.seal(bob, "a"), bob.seal(alice, "b")
    assert alice.open(from_bob).content["text"] == "b"
    assert bob.open(from_alice).content["text"] == "a"
    assert (_sessions(alice), _sessions(bob)) == (2, 2)
    for turn in range(3):
        from_alice, from_bob = alice.seal(bob, f"a{turn}"), bob.seal(alice, f"b{turn}")
        assert alice.open(from_bob).content["text"] == f"b{turn}"
        assert bob.open(from_alice).content["text"] == f"a{turn}"
    say(alice, bob, "now in turn")
    say(bob, alice, "yes")
    freshest = [_freshest_id(alice, bob), _freshest_id(bob, alice)]
    assert freshest[0] == freshest[1]
    assert (_sessions(alice), _sessions(bob)) == (2, 2)


def test_out_of_order(talking: tuple[Party, Party]) -> None:
    alice, bob = talking
    mails = [alice.seal(bob, f"{n}") for n in range(30)]
    texts = [bob.open(mail).content["text"] for mail in reversed(mails)]
    assert texts == [f"{n}" for n in reversed(range(30))]
    say(bob, alice, "all here")


def test_out_of_order_from_the_start(pair: tuple[Party, Party]) -> None:
    alice, bob = pair
    alice.start(bob)
    mails = [alice.seal(bob, f"{n}") for n in range(4)]
    assert [bob.open(mails[n]).content["text"] for n in (2, 0, 3, 1)] == ["2", "0", "3", "1"]
    assert _sessions(bob) == 1


def test_a_gap_too_wide_is_an_error_of_ours_and_the_session_lives(talking: tuple[Party, Party]) -> None:
    alice, bob = talking
    with transaction(alice.db):
        mails = [alice.seal(bob, f"{n}") for n in range(2100)]
    with pytest.raises(Undecryptable):
        bob.open(mails[-1])
    assert bob.open(mails[0]).content["text"] == "0"


def test_a_lost_session_is_repaired_by_the_one_who_is_told(talking: tuple[Party, Party]) -> None:
    alice, bob = talking
    bob.db.run("DELETE FROM sessions")
    lost = alice.seal(bob, "lost?")
    with pytest.raises(Undecryptable, match="no session"):
        bob.open(lost)
    # The server tells Alice, who claims a key and sends it again.
    sessions.mark_broken(alice.db, bob.account, bob.own.device)
    alice.reopen()
    assert _needs(alice, bob)
    with pytest.raises(NoSession):
        alice.seal(bob)
    alice.start(bob)
    assert bob.open(alice.seal(bob, "lost?")).content["text"] == "lost?"
    say(bob, alice, "there it is")
    say(alice, bob, "good")


def test_a_lost_session_is_repaired_by_the_one_who_lost_it(talking: tuple[Party, Party]) -> None:
    alice, bob = talking
    bob.db.run("DELETE FROM sessions")
    bob.start(alice)
    opened = alice.open(bob.seal(alice, "", kind="m.dummy"))
    assert opened.kind == "m.dummy"
    assert _sessions(alice) == 2
    say(alice, bob, "goes by the new session")


def test_a_mark_is_cleared_by_a_session_that_the_peer_starts(talking: tuple[Party, Party]) -> None:
    alice, bob = talking
    sessions.mark_broken(alice.db, bob.account, bob.own.device)
    say(bob, alice, "by the old session")
    assert _needs(alice, bob), "that the old one can be read says nothing about the other direction"
    bob.start(alice)
    say(bob, alice, "by a new one")
    assert not _needs(alice, bob)
    sessions.mark_broken(alice.db, "@nobody", "nothing")


def test_what_is_under_way_on_the_old_session_still_opens(talking: tuple[Party, Party]) -> None:
    alice, bob = talking
    under_way = bob.seal(alice, "sent before the repair")
    sessions.mark_broken(alice.db, bob.account, bob.own.device)
    alice.start(bob)
    say(alice, bob, "after the repair")
    assert alice.open(under_way).content["text"] == "sent before the repair"


def test_a_restored_old_copy_of_a_profile_is_repaired(talking: tuple[Party, Party], tmp_path: Path) -> None:
    alice, bob = talking
    bob.db.close()
    copy = tmp_path / "backup.db"
    shutil.copy(bob.path, copy)
    bob.db = open_database(bob.path, bob.key)
    say(bob, alice, "by the key that the old state would use next")
    for turn in range(3):
        say(alice, bob, f"ping {turn}")
        say(bob, alice, f"pong {turn}")
    bob.db.close()
    shutil.copy(copy, bob.path)
    bob.db = open_database(bob.path, bob.key)

    with pytest.raises(Undecryptable):
        bob.open(alice.seal(bob, "sealed for a state that is gone"))
    before = alice.state()
    with pytest.raises(Undecryptable):
        alice.open(bob.seal(alice, "sealed by a state that was used before"))
    assert alice.state() == before
    sessions.mark_broken(alice.db, bob.account, bob.own.device)
    sessions.mark_broken(bob.db, alice.account, alice.own.device)
    alice.start(bob)
    bob.start(alice)
    say(alice, bob, "ping")
    say(bob, alice, "pong")


def test_at_most_five_sessions_are_kept_and_the_last_used_stay(pair: tuple[Party, Party]) -> None:
    alice, bob = pair
    first: list[str] = []
    for turn in range(8):
        bob.start(alice)
        first.append(_freshest_id(bob, alice))
        say(bob, alice, f"{turn}")
        if turn == 4:
            under_way = bob.seal(alice, "on the fifth")
    kept = {row[0] for row in alice.db.all("SELECT session FROM sessions")}
    assert kept == set(first[3:])
    alice.open(under_way)
    assert _freshest_id(alice, bob) == first[4]


def test_a_one_time_key_must_be_signed_by_the_pinned_device(make: Maker) -> None:
    alice, bob, eve = make("Alice"), make("Bob"), make("Eve")
    alice.learn(bob, eve)
    good, other = alice.claim_from(bob), alice.claim_from(eve)
    signature = good.signatures[bob.account][f"ed25519:{bob.own.device}"]
    bad = {
        "unsigned": SignedKey(good.key, {}),
        "another key": msgspec.structs.replace(good, key=other.key),
        "another device's": other,
        "said to be a fallback": msgspec.structs.replace(good, fallback=True),
        "under another name": SignedKey(good.key, {bob.account: {f"ed25519:{eve.own.device}": signature}}),
        "signed by the server in between": msgspec.structs.replace(good, signatures=other.signatures),
    }
    before = alice.state()
    for key in bad.values():
        with pytest.raises(IdentityRefused, match="not signed"):
            sessions.start_session(alice.db, bob.account, bob.device, key)
    assert alice.state() == before
    sessions.start_session(alice.db, bob.account, bob.device, good)


@pytest.mark.parametrize("key", ["A" * 43, "A" * 42 + "B", ""])
def test_a_key_that_gives_no_secret_is_refused_though_it_is_signed(pair: tuple[Party, Party], key: str) -> None:
    alice, bob = pair
    weak = identity.sign_key(load_account(bob.db), bob.own, SignedKey(key, {}))
    with pytest.raises(IdentityRefused, match="not a usable key"):
        sessions.start_session(alice.db, bob.account, bob.device, weak)
    assert _needs(alice, bob)


def test_no_session_with_a_device_that_is_not_theirs(make: Maker) -> None:
    alice, bob, eve = make("Alice"), make("Bob"), make("Eve")
    alice.learn(bob)
    with pytest.raises(UnknownDevice) as caught:
        sessions.start_session(alice.db, eve.account, eve.device, alice.claim_from(eve))
    assert (caught.value.account, caught.value.device) == (eve.account, eve.own.device)
    with pytest.raises(UnknownDevice):
        sessions.needs_session(alice.db, bob.account, [eve.device])
    changed = Device(bob.own.device, bob.own.ed25519, eve.own.curve25519)
    with pytest.raises(UnknownDevice):
        sessions.start_session(alice.db, bob.account, changed, alice.claim_from(bob))
    with pytest.raises(UnknownDevice):
        messages.seal(alice.db, bob.account, changed, "talk.text", {"id": "a"})


def test_a_failed_commit_leaves_the_ratchet_where_it_was(talking: tuple[Party, Party]) -> None:
    alice, bob = talking
    mail = bob.seal(alice, "once")
    before = alice.state()
    for _ in range(2):
        with pytest.raises(OSError), transaction(alice.db):
            assert alice.open(mail).content["text"] == "once"
            raise OSError("the disk is full")
    assert alice.state() == before
    with pytest.raises(OSError), transaction(alice.db):
        alice.seal(bob, "never sent")
        raise OSError("the disk is full")
    assert alice.state() == before
    alice.reopen()
    assert alice.open(mail).content["text"] == "once"
    opened = bob.open(alice.seal(bob, "sent"))
    assert (opened.content["text"], opened.missed) == ("sent", 0)


def test_a_failed_commit_gives_the_one_time_key_back(pair: tuple[Party, Party]) -> None:
    alice, bob = pair
    alice.start(bob)
    mail = alice.seal(bob, "first")
    with pytest.raises(OSError), transaction(bob.db):
        bob.open(mail)
        raise OSError("the disk is full")
    bob.reopen()
    assert bob.open(mail).content["text"] == "first"


def test_a_damaged_pickle_is_said_plainly(talking: tuple[Party, Party]) -> None:
    alice, bob = talking
    mail = bob.seal(alice)
    alice.db.run("UPDATE sessions SET pickle = 'x' || pickle")
    with pytest.raises(ProfileDamaged):
        alice.open(mail)
    with pytest.raises(ProfileDamaged):
        alice.seal(bob)
    alice.db.run("UPDATE olm SET pickle = ''")
    with pytest.raises(ProfileDamaged):
        alice.publish()


def _freshest_id(party: Party, other: Party) -> str:
    kept = sessions.freshest(party.db, contacts.peer(party.db, other.account, other.own.device))
    assert kept is not None
    return kept.session.session_id
