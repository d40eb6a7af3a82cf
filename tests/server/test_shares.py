"""What one account or address may use, and how long it waits after it used more."""

from __future__ import annotations

import pytest

from talk.server import shares
from talk.server.shares import LONGEST_REST, Shares


def test_who_used_more_than_was_saved_up_waits_until_it_has_evened_out() -> None:
    of = Shares(0.1, 0.5)
    assert of.use("asha", 0.5, now=0.0) == 0
    assert of.use("asha", 0.1, now=0.0) == pytest.approx(1.0)
    assert of.rest("asha", now=0.4) == pytest.approx(0.6)
    assert of.rest("asha", now=1.01) == 0


def test_others_are_not_concerned() -> None:
    of = Shares(0.1, 0.5)
    of.use("asha", 9.0, now=0.0)
    assert of.rest("bob", now=0.0) == 0
    assert of.use("bob", 0.1, now=0.0) == 0


def test_one_is_there_or_nothing_is_used() -> None:
    of = Shares(0.5, 2)
    assert [of.take_one("asha", now=0.0) for _ in range(4)] == [True, True, False, False]
    assert not of.take_one("asha", now=1.9)
    assert of.take_one("asha", now=2.0)


def test_no_wait_is_longer_than_the_longest() -> None:
    of = Shares(0.1, 0.5)
    assert of.use("asha", 1_000.0, now=0.0) == LONGEST_REST
    assert of.rest("asha", now=60.0) == LONGEST_REST


def test_who_has_all_of_it_again_is_forgotten_and_nobody_else() -> None:
    of = Shares(0.1, 0.5)
    of.use("asha", 0.5, now=0.0)
    of.use("bob", 0.1, now=0.0)
    of.forget_the_rested(now=2.0)
    assert len(of) == 1
    assert of.use("asha", 0.3, now=2.0) > 0


def test_so_many_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "MAX_KNOWN", 3)
    of = Shares(0.1, 0.5)
    for number in range(10):
        of.use(f"{number}", 1.0, now=0.0)
    assert len(of) == 3
    assert of.rest("9", now=0.0) > 0
