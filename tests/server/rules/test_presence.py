"""Who is here: told as differences once a second; who drops off may come back unnoticed for a while."""

from __future__ import annotations

import pytest
from tests.server.house import House, Peer

from talk.protocol import commands, events
from talk.protocol.ids import account_id
from talk.protocol.limits import LEFT_AFTER, MAX_PEOPLE
from talk.server.rules import owner
from talk.server.rules.presence import Presence

A, B = "@a", "@b"


class TestSet:
    @pytest.fixture
    def presence(self) -> Presence:
        return Presence()

    def test_nothing_happened(self, presence: Presence) -> None:
        assert presence.tick(0) is None
        assert (presence.version, presence.people()) == (0, [])

    def test_who_came_is_told_once(self, presence: Presence) -> None:
        presence.came(B)
        presence.came(A)
        assert presence.people() == [A, B]
        assert presence.tick(0) == ([A, B], [])
        assert presence.tick(1) is None
        assert presence.version == 1

    def test_who_drops_is_here_until_it_is_sure(self, presence: Presence) -> None:
        presence.came(A)
        presence.tick(0)
        presence.went(A, 10, said_goodbye=False)
        assert presence.is_here(A)
        assert presence.tick(10 + LEFT_AFTER - 0.1) is None
        assert presence.tick(10 + LEFT_AFTER) == ([], [A])
        assert not presence.is_here(A)
        assert presence.people() == []

    def test_who_says_goodbye_has_left_at_once(self, presence: Presence) -> None:
        presence.came(A)
        presence.tick(0)
        presence.went(A, 10, said_goodbye=True)
        assert presence.tick(10) == ([], [A])

    def test_who_comes_back_in_time_was_never_away(self, presence: Presence) -> None:
        presence.came(A)
        presence.tick(0)
        presence.went(A, 10, said_goodbye=False)
        presence.came(A)
        assert presence.tick(100) is None
        assert presence.people() == [A]

    def test_who_comes_back_too_late_came_again(self, presence: Presence) -> None:
        presence.came(A)
        presence.tick(0)
        presence.went(A, 10, said_goodbye=False)
        presence.tick(30)
        presence.came(A)
        assert presence.tick(31) == ([A], [])
        assert presence.version == 3

    def test_one_of_two_devices_is_enough(self, presence: Presence) -> None:
        presence.came(A)
        presence.came(A)
        assert presence.tick(0) == ([A], [])
        presence.went(A, 1, said_goodbye=True)
        assert presence.tick(100) is None
        presence.came(A)
        assert presence.tick(101) is None
        presence.went(A, 102, said_goodbye=True)
        presence.went(A, 102, said_goodbye=True)
        assert presence.tick(102) == ([], [A])

    def test_the_last_device_decides_whether_it_was_a_goodbye(self, presence: Presence) -> None:
        presence.came(A)
        presence.came(A)
        presence.tick(0)
        presence.went(A, 1, said_goodbye=True)
        presence.went(A, 1, said_goodbye=False)
        assert presence.tick(2) is None

    def test_who_came_and_said_goodbye_between_two_looks_is_not_here(self, presence: Presence) -> None:
        presence.came(A)
        presence.went(A, 0.5, said_goodbye=True)
        assert presence.tick(1) == ([], [A])

    def test_a_new_name_is_told_of_who_is_here(self, presence: Presence) -> None:
        presence.came(A)
        presence.tick(0)
        presence.renamed(A)
        presence.renamed(B)
        assert presence.tick(1) == ([A], [])

    def test_a_new_name_of_who_is_leaving_is_told_too(self, presence: Presence) -> None:
        presence.came(A)
        presence.tick(0)
        presence.went(A, 1, said_goodbye=False)
        presence.renamed(A)
        assert presence.tick(2) == ([A], [])


async def watching(house: House, name: str) -> Peer:
    peer = await house.join(name)
    await peer.ask(commands.ListPeople("l"))
    return peer


def names(people: list[events.Person]) -> list[str]:
    return sorted(person.name for person in people)


async def test_list_says_who_is_here_and_then_what_changes(house: House) -> None:
    await house.join("bob")
    house.pass_time(1)
    asha = await watching(house, "asha")
    [people] = asha.of(events.People)
    assert (people.id, people.last, people.version) == ("l", True, 1)
    assert names(people.people) == ["asha", "bob"]
    chitra = await house.join("chitra")
    house.pass_time(1)
    chitra.drop(said_goodbye=True)
    house.pass_time(1)
    first, second = asha.of(events.Presence)
    assert chitra.welcome
    assert (first.version, names(first.here), first.left) == (2, ["asha", "chitra"], [])
    assert (second.version, second.here, second.left) == (3, [], [chitra.welcome.account])


async def test_a_list_that_is_used_again_has_those_who_came_since(house: House) -> None:
    house.pass_time(1)
    await watching(house, "asha")
    bob = await watching(house, "bob")
    await bob.done(commands.Rename("r", "usha"))
    chitra = await watching(house, "chitra")
    told = chitra.of(events.People)
    assert [page.last for page in told] == [False] * (len(told) - 1) + [True]
    known = {person.account: person.name for page in told for person in page.people}
    assert sorted(known.values()) == ["asha", "chitra", "usha"]


async def test_who_did_not_ask_is_told_nothing(house: House) -> None:
    bob = await house.join("bob")
    await house.join("asha")
    house.pass_time(1)
    assert bob.of(events.Presence) == []


async def test_who_drops_is_told_of_after_a_while_and_who_comes_back_is_not(house: House) -> None:
    asha, bob = await watching(house, "asha"), await house.join("bob")
    house.pass_time(1)
    before = len(asha.of(events.Presence))
    assert bob.phone
    bob.drop()
    house.pass_time(LEFT_AFTER - 1)
    bob = await house.login(bob.phone)
    house.pass_time(LEFT_AFTER)
    assert len(asha.of(events.Presence)) == before
    bob.drop()
    house.pass_time(LEFT_AFTER)
    assert bob.welcome
    assert asha.of(events.Presence)[-1].left == [bob.welcome.account]


async def test_a_new_name_is_told(house: House) -> None:
    asha, bob = await watching(house, "asha"), await house.join("bob")
    house.pass_time(1)
    await bob.done(commands.Rename("r", "usha"))
    house.pass_time(1)
    assert names(asha.of(events.Presence)[-1].here) == ["usha"]


async def test_a_name_that_was_released_is_told(house: House) -> None:
    asha, bob = await watching(house, "asha"), await house.join("bob")
    house.pass_time(1)
    assert bob.welcome
    await house.engine.change(owner.release_name(house.context, "bob"))
    house.pass_time(1)
    assert asha.of(events.Presence)[-1].here == [events.Person(bob.welcome.account, "")]


async def test_who_stalled_is_told_the_whole_afterwards(house: House) -> None:
    asha, bob = await watching(house, "asha"), await house.join("bob")
    house.pass_time(1)
    asha.door.stall()
    before = len(asha.of(events.Presence))
    bob.drop(said_goodbye=True)
    house.pass_time(1)
    await house.join("chitra")
    house.pass_time(1)
    assert len(asha.of(events.Presence)) == before
    assert len(asha.of(events.People)) == 1
    asha.door.drain()
    house.pass_time(1)
    whole = asha.of(events.People)[-1]
    assert (whole.id, whole.last, names(whole.people)) == ("", True, ["asha", "chitra"])
    assert whole.version == house.engine.delivery.presence.version
    house.pass_time(1)
    assert len(asha.of(events.People)) == 2
    await house.join("dev")
    house.pass_time(1)
    assert asha.of(events.Presence)[-1].version == whole.version + 1


async def test_a_crowd_comes_in_frames_of_a_thousand(house: House) -> None:
    asha = await watching(house, "asha")
    house.pass_time(1)
    server = house.context.key.id
    crowd = sorted(account_id(number.to_bytes(32), server) for number in range(2 * MAX_PEOPLE))
    for account in crowd:
        house.engine.delivery.presence.came(account)
    house.pass_time(1)
    told = asha.of(events.Presence)[1:]
    assert [len(event.here) for event in told] == [MAX_PEOPLE, MAX_PEOPLE]
    assert [person.account for event in told for person in event.here] == crowd
    asha.tell(commands.ListPeople("m"))
    pages = [people for people in asha.of(events.People) if people.id == "m"]
    assert [person.account for page in pages for person in page.people] == house.engine.delivery.presence.people()
    assert [(len(page.people), page.last) for page in pages] == [(1000, False), (1000, False), (1, True)]
    for account in crowd[1:]:
        house.engine.delivery.presence.went(account, house.steady, said_goodbye=True)
    house.pass_time(1)
    assert [account for event in asha.of(events.Presence)[3:] for account in event.left] == crowd[1:]


async def test_whoever_is_closed_by_the_server_is_not_told_any_more(house: House) -> None:
    asha = await watching(house, "asha")
    asha.door.on_end = lambda: None
    house.engine.perform(owner.kick(house.context, "asha"))
    assert asha.door.closed
    await house.join("bob")
    house.pass_time(1)  # the door fails on a write after its close
