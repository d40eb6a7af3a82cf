"""How far the coming in of what was missed has got, after a login."""

from __future__ import annotations

from talk.client.events import CatchingUp

MANY = 200  # lines; fewer are here before anybody reads a number
EVERY = 100  # lines between two numbers


class Progress:
    """Counts what comes in. `expected` lines of rooms are known from the start; how much mail waits is not."""

    def __init__(self, expected: int) -> None:
        self._total, self._done, self._told = expected, 0, 0
        self._ended = False

    def skipped(self, lines: int) -> None:
        """These do not come, after all."""
        self._total = max(0, self._total - lines)

    def took(self, lines: int) -> CatchingUp | None:
        """Lines that came; what to tell, if it is time."""
        self._done += lines
        if self._ended or max(self._total, self._done) <= MANY or self._done - self._told < EVERY:
            return None
        self._told = self._done
        return CatchingUp(self._done, max(self._total, self._done + 1))

    def ended(self) -> CatchingUp | None:
        """Everything is here; what to tell, if anything was told before."""
        was_told, self._ended = self._told > 0 and not self._ended, True
        return CatchingUp(self._done, self._done) if was_told else None
