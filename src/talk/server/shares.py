"""How much of the server's processor one account or address may use. Who used more is not read for a while.

It is what bounds everything that is free otherwise: questions, pings, frames in tiny pieces, handshakes. Time is
measured on the server's own thread, so that a busy machine is nobody's fault.
"""

from __future__ import annotations

from talk.server.rules.rates import Bucket

MAX_KNOWN = 10_000  # accounts or addresses that are remembered
LONGEST_REST = 5.0  # seconds; well before silence ends a connection
SPENT = 0.0  # tokens in a bucket at which there is nothing left to use


class Shares:
    """`share` seconds of work a second for each, after `burst` seconds that were saved up. Times are of one clock."""

    def __init__(self, share: float, burst: float) -> None:
        self._share, self._burst = share, burst
        self._buckets: dict[str, Bucket] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def use(self, who: str, seconds: float, now: float) -> float:
        """They had this much work done; the seconds for which nothing more should be done for them."""
        bucket = self._buckets.get(who)
        if bucket is None:
            if len(self._buckets) >= MAX_KNOWN:
                del self._buckets[next(iter(self._buckets))]
            bucket = self._buckets[who] = Bucket(self._share, self._burst, now)
        bucket.take(now, seconds)
        return min(bucket.wait(now, SPENT), LONGEST_REST)

    def rest(self, who: str, now: float) -> float:
        """The seconds for which nothing should be done for them."""
        bucket = self._buckets.get(who)
        return 0.0 if bucket is None else min(bucket.wait(now, SPENT), LONGEST_REST)

    def forget_the_rested(self, now: float) -> None:
        """Let go of those who have all of their share again."""
        self._buckets = {who: bucket for who, bucket in self._buckets.items() if not bucket.is_full(now)}
