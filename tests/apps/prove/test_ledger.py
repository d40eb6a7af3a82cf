"""The account of a run: what is lost, twice, out of order, not to be opened, announced; and what is still to come."""

from __future__ import annotations

import pytest

from talk.apps.prove.ledger import LOBBY, Counts, Ledger
from talk.apps.prove.lines import Key

PEOPLE = ("asha", "bob", "chitra")


class Run:
    """A ledger, and people who do as they should unless a test says otherwise. A second passes with every step."""

    def __init__(self) -> None:
        self.ledger = Ledger(PEOPLE)
        self.ledger.stage = "kill"
        self.now, self.row = 0.0, dict.fromkeys(PEOPLE, 0)
        self.seq = 0
        self.numbers = dict.fromkeys(PEOPLE, 0)

    def tick(self) -> float:
        self.now += 1.0
        return self.now

    def write(self, writer: str = "asha", to: str = LOBBY, life: int = 1) -> Key:
        self.numbers[writer] += 1
        key = Key(writer, life, self.numbers[writer])
        self.ledger.sent(str(key), key, to, self.tick())
        return key

    def mark(self, key: Key, state: str = "stored") -> None:
        self.ledger.marked(str(key), state, self.tick())

    def get(self, person: str, key: Key, to: str = LOBBY, *, row: int = 0, life: int = 1, seq: int = 0) -> None:
        if not row:
            self.row[person] += 1
            row = self.row[person]
        self.ledger.received(person, life, key, to, row, seq)

    def say(self, writer: str = "asha", *, without: tuple[str, ...] = (), marked: bool = True) -> Key:
        """A line to the lobby, acknowledged and at everybody."""
        key = self.write(writer)
        if marked:
            self.mark(key)
        self.seq += 1
        for person in PEOPLE:
            if person not in without:
                self.get(person, key, seq=self.seq)
        return key

    def whisper(self, writer: str = "asha", to: str = "bob", *, arrives: bool = True, delivered: bool = True) -> Key:
        key = self.write(writer, to)
        self.mark(key)
        if arrives:
            self.get(to, key, to)
        if delivered:
            self.mark(key, "delivered")
        return key

    def is_settled(self) -> bool:
        ledger = self.ledger
        waits = [ledger.unanswered(person) + ledger.undelivered(person) for person in PEOPLE]
        return not ledger.missing() and not any(waits)


@pytest.fixture
def run() -> Run:
    return Run()


def test_when_all_is_well_there_is_nothing_to_tell(run: Run) -> None:
    for writer in PEOPLE:
        run.say(writer)
    run.whisper()
    run.whisper("bob", "chitra")
    assert run.ledger.counts() == run.ledger.counts("kill") == Counts(acknowledged=5)
    assert run.ledger.counts().is_clean
    assert run.is_settled()
    assert run.ledger.counts("other") == Counts()
    assert not (run.ledger.lost() or run.ledger.failed() or run.ledger.never_answered())


@pytest.mark.parametrize("missing", PEOPLE)
def test_a_line_that_somebody_misses_is_lost_its_writer_among_them(run: Run, missing: str) -> None:
    key = run.say(without=(missing,))
    [lost] = run.ledger.lost()
    assert (lost.key, lost.to, lost.stage, lost.missing_at) == (key, LOBBY, "kill", (missing,))
    assert run.ledger.counts() == Counts(acknowledged=1, lost=1)
    assert not run.is_settled()
    run.get(missing, key, seq=run.seq)
    assert run.ledger.counts() == Counts(acknowledged=1)
    assert run.is_settled()


def test_a_private_line_is_expected_at_one_person(run: Run) -> None:
    key = run.whisper(arrives=False, delivered=False)
    assert run.ledger.missing() == 1
    assert [lost.missing_at for lost in run.ledger.lost()] == [("bob",)]
    run.get("bob", key, "bob")
    assert run.ledger.missing() == 0
    assert run.ledger.undelivered("asha") == [str(key)]
    assert run.ledger.undelivered("asha", away={"bob"}) == []
    run.mark(key, "delivered")
    assert run.is_settled()
    assert run.ledger.counts().is_clean


def test_delivered_acknowledges_too(run: Run) -> None:
    key = run.write(to="bob")
    run.mark(key, "delivered")
    assert run.ledger.counts() == Counts(acknowledged=1, lost=1)
    assert run.ledger.acknowledged == 1
    run.mark(key)
    assert run.ledger.acknowledged == 1


def test_what_was_not_acknowledged_cannot_be_lost(run: Run) -> None:
    key = run.write()
    assert run.ledger.counts() == Counts()
    assert run.ledger.unanswered("asha") == [str(key)]
    assert run.ledger.unanswered("bob") == []
    assert run.ledger.never_answered() == [key]
    run.mark(key)
    assert run.ledger.never_answered() == []


def test_a_line_that_was_refused_is_not_lost_and_is_named(run: Run) -> None:
    key = run.write()
    run.mark(key, "failed")
    assert run.ledger.failed() == [key]
    assert run.ledger.counts() == Counts()
    assert run.is_settled()


def test_what_is_heard_in_another_order_than_it_happened_is_the_same(run: Run) -> None:
    """Each person tells by themselves: a line may be told by its reader before its writer, and a mark before a line."""
    key = Key("asha", 1, 1)
    run.get("bob", key, "bob")
    run.mark(key)
    assert run.ledger.acknowledged == 0
    run.ledger.sent(str(key), key, "bob", run.tick())
    assert run.ledger.counts() == Counts(acknowledged=1)
    run.mark(key, "delivered")
    assert run.is_settled()


def test_a_line_counts_where_it_was_acknowledged(run: Run) -> None:
    run.say(without=("bob",))
    run.ledger.stage = "cut"
    run.say(without=("chitra",))
    run.say()
    assert run.ledger.counts("kill") == Counts(acknowledged=1, lost=1)
    assert run.ledger.counts("cut") == Counts(acknowledged=2, lost=1)
    assert run.ledger.counts() == Counts(acknowledged=3, lost=2)


# ---- twice


def test_a_line_that_comes_as_another_row_is_twice(run: Run) -> None:
    key = run.say()
    run.ledger.stage = "cut"
    run.get("bob", key, seq=run.seq + 1)
    assert run.ledger.counts("cut") == Counts(twice=1)
    assert not run.ledger.counts().is_clean


def test_a_program_that_is_told_the_same_row_twice_is_told_twice(run: Run) -> None:
    key = run.say()
    run.get("bob", key, row=run.row["bob"], seq=run.seq)
    assert run.ledger.counts().twice == 1


def test_a_program_that_was_killed_is_given_again_what_it_may_not_have_taken(run: Run) -> None:
    key = run.say()
    run.get("bob", key, row=run.row["bob"], life=2, seq=run.seq)
    assert run.ledger.counts().is_clean
    run.get("bob", key, row=run.row["bob"], life=2, seq=run.seq)
    assert run.ledger.counts().twice == 1


def test_a_private_line_that_comes_twice(run: Run) -> None:
    key = run.whisper()
    run.get("bob", key, "bob")
    assert run.ledger.counts().twice == 1


# ---- order


def test_lines_of_one_writer_that_come_the_other_way_round(run: Run) -> None:
    first, second = run.write(), run.write()
    run.get("bob", second, seq=1)
    run.get("bob", first, seq=2)
    run.get("chitra", first, seq=1)
    run.get("chitra", second, seq=2)
    assert run.ledger.counts().out_of_order == 1


def test_a_number_of_the_lobby_that_goes_back(run: Run) -> None:
    first, second = run.write("asha"), run.write("bob")
    run.get("chitra", first, seq=2)
    run.get("chitra", second, seq=1)
    assert run.ledger.counts().out_of_order == 1


def test_private_lines_and_the_lobby_keep_their_order_apart(run: Run) -> None:
    first, second, third = run.write(), run.write(to="bob"), run.write(to="bob")
    run.get("bob", second, "bob")
    run.get("bob", third, "bob")
    run.get("bob", first, seq=1)
    assert run.ledger.counts().is_clean


def test_private_lines_the_other_way_round(run: Run) -> None:
    first, second = run.write(to="bob"), run.write(to="bob")
    run.get("bob", second, "bob")
    run.get("bob", first, "bob")
    assert run.ledger.counts().out_of_order == 1


def test_a_later_life_of_a_writer_comes_later(run: Run) -> None:
    old, new = Key("asha", 1, 5), Key("asha", 2, 1)
    run.get("bob", old, seq=1)
    run.get("bob", new, seq=2)
    assert run.ledger.counts().is_clean
    run.get("chitra", new, seq=2)
    run.get("chitra", old, seq=3)
    assert run.ledger.counts().out_of_order == 1


# ---- what the server keeps


def test_the_servers_history_has_to_have_everything_once_and_in_order(run: Run) -> None:
    keys = [run.say() for _ in range(3)]
    run.whisper()
    run.ledger.log([(seq, key) for seq, key in enumerate(keys, 1)])
    assert run.ledger.counts().is_clean


def test_a_line_that_the_server_does_not_keep_is_lost(run: Run) -> None:
    first, _ = run.say(), run.say()
    run.ledger.log([(1, first)])
    assert [lost.missing_at for lost in run.ledger.lost()] == [("the server",)]


def test_a_line_that_the_server_keeps_twice_or_in_another_order(run: Run) -> None:
    first, second = run.say(), run.say()
    run.ledger.log([(1, second), (2, first), (3, second)])
    assert (run.ledger.counts("kill").twice, run.ledger.counts("kill").out_of_order) == (1, 1)


def test_who_was_away_for_very_long_reads_it_in_the_history(run: Run) -> None:
    key = run.say(without=("bob",))
    run.ledger.fetched("bob", [key, Key("nobody", 1, 1)])
    assert run.ledger.counts() == Counts(acknowledged=1)


# ---- not to be opened, and set back


def test_what_cannot_be_opened_is_counted_and_apart_after_a_server_was_set_back(run: Run) -> None:
    run.ledger.could_not_open("bob", after_put_back=True)
    assert run.ledger.counts() == Counts(asked_again=1)
    assert run.ledger.counts().is_clean
    run.ledger.could_not_open("bob", after_put_back=False)
    assert run.ledger.counts("kill") == Counts(asked_again=1, undecryptable=1)
    assert not run.ledger.counts().is_clean


def test_what_is_sent_again_after_a_server_was_set_back_comes_behind_newer_lines(run: Run) -> None:
    """Not so for somebody else, for the lobby, or when that is over."""
    run.ledger.stage = "restore"
    run.ledger.put_back(run.tick(), run.tick())
    run.ledger.stage = "kill"
    old, other = run.whisper(arrives=False), run.whisper(to="chitra", arrives=False)
    run.ledger.could_not_open("bob", after_put_back=True)
    run.whisper()
    run.get("bob", old, "bob")
    assert run.ledger.counts("restore") == Counts(asked_again=1)
    assert run.ledger.counts().out_of_order == 0
    run.whisper(to="chitra")
    run.get("chitra", other, "chitra")
    assert run.ledger.counts("kill").out_of_order == 1
    line = run.say(without=("bob",))
    run.say()
    run.get("bob", line, seq=1)
    assert run.ledger.counts().out_of_order == 2
    run.ledger.put_back_is_over("bob")
    late = run.whisper(arrives=False)
    run.whisper()
    run.get("bob", late, "bob")
    assert run.ledger.counts().out_of_order == 3


def set_back(run: Run, told: tuple[str, ...] = PEOPLE) -> tuple[Key, Key, Key]:
    """A line before, one in the time that is gone, and one after; the second is with nobody but asha."""
    run.ledger.stage = "restore"
    before = run.say()
    since = run.tick()
    gone = run.say(without=("bob", "chitra"))
    run.ledger.put_back(since, run.tick())
    for person in told:
        run.ledger.told_of_put_back(person, run.tick())
    run.seq = 1
    return before, gone, run.say()


def test_what_is_gone_when_a_server_was_set_back_is_announced_and_nobody_waits_for_it(run: Run) -> None:
    before, _, after = set_back(run)
    assert run.ledger.counts("restore") == Counts(acknowledged=3, announced=1)
    assert run.ledger.counts().is_clean
    assert run.is_settled()
    run.ledger.log([(1, before), (2, after)])
    assert run.ledger.counts() == Counts(acknowledged=3, announced=1)


@pytest.mark.parametrize("not_told", PEOPLE)
def test_it_is_lost_when_its_writer_or_who_misses_it_was_not_told(run: Run, not_told: str) -> None:
    set_back(run, tuple(person for person in PEOPLE if person != not_told))
    assert run.ledger.counts().lost == 1
    assert run.ledger.counts().announced == 0


def test_lines_before_and_after_are_lost_all_the_same(run: Run) -> None:
    before, gone, after = set_back(run)
    run.ledger.log([(2, after)])
    assert {lost.key for lost in run.ledger.lost()} == {before}
    last = run.say(without=("bob",))
    assert {lost.key for lost in run.ledger.lost()} == {before, last}
    assert run.ledger.counts().announced == 1
    assert gone not in {lost.key for lost in run.ledger.lost()}


def test_a_slow_client_may_say_late_what_was_acknowledged_before(run: Run) -> None:
    since = run.tick()
    key = run.write()
    run.ledger.put_back(since, run.tick())
    run.mark(key)
    for person in PEOPLE:
        run.ledger.told_of_put_back(person, run.tick())
    assert run.ledger.counts() == Counts(acknowledged=1, announced=1)
    assert run.is_settled()
    after = run.write()
    run.mark(after)
    assert run.ledger.counts() == Counts(acknowledged=2, announced=1, lost=1)


def test_numbers_of_the_lobby_begin_earlier_once_people_are_told(run: Run) -> None:
    run.say()
    run.say()
    run.ledger.put_back(0.0, run.tick())
    for person in PEOPLE:
        run.ledger.told_of_put_back(person, run.tick())
    run.seq = 0
    run.say()
    assert run.ledger.counts().is_clean


def test_a_line_that_came_before_a_server_was_set_back_may_be_shown_after(run: Run) -> None:
    key = run.say(without=("bob",))
    run.ledger.put_back(0.0, run.tick())
    run.ledger.told_of_put_back("bob", run.tick())
    run.get("bob", key, seq=0)
    run.seq = 0
    run.say()
    assert run.ledger.counts().out_of_order == 2  # of the two who were not told


# ---- waiting


def test_people_who_are_away_are_not_waited_for(run: Run) -> None:
    run.say(without=("chitra",))
    assert run.ledger.missing() == 1
    assert run.ledger.missing(away={"chitra"}) == 0
    assert run.ledger.missing(away={"bob"}) == 1


def test_when_somebody_was_served_again(run: Run) -> None:
    run.say("asha")
    begun = run.tick()
    assert run.ledger.answered_since("asha", begun) is None
    late, later = run.write("asha"), run.write("asha")
    assert run.ledger.answered_since("asha", begun) is None
    run.mark(later)
    at = run.now
    run.mark(late)
    assert run.ledger.answered_since("asha", begun) == at
    assert run.ledger.answered_since("bob", begun) is None
    assert run.ledger.answered_since("asha", run.tick()) is None
