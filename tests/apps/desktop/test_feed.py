"""Whatever order things come in, a conversation holds each line once and in its place, and nothing is out of reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.apps.desktop.made import BOB, ME, RIYA, line

from talk.apps.desktop import feed as module
from talk.apps.desktop.feed import Feed, marked
from talk.client import Line

PAGE = 4


def ids(feed: Feed) -> list[str]:
    return [each.id for each in feed.lines]


def room() -> Feed:
    return Feed("room1", is_room=True)


def private() -> Feed:
    return Feed(BOB, is_room=False)


# ---- one by one


def test_a_line_is_taken_once() -> None:
    feed = room()
    assert feed.add(line("a", row=1, seq=1))
    assert not feed.add(line("a", row=1, seq=1))
    assert feed.add(line("a", row=2, seq=2, account=RIYA))
    assert len(feed.lines) == 2


def test_what_waits_stands_last_also_behind_what_has_failed() -> None:
    feed = room()
    feed.add(line("a", row=1, seq=1))
    feed.add(line("old", mine=True, mark="failed"))
    feed.add(line("b", row=2, seq=2))
    feed.add(line("mine", mine=True, mark="sending"))
    feed.add(line("next", mine=True, mark="sending"))
    feed.mark("next", "failed", "why")
    feed.add(line("c", row=3, seq=3))
    assert ids(feed) == ["a", "old", "b", "c", "mine", "next"]


@pytest.mark.parametrize("first", ["mark", "message"])
def test_a_line_in_a_room_takes_the_place_that_the_server_gave_it(first: str) -> None:
    feed = room()
    feed.add(line("mine", mine=True, mark="sending"))
    if first == "mark":
        assert feed.mark("mine", "stored")
    feed.add(line("b", row=2, seq=1))
    assert feed.add(line("mine", row=3, seq=2, mine=True))
    feed.add(line("c", row=4, seq=3))
    assert not feed.mark("mine", "failed", "too late")
    assert ids(feed) == ["b", "mine", "c"]
    assert feed.lines[1].mark == "stored"


def test_a_line_that_was_given_up_and_arrived_all_the_same_takes_its_place() -> None:
    feed = room()
    feed.add(line("mine", mine=True, mark="sending"))
    feed.mark("mine", "failed", "why")
    feed.add(line("b", row=2, seq=1))
    feed.add(line("mine", row=3, seq=2, mine=True))
    assert ids(feed) == ["b", "mine"]
    assert (feed.lines[1].mark, feed.lines[1].reason) == ("stored", "")


def test_a_private_line_stays_where_it_was_written() -> None:
    feed = private()
    feed.add(line("mine", mine=True, mark="sending"))
    feed.mark("mine", "stored")
    feed.add(line("b", row=2))
    assert not feed.add(line("mine", row=1, mine=True, mark="delivered"))
    assert ids(feed) == ["mine", "b"]
    assert feed.lines[0].mark == "delivered"
    assert feed.lines[0].row == 1


def test_what_was_delivered_never_looks_less_certain_again() -> None:
    feed = private()
    feed.add(line("mine", mine=True, mark="sending"))
    assert feed.mark("mine", "delivered")
    assert not feed.mark("mine", "stored")
    assert not feed.mark("mine", "failed", "why")
    assert not feed.add(line("mine", mine=True, mark="sending"))
    assert not feed.add(line("mine", row=9, mine=True, mark="stored"))
    assert (feed.lines[0].mark, feed.lines[0].reason, feed.lines[0].row) == ("delivered", "", 9)


@pytest.mark.parametrize(
    ("before", "mark", "after"),
    [
        ("sending", "stored", "stored"),
        ("sending", "failed", "failed"),
        ("stored", "delivered", "delivered"),
        ("stored", "failed", "failed"),  # nobody fetched it in thirty days
        ("failed", "delivered", "delivered"),
        ("delivered", "failed", "delivered"),
    ],
)
def test_marks_change_as_on_disk(before: str, mark: str, after: str) -> None:
    own = line("mine", mine=True, mark=before)
    assert marked(own, mark, "why").mark == after
    assert marked(line("b"), mark).mark == ""
    assert marked(replace(own, seq=4), mark) == replace(own, seq=4)


def test_a_failed_line_says_why_until_it_gets_through() -> None:
    feed = private()
    feed.add(line("mine", mine=True, mark="sending"))
    assert feed.mark("mine", "failed", "why")
    assert feed.lines[0].reason == "why"
    assert not feed.mark("mine", "failed", "why")
    assert feed.mark("mine", "delivered")
    assert feed.lines[0].reason == ""


def test_somebody_who_uses_the_id_of_ones_own_line_changes_nothing_about_it() -> None:
    feed = private()
    feed.add(line("same", mine=True, mark="sending"))
    feed.add(line("same", row=4))
    assert feed.mark("same", "delivered")
    assert not feed.mark("other", "stored")
    assert [each.mark for each in feed.lines if each.mine] == ["delivered"]
    feed.remove("same")
    feed.remove("same")
    assert [each.account for each in feed.lines] == [BOB]
    assert feed.index("same", BOB) == 0
    assert feed.index("same", ME) is None
    assert feed.add(line("same", mine=True, mark="sending"))


def test_pages_come_before_what_is_there() -> None:
    feed = room()
    assert feed.add_older([line("c", row=3, seq=3), line("d", row=4, seq=4)], asked=2) == 2
    assert (feed.loaded, feed.complete, feed.oldest_row) == (True, False, 3)
    assert feed.add_older([line("b", row=2, seq=2)], asked=2, before=3) == 1
    assert feed.complete
    assert ids(feed) == ["b", "c", "d"]


def test_the_first_page_may_hold_what_is_told_just_now() -> None:
    feed = room()
    feed.add(line("d", row=4, seq=4))
    feed.add(line("mine", mine=True, mark="sending"))
    page = [line("c", row=3, seq=3), line("d", row=4, seq=4), line("mine", row=5, mine=True, mark="sending")]
    assert feed.add_older([*page, line("e", row=6, seq=5)], asked=4) == 1
    assert ids(feed) == ["c", "d", "e", "mine"]
    assert feed.lines[3].row == 5
    assert not feed.add(line("e", row=6, seq=5))


def test_what_is_given_again_is_put_in_its_place_or_left_to_the_disk() -> None:
    feed = room()
    feed.add_older([line("m", row=10, seq=10), line("o", row=12, seq=12)], asked=2)
    assert feed.add(line("n", row=11, seq=11))
    assert not feed.add(line("b", row=2, seq=2))
    assert ids(feed) == ["m", "n", "o"]
    assert feed.add_older([line("b", row=2, seq=2)], asked=2, before=10) == 1
    assert feed.add(line("a", row=1, seq=1))
    assert ids(feed) == ["a", "b", "m", "n", "o"]


def test_what_has_failed_and_stands_first_hides_nothing_that_is_left_to_the_disk() -> None:
    feed = room()
    feed.add_older([line("z", row=9, seq=9)], asked=1)
    feed.add(line("mine", mine=True, mark="failed"))
    feed.lines.reverse()  # as after very many were let go
    assert not feed.add(line("b", row=2, seq=2))
    assert ids(feed) == ["mine", "z"]


def test_a_line_that_is_held_stays_when_its_place_is_before_all_others() -> None:
    feed = room()
    feed.add_older([line("mine", row=5, mine=True, mark="sending"), line("z", row=9, seq=9)], asked=2)
    feed.add(line("mine", row=6, seq=6, mine=True, mark="stored"))
    assert ids(feed) == ["mine", "z"]


def test_what_has_failed_does_not_stand_in_the_way_of_what_is_given_again() -> None:
    feed = room()
    feed.add(line("b", row=2, seq=2))
    feed.add(line("mine", mine=True, mark="failed"))
    feed.add(line("a", row=1, seq=1))
    feed.add(line("c", row=3, seq=3))
    assert ids(feed) == ["a", "b", "mine", "c"]


def test_the_first_page_may_be_newer_than_what_is_still_being_told() -> None:
    feed = room()
    feed.add(line("a", row=1, seq=1))
    assert feed.add_older([line("c", row=3, seq=3), line("d", row=4, seq=4)], asked=2) == 0
    feed.add(line("b", row=2, seq=2))
    assert ids(feed) == ["a", "b", "c", "d"]
    assert feed.oldest_row == 3


def test_a_page_is_taken_in_whole_though_it_begins_with_what_stands_elsewhere() -> None:
    feed = room()
    feed.add_older([line("z", row=9, seq=9)], asked=1)
    feed.add(line("mine", mine=True, mark="failed"))
    page = [line("mine", row=1, mine=True, mark="failed"), line("b", row=2, seq=2), line("c", row=3, seq=3)]
    assert feed.add_older(page, asked=3, before=9) == 2
    assert ids(feed) == ["b", "c", "z", "mine"]
    assert feed.oldest_row == 1


def test_private_lines_are_in_the_order_in_which_they_came() -> None:
    feed = private()
    feed.add_older([line("m", row=10), line("o", row=12)], asked=9)
    feed.add(line("n", row=11))
    assert ids(feed) == ["m", "n", "o"]


def test_a_hole_is_filled_as_far_as_the_server_gives() -> None:
    feed = room()
    feed.add(line("a", row=1, seq=1))
    feed.add(line("mine", mine=True, mark="failed"))
    feed.add(line("j", row=2, seq=10))
    found = [line("x", seq=1, account=RIYA), *(line(f"s{seq}", seq=seq) for seq in (6, 7, 9)), line("j", seq=10)]
    assert feed.fill_hole(feed.lines[2], found) == 3
    assert [each.seq for each in feed.lines] == [1, 0, 6, 7, 9, 10]
    assert feed.filled == {7, 9, 10}  # not 6: what is before it was not asked for yet
    assert feed.fill_hole(line("gone", seq=3), found) == 0
    assert feed.fill_hole(feed.lines[2], []) == 0
    assert 6 in feed.filled


def test_the_hole_at_the_beginning_is_filled_too() -> None:
    feed = room()
    feed.add_older([line("c", row=1, seq=3)], asked=9)
    assert feed.fill_hole(feed.lines[0], [line("a", seq=1), line("b", seq=2)]) == 2
    assert ids(feed) == ["a", "b", "c"]


def test_very_old_lines_are_let_go_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    feed = room()
    page = [line(f"r{row}", row=row, seq=row) for row in range(1, 7)]
    feed.add_older(page, asked=9)
    feed.filled = {1, 4, 6}
    assert feed.let_go() == 3
    assert feed.let_go() == 0
    assert ids(feed) == ["r4", "r5", "r6"]
    assert feed.filled == {6}
    assert not feed.complete
    assert feed.add_older(page[:3], asked=3, before=4) == 3


def test_what_was_let_go_comes_back_though_what_waited_long_stands_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    feed = room()
    feed.add_older([line("mine", row=1, mine=True, mark="sending")], asked=9)
    for row in (2, 3):
        feed.add(line(f"r{row}", row=row, seq=row))
    feed.mark("mine", "failed", "why")
    feed.add(line("r4", row=4, seq=4))
    assert ids(feed) == ["r2", "r3", "mine", "r4"]
    feed.let_go()
    assert feed.oldest_row == 4
    page = [line("mine", row=1, mine=True, mark="failed"), *(line(f"r{row}", row=row, seq=row) for row in (2, 3))]
    feed.add_older(page, asked=9, before=4)
    assert ids(feed) == ["mine", "r2", "r3", "r4"]


def test_a_page_that_was_asked_for_before_lines_were_let_go_is_not_put_in_front(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    feed = room()
    feed.add_older([line(f"r{row}", row=row, seq=row) for row in range(11, 16)], asked=5)
    before = feed.oldest_row
    feed.let_go()
    assert feed.add_older([line("r10", row=10, seq=10)], asked=5, before=before) == 0
    assert not feed.complete
    assert ids(feed) == ["r13", "r14", "r15"]


def test_that_a_line_was_queued_may_be_told_after_the_disk_has_told_more() -> None:
    feed = private()
    feed.add_older([line("mine", row=3, mine=True, mark="stored")], asked=9)
    assert not feed.add(line("mine", mine=True, mark="sending"))
    assert feed.lines == [line("mine", row=3, mine=True, mark="stored")]
    feed.add(line("next", mine=True, mark="sending"))
    assert not feed.add(line("next", row=4, mine=True, mark="sending"))
    assert feed.lines[1].row == 4


def test_the_first_page_comes_too_late_when_very_much_was_told_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    feed = room()
    for row in (6, 7, 8):
        feed.add(line(f"r{row}", row=row, seq=row))
    assert feed.let_go() == 1
    assert feed.loaded
    assert feed.add_older([line("r5", row=5, seq=5)], asked=9) == 0
    assert feed.add_older([line("r5", row=5, seq=5), line("r6", row=6, seq=6)], asked=9, before=7) == 2


# ---- in any order


class Room(RuleBasedStateMachine):
    """A room as the server has it, this device's disk, what is on its way to the window, and the window's lines."""

    def __init__(self) -> None:
        super().__init__()
        self.feed = room()
        self.log: list[Line] = []  # what the server can give
        self.disk: list[Line] = []
        self.events: list[Callable[[], object]] = []
        self.page: tuple[int, list[Line]] | None = None
        self.seq = self.row = self.number = 0

    def _new(self) -> str:
        self.number += 1
        return f"m{self.number}"

    def _next_seq(self) -> int:
        self.seq += 1
        return self.seq

    def _next_row(self) -> int:
        self.row += 1
        return self.row

    def _of_mine(self, mark: str) -> Line | None:
        return next((each for each in self.disk if each.mine and each.mark == mark), None)

    @rule()
    def somebody_says(self) -> None:
        said = line(self._new(), row=self._next_row(), seq=self._next_seq())
        self.log.append(said)
        self.disk.append(said)
        self.events.append(lambda: self.feed.add(said))

    @rule(lost=st.booleans())
    def something_is_passed_over(self, lost: bool) -> None:
        """A gap: only the server has it. Or it has not."""
        said = line(self._new(), seq=self._next_seq())
        if not lost:
            self.log.append(said)

    @rule()
    def i_say(self) -> None:
        said = line(self._new(), row=self._next_row(), mine=True, mark="sending")
        self.disk.append(said)
        self.events.append(lambda: self.feed.add(replace(said, row=0)))

    @precondition(lambda self: self._of_mine("sending"))
    @rule(mark_first=st.booleans())
    def mine_is_stored(self, mark_first: bool) -> None:
        said = self._of_mine("sending")
        assert said is not None
        self.disk.remove(said)
        placed = replace(said, row=self._next_row(), seq=self._next_seq(), mark="stored")
        self.log.append(placed)
        self.disk.append(placed)
        told: list[Callable[[], object]] = [
            lambda: self.feed.mark(placed.id, "stored"),
            lambda: self.feed.add(placed),
        ]
        self.events.extend(told if mark_first else reversed(told))

    @precondition(lambda self: self._of_mine("sending"))
    @rule()
    def mine_fails(self) -> None:
        said = self._of_mine("sending")
        assert said is not None
        self.disk[self.disk.index(said)] = replace(said, mark="failed", reason="why")
        self.events.append(lambda: self.feed.mark(said.id, "failed", "why"))

    @precondition(lambda self: self._of_mine("failed") and not self.page)
    @rule()
    def i_discard(self) -> None:
        said = self._of_mine("failed")
        assert said is not None
        self.disk.remove(said)
        self.events.append(lambda: self.feed.remove(said.id))

    @precondition(lambda self: self.events)
    @rule(count=st.integers(1, 5))
    def the_window_is_told(self, count: int) -> None:
        for _ in range(min(count, len(self.events))):
            self.events.pop(0)()

    @precondition(lambda self: self.disk)
    @rule(back=st.integers(0, 8))
    def something_is_told_again(self, back: int) -> None:
        again = self.disk[max(0, len(self.disk) - 1 - back)]
        if again.seq:
            self.events.append(lambda: self.feed.add(again))

    @precondition(lambda self: not self.page and not self.feed.complete)
    @rule()
    def a_page_is_read(self) -> None:
        before = self.feed.oldest_row
        fits = sorted((each for each in self.disk if not before or each.row < before), key=lambda each: each.row)
        self.page = before, fits[-PAGE:]

    @precondition(lambda self: self.page)
    @rule()
    def the_page_arrives(self) -> None:
        assert self.page is not None
        before, page = self.page
        held, top = len(self.feed.lines), self.feed.lines[:1]
        count = self.feed.add_older(page, asked=PAGE, before=before)
        assert 0 <= count <= len(self.feed.lines)
        assert len(self.feed.lines) >= held
        assert not top or (self.feed.lines[count].account, self.feed.lines[count].id) == (top[0].account, top[0].id)
        self.page = None

    @rule()
    def old_lines_are_let_go(self) -> None:
        if sum(each.mark in ("sending", "failed") for each in self.feed.lines) < module.MOST:  # nobody has thousands
            self.feed.let_go()

    def _holes(self) -> Iterator[Line]:
        least = 0 if self.feed.complete else None
        for each in self.feed.lines:
            if each.seq:
                if least is not None and each.seq > least + 1 and each.seq not in self.feed.filled:
                    yield each
                least = each.seq

    @rule(which=st.integers(0, 3))
    def a_hole_is_filled(self, which: int) -> None:
        holes = list(self._holes())
        if holes:
            self._fill(holes[which % len(holes)])

    def _fill(self, before: Line) -> None:
        kept = {each.id: each for each in self.disk}
        page = [kept.get(each.id, each) for each in self.log if each.seq < before.seq]
        self.feed.fill_hole(before, page[-PAGE:])
        assert before.seq in self.feed.filled

    @invariant()
    def each_line_is_there_once(self) -> None:
        keys = [(each.account, each.id) for each in self.feed.lines]
        assert len(keys) == len(set(keys))
        assert set(keys) == self.feed._ids

    @invariant()
    def the_room_is_in_order(self) -> None:
        numbers = [each.seq for each in self.feed.lines if each.seq]
        assert numbers == sorted(numbers)

    @invariant()
    def what_was_just_written_stands_last(self) -> None:
        new = [at for at, each in enumerate(self.feed.lines) if each.mark == "sending" and not each.row]
        if new:
            assert all(each.mark in ("sending", "failed") for each in self.feed.lines[new[0] :])

    def teardown(self) -> None:
        """Everything is told, read and asked for in the end: then everything is there."""
        while self.events:
            self.events.pop(0)()
        if self.page:
            self.the_page_arrives()
        for _ in range(200):
            if self.feed.complete:
                break
            self.a_page_is_read()
            self.the_page_arrives()
        for _ in range(200):
            hole = next(self._holes(), None)
            if hole is None:
                break
            self._fill(hole)
        self.each_line_is_there_once()
        self.the_room_is_in_order()
        if self.feed.lines:
            last = max((each.seq for each in self.disk), default=0)
            wanted = {each.id for each in self.disk} | {each.id for each in self.log if each.seq < last}
            assert set(ids(self.feed)) == wanted
        marks = {each.id: each.mark for each in self.disk}
        assert all(each.mark == marks.get(each.id, "") for each in self.feed.lines)


@pytest.fixture(autouse=True, scope="module")
def few_lines() -> Iterator[None]:
    most, module.MOST = module.MOST, 5
    yield
    module.MOST = most


TestRoom = Room.TestCase
TestRoom.settings = settings(max_examples=100, stateful_step_count=40, phases=[Phase.generate])
