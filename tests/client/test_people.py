"""Who is here: the whole once, then differences."""

from __future__ import annotations

import pytest

from talk.client.people import People, shown_name
from talk.protocol.events import People as Whole
from talk.protocol.events import Person, Presence


def whole(version: int, *people: tuple[str, str], last: bool = True, id: str = "list") -> Whole:
    return Whole(id, version, [Person(*person) for person in people], last)


def change(version: int, *here: tuple[str, str], left: tuple[str, ...] = ()) -> Presence:
    return Presence(version, [Person(*person) for person in here], list(left))


ASHA, BOB, CHITRA = ("@a", "asha"), ("@b", "bob"), ("@c", "chitra")


def test_the_first_whole_is_no_news() -> None:
    people = People()
    assert people.take(whole(1, BOB, ASHA)) == ([], {})
    assert people.users() == ("asha", "bob")


def test_differences_tell_who_came_and_who_left() -> None:
    people = People()
    people.take(whole(1, ASHA))
    assert people.take(change(2, BOB, CHITRA)) == (["@b", "@c"], {})
    assert people.take(change(3, left=("@b",))) == ([], {"@b": "bob"})
    assert people.users() == ("asha", "chitra")


def test_applying_a_difference_twice_changes_nothing() -> None:
    people = People()
    people.take(whole(1, ASHA))
    people.take(change(2, BOB, left=("@a",)))
    assert people.take(change(2, BOB, left=("@a",))) == ([], {})
    assert people.users() == ("bob",)


def test_another_name_is_not_another_person() -> None:
    people = People()
    people.take(whole(1, ASHA, BOB))
    assert people.take(change(2, ("@b", "robert"))) == ([], {})
    assert people.users() == ("asha", "robert")
    assert people.take(change(3, left=("@b",))) == ([], {"@b": "robert"})


def test_a_new_whole_tells_what_changed_since_the_last() -> None:
    people = People()
    people.take(whole(1, ASHA, BOB))
    assert people.take(whole(9, BOB, CHITRA, id="")) == (["@c"], {"@a": "asha"})


def test_a_whole_in_several_frames_counts_when_its_last_is_here() -> None:
    people = People()
    people.take(whole(1, ASHA))
    assert people.take(whole(2, BOB, last=False)) == ([], {})
    assert people.users() == ("asha",)
    assert people.take(whole(2, CHITRA)) == (["@b", "@c"], {"@a": "asha"})


def test_a_whole_that_was_cut_off_leaves_nothing_behind() -> None:
    people = People()
    people.take(whole(1, ASHA, last=False, id="one"))
    people.take(whole(1, BOB, last=False, id="two"))
    people.take(whole(1, CHITRA, id="two"))
    assert people.users() == ("bob", "chitra")


def test_people_whose_name_was_released_are_not_shown() -> None:
    people = People()
    people.take(whole(1, ASHA, ("@x", "")))
    assert people.users() == ("asha",)


def test_names_that_look_alike_are_suggested_even_of_those_who_left() -> None:
    people = People()
    people.take(whole(1, ("@r", "Riya"), ASHA))
    people.take(change(2, left=("@r",)))
    assert people.like("riay") == ("Riya",)
    assert people.like("zzz") == ()


@pytest.mark.parametrize("name", ["asha", "Jean-Luc", "r.o_b-1", "आशा", "क्‍ष", "نیلوفر", "佐藤", "é"])
def test_a_name_is_shown_as_it_is(name: str) -> None:
    assert shown_name(name) == name


@pytest.mark.parametrize(
    "evil", ["a\nb", "a b", "a\tb", "a\x1b[2Jb", "a\x9bb", "a\u202eb", "a\u200bb", "a\u2028b", "a\x00b"]
)
def test_a_name_that_no_honest_server_shows_cannot_move_the_cursor_or_begin_a_line(evil: str) -> None:
    shown = shown_name(evil)
    assert "\ufffd" in shown
    assert not set(shown) & set("\n\t \x1b\x9b\u202e\u200b\u2028\x00")


def test_a_name_is_shown_only_as_long_as_a_name_can_be() -> None:
    assert len(shown_name("x" * 2_000_000)) == 32
    people = People()
    people.take(whole(1, ("@x", "y" * 1_000)))
    assert people.users() == ("y" * 32,)
