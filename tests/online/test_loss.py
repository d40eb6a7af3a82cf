"""Nothing acknowledged is lost and nothing arrives twice, however the server ends."""

from __future__ import annotations

import signal
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.online.conftest import Join, Serve
from tests.online.processes import ClientProcess, Process, changed, free_port
from tests.online.traces import needs_strace, read_trace, tracing

from talk.apps.prove.troubles.disks import killed_at

pytestmark = pytest.mark.online

KILLED_AFTER = (1, 9, 2, 23, 5, 14, 3, 30)  # acknowledgements of one round
SYNCS = (1, 3, 5, 8, 11, 17)  # the first few belong to the start itself
SLOPPY = """
from talk.server.stores import sqlite_writer
connect = sqlite_writer.connect_to_write
def sloppy(path):
    db = connect(path)
    db.execute("PRAGMA synchronous = {}")
    return db
sqlite_writer.connect_to_write = sloppy
"""


class Conversation:
    """Two who write, to all and to each other and to a third who reads."""

    def __init__(self, enter: Join, link: str) -> None:
        self._enter, self._link = enter, link
        self.asha, self.bob, self.chitra = (enter(link, name) for name in ("asha", "bob", "chitra"))
        self.lines: dict[str, list[str]] = {"asha": [], "bob": []}
        self.private: dict[tuple[str, str], list[str]] = {}

    def write(self, lines: int) -> None:
        """Each writer types as many lines, every third of them private."""
        for number in range(lines):
            for writer, other in ((self.asha, "bob"), (self.bob, "asha")):
                if number % 3:
                    self._type(writer, "", self.lines[writer.name])
                    continue
                to = "chitra" if number % 2 else other
                self._type(writer, f"@{to} ", self.private.setdefault((writer.name, to), []))

    def _type(self, writer: ClientProcess, prefix: str, texts: list[str]) -> None:
        text = f"{prefix}{writer.name} {len(texts)}"
        texts.append(text.removeprefix(prefix))
        writer.type(text)

    def wait_for_acknowledgements(self, more: int) -> None:
        """Wait until asha's disk marks have become this many more."""
        marks = len(self.asha.ids("stored")) + more
        while len(self.asha.ids("stored")) < marks:
            self.asha.wait_for("mark", after=len(self.asha.seen), state="stored")

    def check(self) -> None:
        """See that everybody, and who comes only now, got everything that was acknowledged: once, and in order."""
        self.settle()
        devi = self._enter(self._link, "devi")
        people = (self.asha, self.bob, self.chitra, devi)
        last = sum(map(len, self.lines.values()))
        for person in people:
            person.wait_for("message", seq=last)
        acknowledged = [id for writer in (self.asha, self.bob) for id in _acknowledged(writer)]
        for writer in (self.asha, self.bob):
            assert max(Counter(writer.ids("stored")).values()) == 1, "a line was marked twice"
        orders = [[_line(event) for event in person.seen if event["event"] == "message"] for person in people]
        assert all(order == orders[0] for order in orders)
        assert [seq for seq, *_ in orders[0]] == list(range(1, last + 1))
        for name, texts in self.lines.items():
            assert [text for _, _, sender, text in orders[0] if sender == name] == texts
        private = self._private_as_received()
        arrived = Counter([id for _, id, *_ in orders[0]] + private)
        lost = sum(id not in arrived for id in acknowledged)
        twice = sum(times > 1 for times in arrived.values())
        print(f"acknowledged {len(acknowledged)}, lost {lost}, twice {twice}")
        assert (lost, twice) == (0, 0)
        assert set(arrived) == set(acknowledged)

    def settle(self) -> None:
        """Wait until all that was typed is acknowledged."""
        for writer in (self.asha, self.bob):
            texts = [*self.lines[writer.name], *_of(self.private, writer.name)]
            while len(_acknowledged(writer)) < len(texts):
                writer.wait_for("mark", after=len(writer.seen))
            assert not writer.ids("failed")

    def _private_as_received(self) -> list[str]:
        """The ids of all private messages that anybody got; their texts are compared with what was typed."""
        ids: list[str] = []
        people = {person.name: person for person in (self.asha, self.bob, self.chitra)}
        for sender, to in self.private:
            # Mail keeps its order, so whatever would come twice has come before this one.
            people[sender].type(f"@{to} the end of {sender}")
            people[to].wait_for("private", text=f"the end of {sender}")
        for (sender, to), texts in self.private.items():
            got = [event for event in people[to].seen if event["event"] == "private" and event["from"] == sender]
            assert [event["text"] for event in got] == [*texts, f"the end of {sender}"]
            assert not any(event.get("missed") for event in got)
            ids += [event["id"] for event in got[:-1]]
        return ids


def _acknowledged(writer: ClientProcess) -> set[str]:
    # After a kill the receipt for a private message can come before the second answer to its sender.
    return set(writer.ids("stored", "delivered"))


def _line(event: dict[str, object]) -> tuple[object, ...]:
    return event["seq"], event["id"], event["from"], event["text"]


def _of(private: dict[tuple[str, str], list[str]], writer: str) -> list[str]:
    return [text for (sender, _), texts in private.items() if sender == writer for text in texts]


def test_a_server_that_is_killed_again_and_again_loses_nothing(serve: Serve, enter: Join) -> None:
    listen = f"127.0.0.1:{free_port()}"
    server = serve("--rate", "0", listen=listen)
    conversation = Conversation(enter, server.link)
    for round, acknowledgements in enumerate(KILLED_AFTER):
        if round % 3:  # otherwise it is killed while they still come back
            conversation.settle()
        conversation.write(40)
        conversation.wait_for_acknowledgements(acknowledgements)
        server.kill()
        server = serve("--rate", "0", listen=listen)
    conversation.check()


@needs_strace
def test_a_server_that_is_killed_while_it_saves_loses_nothing(
    serve: Serve, enter: Join, stack: ExitStack, tmp_path: Path
) -> None:
    listen = f"127.0.0.1:{free_port()}"
    server = serve("--rate", "0", listen=listen)
    conversation = Conversation(enter, server.link)
    for sync in SYNCS:
        server.kill()
        words = ("serve", "--listen", listen, "--data", str(tmp_path / "server"), "--json", "--rate", "0")
        dying = stack.enter_context(Process(*words, wrap=killed_at(sync)))
        conversation.write(3 + sync)
        assert dying.exit_status() == -signal.SIGKILL
        server = serve("--rate", "0", listen=listen)
        conversation.settle()
    conversation.check()


@needs_strace
def test_every_acknowledgement_is_written_after_its_fdatasync(serve: Serve, enter: Join, tmp_path: Path) -> None:
    file = tmp_path / "trace"
    server = serve("--rate", "0", wrap=tracing(file))
    conversation = Conversation(enter, server.link)
    conversation.write(30)
    conversation.check()
    assert server.stop() == 0
    trace = read_trace(file)
    assert trace.ids >= {*conversation.asha.ids("stored"), *conversation.bob.ids("stored")}
    assert not trace.too_early


@needs_strace
@pytest.mark.parametrize("synchronous", ["OFF", "NORMAL"])
def test_a_server_that_does_not_wait_for_the_disk_is_found_out(
    serve: Serve, enter: Join, tmp_path: Path, synchronous: str
) -> None:
    file = tmp_path / "trace"
    server = serve("--rate", "0", wrap=tracing(file), program=changed(SLOPPY.format(synchronous)))
    conversation = Conversation(enter, server.link)
    conversation.write(10)
    conversation.check()
    assert server.stop() == 0
    trace = read_trace(file)
    assert trace.ids >= {*conversation.asha.ids("stored"), *conversation.bob.ids("stored")}
    assert trace.too_early == trace.ids
