"""What was acknowledged, what each person saw, and from that: lost, twice, out of order, not to be opened. Pure.

A line is expected at everybody for the lobby (at its writer too, in its place), and at one person for a private one.
It counts under the trouble in which it was acknowledged. `stage` is the trouble that goes on now.

A server that was put back to an earlier state cannot have what came after it. Such a line is not lost when its writer
and whoever misses it were told; it is counted as announced.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from talk.apps.prove.lines import Key

LOBBY = ""
ANSWERED = ("stored", "delivered")


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the lines of one trouble. `asked_again`: could not be opened after a server was put back, and was
    sent once more."""

    acknowledged: int = 0
    lost: int = 0
    twice: int = 0
    out_of_order: int = 0
    undecryptable: int = 0
    announced: int = 0
    asked_again: int = 0

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.twice or self.out_of_order or self.undecryptable)


@dataclass(frozen=True, slots=True)
class Lost:
    """An acknowledged line, and the people who do not have it."""

    key: Key
    to: str
    stage: str
    acknowledged_at: float
    missing_at: tuple[str, ...]


@dataclass(slots=True)
class _Line:
    to: str
    id: str = ""
    sent_at: float | None = None
    marks: dict[str, float] = field(default_factory=dict)
    stage: str = ""
    at: set[str] = field(default_factory=set)
    in_log: bool = False

    @property
    def acknowledged_at(self) -> float | None:
        return min((self.marks[state] for state in ANSWERED if state in self.marks), default=None)


class Ledger:
    """Keeps account of one run among these people. Times are seconds of one clock that only goes forward."""

    def __init__(self, people: Collection[str]) -> None:
        self.people = frozenset(people)
        self.stage = ""
        self._lines: dict[Key, _Line] = {}
        self._key_of: dict[str, Key] = {}
        self._written: dict[str, list[_Line]] = {name: [] for name in self.people}
        self._early: dict[str, dict[str, float]] = {}
        self._open: dict[Key, _Line] = {}  # not acknowledged yet, or not with everybody
        self._shown: dict[tuple[str, Key], tuple[int, int]] = {}
        self._newest: dict[tuple[str, str, bool], Key] = {}
        self._seq: dict[str, int] = {}
        self._put_back: list[tuple[float, float]] = []
        self._put_back_in = ""
        self._asking_again: set[str] = set()
        self._told: dict[str, list[float]] = {name: [] for name in self.people}
        self._twice: Counter[str] = Counter()
        self._disorder: Counter[str] = Counter()
        self._unopened: Counter[str] = Counter()
        self._again: Counter[str] = Counter()
        self._has_log = False
        self._acknowledged = 0

    # ---- what happens

    def sent(self, id: str, key: Key, to: str, at: float) -> None:
        """It is on its writer's disk, and will be sent."""
        line = self._line(key, to)
        line.id, line.sent_at = id, at
        self._written[key.writer].append(line)
        self._key_of[id] = key
        for state, marked_at in self._early.pop(id, {}).items():
            self._mark(key, line, state, marked_at)

    def marked(self, id: str, state: str, at: float) -> None:
        """The client library says that it is stored, delivered or failed. The first time counts."""
        key = self._key_of.get(id)
        if key is None:
            self._early.setdefault(id, {}).setdefault(state, at)
        else:
            self._mark(key, self._lines[key], state, at)

    def received(self, person: str, life: int, key: Key, to: str, row: int, seq: int = 0) -> None:
        """This person's program was given a line. `row` is where it stands on their disk, `seq` its place in the lobby,
        0 for one that has none any more, because the server was set back before it was shown.

        A program that was killed is given again what it may not have taken; that is one arrival, with one row.
        """
        before = self._shown.get((person, key))
        if before is not None:
            if before[0] != row or before[1] == life:
                self._twice[self.stage] += 1
            self._shown[person, key] = row, life
            return
        self._shown[person, key] = row, life
        self._arrived(person, key, self._line(key, to))
        newest = self._newest.get((person, key.writer, to == LOBBY))
        is_late = newest is not None and key < newest
        if to == LOBBY and seq:
            is_late |= seq <= self._seq.get(person, 0)
            self._seq[person] = max(seq, self._seq.get(person, 0))
        if is_late and (to == LOBBY or person not in self._asking_again):
            self._disorder[self.stage] += 1
        elif not is_late:
            self._newest[person, key.writer, to == LOBBY] = key

    def fetched(self, person: str, keys: Iterable[Key]) -> None:
        """This person was away for so long that they read these in the history instead."""
        for key in keys:
            if key in self._lines:
                self._arrived(person, key, self._lines[key])

    def could_not_open(self, person: str, *, after_put_back: bool) -> None:
        """A private message came that this person's client could not open.

        After a server was put back it is sent once more, and comes behind newer ones until that is over.
        """
        if after_put_back:
            self._again[self._put_back_in or self.stage] += 1
            self._asking_again.add(person)
        else:
            self._unopened[self.stage] += 1

    def put_back(self, since: float, until: float) -> None:
        """The server's data was set back on purpose: what it acknowledged between these times may be gone."""
        self._put_back.append((since, until))
        self._put_back_in = self.stage

    def put_back_is_over(self, person: str) -> None:
        """Whatever this person's client asked for again has come."""
        self._asking_again.discard(person)

    def told_of_put_back(self, person: str, at: float) -> None:
        """This person's client told them that the server was set back. It counts from an earlier number then."""
        self._told[person].append(at)
        self._seq.pop(person, None)

    def log(self, lines: Iterable[tuple[int, Key]]) -> None:
        """The lobby as the server keeps it, oldest first: each line with its number."""
        self._has_log = True
        newest: dict[str, Key] = {}
        for _, key in lines:
            line = self._line(key, LOBBY)
            if line.in_log:
                self._twice[line.stage or self.stage] += 1
            elif key < newest.get(key.writer, key):
                self._disorder[line.stage or self.stage] += 1
            line.in_log = True
            newest[key.writer] = max(key, newest.get(key.writer, key))

    # ---- what is still to come

    def unanswered(self, person: str) -> list[str]:
        """The ids of what this person wrote and nobody has acknowledged or refused, oldest first."""
        return [line.id for key, line in self._open.items() if key.writer == person and line.id and not line.marks]

    def undelivered(self, person: str, away: Collection[str] = ()) -> list[str]:
        """The ids of this person's private lines that are stored and not marked as delivered, oldest first.

        Without those to people who are away, and those whose receipt a server that was set back may have forgotten.
        """
        return [
            line.id
            for key, line in self._open.items()
            if key.writer == person and line.to not in (LOBBY, *away)
            if "stored" in line.marks and "delivered" not in line.marks and not self._is_before_put_back(key, line)
        ]

    def missing(self, away: Collection[str] = ()) -> int:
        """How many acknowledged lines are not yet with everybody who should have them.

        Without people who are away, and without what a server that was set back may have forgotten.
        """
        return sum(
            1
            for key, line in self._open.items()
            if line.acknowledged_at is not None and not self._expected(line) - line.at <= set(away)
            if not self._is_before_put_back(key, line)
        )

    @property
    def acknowledged(self) -> int:
        """How many lines were acknowledged so far."""
        return self._acknowledged

    def answered_since(self, person: str, begun: float) -> float | None:
        """When the first line that this person wrote at or after `begun` was acknowledged."""
        found: list[float] = []
        for line in reversed(self._written[person]):
            if line.sent_at is None or line.sent_at < begun:
                break
            if (at := line.acknowledged_at) is not None:
                found.append(at)
        return min(found, default=None)

    # ---- the account

    def counts(self, stage: str | None = None) -> Counts:
        """Of this trouble; of all for None."""
        gone = [announced for lost, announced in self._gone() if stage in (None, lost.stage)]

        def of(counter: Counter[str]) -> int:
            return counter.total() if stage is None else counter[stage]

        return Counts(
            acknowledged=sum(
                1 for line in self._lines.values() if line.acknowledged_at is not None and stage in (None, line.stage)
            ),
            lost=gone.count(False),
            twice=of(self._twice),
            out_of_order=of(self._disorder),
            undecryptable=of(self._unopened),
            announced=gone.count(True),
            asked_again=of(self._again),
        )

    def lost(self) -> list[Lost]:
        """Every acknowledged line that somebody misses without having been told."""
        return [lost for lost, announced in self._gone() if not announced]

    def failed(self) -> list[Key]:
        """Lines that a client gave up, and said so. None of the troubles is a reason to."""
        return [key for key, line in self._lines.items() if "failed" in line.marks]

    def never_answered(self) -> list[Key]:
        """Lines that nobody has heard of again."""
        return [key for key, line in self._open.items() if line.sent_at is not None and not line.marks]

    def _gone(self) -> list[tuple[Lost, bool]]:
        """Each acknowledged line that is missing somewhere, and whether that was announced."""
        found: list[tuple[Lost, bool]] = []
        for key, line in self._lines.items():
            at = line.acknowledged_at
            if at is None:
                continue
            missing = self._expected(line) - line.at
            if self._has_log and line.to == LOBBY and not line.in_log:
                missing |= {"the server"}
            if missing:
                lost = Lost(key, line.to, line.stage, at, tuple(sorted(missing)))
                found.append((lost, self._was_announced(key.writer, at, {key.writer, *missing} & self.people)))
        return found

    def _was_announced(self, writer: str, acknowledged_at: float, concerned: set[str]) -> bool:
        return any(
            since <= acknowledged_at <= self._end_of_old_life(writer, until)
            and all(any(at >= until for at in self._told[person]) for person in concerned)
            for since, until in self._put_back
        )

    def _end_of_old_life(self, writer: str, until: float) -> float:
        """Until they were told, what a client says was acknowledged is from before: it may be slow to say it."""
        return min((at for at in self._told[writer] if at >= until), default=until)

    # ---- inside

    def _is_before_put_back(self, key: Key, line: _Line) -> bool:
        at = line.acknowledged_at
        return at is not None and any(at <= self._end_of_old_life(key.writer, until) for _, until in self._put_back)

    def _line(self, key: Key, to: str) -> _Line:
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = self._open[key] = _Line(to)
        return line

    def _mark(self, key: Key, line: _Line, state: str, at: float) -> None:
        if state in ANSWERED and line.acknowledged_at is None:
            self._acknowledged += 1
        line.marks.setdefault(state, at)
        line.stage = line.stage or self.stage
        self._close_if_done(key, line)

    def _arrived(self, person: str, key: Key, line: _Line) -> None:
        line.at.add(person)
        self._close_if_done(key, line)

    def _close_if_done(self, key: Key, line: _Line) -> None:
        is_told = "delivered" in line.marks if line.to != LOBBY else bool(line.marks)
        if "failed" in line.marks or (is_told and self._expected(line) <= line.at):
            self._open.pop(key, None)

    def _expected(self, line: _Line) -> set[str]:
        return set(self.people) if line.to == LOBBY else {line.to}
