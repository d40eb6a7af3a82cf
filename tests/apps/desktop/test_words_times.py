"""Days and times as a person says them, in any time zone, for any number that a server may send."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talk.apps.desktop import words
from talk.apps.desktop.words import clock, day_words, days_ago, full_time, months, short_time, weekdays
from talk.protocol.limits import MAX_NUMBER

INDIA = timezone(timedelta(hours=5, minutes=30))


class Clock:
    """The module `time`, standing still."""

    def __init__(self, now: datetime) -> None:
        self._now = now.timestamp()

    def __getattr__(self, name: str) -> object:
        return getattr(time, name)

    def localtime(self, seconds: float | None = None) -> time.struct_time:
        return time.localtime(self._now if seconds is None else seconds)


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    if not hasattr(time, "tzset"):
        pytest.skip("Windows has one time zone per computer")
    yield monkeypatch
    monkeypatch.undo()
    time.tzset()


def at(day: datetime) -> int:
    return round(day.timestamp() * 1000)


def stand(monkeypatch: pytest.MonkeyPatch, name: str, now: datetime) -> None:
    monkeypatch.setenv("TZ", name)
    time.tzset()
    monkeypatch.setattr(words, "time", Clock(now))


def test_days_in_india(zone: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 3, 4, 0, 10, tzinfo=INDIA)  # a Wednesday
    stand(zone, "Asia/Kolkata", now)
    cases = [
        (now, "Today", "00:10"),
        (now - timedelta(minutes=11), "Yesterday", "Tue"),
        (now - timedelta(days=1, minutes=11), "2 March", "Mon"),
        (now - timedelta(days=6), "26 February", "Thu"),
        (now - timedelta(days=7), "25 February", "25.2.26"),
        (datetime(2025, 12, 31, 12, tzinfo=INDIA), "31 December 2025", "31.12.25"),
        (datetime(2008, 5, 1, 12, tzinfo=INDIA), "1 May 2008", "1.5.08"),
        (now + timedelta(days=1), "5 March", "00:10"),
    ]
    for day, said, short in cases:
        assert (day_words(at(day)), short_time(at(day))) == (said, short)
    assert clock(at(now)) == "00:10"
    assert full_time(at(now) + 7_000) == "Today, 00:10:07"


@pytest.mark.parametrize(
    ("now", "then", "ago"),
    [
        (datetime(2026, 3, 29, 20, tzinfo=UTC), datetime(2026, 3, 28, 22, 59, tzinfo=UTC), 1),  # a day of 23 hours
        (datetime(2026, 3, 30, 10, tzinfo=UTC), datetime(2026, 3, 28, 22, 30, tzinfo=UTC), 2),
        (datetime(2026, 10, 25, 22, 30, tzinfo=UTC), datetime(2026, 10, 24, 22, 30, tzinfo=UTC), 0),  # one of 25
        (datetime(2026, 10, 26, 10, tzinfo=UTC), datetime(2026, 10, 24, 21, 30, tzinfo=UTC), 2),
        (datetime(2027, 1, 1, 10, tzinfo=UTC), datetime(2026, 12, 31, 10, tzinfo=UTC), 1),
        (datetime(2026, 1, 1, 10, tzinfo=UTC), datetime(2026, 1, 3, 10, tzinfo=UTC), -2),
    ],
)
def test_midnights_are_counted_where_clocks_change(
    zone: pytest.MonkeyPatch, now: datetime, then: datetime, ago: int
) -> None:
    stand(zone, "Europe/Berlin", now)
    assert days_ago(at(then)) == ago


@given(st.one_of(st.integers(0, MAX_NUMBER), st.integers()))
def test_any_number_has_some_words(number: int) -> None:
    for say in (clock, day_words, short_time, full_time):
        assert say(number)


def test_every_month_and_day_has_a_name_of_its_own() -> None:
    assert len(set(months())) == 12
    assert len(set(weekdays())) == 7
    assert months()[time.struct_time((2026, 5, 1, 0, 0, 0, 4, 121, 0)).tm_mon - 1] == "May"


def test_a_language_that_is_not_there_leaves_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "_used", words._used)
    words.use_language("xx")
    assert day_words(round(time.time() * 1000)) == "Today"


@pytest.mark.parametrize(
    ("locale", "language"),
    [("hi_IN", "hi"), ("Hindi_India", "hi"), ("en_IN", "en"), ("hil_PH", "en"), (None, "en"), ("C", "en")],
)
def test_the_language_of_the_computer(monkeypatch: pytest.MonkeyPatch, locale: str | None, language: str) -> None:
    monkeypatch.setattr("locale.getlocale", lambda: (locale, "UTF-8"))
    assert words.system_language() == language


def test_a_language_that_python_cannot_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def getlocale() -> tuple[str, str]:
        raise ValueError("unknown locale: UTF-8")

    monkeypatch.setattr("locale.getlocale", getlocale)
    assert words.system_language() == "en"
