"""What one account and one address may use, on a clock that a test moves."""

from __future__ import annotations

import pytest

from talk.server import bounds, shares
from talk.server.bounds import Bounds

HERE, THERE = "192.0.2.1", "192.0.2.2"


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_an_account_takes_its_turns_at_the_rate_and_others_have_their_own(clock: Clock) -> None:
    of = Bounds(2.0, 3.0, clock)
    assert [of.take_turn("asha") for _ in range(4)] == [0, 0, 0, 0.5]
    assert of.take_turn("bob") == 0
    clock.now += 0.5
    assert [of.take_turn("asha") for _ in range(2)] == [0, 0.5]  # asking takes nothing


def test_before_the_login_there_are_no_turns(clock: Clock) -> None:
    of = Bounds(1.0, 1.0, clock)
    assert [of.take_turn("") for _ in range(5)] == [0] * 5


def test_who_keeps_the_server_busy_is_not_read_for_a_while(clock: Clock) -> None:
    of = Bounds(10.0, 30.0, clock)
    assert of.worked(HERE, "asha", bounds.ACCOUNT_BURST / 2) == 0
    assert of.worked(HERE, "asha", bounds.ACCOUNT_BURST / 2 + 0.05) > 0.4
    assert of.worked(HERE, "bob", 0.05) == 0
    clock.now += 60
    assert of.worked(HERE, "asha", 0.05) == 0


def test_before_the_login_it_is_the_address_that_counts(clock: Clock) -> None:
    of = Bounds(10.0, 30.0, clock)
    assert of.worked(HERE, "", bounds.ADDRESS_BURST / 2) == 0
    assert not of.is_worn_out(HERE)
    assert of.worked(HERE, "", bounds.ADDRESS_BURST / 2 + 0.5) > 1
    assert of.is_worn_out(HERE)
    assert not of.is_worn_out(THERE)
    assert of.worked(HERE, "asha", 0.05) == 0


def test_without_a_rate_only_failed_logins_are_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "NEW_ACCOUNTS", 0)
    of = Bounds(0.0, 0.0, clock)
    assert of.take_turn("asha") == of.worked(HERE, "asha", 1_000) == of.worked(HERE, "", 1_000) == 0
    assert not of.is_worn_out(HERE)
    assert of.may_register(HERE)
    for _ in range(bounds.FAILED_LOGINS):
        of.failed(HERE)
    assert of.fails_too_often(HERE)


def test_an_address_takes_so_many_names(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "NEW_ACCOUNTS", 2)
    of = Bounds(10.0, 30.0, clock)
    assert [of.may_register(HERE) for _ in range(3)] == [True, True, False]
    assert of.may_register(THERE)
    clock.now += 1 / bounds.NEW_ACCOUNTS_RATE
    assert of.may_register(HERE)


def test_failing_far_too_often_owes_one_wait_and_no_more(clock: Clock) -> None:
    of = Bounds(10.0, 30.0, clock)
    for _ in range(bounds.FAILED_LOGINS - 1):
        of.failed(HERE)
    assert not of.fails_too_often(HERE)
    for _ in range(100):
        of.failed(HERE)
    assert of.fails_too_often(HERE)
    assert not of.fails_too_often(THERE)
    clock.now += 1 / bounds.FAILED_LOGINS_RATE
    assert not of.fails_too_often(HERE)


def test_who_used_nothing_for_long_is_forgotten(clock: Clock) -> None:
    of = Bounds(1.0, 2.0, clock)
    of.take_turn("asha")
    of.worked(HERE, "asha", 0.1)
    of.worked(HERE, "", 1.0)
    of.may_register(HERE)
    of.failed(HERE)
    clock.now += 0.5
    of.forget_the_rested()
    assert remembered(of) == [1, 1, 1, 1, 1]
    clock.now += 10
    of.forget_the_rested()
    assert remembered(of) == [0, 0, 0, 0, 0]


def test_so_many_addresses_are_remembered(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "MAX_KNOWN", 2)
    of = Bounds(10.0, 30.0, clock)
    for number in range(5):
        of.failed(f"198.51.100.{number}")
        of.worked(f"198.51.100.{number}", "", 1.0)
    assert remembered(of) == [0, 0, 2, 0, 2]


def remembered(of: Bounds) -> list[int]:
    return [len(each) for each in (of._turns, of._accounts, of._addresses, of._new_accounts, of._failed_logins)]
