"""The lines of one conversation as the window holds them: in their order, each once, with holes that can be filled.

No widgets here. Lines that wait to be stored stand last; when one is stored it takes its place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from talk.client import Line

MOST = 4_000  # lines that are held; older ones are let go and read again from disk


class Feed:
    """`complete` says that nothing older is on this device; `filled` are numbers before which there is no hole."""

    def __init__(self, key: str, *, is_room: bool) -> None:
        self.key, self.is_room = key, is_room
        self.lines: list[Line] = []
        self.loaded = self.complete = False
        self.filled: set[int] = set()
        self.new_after = 0  # the row after which the line "New messages" stands, 0 for none
        self._ids: set[tuple[str, str]] = set()

    def add(self, line: Line) -> bool:
        """Take in a new line at its place; False when it was there already and nothing but its marks changed."""
        if (line.account, line.id) in self._ids:
            return self._update(line)
        self._ids.add((line.account, line.id))
        at = len(self.lines)
        if line.mark not in ("sending", "failed"):
            while at and self.lines[at - 1].mark == "sending":
                at -= 1
        self.lines.insert(at, line)
        return True

    def _update(self, line: Line) -> bool:
        at = self.index(line.id, line.account)
        if at is None or self.lines[at] == line:
            return False
        before = self.lines.pop(at)
        if self.is_room and before.mark == "sending" and line.mark != "sending":
            self._ids.discard((line.account, line.id))
            return self.add(line)
        self.lines.insert(at, line)
        return False

    def index(self, id: str, account: str = "") -> int | None:
        """Where the line with this id is, looked for from the newest on."""
        for at in range(len(self.lines) - 1, -1, -1):
            if self.lines[at].id == id and account in ("", self.lines[at].account):
                return at
        return None

    def mark(self, id: str, mark: str, reason: str = "") -> bool:
        """What became of one's own line."""
        at = self.index(id)
        if at is None or not self.lines[at].mine:
            return False
        if mark == "stored" and self.lines[at].mark == "delivered":
            return False
        self.lines[at] = replace(self.lines[at], mark=mark, reason=reason)
        return True

    def remove(self, id: str) -> None:
        at = self.index(id)
        if at is not None:
            line = self.lines.pop(at)
            self._ids.discard((line.account, line.id))

    def add_older(self, older: Iterable[Line], *, asked: int) -> int:
        """Put a page before everything; how many were new. Fewer than `asked` means that it was the last."""
        page = list(older)
        new = self._new(page)
        self.lines[:0] = new
        self.loaded = True
        if len(page) < asked:
            self.complete = True
        return len(new)

    def fill_hole(self, before: Line, found: Iterable[Line]) -> int:
        """Put in what the server has of the lines before this one; how many those were."""
        at = self.index(before.id, before.account)
        if at is None:
            return 0
        least = self.lines[at - 1].seq if at else 0
        new = self._new([line for line in found if least < line.seq < before.seq])
        self.lines[at:at] = new
        # What still is missing then nobody can give: somebody is blocked, or the server has lost it.
        self.filled.add(before.seq)
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
        for line in self.lines[:surplus]:
            self._ids.discard((line.account, line.id))
        del self.lines[:surplus]
        self.complete = False
        return surplus

    @property
    def oldest_row(self) -> int:
        """The row before which the next page of this device's lines ends; 0 when there is none yet."""
        return next((line.row for line in self.lines if line.row), 0)
