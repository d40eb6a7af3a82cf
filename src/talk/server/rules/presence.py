"""Who is here: a versioned set of accounts. Whoever looks gets the whole once, and differences from then on.

came ──▶ here ──(the last connection is gone)──▶ leaving ──(15 s, or a goodbye)──▶ left
              ◀──────────(came back)────────────
"""

from __future__ import annotations

from talk.protocol.limits import LEFT_AFTER


class Presence:
    """The set and what is not told yet. Times in seconds of one steady clock."""

    def __init__(self) -> None:
        self.version = 0
        self._connections: dict[str, int] = {}
        self._leaving: dict[str, float] = {}
        self._here: set[str] = set()
        self._left: set[str] = set()

    def came(self, account: str) -> None:
        """One more connection of this account."""
        self._connections[account] = self._connections.get(account, 0) + 1
        if self._leaving.pop(account, None) is not None:
            return
        if self._connections[account] == 1:
            self._here.add(account)
            self._left.discard(account)

    def went(self, account: str, now: float, *, said_goodbye: bool) -> None:
        """One connection less. Who said goodbye has left at once; who dropped off may come back unnoticed."""
        self._connections[account] -= 1
        if self._connections[account] > 0:
            return
        del self._connections[account]
        self._leaving[account] = now if said_goodbye else now + LEFT_AFTER

    def renamed(self, account: str) -> None:
        """Tell of this account again, under its new name."""
        if self.is_here(account):
            self._here.add(account)

    def is_here(self, account: str) -> bool:
        return account in self._connections or account in self._leaving

    def people(self) -> list[str]:
        """The accounts that are here now, sorted."""
        return sorted({*self._connections, *self._leaving})

    @property
    def here(self) -> set[str]:
        """Who came or took a new name since the last tick."""
        return self._here

    def tick(self, now: float) -> tuple[list[str], list[str]] | None:
        """What changed since the last tick, as (here, left), with the version one higher; None for no change."""
        for account in [account for account, at in self._leaving.items() if at <= now]:
            del self._leaving[account]
            self._left.add(account)
            self._here.discard(account)
        if not self._here and not self._left:
            return None
        change = (sorted(self._here), sorted(self._left))
        self._here, self._left = set(), set()
        self.version += 1
        return change
