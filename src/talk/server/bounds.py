"""What one account and one address may use of the server, so that nobody keeps it from all others.

an account      its paid commands at a rate, each over it in its turn; a share of the processor
an address      before the login: a share of the processor, logins that fail, names where no invitation is needed

What is free otherwise (questions, pings, frames in tiny pieces, handshakes) is bounded by the share of the processor.
Its seconds are those of the server's own thread, so that a busy machine is nobody's fault.
"""

from __future__ import annotations

from collections.abc import Callable

from talk.server.rules.rates import Bucket
from talk.server.shares import Shares

FAILED_LOGINS, FAILED_LOGINS_RATE = 20, 0.2  # per address: at once, and then a second
NEW_ACCOUNTS, NEW_ACCOUNTS_RATE = 1_000, 0.1  # per address where no invitation is needed: at once, and then a second
# Of the processor, in seconds a second, and in seconds at once. Many people may come from one address, as in a school.
ACCOUNT_SHARE, ACCOUNT_BURST = 0.1, 0.5
ADDRESS_SHARE, ADDRESS_BURST = 0.25, 10.0  # before the login


class Bounds:
    """`rate` and `burst` are paid commands of an account. Rate 0: no bound but that on failed logins.

    `steady` is a clock in seconds that never goes back.
    """

    def __init__(self, rate: float, burst: float, steady: Callable[[], float]) -> None:
        self._rate, self._burst, self._steady = rate, burst, steady
        self._turns: dict[str, Bucket] = {}
        self._accounts = Shares(ACCOUNT_SHARE, ACCOUNT_BURST)
        self._addresses = Shares(ADDRESS_SHARE, ADDRESS_BURST)
        self._new_accounts = Shares(NEW_ACCOUNTS_RATE, NEW_ACCOUNTS)
        self._failed_logins = Shares(FAILED_LOGINS_RATE, FAILED_LOGINS)

    # ---- an account, "" before the login

    def take_turn(self, account: str) -> float:
        """Take this account's turn for a paid command; where it has none, the seconds until then."""
        if not self._rate or not account:
            return 0.0
        now = self._steady()
        bucket = self._turns.get(account)
        if bucket is None:
            bucket = self._turns[account] = Bucket(self._rate, self._burst, now)
        wait = bucket.wait(now)
        if wait == 0:
            bucket.take(now)
        return wait

    def worked(self, address: str, account: str, seconds: float) -> float:
        """The server's thread was busy for them; the seconds for which to read nothing more from there."""
        if not self._rate:
            return 0.0
        shares, who = (self._accounts, account) if account else (self._addresses, address)
        return shares.use(who, seconds, self._steady())

    # ---- an address

    def is_worn_out(self, address: str) -> bool:
        """Whether those from there who have not logged in used up their share, so that nobody more should come in."""
        return bool(self._rate) and self._addresses.rest(address, self._steady()) > 0

    def may_register(self, address: str) -> bool:
        """Whether one more name may be taken from there without an invitation; it is counted then."""
        return not self._rate or self._new_accounts.take_one(address, self._steady())

    def failed(self, address: str) -> None:
        """A login from there failed. More than one wait is never owed: others may share the address."""
        self._failed_logins.take_one(address, self._steady())

    def fails_too_often(self, address: str) -> bool:
        return not self._failed_logins.has_one(address, self._steady())

    # ---- both

    def forget_the_rested(self) -> None:
        """Let go of those for whom it would change nothing."""
        now = self._steady()
        self._turns = {account: bucket for account, bucket in self._turns.items() if not bucket.is_full(now)}
        for shares in (self._accounts, self._addresses, self._new_accounts, self._failed_logins):
            shares.forget_the_rested(now)
