from __future__ import annotations

from typing import Any

import msgspec
import pytest

from talk.encryption import contacts, identity, keys, messages, sessions
from talk.encryption.database import transaction
from talk.encryption.errors import Replayed, Undecryptable, UnknownDevice
from talk.encryption.messages import Opened
from talk.protocol.events import Mail
from talk.protocol.ids import encode64, random_id
from talk.protocol.keys import canonical
from talk.protocol.limits import MAX_NUMBER, MAX_SEALED

from .conftest import Maker
from .parties import AT, Party, body_of, olm_of, say, sealed_of, with_body, with_content


def _refused(party: Party, mail: Mail, reason: str | None = None) -> None:
    """The mail is undecryptable for this reason and leaves no trace."""
    before = party.state()
    with pytest.raises(Undecryptable, match=reason):
        party.open(mail)
    assert party.state() == before


def _plain(sender: Party, receiver: Party, mail: Mail) -> dict[str, Any]:
    """What stands inside, read by the receiver's own ratchet in a transaction that is undone."""
    peer = contacts.peer(receiver.db, sender.account, sender.own.device)
    message = messages._message(mail, receiver.own, peer)
    found: dict[str, Any] = {}
    with pytest.raises(ZeroDivisionError), transaction(receiver.db):
        found = msgspec.json.decode(sessions.decrypt(receiver.db, peer, message))
        raise ZeroDivisionError
    return found


# ---- the form


def test_the_form_is_matrix(pair: tuple[Party, Party]) -> None:
    alice, bob = pair
    alice.start(bob)
    mail = alice.seal(bob, "hello", send_id="m1")
    outside = msgspec.json.decode(bytes(mail.content))
    assert set(outside) == {"algorithm", "sender_key", "ciphertext"}
    assert outside["algorithm"] == "m.olm.v1.curve25519-aes-sha2"
    assert outside["sender_key"] == alice.own.curve25519
    assert set(outside["ciphertext"]) == {bob.own.curve25519}
    assert outside["ciphertext"][bob.own.curve25519] == {"type": 0, "body": encode64(body_of(mail))}

    inside = _plain(alice, bob, mail)
    assert inside.pop("sender_device_keys") == msgspec.to_builtins(identity.own_device_keys(alice.db))
    content = inside.pop("content")
    assert inside == {
        "type": "talk.text",
        "sender": alice.account,
        "recipient": bob.account,
        "recipient_keys": {"ed25519": bob.own.ed25519},
        "keys": {"ed25519": alice.own.ed25519},
    }
    assert content.pop("pad").strip(" ") == ""
    assert content == {"id": "m1", "n": 1, "to": bob.account, "text": "hello"}


def test_device_keys_ride_on_first_messages_only(pair: tuple[Party, Party]) -> None:
    alice, bob = pair
    alice.start(bob)
    first = alice.seal(bob)
    assert "sender_device_keys" in _plain(alice, bob, first)
    bob.open(first)
    answer = bob.seal(alice)
    assert olm_of(answer).type == 1
    assert "sender_device_keys" not in _plain(bob, alice, answer)
    alice.open(answer)
    assert "sender_device_keys" not in _plain(alice, bob, alice.seal(bob))


def test_what_comes_out_is_what_went_in(talking: tuple[Party, Party]) -> None:
    alice, bob = talking
    content = {"id": "r1", "to": bob.account, "ids": ["a", "b"], "at": AT, "deep": {"list": [1, None, True, "क"]}}
    sealed = messages.seal(alice.db, bob.account, bob.device, "talk.receipt", content)
    opened = bob.open(alice.mail(sealed, "r1"))
    assert opened == Opened("talk.receipt", content, alice.account, alice.own.device, 0)


def test_three_people_and_nothing_for_the_fourth(make: Maker) -> None:
    alice, bob, carol, eve = make("Alice"), make("Bob"), make("Carol"), make("Eve")
    for party in (alice, bob, carol, eve):
        party.learn(*(other for other in (alice, bob, carol, eve) if other is not party))
    for sender, receiver in [(alice, bob), (bob, carol), (carol, alice), (alice, carol)]:
        if sessions.needs_session(sender.db, receiver.account, [receiver.device]):
            sender.start(receiver)
        mail = sender.seal(receiver, "between us")
        _refused(eve, mail, "not for this device")
        assert b"between us" not in bytes(mail.content)
        assert receiver.open(mail).content["text"] == "between us"


# ---- replay


def test_a_repeated_message_is_known_before_it_is_decrypted(talking: tuple[Party, Party]) -> None:
    alice, bob = talking
    mail = alice.seal(bob, "pay 10")
    bob.open(mail)
    before = bob.state()
    with pytest.raises(Replayed) as caught:
        bob.open(mail)
    assert (caught.value.device, caught.value.id) == (alice.own.device, mail.id)
    with pytest.raises(Replayed):
        bob.open(with_content(mail, b"not even JSON"))
    assert bob.state() == before
    bob.reopen()
    with pytest.raises(Replayed):
        bob.open(mail)
    say(alice, bob, "the session lives")


def test_a_repeated_message_under_another_id_is_refused(talking: tuple[Party, Party]) -> None:
    alice, bob = talking
    mail = alice.seal(bob, "pay 10")
    other = msgspec.structs.replace(mail, id=random_id())
    _refused(bob, other, "another id")
    bob.open(mail)
    _refused(bob, other)


@pytest.mark.parametrize("by_fallback", [False, True])
def test_a_repeated_first_message_makes_no_second_session(pair: tuple[Party, Party], by_fallback: bool) -> None:
    alice, bob = pair
    if by_fallback:
        bob.one_time.clear()
    alice.start(bob)
    mail = alice.seal(bob, "pay 10")
    bob.open(mail)
    before = bob.state()
    with pytest.raises(Replayed):
        bob.open(mail)
    assert bob.state() == before
    _refused(bob, msgspec.structs.replace(mail, id=random_id()), "damaged or does not continue")


def test_a_fallback_key_opens_no_old_message_again(pair: tuple[Party, Party]) -> None:
    alice, bob = pair
    bob.one_time.clear()
    alice.start(bob)
    mail = alice.seal(bob, "pay 10")
    bob.open(mail)
    # Even with the session dropped, so that the fallback key would open it as a new one.
    bob.db.run("DELETE FROM sessions")
    before = bob.state()
    with pytest.raises(Replayed):
        bob.open(mail)
    assert bob.state() == before
    _refused(bob, msgspec.structs.replace(mail, id=random_id()), "another id")


def test_an_id_counts_per_device(make: Maker) -> None:
    alice, bob, carol = make("Alice"), make("Bob"), make("Carol")
    carol.learn(alice, bob)
    for party in (alice, bob):
        party.learn(carol)
        party.start(carol)
        assert carol.open(party.seal(carol, party.name, send_id="same")).content["text"] == party.name


# ---- damage


@pytest.mark.parametrize("first", [True, False])
def test_any_changed_byte_is_refused_and_changes_nothing(pair: tuple[Party, Party], first: bool) -> None:
    alice, bob = pair
    alice.start(bob)
    if not first:
        say(alice, bob, "first")
        say(bob, alice, "answer")
    mail = alice.seal(bob, "intact")
    body = body_of(mail)
    before = bob.state()
    for position in range(0, len(body), 7):
        changed = bytearray(body)
        changed[position] ^= 0x10
        with pytest.raises(Undecryptable):
            bob.open(with_body(mail, bytes(changed)))
    assert bob.state() == before
    assert bob.open(mail).content["text"] == "intact"


def test_cut_grown_and_retyped_messages_are_refused(pair: tuple[Party, Party]) -> None:
    alice, bob = pair
    alice.start(bob)
    mail = alice.seal(bob, "intact")
    body = body_of(mail)
    for changed in (b"", body[:1], body[:40], body[:-1], body + b"\0", body[::-1], body * 2):
        _refused(bob, with_body(mail, changed))
    _refused(bob, with_body(mail, body, type=1))
    assert bob.open(mail).content["text"] == "intact"
    say(bob, alice, "answer")
    later = alice.seal(bob)
    _refused(bob, with_body(later, body_of(later), type=0), "right form")


def test_the_outside_is_checked(talking: tuple[Party, Party]) -> None:
    alice, bob = talking
    mail = alice.seal(bob, "intact")
    sealed = sealed_of(mail)
    body = sealed.ciphertext[bob.own.curve25519]
    wrong: list[tuple[Any, str]] = [
        (b"", "right form"),
        (b"{}", "right form"),
        (b"[" * 20_000, "right form"),
        (b"\xff\xfe", "right form"),
        (b" " * (MAX_SEALED + 1), "too long"),
        (canonical(msgspec.structs.replace(sealed, algorithm="m.megolm.v1.aes-sha2")), "not for this device"),
        (canonical(msgspec.structs.replace(sealed, ciphertext={alice.own.curve25519: body})), "not for this device"),
        (canonical(msgspec.structs.replace(sealed, sender_key=bob.own.curve25519)), "device that it names"),
        (canonical(sealed).replace(b'"body":"', b'"body":"!'), "right form"),
    ]
    for content, reason in wrong:
        _refused(bob, with_content(mail, content), reason)
    assert bob.open(mail).content["text"] == "intact"


# ---- forgery


def _eve(alice: Party, bob: Party, make: Maker) -> Party:
    eve = make("Eve")
    eve.learn(alice, bob)
    bob.learn(eve)
    eve.start(bob)
    return eve


def test_every_claim_inside_is_checked(talking: tuple[Party, Party], make: Maker) -> None:
    alice, bob = talking
    eve = _eve(alice, bob, make)
    device_keys = {party.name: msgspec.to_builtins(identity.own_device_keys(party.db)) for party in (alice, eve)}
    unsigned = {**device_keys["Eve"], "signatures": {}}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"sender": alice.account}, "another sender"),
        ({"keys": {"ed25519": alice.own.ed25519}}, "another sender"),
        ({"keys": {}}, "another sender"),
        ({"recipient": alice.account}, "somebody else"),
        ({"recipient_keys": {"ed25519": alice.own.ed25519}}, "somebody else"),
        ({"recipient_keys": {}}, "somebody else"),
        ({"sender_device_keys": device_keys["Alice"]}, "not signed"),
        ({"sender_device_keys": unsigned}, "not signed"),
        ({"sender_device_keys": "mine"}, "right form"),
        ({"type": 5}, "right form"),
        ({"type": "x" * 100}, "right form"),
        ({"content": None}, "content"),
        ({"content": []}, "content"),
        ({"content": "text"}, "content"),
    ]
    for changed, reason in wrong:
        _refused(bob, eve.forge(bob, **changed), reason)
    assert bob.open(eve.forge(bob)).content["text"] == "forged", "what is right is taken"


def test_the_device_keys_inside_are_those_of_the_device_that_wrote(make: Maker) -> None:
    phone, bob = make("Alice"), make("Bob")
    laptop = make("laptop", main=phone)
    bob.learn(laptop)
    phone.learn(bob)
    phone.start(bob)
    other = msgspec.to_builtins(identity.own_device_keys(laptop.db))
    _refused(bob, phone.forge(bob, sender_device_keys=other), "another device's keys")


@pytest.mark.parametrize(
    "changed",
    [{"n": 0}, {"n": -1}, {"n": "1"}, {"n": True}, {"n": 1.5}, {"n": MAX_NUMBER + 1}, {"n": 10**30}, {"n": None}, {}],
)
def test_a_counter_that_is_none_is_refused(talking: tuple[Party, Party], changed: dict[str, Any]) -> None:
    alice, bob = talking
    _refused(bob, alice.forge(bob, send_id="m", content={"id": "m", **changed}), "content")


@pytest.mark.parametrize("inner", ["other", "", None, 5, "m\n", "x" * 65])
def test_the_id_inside_is_the_one_outside(talking: tuple[Party, Party], inner: object) -> None:
    alice, bob = talking
    _refused(bob, alice.forge(bob, send_id="m", content={"id": inner, "n": 9}))


def test_mail_given_another_sender_by_the_server_is_refused(talking: tuple[Party, Party], make: Maker) -> None:
    alice, bob = talking
    eve = _eve(alice, bob, make)
    mail = alice.seal(bob, "from Alice")
    _refused(bob, msgspec.structs.replace(mail, account=eve.account, device=eve.own.device), "device that it names")
    assert bob.open(mail).account == alice.account


def test_a_first_message_passed_on_as_ones_own_is_refused(pair: tuple[Party, Party], make: Maker) -> None:
    """Unknown key share: Eve's device claims Alice's Curve25519 key as its own, and the server names Eve as sender."""
    alice, bob = pair
    eve = make("Eve")
    bob.learn(eve)
    bob.db.run("UPDATE devices SET curve25519 = ? WHERE device = ?", alice.own.curve25519, eve.own.device)
    alice.start(bob)
    mail = alice.seal(bob, "from Alice to Bob")
    _refused(bob, msgspec.structs.replace(mail, account=eve.account, device=eve.own.device), "another sender")
    assert bob.open(mail).account == alice.account


def test_a_message_passed_on_to_somebody_else_is_refused(make: Maker) -> None:
    """Bob seals what Alice wrote to him anew for Carol, word for word."""
    alice, bob, carol = make("Alice"), make("Bob"), make("Carol")
    carol.learn(alice, bob)
    bob.learn(alice, carol)
    bob.start(carol)
    _refused(carol, bob.forge(carol, sender=alice.account, keys={"ed25519": alice.own.ed25519}), "another sender")
    as_alice = msgspec.structs.replace(bob.forge(carol), account=alice.account, device=alice.own.device)
    _refused(carol, as_alice, "device that it names")


def test_an_unknown_sender_is_asked_for_before_anything_is_decrypted(make: Maker) -> None:
    alice, bob = make("Alice"), make("Bob")
    alice.learn(bob)
    alice.start(bob)
    mail = alice.seal(bob, "you do not know me")
    before = bob.state()
    with pytest.raises(UnknownDevice) as caught:
        bob.open(mail)
    assert (caught.value.account, caught.value.device) == (alice.account, alice.own.device)
    assert bob.state() == before
    bob.learn(alice)
    assert bob.open(mail).content["text"] == "you do not know me"


def test_a_ghost_device_says_nothing(talking: tuple[Party, Party], make: Maker) -> None:
    alice, bob = talking
    ghost = make("ghost", main=alice)
    ghost.learn(bob)
    ghost.start(bob)
    with pytest.raises(UnknownDevice):
        bob.open(ghost.seal(bob, "I am Alice, honest"))


# ---- other own devices


def test_own_devices_share_what_was_sent(make: Maker) -> None:
    phone, bob = make("Alice"), make("Bob")
    laptop = make("laptop", main=phone)
    contacts.learn(phone.db, phone.profile(shown=identity.public_identity(laptop.db)), AT)
    phone.start(laptop)
    content = {"id": "m1", "to": bob.account, "text": "what I wrote to Bob"}
    sealed = messages.seal(phone.db, phone.account, laptop.device, "talk.text", content)
    opened = laptop.open(phone.mail(sealed, "m1"))
    assert (opened.account, opened.device, opened.content) == (laptop.account, phone.own.device, content)
    say(laptop, phone, "and back")


def test_nobody_else_can_write_as_an_own_device(make: Maker) -> None:
    alice, eve = make("Alice"), make("Eve")
    alice.learn(eve)
    eve.learn(alice)
    eve.start(alice)
    mail = eve.forge(alice, sender=alice.account)
    _refused(alice, mail, "another sender")
    for device in (alice.own.device, eve.own.device):
        changed = msgspec.structs.replace(mail, account=alice.account, device=device)
        with pytest.raises((Undecryptable, UnknownDevice)):
            alice.open(changed)


def test_a_device_takes_nothing_from_itself(make: Maker) -> None:
    alice = make("Alice")
    alice.start(alice)
    _refused(alice, alice.seal(alice, "an echo"), "this device itself")


def test_a_device_that_was_taken_off_the_list_starts_nothing(make: Maker) -> None:
    phone, bob = make("Alice"), make("Bob")
    laptop = make("laptop", main=phone)
    laptop.learn(bob)
    laptop.start(bob)
    alone = identity.sign_devices(laptop.db, [identity.own_device_keys(phone.db)])
    contacts.learn(laptop.db, laptop.profile("Alice", shown=alone), AT)
    with pytest.raises(UnknownDevice):
        laptop.seal(bob)


# ---- counters


def _missed(receiver: Party, mails: list[Mail]) -> list[int]:
    return [receiver.open(mail).missed for mail in mails]


def test_what_was_kept_back_shows(talking: tuple[Party, Party]) -> None:
    alice, bob = talking
    mails = [alice.seal(bob) for _ in range(6)]
    assert _missed(bob, [mails[0], mails[3]]) == [0, 2]
    bob.reopen()
    assert _missed(bob, [mails[1], mails[4], mails[2], mails[5]]) == [0, 0, 0, 0], "what comes late is no gap"


def test_the_very_first_can_be_missed(pair: tuple[Party, Party]) -> None:
    alice, bob = pair
    alice.start(bob)
    mails = [alice.seal(bob) for _ in range(3)]
    assert _missed(bob, mails[2:]) == [2]


def test_the_counter_outlives_a_session(talking: tuple[Party, Party]) -> None:
    alice, bob = talking
    alice.seal(bob, "kept back")
    alice.start(bob)
    assert _missed(bob, [alice.seal(bob)]) == [1]


def test_each_pair_of_devices_counts_alone(make: Maker) -> None:
    alice, bob, carol = make("Alice"), make("Bob"), make("Carol")
    alice.learn(bob, carol)
    for party in (bob, carol):
        party.learn(alice)
        alice.start(party)
    for turn in range(3):
        for party in (bob, carol):
            opened = party.open(alice.seal(party, f"{turn}"))
            assert opened.missed == 0


def test_a_number_that_reached_nobody_is_given_again(talking: tuple[Party, Party]) -> None:
    alice, bob = talking
    refused = alice.seal(bob, "refused", send_id="same")
    messages.take_back(alice.db, bob.account, bob.own.device)
    again = alice.seal(bob, "refused", send_id="same")
    assert body_of(refused) != body_of(again)
    assert _missed(bob, [again]) == [0]
    for _ in range(9):
        messages.take_back(alice.db, bob.account, bob.own.device)
    assert bob.open(alice.seal(bob, "lower than before")).missed == 0


def test_a_counter_from_the_future_hides_nothing_of_others(talking: tuple[Party, Party]) -> None:
    alice, bob = talking
    opened = bob.open(alice.forge(bob, send_id="m", content={"id": "m", "n": MAX_NUMBER}))
    assert opened.missed == MAX_NUMBER - 2
    say(alice, bob, "still heard")


# ---- one transaction


def test_a_bad_message_leaves_the_callers_transaction_whole(talking: tuple[Party, Party]) -> None:
    alice, bob = talking
    good, bad = alice.seal(bob, "good"), alice.forge(bob, recipient=alice.account)
    bob.db.run("CREATE TABLE inbox (text TEXT)")
    with transaction(bob.db):
        for mail in (bad, good):
            try:
                text = bob.open(mail).content["text"]
            except Undecryptable:
                text = "undecryptable"
            bob.db.run("INSERT INTO inbox VALUES (?)", text)
    bob.reopen()
    assert bob.db.all("SELECT text FROM inbox") == [("undecryptable",), ("good",)]
    with pytest.raises(Replayed):
        bob.open(good)


def test_a_refused_first_message_does_not_use_up_the_one_time_key(pair: tuple[Party, Party]) -> None:
    alice, bob = pair
    alice.start(bob)
    forged, good = alice.forge(bob, recipient=alice.account), alice.seal(bob, "good")
    _refused(bob, forged, "somebody else")
    assert bob.open(good).content["text"] == "good"
    assert keys.publish(bob.db, 50, fallback_used=False) is None
