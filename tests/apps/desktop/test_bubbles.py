"""What stands between two messages: a new day, a new sender, and where lines are missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.apps.desktop.made import ROOM, line

from talk.apps.desktop.bubbles import Above, above
from talk.apps.desktop.feed import Feed
from talk.client import Line

NUMBERS = st.integers(-(10**21), 10**21)  # what no calendar here reaches; on Windows that begins with 3001


@given(NUMBERS, NUMBERS)
def test_whatever_time_a_server_says_there_is_something_above_the_message(before: int, now: int) -> None:
    earlier, later = line("1", at=before, seq=1), line("2", at=now, seq=2)
    assert above(earlier, later, new=False, number_before=1).hole == 0
    assert above(None, later, new=False, number_before=0).day


def of(*lines: Line) -> list[int]:
    """The holes above each of these lines of a room."""
    feed = Feed(ROOM, is_room=True)
    feed.lines = list(lines)
    return [
        above(feed.lines[at - 1] if at else None, each, new=False, number_before=feed.number_before(at)).hole
        for at, each in enumerate(feed.lines)
    ]


FAILED = line("f", mine=True, mark="failed")
SENDING = line("s", mine=True, mark="sending")
STORED = line("o", mine=True, mark="stored")


@pytest.mark.parametrize(
    ("lines", "holes"),
    [
        ([line("1", seq=1), line("2", seq=2)], [0, 0]),
        ([line("1", seq=1), line("5", seq=5)], [0, 3]),
        ([line("4", seq=4)], [3]),
        ([line("1", seq=1), FAILED, line("5", seq=5)], [0, 0, 3]),
        ([line("1", seq=1), FAILED, FAILED, line("2", seq=2)], [0, 0, 0, 0]),
        ([FAILED, line("5", seq=5)], [0, 4]),
        ([line("1", seq=1), SENDING, line("3", seq=3)], [0, 0, 1]),
        ([line("1", seq=1), STORED, line("3", seq=3)], [0, 0, 0]),  # it may be the one between
    ],
)
def test_where_lines_of_a_room_are_missing(lines: list[Line], holes: list[int]) -> None:
    assert of(*lines) == holes


def test_a_conversation_with_one_person_has_no_numbers_and_no_holes() -> None:
    feed = Feed("@bob:s", is_room=False)
    feed.lines = [line("1"), line("2")]
    assert feed.number_before(1) is None
    assert above(*feed.lines, new=False, number_before=None) == Above(False)
