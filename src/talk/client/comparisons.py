"""The comparisons of keys on this device: those under way, those that are over, and how many are let in."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator

from talk.client.comparison import Comparison
from talk.client.errors import ClientError

MAX_UNDER_WAY = 8
MAX_OVER = 64  # comparisons that are remembered, so that what comes late is not answered


class Comparisons:
    """One at most with each account."""

    def __init__(self) -> None:
        self._under_way: dict[str, Comparison] = {}
        self._over: deque[tuple[str, str]] = deque(maxlen=MAX_OVER)

    def __iter__(self) -> Iterator[Comparison]:
        """Those under way."""
        return iter(list(self._under_way.values()))

    @property
    def is_full(self) -> bool:
        return len(self._under_way) >= MAX_UNDER_WAY

    def add(self, comparison: Comparison) -> None:
        self._under_way[comparison.id] = comparison

    def remove(self, comparison: Comparison) -> None:
        """It is over."""
        self._under_way.pop(comparison.id, None)
        self.set_over(comparison.account, comparison.transaction)

    def set_over(self, account: str, transaction: str) -> None:
        """Whatever comes of this transaction belongs to nothing any more."""
        self._over.append((account, transaction))

    def is_over(self, account: str, transaction: str) -> bool:
        return (account, transaction) in self._over

    def known(self, id: str) -> Comparison:
        """The one with this id. Errors: ClientError."""
        comparison = self._under_way.get(id)
        if comparison is None:
            raise ClientError("This comparison has ended. Nothing was done.")
        return comparison

    def with_account(self, account: str) -> Comparison | None:
        return next((each for each in self if each.account == account), None)

    def of(self, account: str, transaction: str) -> Comparison | None:
        """The one with this account, if it is about this transaction."""
        comparison = self.with_account(account)
        return comparison if comparison is not None and comparison.transaction == transaction else None

    def late(self) -> list[Comparison]:
        """Those whose time is up."""
        return [each for each in self if each.deadline <= time.monotonic()]

    def time_left(self) -> float | None:
        """Seconds until the next one is late; None when nothing is under way."""
        deadline = min((each.deadline for each in self), default=None)
        return None if deadline is None else max(0.0, deadline - time.monotonic())


class Few:
    """Lets so many of each account through in a minute."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._times: dict[str, deque[float]] = {}

    def allow(self, account: str) -> bool:
        since = time.monotonic() - 60
        self._times = {who: times for who, times in self._times.items() if times[-1] > since}
        times = self._times.setdefault(account, deque(maxlen=self._most))
        if len(times) == self._most and times[0] > since:
            return False
        times.append(time.monotonic())
        return True
