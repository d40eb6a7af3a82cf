"""How much of something one account or one address may use. Who used more has to wait until it has evened out."""

from __future__ import annotations

from talk.server.rules.rates import Bucket

MAX_KNOWN = 10_000  # accounts or addresses that are remembered
LONGEST_REST = 5.0  # seconds; well before silence ends a connection
SPENT = 0.0  # tokens that are left in a bucket when its share is used up


class Shares:
    """`share` a second for each, and `burst` that was saved up. Times are of one clock, in seconds."""

    def __init__(self, share: float, burst: float) -> None:
        self._share, self._burst = share, burst
        self._buckets: dict[str, Bucket] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def use(self, who: str, amount: float, now: float) -> float:
        """They used this much; the seconds for which they should get nothing more."""
        bucket = self._bucket(who, now)
        bucket.take(now, amount)
        return min(bucket.wait(now, SPENT), LONGEST_REST)

    def take_one(self, who: str, now: float) -> bool:
        """Use one whole, if it is there."""
        bucket = self._bucket(who, now)
        if bucket.wait(now) > 0:
            return False
        bucket.take(now)
        return True

    def has_one(self, who: str, now: float) -> bool:
        """Whether `take_one` would take one."""
        bucket = self._buckets.get(who)
        return bucket is None or bucket.wait(now) == 0

    def rest(self, who: str, now: float) -> float:
        """The seconds for which they should get nothing."""
        bucket = self._buckets.get(who)
        return 0.0 if bucket is None else min(bucket.wait(now, SPENT), LONGEST_REST)

    def forget_the_rested(self, now: float) -> None:
        """Let go of those who have all of their share again."""
        self._buckets = {who: bucket for who, bucket in self._buckets.items() if not bucket.is_full(now)}

    def _bucket(self, who: str, now: float) -> Bucket:
        bucket = self._buckets.get(who)
        if bucket is None:
            if len(self._buckets) >= MAX_KNOWN:
                del self._buckets[next(iter(self._buckets))]
            bucket = self._buckets[who] = Bucket(self._share, self._burst, now)
        return bucket
