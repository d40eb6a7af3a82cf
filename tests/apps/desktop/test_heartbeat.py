"""What the window's thread does all the time. `after` of a window is stood in for: a test says when time has passed."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from talk.apps.desktop import heartbeat
from talk.apps.desktop.heartbeat import BUSY_MS, QUIET_AFTER, QUIET_MS, TIDY_ALL_EVERY, TIDY_EVERY, Heartbeat
from talk.apps.desktop.network import AT_ONCE, Network


class Root:
    """Remembers what is to be done, and after how many milliseconds."""

    def __init__(self) -> None:
        self.next: tuple[int, Callable[[], None]] | None = None

    def after(self, milliseconds: int, act: Callable[[], None]) -> None:
        assert self.next is None
        self.next = (milliseconds, act)

    def beat(self) -> None:
        assert self.next is not None
        act, self.next = self.next[1], None
        act()


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    """A heartbeat turns Python's own collecting off, for good."""
    yield
    gc.unfreeze()
    gc.enable()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []
    monkeypatch.setattr(heartbeat.gc, "collect", found.append)  # type: ignore[attr-defined]
    return found


@pytest.fixture
def root() -> Root:
    return Root()


@pytest.fixture
def network() -> Iterator[Network]:
    """Its thread is not needed: what is handed over waits for the window."""
    network = Network(lambda: 15)
    yield network
    network._loop.close()


def started(root: Root, network: Network) -> Heartbeat:
    beating = Heartbeat(cast(Any, root), network)
    beating.start()
    return beating


def test_it_looks_often_while_something_comes_and_seldom_when_nothing_does(
    root: Root, network: Network, clock: list[float], collected: list[int]
) -> None:
    network.hand_over(lambda: None)
    started(root, network)
    assert root.next is not None
    assert root.next[0] == BUSY_MS
    clock[0] += QUIET_AFTER + 0.1
    root.beat()
    assert root.next[0] == QUIET_MS
    for _ in range(AT_ONCE + 1):
        network.hand_over(lambda: None)
    root.beat()
    assert root.next[0] == 1


def test_all_garbage_is_looked_for_when_it_is_quiet_and_now_and_then_when_it_never_is(
    root: Root, network: Network, clock: list[float], collected: list[int]
) -> None:
    started(root, network)
    assert collected == [2]
    last_whole = clock[0]
    while clock[0] <= last_whole + TIDY_ALL_EVERY:
        clock[0] += TIDY_EVERY
        network.hand_over(lambda: None)
        root.beat()
    assert set(collected[1:-1]) == {1}
    assert collected[-1] == 2
    clock[0] += TIDY_EVERY
    root.beat()
    assert collected[-1] == 2, "nothing has come for a while"
    count = len(collected)
    root.beat()
    assert len(collected) == count


def test_python_does_not_collect_by_itself_on_some_thread(root: Root, network: Network) -> None:
    started(root, network)
    assert not gc.isenabled()


def test_nothing_is_done_after_the_end_also_when_that_is_what_was_handed_over(root: Root, network: Network) -> None:
    beating = started(root, network)
    network.hand_over(beating.stop)
    root.beat()
    assert root.next is None
    done: list[str] = []
    network.hand_over(lambda: done.append("too late"))
    other = started(root, network)
    done.clear()
    network.hand_over(lambda: done.append("too late"))
    other.stop()
    root.beat()
    assert (done, root.next) == ([], None)
