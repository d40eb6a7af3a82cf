"""How fast an account may go: a token bucket. Who is over it waits their turn; nothing of theirs is lost."""

from __future__ import annotations


class Bucket:
    """`rate` tokens a second up to `burst`. Times in seconds of one steady clock."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = burst, now

    def wait(self, now: float, tokens: float = 1.0) -> float:
        """Seconds until there are this many tokens; 0 when they are there now."""
        self._fill(now)
        return 0.0 if self._tokens >= tokens else (tokens - self._tokens) / self._rate

    def take(self, now: float, tokens: float = 1.0) -> None:
        """Use this many tokens, also such as are not there yet."""
        self._fill(now)
        self._tokens -= tokens

    def is_full(self, now: float) -> bool:
        """Whether forgetting this bucket would change nothing."""
        self._fill(now)
        return self._tokens >= self._burst

    def _fill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now
