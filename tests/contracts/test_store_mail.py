"""The store port, sentence by sentence, on every adapter: mailboxes, their limits and notices."""

from __future__ import annotations

import asyncio
import json

import pytest
from msgspec.structs import replace

from talk.protocol.errors import Code
from talk.protocol.limits import MAX_MAILBOX_PER_SENDER
from talk.server.ports import Delivered, MailItem, Noticed, Refusal, ReplaceDevices, Store, Sweep
from talk.server.stores import memory, sqlite_batch

from .changes import ack, register, replace_devices, send
from .conftest import Kept

TWO_EACH = [register("alice", devices=["alice-1", "alice-2"]), register("bob", devices=["bob-1", "bob-2"])]
ALL = ["bob-1", "bob-2", "alice-2"]
FULL = Refusal(Code.MAILBOX_FULL)
CHANGED = Refusal(Code.DEVICES_CHANGED)


async def numbers(store: Store, device: str) -> list[int]:
    return [item.n for item in await store.mail(device, 0, 10**6, 10**9)]


async def test_mail_is_put_into_every_mailbox_with_numbers_of_its_own(store: Store) -> None:
    await store.commit(TWO_EACH)
    contents = {"bob-1": bytes(range(256)), "bob-2": b"", "alice-2": b'{"b": 1,  "a": 2}'}
    first = replace(send("one", devices=ALL, at=5), contents=contents)
    assert await store.commit([first]) == [Delivered(5, {"bob-1": 1, "bob-2": 1, "alice-2": 1}, True)]
    back = send("two", "alice", device="bob-1", devices=["alice-1", "alice-2", "bob-2"])
    assert await store.commit([back]) == [Delivered(10, {"alice-1": 1, "alice-2": 2, "bob-2": 2}, True)]
    for device, content in contents.items():
        assert (await store.mail(device, 0, 1, 1))[0] == MailItem(1, "one", "alice", "alice-1", 5, "sealed", content)
    boxes = [await store.left_off(device, 0, {}) for device in ("alice-1", "alice-2", "bob-1", "bob-2")]
    assert [box.mail_head for box in boxes] == [1, 2, 1, 2]
    assert (await store.left_off("nobody", 0, {})).mail_head == 0


async def test_a_retry_is_known_for_good_whatever_the_lists_are_by_now(kept: Kept) -> None:
    await kept.store.commit(TWO_EACH)
    first = send("one", devices=ALL, at=5)
    outcomes = await kept.store.commit([first, replace(first, at=9)])
    assert outcomes[1] == Delivered(5, {}, False)
    await kept.store.commit([ack("bob-1", 1), replace_devices("bob", 2, "bob-1", "bob-3")])
    assert await kept.store.commit([replace(first, at=9)]) == [Delivered(5, {}, False)]
    store = await kept.restart()
    assert await store.commit([replace(first, at=9)]) == [Delivered(5, {}, False)]
    assert await numbers(store, "bob-1") == []
    assert await store.commit([replace(first, digest=b"other")]) == [Refusal(Code.ID_REUSED)]


async def test_a_refused_send_may_be_sealed_again_under_its_id(store: Store) -> None:
    await store.commit(TWO_EACH)
    await store.commit([replace_devices("bob", 2, "bob-1", "bob-3")])
    lists = {"alice": 1, "bob": 2}
    assert await store.commit([send("one", devices=ALL)]) == [CHANGED]
    [delivered] = await store.commit([send("one", devices=["bob-1", "bob-3", "alice-2"], lists=lists)])
    assert delivered == Delivered(10, {"bob-1": 1, "bob-3": 1, "alice-2": 1}, True)


@pytest.mark.parametrize(
    ("devices", "lists"),
    [
        (ALL, {"alice": 1, "bob": 2}),
        (ALL, {"alice": 0, "bob": 1}),
        (ALL, {"bob": 1}),
        (ALL, {"alice": 1, "bob": 1, "eve": 1}),
        (["bob-1", "bob-2"], None),
        (["bob-1", "alice-2"], None),
        ([*ALL, "alice-1"], None),
        ([*ALL, "eve-1"], None),
        (["bob-1", "bob-2", "eve-1"], None),
    ],
)
async def test_the_contents_must_be_for_the_devices_of_both_lists(
    store: Store, devices: list[str], lists: dict[str, int] | None
) -> None:
    await store.commit([*TWO_EACH, register("eve")])
    assert await store.commit([send("one", devices=devices, lists=lists)]) == [CHANGED]
    boxes = [await store.left_off(device, 0, {}) for device in ("alice-2", "bob-1", "bob-2", "eve-1")]
    assert [box.mail_head for box in boxes] == [0, 0, 0, 0]


async def test_lists_count_as_they_are_at_that_place_of_the_batch(store: Store) -> None:
    await store.commit(TWO_EACH)
    outcomes = await store.commit(
        [
            send("one", devices=ALL),
            replace_devices("alice", 2, "alice-1"),
            send("two", devices=ALL),
            send("three", devices=["bob-1", "bob-2"], lists={"alice": 2, "bob": 1}),
        ]
    )
    assert [type(outcome) for outcome in outcomes[2:]] == [Refusal, Delivered]
    assert await numbers(store, "alice-2") == []
    assert await numbers(store, "bob-1") == [1, 2]


async def test_an_unknown_recipient_is_said_before_anything_about_lists(store: Store) -> None:
    await store.commit([register("alice")])
    assert await store.commit([send("one")]) == [Refusal(Code.UNKNOWN_RECIPIENT)]


async def test_an_unknown_sender_has_no_list(store: Store) -> None:
    await store.commit([register("bob")])
    assert await store.commit([send("one")]) == [CHANGED]


async def test_a_message_to_oneself_goes_to_the_other_devices(store: Store) -> None:
    await store.commit(TWO_EACH)
    own = send("one", "alice", devices=["alice-2"], lists={"alice": 1})
    assert await store.commit([own]) == [Delivered(10, {"alice-2": 1}, True)]


async def test_acknowledged_mail_is_gone_and_its_numbers_are_not_used_again(kept: Kept) -> None:
    store = kept.store
    await store.commit([register("alice"), register("bob"), *(send(str(i)) for i in range(5))])
    assert await store.commit([ack("bob-1", 3)]) == [Noticed(())]
    assert await numbers(store, "bob-1") == [4, 5]
    assert await store.commit([ack("bob-1", 3), ack("bob-1", 1), ack("bob-1", 5)]) == [Noticed(())] * 3
    assert await numbers(store, "bob-1") == []
    store = await kept.restart()
    assert (await store.left_off("bob-1", 0, {})).mail_head == 5
    outcomes = await store.commit([ack("bob-1", 100), send("next"), ack("bob-1", 5)])
    assert outcomes[1] == Delivered(10, {"bob-1": 6}, True)
    assert await numbers(store, "bob-1") == [6]


async def test_mail_that_is_put_and_acknowledged_in_one_batch_is_gone(store: Store) -> None:
    await store.commit([register("alice"), register("bob")])
    await store.commit([send("one"), send("two"), ack("bob-1", 1), send("three"), ack("bob-1", 2), send("four")])
    assert await numbers(store, "bob-1") == [3, 4]


async def test_the_sending_device_is_told_of_what_could_not_be_opened(store: Store) -> None:
    await store.commit(TWO_EACH)
    await store.commit([send("one", devices=ALL), send("two", devices=ALL), send("three", devices=ALL)])
    [outcome] = await store.commit([ack("bob-2", 2, 2, 1, 2, at=33)])
    assert isinstance(outcome, Noticed)
    assert [(device, item.n, item.id) for device, item in outcome.notices] == [
        ("alice-1", 1, "one"),
        ("alice-1", 2, "two"),
    ]
    items = await store.mail("alice-1", 0, 10, 1000)
    assert tuple(("alice-1", item) for item in items) == outcome.notices
    for item in items:
        assert (item.account, item.device, item.at, item.kind) == ("bob", "bob-2", 33, "undecryptable")
        assert json.loads(item.content) == {"id": item.id, "device": "bob-2"}
    assert await numbers(store, "bob-2") == [3]
    assert await numbers(store, "bob-1") == [1, 2, 3]


async def test_a_notice_is_left_once_and_for_sealed_mail_only(store: Store) -> None:
    await store.commit([register("alice"), register("bob"), send("one")])
    assert len((await notices(store, ack("bob-1", 1, 1))).notices) == 1
    assert await notices(store, ack("bob-1", 1, 1)) == Noticed(())
    assert await notices(store, ack("bob-1", 1, 99)) == Noticed(())
    assert await notices(store, ack("alice-1", 1, 1)) == Noticed(())
    assert await numbers(store, "alice-1") == []


async def notices(store: Store, *changes: object) -> Noticed:
    """The outcome of the last of these changes."""
    outcome = (await store.commit(changes))[-1]  # type: ignore[arg-type]
    assert isinstance(outcome, Noticed)
    return outcome


async def test_mail_beyond_the_ack_is_neither_removed_nor_noticed(store: Store) -> None:
    await store.commit([register("alice"), register("bob"), send("one"), send("two")])
    assert await notices(store, ack("bob-1", 1, 2)) == Noticed(())
    assert await numbers(store, "bob-1") == [2]


async def test_a_device_that_is_off_its_list_is_not_noticed(store: Store) -> None:
    await store.commit(TWO_EACH)
    await store.commit([send("one", devices=ALL)])
    await store.commit([send("two", device="alice-2", devices=["bob-1", "bob-2", "alice-1"])])
    await store.commit([replace_devices("alice", 2, "alice-2")])
    outcome = await notices(store, ack("bob-1", 2, 1, 2))
    assert [(device, item.id) for device, item in outcome.notices] == [("alice-2", "two")]
    assert (await store.left_off("alice-1", 0, {})).mail_head == 1


async def test_more_numbers_than_one_statement_takes(store: Store) -> None:
    await store.commit([register("alice"), register("bob"), *(send(str(i)) for i in range(300))])
    outcome = await notices(store, ack("bob-1", 300, *range(1, 1000)))
    assert [item.id for _, item in outcome.notices] == [str(i) for i in range(300)]


async def test_expired_mail_is_removed_and_its_senders_are_told(store: Store) -> None:
    await store.commit(TWO_EACH)
    await store.commit([send("old", devices=ALL, at=100), send("new", devices=ALL, at=200)])
    outcome = await notices(store, Sweep(now=1000, mail_before=200))
    told = [(device, item.id, item.account, item.device, item.at) for device, item in outcome.notices]
    assert told == [
        ("alice-1", "old", "alice", "alice-2", 1000),
        ("alice-1", "old", "bob", "bob-1", 1000),
        ("alice-1", "old", "bob", "bob-2", 1000),
    ]
    assert {item.kind for _, item in outcome.notices} == {"expired"}
    assert json.loads(outcome.notices[1][1].content) == {"id": "old", "device": "bob-1"}
    assert tuple(("alice-1", item) for item in await store.mail("alice-1", 0, 10, 1000)) == outcome.notices
    assert await numbers(store, "bob-1") == [2]
    assert await notices(store, Sweep(now=1000, mail_before=200)) == Noticed(())


async def test_notices_expire_without_one(store: Store) -> None:
    await store.commit([register("alice"), register("bob"), send("one", at=100), ack("bob-1", 1, 1, at=150)])
    assert await numbers(store, "alice-1") == [1]
    assert await notices(store, Sweep(now=1000, mail_before=200)) == Noticed(())
    assert await numbers(store, "alice-1") == []
    assert (await store.left_off("alice-1", 0, {})).mail_head == 1


async def test_a_sweep_passes_over_senders_that_are_gone(store: Store) -> None:
    await store.commit(TWO_EACH)
    await store.commit([send("one", devices=ALL), replace_devices("alice", 2, "alice-2")])
    assert await notices(store, Sweep(now=1000, mail_before=200)) == Noticed(())
    assert await numbers(store, "bob-1") == []


async def test_acks_after_a_sweep_that_left_holes(kept: Kept) -> None:
    """A clock that was set back gives later mail earlier times."""
    store = kept.store
    await store.commit([register("alice"), register("bob")])
    await store.commit([send(f"m{at}", at=at) for at in (300, 100, 301, 101, 302)])
    await store.commit([Sweep(now=1000, mail_before=200)])
    assert await numbers(store, "bob-1") == [1, 3, 5]
    store = await kept.restart()
    await store.commit([ack("bob-1", 3), send("next")])
    assert await numbers(store, "bob-1") == [5, 6]
    await store.commit([ack("bob-1", 5), send("more"), ack("bob-1", 6)])
    assert await numbers(store, "bob-1") == [7]


async def test_reads_of_a_mailbox_are_bounded(store: Store) -> None:
    await store.commit([register("alice"), register("bob")])
    await store.commit([replace(send(str(i)), contents={"bob-1": b"x" * 10}) for i in range(10)])

    async def read(after: int, limit: int, max_bytes: int) -> list[int]:
        return [item.n for item in await store.mail("bob-1", after, limit, max_bytes)]

    assert await read(0, 3, 1000) == [1, 2, 3]
    assert await read(8, 3, 1000) == [9, 10]
    assert await read(0, 10, 30) == [1, 2, 3]
    assert await read(5, 10, 1) == [6]
    assert await read(10, 10, 1000) == []
    assert await read(0, 0, 1000) == await read(0, -1, 1000) == []


async def test_one_account_can_fill_only_its_share_of_a_mailbox(store: Store) -> None:
    await store.commit([register("alice"), register("bob", devices=["bob-1", "bob-2"]), register("eve")])
    both = ["bob-1", "bob-2"]
    batch = [send(str(i), devices=both) for i in range(MAX_MAILBOX_PER_SENDER)]
    await store.commit(batch[:-1])
    outcomes = await store.commit([batch[-1], send("over", devices=both)])
    assert [type(outcome) for outcome in outcomes] == [Delivered, Refusal]
    assert outcomes[1] == FULL
    assert isinstance((await store.commit([send("hers", device="eve-1", devices=both)]))[0], Delivered)
    # All or nothing: room in one of two mailboxes is not enough.
    assert (await store.commit([ack("bob-1", 1), send("over", devices=both)]))[1] == FULL
    assert (await store.left_off("bob-1", 0, {})).mail_head == MAX_MAILBOX_PER_SENDER + 1
    assert isinstance((await store.commit([ack("bob-2", 1), send("over", devices=both)]))[1], Delivered)
    assert (await store.commit([send("more", devices=both)])) == [FULL]


async def test_notices_do_not_count_as_anybodys_share(store: Store) -> None:
    await store.commit([register("alice"), register("bob")])
    await store.commit([send(str(i)) for i in range(MAX_MAILBOX_PER_SENDER)])
    await store.commit([ack("bob-1", 10**6, *range(1, MAX_MAILBOX_PER_SENDER + 1))])
    assert len(await numbers(store, "alice-1")) == MAX_MAILBOX_PER_SENDER
    [answer] = await store.commit([send("back", "alice", device="bob-1")])
    assert isinstance(answer, Delivered)


async def test_a_mailbox_is_full_at_some_point_for_everybody(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (memory, sqlite_batch):
        monkeypatch.setattr(module, "MAX_MAILBOX", 30)
        monkeypatch.setattr(module, "MAX_MAILBOX_PER_SENDER", 10)
    store = kept.store
    await store.commit([register("bob"), *(register(sender) for sender in "wxyz")])
    for sender in "wxy":
        outcomes = await store.commit([send(str(i), device=f"{sender}-1") for i in range(11)])
        assert outcomes[-1] == FULL
        assert not any(isinstance(outcome, Refusal) for outcome in outcomes[:-1])
    late = send("late", device="z-1")
    assert await store.commit([late]) == [FULL]
    store = await kept.restart()
    assert await store.commit([late]) == [FULL]
    outcomes = await store.commit([ack("bob-1", 1), late, replace(late, id="later")])
    assert [type(outcome) for outcome in outcomes] == [Noticed, Delivered, Refusal]


@pytest.mark.parametrize("ats", [(100, 101, 300, 301), (300, 100, 301, 101)], ids=["in order", "with holes"])
async def test_what_was_swept_or_acknowledged_makes_room(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, ats: tuple[int, ...]
) -> None:
    for module in (memory, sqlite_batch):
        monkeypatch.setattr(module, "MAX_MAILBOX", 4)
    store = kept.store
    await store.commit([register("alice"), register("bob"), *(send(f"m{at}", at=at) for at in ats)])
    assert await store.commit([send("over")]) == [FULL]
    await store.commit([Sweep(now=1000, mail_before=200)])
    store = await kept.restart()
    answers = [type(outcome) for outcome in await store.commit([send("a"), send("b"), send("c")])]
    assert answers == [Delivered, Delivered, Refusal]
    await store.commit([ack("bob-1", (await numbers(store, "bob-1"))[1])])
    store = await kept.restart()
    answers = [type(outcome) for outcome in await store.commit([send("d"), send("e"), send("f")])]
    assert answers == [Delivered, Delivered, Refusal]
    await store.commit([replace_devices("bob", 2, "bob-2")])
    await store.commit([replace_devices("bob", 3, "bob-1")])
    store = await kept.restart()
    lists = {"alice": 1, "bob": 3}
    answers = [type(outcome) for outcome in await store.commit([send(f"n{i}", lists=lists) for i in range(5)])]
    assert answers == [*[Delivered] * 4, Refusal]


async def test_numbers_of_a_mailbox_have_no_holes_however_many_write_at_once(store: Store) -> None:
    await store.commit([register("bob"), *(register(f"s{i}") for i in range(20))])
    sends = [[send(str(j), device=f"s{i}-1") for j in range(4)] for i in range(20)]
    answers = await asyncio.gather(*(store.commit(batch) for batch in sends))
    given = [outcome.numbers["bob-1"] for batch in answers for outcome in batch if isinstance(outcome, Delivered)]
    assert sorted(given) == list(range(1, 81))
    assert await numbers(store, "bob-1") == list(range(1, 81))


async def test_an_account_without_devices_gets_only_our_own_copies(store: Store) -> None:
    await store.commit(TWO_EACH)
    await store.commit([ReplaceDevices("bob", 2, {}, b"no devices")])
    sent = send("one", devices=["alice-2"], lists={"alice": 1, "bob": 2})
    assert await store.commit([sent]) == [Delivered(10, {"alice-2": 1}, True)]
