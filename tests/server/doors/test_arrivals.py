"""Who is counted before the login, and by which address."""

from __future__ import annotations

import pytest
from tests.server.house import Door

from talk.server.doors.arrivals import MAX_NEWCOMERS, Arrivals, origin


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unknown", "unknown"),
    ],
)
def test_a_household_of_ipv6_counts_as_one(address: str, counted: str) -> None:
    assert origin(address) == counted


def test_of_one_address_so_many_and_others_may_still_come() -> None:
    arrivals = Arrivals(4)
    doors = [Door("192.0.2.1") for _ in range(3)]
    assert [arrivals.admit(door) for door in doors] == [True, True, False]
    assert arrivals.admit(Door("192.0.2.2"))
    arrivals.let_go(doors[0])
    arrivals.let_go(doors[0])
    arrivals.let_go(doors[2])
    assert arrivals.admit(doors[2])
    assert not arrivals.admit(doors[0])
    assert len(arrivals) == 3


def test_nothing_is_kept_of_who_is_over() -> None:
    arrivals = Arrivals(10_000)
    assert arrivals.bound == MAX_NEWCOMERS
    for number in range(50):
        door = Door(f"192.0.2.{number}")
        arrivals.admit(door)
        arrivals.let_go(door)
    assert not arrivals._counts
    assert not arrivals
