"""The lines of one conversation as the window holds them: in their order, each once, with holes that can be filled.

No widgets here. Lines that wait to be stored stand last; when one is stored it takes its place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice, takewhile

from talk.client import Line

MOST = 4_000  # lines that are held; older ones are let go and read again from disk
WITHOUT_PLACE = ("sending", "failed")  # marks of lines that the server has not given a place


def marked(line: Line, mark: str, reason: str = "") -> Line:
    """This line of one's own with another mark; as it was where it cannot change any more, just like on disk.

    That is what a device has opened, and what has its place in a room.
    """
    if not line.mine or line.seq or line.mark == "delivered":
        return line
    return replace(line, mark=mark, reason=reason)


def _is_later(other: Line, line: Line) -> bool:
    """Whether `other` belongs after `line`, as far as their numbers tell."""
    if other.seq and line.seq:
        return other.seq > line.seq
    return 0 < line.row < other.row


class Feed:
    """`complete` says that nothing older is on this device; `filled` are numbers before which there is no hole.

    `looked` says of holes where everything so far was by people who are blocked from which number on to look further.
    """

    def __init__(self, key: str, *, is_room: bool) -> None:
        self.key, self.is_room = key, is_room
        self.lines: list[Line] = []
        self.loaded = self.complete = False
        self.filled: set[int] = set()
        self.looked: dict[int, int] = {}
        self.new_after = 0  # the row after which the line "New messages" stands, 0 for none
        self._ids: set[tuple[str, str]] = set()
        self._read_from = 0  # the row from which on this device's lines were read

    def add(self, line: Line) -> bool:
        """Take in a new line at its place; False when it was there already and nothing but its marks changed.

        One that is older than all that are held is left to the disk, if older ones are there: it comes with its page.
        """
        if (line.account, line.id) in self._ids:
            return self._update(line)
        at = self._place_of(line)
        if self.loaded and not self.complete and self._is_oldest(at, line):
            return False
        self._insert(at, line)
        return True

    def _is_oldest(self, at: int, line: Line) -> bool:
        """Whether this line, which would stand there, is older than all that have their place."""
        if at == len(self.lines) or not _is_later(self.lines[at], line):
            return False
        return all(other.mark in WITHOUT_PLACE for other in islice(self.lines, at))

    def _insert(self, at: int, line: Line) -> None:
        self._ids.add((line.account, line.id))
        self.lines.insert(at, line)

    def _place_of(self, line: Line) -> int:
        at = here = len(self.lines)
        if line.mark in WITHOUT_PLACE:
            return at
        while here and self.lines[here - 1].mark in WITHOUT_PLACE:
            here -= 1
            if self.lines[here].mark == "sending":
                at = here
        for here in range(at - 1, -1, -1):
            other = self.lines[here]
            if other.mark in WITHOUT_PLACE:  # these stand where they were written, whatever their row
                continue
            if _is_later(other, line):
                at = here
            elif other.row or other.seq:
                break
        return at

    def _update(self, line: Line) -> bool:
        at = self.index(line.id, line.account)
        if at is None:
            return False
        before = self.lines[at]
        if self.is_room and line.seq and not before.seq:  # now it has a place
            del self.lines[at]
            self._insert(self._place_of(line), line)  # also before all others: no page brings what is held already
            return True
        if line.mark == "sending":  # told late
            line = replace(before, row=before.row or line.row)
        elif before.mark == "delivered":
            line = replace(line, mark=before.mark, reason=before.reason)
        self.lines[at] = line
        return False

    def index(self, id: str, account: str = "") -> int | None:
        """Where the line with this id is, looked for from the newest on."""
        for at in range(len(self.lines) - 1, -1, -1):
            if self.lines[at].id == id and account in ("", self.lines[at].account):
                return at
        return None

    def number_before(self, index: int) -> int | None:
        """The number of the line before this one in its room; 0 for none, None where that is not known.

        What was never sent has no place, and hides nothing that is missing. What is stored has one, not yet told.
        """
        for at in range(index - 1, -1, -1):
            line = self.lines[at]
            if line.seq or line.mark not in WITHOUT_PLACE:
                return line.seq or None
        return 0 if self.is_room else None

    def _own(self, id: str) -> int | None:
        """The same for a line of one's own: anybody may use its id again."""
        return next((at for at in range(len(self.lines) - 1, -1, -1) if self._is_own(at, id)), None)

    def _is_own(self, at: int, id: str) -> bool:
        return self.lines[at].id == id and self.lines[at].mine

    def mark(self, id: str, mark: str, reason: str = "") -> bool:
        """What became of one's own line; False when that is no news."""
        at = self._own(id)
        if at is None:
            return False
        before = self.lines[at]
        self.lines[at] = marked(before, mark, reason)
        return self.lines[at] != before

    def remove(self, id: str) -> None:
        """Forget a line of one's own."""
        at = self._own(id)
        if at is not None:
            line = self.lines.pop(at)
            self._ids.discard((line.account, line.id))

    def add_older(self, older: Iterable[Line], *, asked: int, before: int = 0) -> int:
        """Take in a page of at most `asked` lines before this row (0: the newest); how many now stand at the top.

        Fewer than `asked` means that it was the last. What was told meanwhile may be in the page of the newest, or
        come before it, and may be followed there by what will be told next.
        """
        if (before or self.loaded) and before != self.oldest_row:
            return 0  # lines were let go meanwhile, so this page does not join on
        page = list(older)
        top = self.lines[0] if self.lines else None
        older_ones = list(takewhile(lambda line: self._goes_before(line, top), page))
        new = self._new(older_ones)
        self.lines[:0] = new
        for line in page[len(older_ones) :]:
            if (line.account, line.id) in self._ids:
                self._update(line)
            else:
                self._insert(self._place_of(line), line)
        self.loaded = True
        self._read_from = page[0].row if page else before
        if len(page) < asked:
            self.complete = True
        return len(new) if top is None else self.index(top.id, top.account) or 0

    def _goes_before(self, line: Line, top: Line | None) -> bool:
        return (line.account, line.id) not in self._ids and (top is None or not _is_later(line, top))

    def fill_hole(self, before: Line, found: Iterable[Line]) -> int:
        """Put in what the server has of the lines before this one; how many those were."""
        at = self.index(before.id, before.account)
        if at is None:
            return 0
        least = next((line.seq for line in reversed(self.lines[:at]) if line.seq), 0)
        new = self._new([line for line in found if least < line.seq < before.seq])
        self.lines[at:at] = new
        # What still is missing then nobody can give: somebody is blocked, or the server has lost it. What stands before
        # the first of the page can still be asked for.
        self.filled.update((before.seq, *(line.seq for line in new[1:])))
        return len(new)

    def _new(self, lines: list[Line]) -> list[Line]:
        new = []
        for line in lines:
            if (line.account, line.id) not in self._ids:
                self._ids.add((line.account, line.id))
                new.append(line)
        return new

    def let_go(self) -> int:
        """Forget the oldest lines when there are very many; how many those were."""
        surplus = len(self.lines) - MOST
        if surplus <= 0:
            return 0
        gone, self.lines = self.lines[:surplus], self.lines[surplus:]
        self._ids.difference_update((line.account, line.id) for line in gone)
        # What filled holes is gone too, and is not on this device. No page of the newest is needed any more.
        first = next((line.seq for line in self.lines if line.seq), 0)
        self.filled = {seq for seq in self.filled if seq > first}
        self.loaded, self.complete = True, False
        # What waited long, and stands first now, has a smaller row than lines that came meanwhile and are gone.
        first_row = next((line.row for line in self.lines if line.row), 0)
        self._read_from = max(first_row, *(line.row + 1 for line in gone if line.row), 0)
        return surplus

    @property
    def oldest_row(self) -> int:
        """The row before which the next page of this device's lines ends; 0 when there is none yet."""
        return self._read_from or next((line.row for line in self.lines if line.row), 0)
