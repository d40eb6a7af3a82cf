"""What is measured inside the window's own process. Each measure yields samples in seconds.

A measure is a generator: with `yield 0.1` the window lives on its own for so many seconds.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from itertools import pairwise

from bench.texts import NAMES, Said, history, people
from talk.apps.desktop.ahead import draw_ahead
from talk.apps.desktop.feed import Feed
from talk.apps.desktop.messages import MessageList
from talk.apps.desktop.rows import Row
from talk.apps.desktop.window import Window
from talk.client import Line, Message

Samples = dict[str, list[float]]
Measure = Callable[[Window], Generator[float, None, Samples]]
MANY = 100_000
A_SECOND = 50  # messages that arrive while somebody scrolls
SCROLL_FOR = 8.0  # seconds
NEW = 2_000_000  # numbers of messages that are made up here begin


class _Watch:
    """Time on the clock, and of this thread on a processor, until everything was given to the X server."""

    def __init__(self, window: Window) -> None:
        self._root = window.root
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def time(self, act: Callable[[], object]) -> None:
        wall, cpu = time.perf_counter(), time.thread_time()
        act()
        self._root.update_idletasks()
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.thread_time() - cpu)
        self._root.winfo_pointerx()  # an answer from the X server: nothing piles up there for the next time

    def samples(self, name: str) -> Samples:
        return {name: self.wall, f"{name}, processor": self.cpu}


class _Rest:
    """How long each slice of what a message list draws afterwards takes."""

    def __init__(self, messages: MessageList) -> None:
        self._messages, self._draw_rest = messages, messages._draw_rest
        self._taken: list[float] = []
        messages._draw_rest = self._time  # type: ignore[method-assign]

    def _time(self) -> None:
        begun = time.perf_counter()
        self._draw_rest()
        self._messages.update_idletasks()
        self._taken.append(time.perf_counter() - begun)

    def stop(self) -> list[float]:
        self._messages._draw_rest = self._draw_rest  # type: ignore[method-assign]
        return self._taken


def _line(said: Said, mine: bool = False) -> Line:
    name = NAMES[said.speaker]
    mark = "stored" if mine else ""
    return Line(said.number + 1, f"m{said.number}", "lobby", f"@{name}", name, said.text, said.at, 0, mark, "", mine, 0)


def insert(window: Window) -> Generator[float, None, Samples]:
    """A message comes into a conversation whose 100,000 messages are all held in memory."""
    messages = window.pane.messages
    lines = [_line(said, said.speaker == 0) for said in history(MANY + 400)]
    feed = Feed("lobby", is_room=True)
    feed.loaded = feed.complete = True
    feed.add_older(lines[:MANY], asked=MANY + 1)
    before = messages.feed
    messages.show(feed)
    yield 0.3
    watch, ahead = _Watch(window), []
    rest = _Rest(messages)

    def come(line: Line) -> None:
        feed.add(line)
        messages.changed()

    for line in lines[MANY:]:
        begun = time.perf_counter()
        asyncio.run(draw_ahead([line.text], messages.measure.size))  # as the network's thread does
        ahead.append(time.perf_counter() - begun)
        watch.time(lambda line=line: come(line))  # type: ignore[misc]
        yield 0.005
    messages.show(before)
    return {
        **watch.samples("insert at 100,000"),
        "… a slice of its pictures, afterwards": rest.stop(),
        "… its words drawn ahead, on the network's thread": ahead,
    }


def receive(window: Window) -> Generator[float, None, Samples]:
    """The whole way of a message in the window: unread counts, list, title and conversation."""
    watch = _Watch(window)
    for number in range(200):
        event = _message(window, number, "insert")
        asyncio.run(draw_ahead([event.text], window.pane.messages.measure.size))
        watch.time(lambda event=event: window._told(window.chat, event))  # type: ignore[misc,arg-type]
        yield 0.02
    return watch.samples("a message received")


_made = [NEW]


def _message(window: Window, number: int, word: str) -> Message:
    assert window.chat is not None
    said = _texts()[number % len(_texts())]
    name = NAMES[1 + said.speaker % (len(NAMES) - 1)]
    _made[0] += 1
    text = f"{word} {said.text}"
    now = time.time_ns() // 1_000_000
    return Message("lobby", 0, f"n{_made[0]}", name, text, now, False, _made[0], window.pane.key, f"@{name}")


_kept: list[Said] = []


def _texts() -> list[Said]:
    if not _kept:
        _kept.extend(history(1_000))
    return _kept


def scroll(window: Window) -> Generator[float, None, Samples]:
    """A wheel turns up and down while messages arrive from another thread."""
    messages, root = window.pane.messages, window.root
    starts: list[tuple[float, float, bool]] = []
    glide_on = messages._glide_on

    def frame() -> None:
        begun = (time.perf_counter(), time.thread_time())
        glide_on()
        starts.append((*begun, bool(messages._frame)))

    messages._glide_on = frame  # type: ignore[method-assign]
    stop = threading.Event()

    def arrive() -> None:
        number = 0
        while not stop.wait(1 / A_SECOND):
            event = _message(window, number, "while scrolling")
            asyncio.run(draw_ahead([event.text], messages.measure.size))
            window.network.hand_over(lambda event=event: window._told(window.chat, event))  # type: ignore[misc,arg-type]
            number += 1

    thread = threading.Thread(target=arrive)
    thread.start()
    end = time.monotonic() + SCROLL_FOR
    turn = 0
    while time.monotonic() < end:
        # Back into what is read from disk, then down again.
        button = "<Button-4>" if turn % 50 < 32 else "<Button-5>"
        messages.event_generate(button, x=50, y=50)
        turn += 1
        yield 0.08
    stop.set()
    thread.join()
    messages._glide_on = glide_on  # type: ignore[method-assign]
    root.update()
    pairs = [(one, two) for one, two in pairwise(starts) if one[2]]
    return {
        "frame": [two[0] - one[0] for one, two in pairs],
        "frame, processor": [two[1] - one[1] for one, two in pairs],
    }


def theme(window: Window) -> Generator[float, None, Samples]:
    """From dark to light and back."""
    watch = _Watch(window)
    for _ in range(6):
        for name in ("light", "dark"):
            watch.time(lambda name=name: window.preferences.set_theme(name))  # type: ignore[misc]
            yield 0.1
    return watch.samples("theme")


def panel(window: Window) -> Generator[float, None, Samples]:
    """Who is here, with 5,000 people."""
    assert window.chat is not None
    window.chat.client._people.here.update(people(5_000))
    opening, typing, scrolling, hovering = (_Watch(window) for _ in range(4))
    for _ in range(5):
        opening.time(window.actions.show_people)
        yield 0.2
        shown = window.actions.people
        assert shown is not None
        typed_into, rows = shown.search, shown.list
        for typed in ("a", "as", "ash", "", "v", "12", ""):
            typing.time(partial(typed_into.set, typed))
            yield 0.05
        for step in range(60):
            scrolling.time(partial(rows._scroll, 60 if step % 40 < 30 else -60))
            hovering.time(partial(rows._hover, rows._at(40 + step * 7)))
            yield 0.01
        window.panel.close()
        yield 0.1
    refresh = _Watch(window)
    for _ in range(20):
        refresh.time(window._show_list)
        yield 0.02
    return {
        **opening.samples("open people"),
        **typing.samples("type a letter"),
        **scrolling.samples("scroll people"),
        **hovering.samples("point at people"),
        **refresh.samples("the list meanwhile"),
    }


def sidebar(window: Window) -> Generator[float, None, Samples]:
    """Forty conversations in the list, drawn anew."""
    now = time.time_ns() // 1_000_000
    rows = [
        Row(f"k{said.number}", NAMES[said.speaker], said.text, "12:34", said.number % 3, said.number == 0,
            f"@{said.speaker}", said.number % 2 == 1, said.number % 4 == 0)
        for said in history(40)
    ]  # fmt: skip
    watch = _Watch(window)
    for number in range(60):
        changed = replace(rows[0], unread=number, last=f"{now} {number}")
        watch.time(lambda changed=changed: window.list.show([changed, *rows[1:]]))  # type: ignore[misc]
        yield 0.02
    window._show_list()
    return watch.samples("draw the list")


def layout(window: Window) -> Generator[float, None, Samples]:
    """Where each word of a message stands; words are mostly known by width already."""
    messages = window.pane.messages
    feed = Feed("lobby", is_room=True)
    feed.loaded = feed.complete = True
    feed.add_older((_line(said) for said in history(3_000)), asked=3_001)
    before = messages.feed
    messages.feed = feed
    taken = []
    for index in range(len(feed.lines)):
        start = time.perf_counter()
        messages.box(index)
        taken.append(time.perf_counter() - start)
        if index % 100 == 0:
            yield 0.005
    messages.show(before)
    return {"lay out one message": taken[1_000:]}


def latency(window: Window) -> Generator[float, None, Samples]:
    """From the network's thread to drawn, at fifty a second."""
    taken: list[float] = []
    shown = threading.Event()

    def send() -> None:
        for number in range(300):
            event = _message(window, number, "latency")
            asyncio.run(draw_ahead([event.text], window.pane.messages.measure.size))
            start = time.perf_counter()

            def show(event: Message = event, start: float = start) -> None:
                window._told(window.chat, event)  # type: ignore[arg-type]
                window.root.update_idletasks()
                taken.append(time.perf_counter() - start)

            window.network.hand_over(show)
            time.sleep(1 / A_SECOND)
        shown.set()

    thread = threading.Thread(target=send)
    thread.start()
    while not shown.is_set():
        yield 0.1
    thread.join()
    yield 0.2
    return {"from the network's thread to drawn": taken}


MEASURES: dict[str, Measure] = {
    each.__name__: each for each in (receive, latency, scroll, theme, sidebar, layout, panel, insert)
}
