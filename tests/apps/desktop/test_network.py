"""The thread on which clients live: what is asked of it comes back, whatever goes wrong there or here."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, cast

import pytest
from tests.online.processes import ServerProcess

from talk.apps.desktop import network as module
from talk.apps.desktop.network import AT_ONCE, Network
from talk.client import Client, ClientError, ProfileError, Ready
from talk.local.control import ControlServer, ask_once
from talk.local.endpoint import SOCKET_NAME
from talk.local.errors import FolderBusy, FolderError, NobodyHome
from talk.protocol.errors import Code, Refused

PATIENCE = 30.0  # seconds
SECRET = "the words of a private message"


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")


@pytest.fixture
def network() -> Iterator[Network]:
    network = Network(lambda: 15)
    network.start()
    yield network
    network.stop()
    network._thread.join(PATIENCE)
    assert not network._thread.is_alive()


def until(network: Network, condition: Callable[[], object]) -> None:
    """Take in what comes, as the window does, until this holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        network.deliver()
        time.sleep(0.001)


async def forever() -> None:
    await asyncio.Event().wait()


# ---- there and back


def test_work_is_done_there_and_its_result_comes_here(network: Network) -> None:
    got: list[object] = []

    async def work() -> int:
        await asyncio.sleep(0)
        return threading.get_ident()

    network.ask(work, lambda result: got.append((result, threading.get_ident())))
    until(network, lambda: got)
    assert got == [(network._thread.ident, threading.get_ident())]


def test_what_is_asked_is_begun_in_order_and_answers_keep_theirs(network: Network) -> None:
    begun: list[int] = []
    got: list[int] = []

    async def work(number: int) -> int:
        begun.append(number)
        return number

    for number in range(300):
        network.ask(lambda number=number: work(number), got.append)  # type: ignore[misc]
    until(network, lambda: len(got) == 300)
    assert begun == got == list(range(300))


@pytest.mark.parametrize("error", [ClientError("It did not work."), FolderBusy(Path("x"), 7), OSError("no route")])
def test_what_a_person_can_be_told_is_told(network: Network, error: Exception) -> None:
    got: list[object] = []

    async def work() -> None:
        raise error

    network.ask(work, lambda _: got.append("then"), lambda words, error: got.append((words, error)))
    until(network, lambda: got)
    assert got == [(str(error), error)]


def test_a_refusal_is_told_in_its_words(network: Network) -> None:
    got: list[str] = []

    async def work() -> None:
        raise Refused(Code.STARTS_WITH_AT)

    network.ask(work, None, lambda words, _: got.append(words))
    until(network, lambda: got)
    assert got == [str(Refused(Code.STARTS_WITH_AT))]


def test_a_mistake_of_ours_tells_where_it_was_and_nothing_private(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    got: list[str] = []

    async def work() -> None:
        raise ValueError(SECRET)

    network.ask(work, None, lambda words, _: got.append(words))
    until(network, lambda: got)
    assert got == ["TAlk made a mistake (ValueError); its log says where. Nothing is lost."]
    assert "test_network.py" in caplog.text
    assert SECRET not in caplog.text


def test_an_error_that_nobody_asked_for_ends_nothing(network: Network) -> None:
    async def work() -> None:
        raise ClientError("It did not work.")

    network.ask(work, None).result(PATIENCE)
    test_work_is_done_there_and_its_result_comes_here(network)


def test_a_mistake_in_the_window_ends_neither_the_window_nor_the_network(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    got: list[str] = []

    def mistaken(_: object) -> None:
        raise KeyError(SECRET)

    async def work() -> str:
        return "fine"

    async def fails() -> None:
        raise ClientError("It did not work.")

    network.ask(work, mistaken)
    network.ask(fails, None, lambda _words, _error: mistaken(0))
    network.hand_over(lambda: mistaken(0))
    network.ask(work, got.append)
    until(network, lambda: got)
    assert got == ["fine"]
    assert [record.args[0] for record in caplog.records if isinstance(record.args, tuple)] == ["KeyError"] * 3
    assert SECRET not in caplog.text


def test_calls_need_no_answer(network: Network) -> None:
    called: Future[int] = Future()
    network.call(lambda: called.set_result(threading.get_ident()))
    assert called.result(PATIENCE) == network._thread.ident


def test_a_control_socket_that_cannot_be_opened_is_told_and_ends_nothing(network: Network, tmp_path: Path) -> None:
    (tmp_path / SOCKET_NAME / "in the way").mkdir(parents=True)
    got: list[tuple[str, Exception]] = []

    async def answer(request: dict[str, object]) -> AsyncIterator[dict[str, object]]:
        yield request

    network.serve(ControlServer(tmp_path, answer), lambda words, error: got.append((words, error)))
    until(network, lambda: got)
    assert isinstance(got[0][1], FolderError)
    test_work_is_done_there_and_its_result_comes_here(network)


# ---- the window never stutters


def test_the_window_takes_so_many_things_at_a_time(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FOR_SECONDS", PATIENCE)
    got: list[int] = []
    assert not network.deliver()
    for number in range(2 * AT_ONCE + 1):
        network.hand_over(lambda number=number: got.append(number))  # type: ignore[misc]
    assert network.deliver()
    assert len(got) == AT_ONCE
    assert network.deliver()
    assert not network.deliver()
    assert got == list(range(2 * AT_ONCE + 1))


def test_the_window_stops_taking_things_when_its_moment_is_over(network: Network) -> None:
    got: list[int] = []

    def slow(number: int) -> None:
        time.sleep(2 * module.FOR_SECONDS)
        got.append(number)

    for number in range(3):
        network.hand_over(lambda number=number: slow(number))  # type: ignore[misc]
    assert network.deliver()
    assert got == [0]


# ---- stopping


def test_stopping_ends_what_is_under_way(network: Network) -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await forever()
        finally:
            ended.append("in order")

    asked = network.ask(work, lambda _: ended.append("then"), lambda *_: ended.append("failed"))
    network.ask(lambda: asyncio.sleep(0)).result(PATIENCE)
    network.stop()
    network.deliver()
    assert ended == ["in order"]
    assert asked.cancelled()
    assert not network._thread.is_alive()
    assert network._loop.is_closed()


def test_what_is_asked_afterwards_is_not_done_and_stops_nothing(network: Network) -> None:
    network.stop()
    network.stop()
    assert network.ask(forever).cancelled()
    network.call(lambda: None)
    network.close(Path("x"))
    network.open(cast(Client, None), *[lambda *_: None] * 3)
    assert not network.deliver()


STUBBORN = """
import asyncio, sys, threading, time
from talk.apps.desktop import network
network.STOP_WITHIN = 0.2
begun = threading.Event()

async def swallows():
    begun.set()
    while True:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            continue

async def blocks():
    begun.set()
    time.sleep(100)

asked = network.Network(lambda: 15)
asked.start()
asked.ask(globals()[sys.argv[1]])
begun.wait()
asked.stop()
print("stopped")
"""


@pytest.mark.parametrize("how", ["swallows", "blocks"])
def test_stopping_takes_no_longer_than_it_may_and_then_the_program_can_end(how: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STUBBORN, how], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert done.stdout == "stopped\n"


# ---- clients


class Opened:
    """What the window was told of one profile."""

    def __init__(self, network: Network, client: Client) -> None:
        self.seen: list[object] = []
        self.events: list[object] = []
        network.open(
            client,
            lambda: self.seen.append("opened"),
            self.events.append,
            lambda words, error: self.seen.append((words, error)),
        )

    def is_ready(self) -> bool:
        return any(isinstance(event, Ready) for event in self.events)


@pytest.mark.online
def test_a_profile_is_opened_heard_and_closed_and_opened_again(network: Network, tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "server") as server:
        folder = tmp_path / "profile"
        first = Opened(network, Client(folder, link=server.link, name="asha"))
        until(network, first.is_ready)
        assert asyncio.run(ask_once(folder, {"do": "list"}, PATIENCE)) == {"users": ["asha"]}

        second = Opened(network, Client(folder))
        until(network, lambda: second.seen)
        ((words, error),) = cast(list[tuple[str, Exception]], second.seen)
        assert isinstance(error, FolderBusy)
        assert words == str(error)

        gone: list[str] = []
        network.close(folder, lambda: gone.append("closed"))
        until(network, lambda: gone)
        with pytest.raises(NobodyHome):
            asyncio.run(ask_once(folder, {"do": "list"}, PATIENCE))
        assert first.seen == ["opened"]

        third = Opened(network, Client(folder))
        until(network, third.is_ready)
        network.stop()
        assert third.seen == ["opened"]


def test_a_profile_that_cannot_be_opened_says_why(network: Network, tmp_path: Path) -> None:
    opened = Opened(network, Client(tmp_path / "nobody"))
    until(network, lambda: opened.seen)
    ((words, error),) = cast(list[tuple[str, Exception]], opened.seen)
    assert isinstance(error, ProfileError)
    assert "no profile" in words
    assert not network._tasks


def test_closing_what_is_not_open_is_no_error(network: Network, tmp_path: Path) -> None:
    gone: list[str] = []
    network.close(tmp_path)
    network.close(tmp_path, lambda: gone.append("closed"))
    until(network, lambda: gone)


class Flood:
    """A client that has very much to tell, and then an end of its own."""

    def __init__(self, folder: Path, count: int, end: Exception | None = None) -> None:
        folder.mkdir(0o700)
        self.folder, self.told, self._count, self._end = folder, 0, count, end

    async def __aenter__(self) -> Flood:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def events(self) -> AsyncIterator[int]:
        for number in range(self._count):
            self.told = number + 1
            yield number
        if self._end is not None:
            raise self._end


def test_a_window_that_is_busy_is_not_buried(network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 20)
    client: Any = Flood(tmp_path / "f", 500)
    opened = Opened(network, client)
    end = time.monotonic() + PATIENCE
    while client.told < 20:
        assert time.monotonic() < end
    for _ in range(5):  # turns of the loop in which it could tell more
        network.ask(lambda: asyncio.sleep(2 * module.LOOK_AGAIN)).result(PATIENCE)
    assert client.told <= 22
    until(network, lambda: len(opened.seen) == 2)
    assert opened.events == list(range(500))
    assert opened.seen == ["opened", ("", None)]


def test_a_flood_does_not_keep_the_window_open(
    network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 20)
    client: Any = Flood(tmp_path / "f", 10**9)
    Opened(network, client)
    end = time.monotonic() + PATIENCE
    while client.told < 20:
        assert time.monotonic() < end
    before = time.monotonic()
    network.stop()
    assert time.monotonic() - before < module.STOP_WITHIN
    assert not network._thread.is_alive()


def test_a_mistake_in_a_client_closes_it_and_tells_nothing_private(
    network: Network, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    error = ValueError(SECRET)
    client: Any = Flood(tmp_path / "f", 1, error)
    opened = Opened(network, client)
    until(network, lambda: len(opened.seen) == 2)
    assert opened.seen[1] == ("TAlk made a mistake (ValueError); its log says where. Nothing is lost.", error)
    assert "test_network.py" in caplog.text
    assert SECRET not in caplog.text
