"""The store port, sentence by sentence, on every adapter: the store itself, accounts, rooms."""

from __future__ import annotations

import asyncio
import re

import pytest
from msgspec.structs import replace

from talk.protocol.errors import Code
from talk.server.ports import (
    AccountRow,
    AddInvite,
    Appended,
    Change,
    Changed,
    InviteRow,
    LeftOff,
    Refusal,
    ReleaseName,
    RenameAccount,
    RevokeInvites,
    RoomRow,
    SetBanned,
    StartEpoch,
    Store,
    StoreUnavailable,
    Sweep,
)

from .changes import ack, keys, register, replace_devices, say, send
from .conftest import Kept

# ---- the store


async def test_a_new_store_has_a_key_an_epoch_and_the_lobby(store: Store) -> None:
    snapshot = await store.load()
    assert len(snapshot.server_key) == 32
    assert re.fullmatch("[a-z2-7]{32}", snapshot.epoch)
    [lobby] = snapshot.rooms
    assert re.fullmatch("[a-z2-7]{32}", lobby.room)
    assert (lobby.name, lobby.head) == ("lobby", 0)
    assert (snapshot.accounts, snapshot.invites) == ((), ())


async def test_everything_committed_is_there_after_a_restart(kept: Kept, lobby: str) -> None:
    invite = InviteRow("hash", 3, 1000)
    await kept.store.commit([register("alice", devices=["alice-1", "alice-2"]), AddInvite(invite)])
    await kept.store.commit([register("bob"), say(lobby, "one"), keys("bob-1", "k1", fallback="f")])
    sent = send("two", devices=["bob-1", "alice-2"])
    await kept.store.commit([sent])
    before = await kept.store.load()
    store = await kept.restart()
    assert await store.load() == before
    assert before.rooms == (RoomRow(lobby, "lobby", 1),)
    assert before.invites == (invite,)
    assert [row.account for row in before.accounts] == ["alice", "bob"]
    assert [record.id for record in await store.records(lobby, 0, 10, 1000)] == ["one"]
    assert [item.content for item in await store.mail("bob-1", 0, 10, 1000)] == [b"sealed for bob-1"]
    assert (await store.left_off("alice-2", 0, {})).mail_head == 1
    assert (await store.key_count("bob-1")).one_time == 1
    assert await store.identities(["alice"]) == {"alice": b"identity of alice"}


async def test_closing_twice_does_nothing_and_a_closed_store_is_unavailable(store: Store, lobby: str) -> None:
    await store.close()
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.commit([say(lobby, "one")])
    with pytest.raises(StoreUnavailable):
        await store.load()
    with pytest.raises(StoreUnavailable):
        await store.records(lobby, 0, 1, 1)


async def test_outcomes_come_in_the_order_of_the_changes(store: Store, lobby: str) -> None:
    outcomes = await store.commit(
        [
            say(lobby, "one"),
            say("nowhere", "two"),
            register("alice"),
            register("eve", skeleton="alice"),
            say(lobby, "3"),
        ]
    )
    assert outcomes == [
        Appended(1, 10, True),
        Refusal(Code.UNKNOWN_ROOM),
        Changed(),
        Refusal(Code.NAME_TAKEN),
        Appended(2, 10, True),
    ]


async def test_a_refused_change_leaves_nothing_and_the_others_are_kept(store: Store, lobby: str) -> None:
    await store.commit([register("alice"), register("bob"), AddInvite(InviteRow("hash", 1, 1000))])
    before = await store.load()
    outcomes = await store.commit(
        [
            register("bob2", skeleton="bob", invite="hash"),
            say("nowhere", "one"),
            send("two", lists={"bob": 9, "alice": 1}),
            say(lobby, "three"),
        ]
    )
    assert [type(outcome) for outcome in outcomes] == [Refusal, Refusal, Refusal, Appended]
    after = await store.load()
    assert (after.accounts, after.invites) == (before.accounts, before.invites)
    # An id of a refused change was not used.
    assert await store.commit([say(lobby, "two"), say(lobby, "one")]) == [Appended(2, 10, True), Appended(3, 10, True)]


async def test_an_empty_batch_is_nothing(store: Store) -> None:
    assert await store.commit([]) == []


async def test_a_large_batch_is_made_whole(store: Store, lobby: str) -> None:
    await store.commit([register("alice"), register("bob")])
    batch = [change for i in range(700) for change in (say(lobby, f"s{i}", str(i)), send(f"m{i}", text=str(i)))]
    await store.commit(batch)
    assert [record.content for record in await store.records(lobby, 0, 1000, 10**6)] == [b"%d" % i for i in range(700)]
    items = await store.mail("bob-1", 0, 1000, 10**6)
    assert [(item.n, item.id) for item in items] == [(i + 1, f"m{i}") for i in range(700)]


async def test_an_epoch_can_be_begun_and_numbers_go_on(store: Store, lobby: str) -> None:
    await store.commit([register("alice"), register("bob"), say(lobby, "one"), send("two")])
    assert await store.commit([StartEpoch("later")]) == [Changed()]
    assert (await store.load()).epoch == "later"
    outcomes = await store.commit([say(lobby, "three"), send("four")])
    assert outcomes[0] == Appended(2, 10, True)
    assert (await store.left_off("bob-1", 0, {})).mail_head == 2


# ---- accounts


async def test_registering_again_with_the_same_name_is_no_error_and_changes_nothing(store: Store) -> None:
    await store.commit([AddInvite(InviteRow("hash", 2, 1000))])
    assert await store.commit([register("alice", invite="hash")]) == [Changed()]
    assert await store.commit([register("alice", invite="hash")] * 2) == [Changed(), Changed()]
    snapshot = await store.load()
    assert snapshot.accounts == (AccountRow("alice", "alice", "alice", 1, {"alice-1": "key of alice-1"}),)
    assert snapshot.invites == (InviteRow("hash", 1, 1000),)


async def test_an_account_does_not_take_a_second_name_by_registering(store: Store) -> None:
    await store.commit([register("alice")])
    assert await store.commit([register("alice", name="malice")]) == [Refusal(Code.NAME_TAKEN)]
    assert (await store.load()).accounts[0].name == "alice"


async def test_a_skeleton_has_one_holder(store: Store) -> None:
    await store.commit([register("alice", name="Paul", skeleton="paul")])
    [refused] = await store.commit([register("eve", name="PauI", skeleton="paul")])
    assert refused == Refusal(Code.NAME_TAKEN)
    assert [row.account for row in (await store.load()).accounts] == ["alice"]
    assert await store.identities(["eve", "alice"]) == {"alice": b"identity of alice"}


async def test_an_invite_is_used_up(store: Store) -> None:
    await store.commit([AddInvite(InviteRow("hash", 2, 1000))])
    outcomes = await store.commit([register(name, invite="hash") for name in ("a", "b", "c")])
    assert outcomes == [Changed(), Changed(), Refusal(Code.INVITE_INVALID)]
    # Given again it does not count anew.
    await store.commit([AddInvite(InviteRow("hash", 2, 1000))])
    assert await store.commit([register("c", invite="hash")]) == [Refusal(Code.INVITE_INVALID)]


@pytest.mark.parametrize(("expires", "at", "good"), [(1000, 999, True), (1000, 1000, False), (1000, 2000, False)])
async def test_an_invite_expires(store: Store, expires: int, at: int, good: bool) -> None:
    await store.commit([AddInvite(InviteRow("hash", 1, expires))])
    [outcome] = await store.commit([register("alice", invite="hash", at=at)])
    assert outcome == (Changed() if good else Refusal(Code.INVITE_INVALID))


async def test_a_revoked_invite_lets_nobody_new_in(store: Store) -> None:
    first, second = InviteRow("first", 5, 1000), InviteRow("second", 5, 1000)
    await store.commit([AddInvite(first), AddInvite(second), register("alice", invite="first")])
    assert await store.commit([RevokeInvites(("first", "unknown"))]) == [Changed()]
    outcomes = await store.commit([register("bob", invite="first"), register("carol", invite="second")])
    assert outcomes == [Refusal(Code.INVITE_INVALID), Changed()]
    # Who is in stays, and given again it does not count anew.
    assert await store.commit([register("alice", invite="first"), AddInvite(first)]) == [Changed(), Changed()]
    assert await store.commit([register("bob", invite="first")]) == [Refusal(Code.INVITE_INVALID)]


async def test_an_unknown_invite_is_refused(store: Store) -> None:
    assert await store.commit([register("alice", invite="hash")]) == [Refusal(Code.INVITE_INVALID)]


async def test_a_sweep_removes_expired_invites(store: Store) -> None:
    await store.commit(
        [AddInvite(InviteRow(hash, 1, expires)) for hash, expires in (("a", 99), ("b", 100), ("c", 101))]
    )
    await store.commit([Sweep(now=100, mail_before=0)])
    assert [invite.token_hash for invite in (await store.load()).invites] == ["c"]


async def test_renaming_keeps_the_account_and_frees_the_old_name(store: Store) -> None:
    await store.commit([register("alice"), register("bob")])
    assert await store.commit([RenameAccount("alice", "BOB", "bob")]) == [Refusal(Code.NAME_TAKEN)]
    assert await store.commit([RenameAccount("alice", "Alice", "alice")]) == [Changed()]
    assert await store.commit([RenameAccount("alice", "carol", "carol")] * 2) == [Changed(), Changed()]
    assert await store.commit([register("eve", name="alice")]) == [Changed()]
    names = {row.account: (row.name, row.skeleton) for row in (await store.load()).accounts}
    assert names == {"alice": ("carol", "carol"), "bob": ("bob", "bob"), "eve": ("alice", "alice")}


async def test_released_names_are_free(store: Store) -> None:
    await store.commit([register("alice"), register("bob")])
    assert await store.commit([ReleaseName("alice"), ReleaseName("bob"), ReleaseName("nobody")]) == [Changed()] * 3
    assert await store.commit([register("eve", name="alice")]) == [Changed()]
    assert await store.commit([RenameAccount("alice", "ALICE", "alice")]) == [Refusal(Code.NAME_TAKEN)]
    names = {row.account: (row.name, row.skeleton) for row in (await store.load()).accounts}
    assert names == {"alice": ("", ""), "bob": ("", ""), "eve": ("alice", "alice")}


async def test_banning_is_kept_until_it_is_undone(kept: Kept) -> None:
    await kept.store.commit([register("alice")])
    assert await kept.store.commit([SetBanned("alice", True)] * 2) == [Changed(), Changed()]
    assert (await (await kept.restart()).load()).accounts[0].banned is True
    await kept.store.commit([SetBanned("alice", False)])
    assert (await kept.store.load()).accounts[0].banned is False


async def test_changes_of_an_unknown_account_are_refused(store: Store) -> None:
    changes: list[Change] = [RenameAccount("x", "x", "x"), SetBanned("x", True), replace_devices("x", 1, "x-1")]
    assert await store.commit(changes) == [Refusal(Code.UNKNOWN_ACCOUNT)] * 3


async def test_a_newer_device_list_takes_the_place_of_the_old_one(store: Store) -> None:
    await store.commit([register("alice")])
    change = replace_devices("alice", 3, "alice-1", "alice-2")
    assert await store.commit([change]) == [Changed()]
    [row] = (await store.load()).accounts
    assert (row.version, row.devices) == (3, change.devices)
    assert await store.identities(["alice"]) == {"alice": change.identity}
    assert await store.commit([change]) == [Changed()]
    other = replace(change, identity=b"another identity")
    assert await store.commit([other, replace_devices("alice", 2, "alice-1")]) == [Refusal(Code.OLD_DEVICE_LIST)] * 2
    assert (await store.load()).accounts == (row,)


async def test_a_device_that_is_gone_takes_its_mail_and_keys_with_it(kept: Kept) -> None:
    store = kept.store
    await store.commit([register("alice"), register("bob", devices=["bob-1", "bob-2"])])
    await store.commit([keys("bob-1", "k1"), keys("bob-2", "k1", "k2", fallback="f")])
    await store.commit([send("one", devices=["bob-1", "bob-2"]), send("two", devices=["bob-1", "bob-2"])])
    await store.commit([replace_devices("bob", 2, "bob-1")])
    assert await store.mail("bob-2", 0, 10, 1000) == []
    assert [item.n for item in await store.mail("bob-1", 0, 10, 1000)] == [1, 2]
    assert ((await store.key_count("bob-2")).one_time, (await store.key_count("bob-1")).one_time) == (0, 1)
    # Back on the list, its numbers go on and its old keys do not come back.
    store = await kept.restart()
    await store.commit([replace_devices("bob", 3, "bob-1", "bob-2"), keys("bob-2", "k1", "k2", "k3", fallback="f")])
    count = await store.key_count("bob-2")
    assert (count.one_time, count.fallback_used) == (1, False)
    await store.commit([send("three", devices=["bob-1", "bob-2"], lists={"alice": 1, "bob": 3})])
    assert [item.n for item in await store.mail("bob-2", 0, 10, 1000)] == [3]


async def test_a_device_is_on_one_list_only(store: Store) -> None:
    await store.commit([register("alice"), register("bob")])
    outcomes = await store.commit([register("eve", devices=["alice-1"]), replace_devices("bob", 2, "bob-1", "alice-1")])
    assert outcomes == [Refusal(Code.UNKNOWN_DEVICE)] * 2
    assert [row.version for row in (await store.load()).accounts] == [1, 1]


async def test_identities_of_accounts_that_exist(store: Store) -> None:
    await store.commit([register(f"a{i}") for i in range(250)])
    asked = [f"a{i}" for i in range(300)]
    assert await store.identities(asked) == {f"a{i}": f"identity of a{i}".encode() for i in range(250)}
    assert await store.identities([]) == {}


# ---- rooms


async def test_records_are_numbered_from_one_and_kept_as_they_came(store: Store, lobby: str) -> None:
    odd = bytes(range(256))
    changes = [replace(say(lobby, "one", at=5), content=odd, kind="odd"), say(lobby, "two", at=3)]
    assert await store.commit(changes) == [Appended(1, 5, True), Appended(2, 3, True)]
    first, second = await store.records(lobby, 0, 10, 1000)
    assert (first.room, first.seq, first.id, first.account, first.device) == (lobby, 1, "one", "alice", "alice-1")
    assert (first.at, first.kind, first.content) == (5, "odd", odd)
    assert (second.seq, second.content) == (2, b"hello")


async def test_numbers_have_no_holes_however_many_write_at_once(store: Store, lobby: str) -> None:
    await store.commit([say(lobby, "zero")])
    batches = [[say(lobby, f"{i}.{j}", device=f"d-{i}") for j in range(5)] for i in range(40)]
    refused = say("nowhere", "refused")
    answers = await asyncio.gather(*(store.commit([*batch[:2], refused, *batch[2:]]) for batch in batches))
    appended = [[outcome for outcome in answer if isinstance(outcome, Appended)] for answer in answers]
    given = {
        change.id: outcome.seq
        for batch, outcomes in zip(batches, appended, strict=True)
        for change, outcome in zip(batch, outcomes, strict=True)
    }
    assert sorted(given.values()) == list(range(2, 202))
    records = await store.records(lobby, 1, 1000, 10**6)
    assert {record.id: record.seq for record in records} == given
    assert [record.seq for record in records] == list(range(2, 202))
    assert (await store.load()).rooms[0].head == 201


async def test_a_retry_gets_the_first_outcome_for_good(kept: Kept, lobby: str) -> None:
    first = say(lobby, "one", at=7)
    retry = replace(first, at=99)
    assert await kept.store.commit([first, retry]) == [Appended(1, 7, True), Appended(1, 7, False)]
    await kept.store.commit([say(lobby, "two")])
    assert await kept.store.commit([retry]) == [Appended(1, 7, False)]
    store = await kept.restart()
    assert await store.commit([retry, say(lobby, "three")]) == [Appended(1, 7, False), Appended(3, 10, True)]
    assert len(await store.records(lobby, 0, 10, 1000)) == 3


async def test_an_id_stands_for_one_message_of_its_device(store: Store, lobby: str) -> None:
    await store.commit([register("alice"), register("bob"), say(lobby, "one", "hello"), send("two")])
    reused = Refusal(Code.ID_REUSED)
    assert await store.commit([say(lobby, "one", "bye"), send("two", text="other")]) == [reused, reused]
    # One space of ids for both kinds of message, even where the digests are the same.
    record, mail = say(lobby, "three"), send("four")
    await store.commit([record, mail])
    crossed: list[Change] = [
        replace(send("three"), digest=record.digest),
        replace(say(lobby, "four"), digest=mail.digest),
    ]
    assert await store.commit(crossed) == [reused, reused]
    # Another device may use the same id.
    assert await store.commit([say(lobby, "one", device="bob-1")]) == [Appended(3, 10, True)]


async def test_reads_of_a_room_are_bounded(store: Store, lobby: str) -> None:
    await store.commit([say(lobby, str(i), "x" * 10) for i in range(1, 21)])

    async def read(after: int, limit: int, max_bytes: int) -> list[int]:
        return [record.seq for record in await store.records(lobby, after, limit, max_bytes)]

    assert await read(0, 5, 1000) == [1, 2, 3, 4, 5]
    assert await read(17, 5, 1000) == [18, 19, 20]
    assert await read(20, 5, 1000) == []
    assert await read(0, 20, 30) == [1, 2, 3]
    assert await read(0, 20, 39) == [1, 2, 3]
    assert await read(4, 20, 1) == [5]  # always one, so that a reader gets on
    assert await read(4, 20, 0) == [5]
    assert await read(0, 0, 1000) == []
    assert await read(0, -1, 1000) == []
    assert await store.records("nowhere", 0, 5, 1000) == []


async def test_history_reads_backwards_and_answers_forwards(store: Store, lobby: str) -> None:
    await store.commit([say(lobby, str(i)) for i in range(1, 21)])

    async def read(before: int, limit: int) -> list[int]:
        return [record.seq for record in await store.records_before(lobby, before, limit)]

    assert await read(0, 3) == [18, 19, 20]
    assert await read(18, 3) == [15, 16, 17]
    assert await read(3, 10) == [1, 2]
    assert await read(1, 10) == []
    assert await read(1000, 2) == [19, 20]
    assert await read(0, 0) == []
    assert await read(0, -1) == []
    assert await store.records_before("nowhere", 0, 5) == []


async def test_acks_and_sweeps_of_nothing_are_no_errors(store: Store) -> None:
    await store.commit([register("alice")])
    outcomes = await store.commit([ack("alice-1", 5, 1, 2), ack("nobody-1", 1), Sweep(now=10**9, mail_before=10**9)])
    assert [outcome.notices for outcome in outcomes] == [(), (), ()]  # type: ignore[union-attr]
    assert (await store.left_off("alice-1", 0, {})).mail_head == 0


async def test_what_stands_where_a_device_left_off(store: Store, lobby: str) -> None:
    await store.commit([register("alice"), register("bob"), say(lobby, "one"), say(lobby, "two")])
    await store.commit([send("first", devices=["bob-1"]), send("second", devices=["bob-1"])])
    assert await store.left_off("bob-1", 1, {lobby: 2}) == LeftOff(2, "first", {lobby: "two"})
    assert await store.left_off("bob-1", 3, {lobby: 3}) == LeftOff(2, "", {})
    assert await store.left_off("bob-1", 0, {lobby: 0, "no-room": 1}) == LeftOff(2, "", {})
    assert await store.left_off("nobody", 1, {}) == LeftOff(0, "", {})
    await store.commit([ack("bob-1", 1)])
    assert await store.left_off("bob-1", 1, {}) == LeftOff(2, "", {})
    assert await store.left_off("bob-1", 2, {}) == LeftOff(2, "second", {})
