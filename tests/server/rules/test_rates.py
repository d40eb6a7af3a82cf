"""The token bucket, whatever the clock does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from talk.server.rules.rates import Bucket


def test_a_burst_is_free_and_then_each_waits_its_turn() -> None:
    bucket = Bucket(2.0, 3.0, now=10.0)
    for _ in range(3):
        assert bucket.wait(10.0) == 0
        bucket.take(10.0)
    assert bucket.wait(10.0) == 0.5
    assert bucket.wait(10.25) == 0.25
    assert bucket.wait(10.5) == 0


def test_it_never_holds_more_than_a_burst() -> None:
    bucket = Bucket(2.0, 3.0, now=0.0)
    bucket.wait(1_000.0)
    for _ in range(3):
        bucket.take(1_000.0)
    assert bucket.wait(1_000.0) == 0.5


def test_one_that_is_full_again_can_be_forgotten() -> None:
    bucket = Bucket(2.0, 3.0, now=0.0)
    assert bucket.is_full(0.0)
    bucket.take(0.0)
    assert not bucket.is_full(0.4)
    assert bucket.is_full(0.5)


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = Bucket(1.0, 1.0, now=100.0)
    bucket.take(100.0)
    assert bucket.wait(50.0) == 1.0
    assert bucket.wait(51.0) == 0.0


@given(st.floats(0.1, 100), st.integers(1, 50), st.lists(st.floats(0, 5), max_size=60))
def test_never_more_than_the_rate_and_the_burst(rate: float, burst: int, pauses: list[float]) -> None:
    bucket = Bucket(rate, burst, now=0.0)
    now, taken = 0.0, 0
    for pause in pauses:
        now += pause
        if bucket.wait(now) == 0:
            bucket.take(now)
            taken += 1
        assert taken <= burst + rate * now + 1e-6


@given(st.floats(0.1, 100), st.floats(0, 100))
def test_after_the_wait_there_is_a_token(rate: float, now: float) -> None:
    bucket = Bucket(rate, 1.0, now)
    bucket.take(now)
    assert bucket.wait(now + bucket.wait(now) + 1e-9 * max(1.0, now)) < 1e-6


def test_several_tokens_may_be_used_at_once_and_be_owed() -> None:
    bucket = Bucket(2.0, 3.0, now=0.0)
    bucket.take(0.0, 4.0)
    assert bucket.wait(0.0, 0.0) == 0.5
    assert bucket.wait(0.0) == 1.0
    assert bucket.wait(0.5, 0.0) == 0
