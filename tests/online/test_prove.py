"""`talk prove` passes against our server, and finds what is wrong with one that is made sloppy on purpose."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.online.conftest import Join
from tests.online.processes import ENVIRONMENT, PATIENCE, ServerProcess, changed
from tests.online.traces import needs_strace

from talk.apps.main import parser
from talk.apps.prove import machine
from talk.apps.prove.command import command
from talk.apps.prove.machine import may_have_fuse
from talk.apps.prove.troubles import TROUBLES

pytestmark = pytest.mark.online

SEED = "7"
NOT_SYNCED = """
from talk.server.stores import sqlite_writer
connect = sqlite_writer.connect_to_write
def sloppy(path):
    db = connect(path)
    db.execute("PRAGMA synchronous = OFF")
    return db
sqlite_writer.connect_to_write = sloppy
"""
BEFORE_THE_COMMIT = """
from time import monotonic
from talk.server.ports import AckMail, AppendRecord, DeliverMail
from talk.server.stores.sqlite_writer import Writer
in_transaction, began = Writer._in_transaction, 0.0
def late(self, changes, way):
    global began
    db = self._connection()
    is_talk = all(isinstance(change, (AckMail, AppendRecord, DeliverMail)) for change in changes)
    if db.in_transaction and (not is_talk or monotonic() - began > 2):
        db.execute("COMMIT")
    if not is_talk:
        return in_transaction(self, changes, way)
    if not db.in_transaction:
        began = monotonic()
        db.execute("BEGIN IMMEDIATE")
    return way(db, self._known, changes)
Writer._in_transaction = late
"""
TWICE = """
from msgspec.structs import replace
from talk.protocol.commands import Say
from talk.protocol.ids import random_id
from talk.server.engine import Engine
run = Engine._run
def twice(self, connection, command):
    run(self, connection, command)
    if isinstance(command, Say) and command.id < "m":
        run(self, connection, replace(command, id=random_id()))
Engine._run = twice
"""
OUT_OF_ORDER = """
from talk.server.commits import Commits
commit_once = Commits._commit_once
def reversed_once(self):
    self._pending.reverse()
    return commit_once(self)
Commits._commit_once = reversed_once
"""
CORRUPTED = """
from itertools import count
from talk.server.rules import mailboxes
check, turn = mailboxes._check_sealed, count()
def corrupted(raw):
    at = raw.rindex(b'"body":"') + 60
    return check(raw if next(turn) % 4 else raw[:at] + (b"A" if raw[at:at + 1] != b"A" else b"B") + raw[at + 1:])
mailboxes._check_sealed = corrupted
"""
needs_fuse = pytest.mark.skipif(not may_have_fuse(), reason="needs FUSE")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where runs keep what they write. Nothing of them is left running or mounted."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield tmp_path
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    assert not left_running(tmp_path)


def left_running(folder: Path) -> list[str]:
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(folder) in (words := process.read_bytes().replace(b"\0", b" ").decode(errors="replace")):
                found.append(words)
    return found


def prove(capsys: pytest.CaptureFixture[str], *words: str, code: str = "") -> tuple[int, dict[str, Any]]:
    """Run it, perhaps against a server that this code makes sloppy; its exit status and what it has shown."""
    given = parser().parse_args(["prove", "--short", "--json", "--seed", SEED, *words])
    status = command(given, (sys.executable, *changed(code))) if code else command(given)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1]["event"] == "proved"
    return status, lines[-1]


def test_our_server_stands_every_trouble(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    status, shown = prove(capsys)
    assert not shown["problems"]
    assert not shown["lost"]
    assert (status, shown["ok"]) == (0, True)
    named = {row["trouble"] for row in shown["troubles"]} | shown["not_run"].keys()
    assert named >= {trouble.name for trouble in TROUBLES}
    for row in shown["troubles"]:
        assert (row["lost"], row["twice"], row["out_of_order"], row["undecryptable"]) == (0, 0, 0, 0)
    announced = {row["trouble"]: row["announced"] for row in shown["troubles"] if row["puts_back"]}
    assert announced.keys() == {"restore", "wal"}
    assert announced["restore"] > 0
    assert not any(row["announced"] for row in shown["troubles"] if not row["puts_back"])
    assert shown["total"]["acknowledged"] > 400
    assert not list(folder.glob("talk-prove-*")), "when all is well nothing is kept"


@needs_strace
def test_without_that_file_system_what_can_be_done_is_done_and_the_rest_is_not_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr(machine, "DEVICE", folder / "nothing")
    status, shown = prove(capsys, "--only", "power", "--only", "full-disk", "--only", "sync-kill")
    assert (status, shown["problems"]) == (0, [])
    assert {row["trouble"] for row in shown["troubles"]} >= {"full-disk", "sync-kill"}
    assert shown["not_run"].keys() == {"power"}
    assert "libfuse2" in shown["not_run"]["power"]


def test_where_nothing_can_be_run_nothing_is_proved(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr(machine, "DEVICE", folder / "nothing")
    status, shown = prove(capsys, "--only", "power")
    assert status == 1
    assert shown["not_run"].keys() == {"power"}
    assert "so nothing was proved" in shown["problems"][0]["message"]


@needs_fuse
def test_a_server_that_does_not_sync_is_found_to_lose(capsys: pytest.CaptureFixture[str]) -> None:
    status, shown = prove(capsys, "--only", "power", code=NOT_SYNCED)
    assert (status, shown["ok"]) == (1, False)
    [power] = [row for row in shown["troubles"] if row["trouble"] == "power"]
    assert power["lost"] > 0
    assert power["announced"] == 0
    assert Path(shown["kept"], "server.log").exists()
    assert shown["again"] == [f"talk prove --short --only power --seed {SEED}"]


def test_a_server_that_acknowledges_before_the_commit_is_found_to_lose(capsys: pytest.CaptureFixture[str]) -> None:
    status, shown = prove(capsys, "--only", "kill", code=BEFORE_THE_COMMIT)
    assert status == 1
    [kill] = [row for row in shown["troubles"] if row["trouble"] == "kill"]
    assert kill["lost"] > 0
    assert all(line["missing_at"] for line in shown["lost"])
    # What was acknowledged before the first trouble may be lost by it, and counts where it was acknowledged.
    assert {line["trouble"] for line in shown["lost"]} <= {"start", "kill"}


def test_a_server_that_delivers_twice_is_found_out(capsys: pytest.CaptureFixture[str]) -> None:
    status, shown = prove(capsys, "--only", "cut", code=TWICE)
    assert status == 1
    assert shown["total"]["twice"] > 0
    assert shown["total"]["lost"] == 0
    assert not shown["problems"]


def test_a_server_that_mixes_up_the_order_is_found_out(capsys: pytest.CaptureFixture[str]) -> None:
    status, shown = prove(capsys, "--only", "retry", code=OUT_OF_ORDER)
    assert status == 1
    assert shown["total"]["out_of_order"] > 0
    assert (shown["total"]["lost"], shown["total"]["twice"]) == (0, 0)


def test_a_server_that_changes_what_is_sealed_is_found_out(capsys: pytest.CaptureFixture[str]) -> None:
    status, shown = prove(capsys, "--only", "cut", code=CORRUPTED)
    assert status == 1
    assert shown["total"]["undecryptable"] > 0


def test_a_server_that_does_not_start_is_said_plainly(capsys: pytest.CaptureFixture[str]) -> None:
    status, shown = prove(capsys, "--only", "kill", code="raise SystemExit('no port today')")
    assert status == 1
    assert "The server does not start" in shown["problems"][0]["message"]
    assert "no port today" in shown["problems"][0]["message"]


def test_a_copy_of_a_running_servers_data_is_tried_and_the_original_is_only_read(
    capsys: pytest.CaptureFixture[str], server: ServerProcess, join: Join
) -> None:
    asha = join("asha")
    asha.type("said before")
    asha.wait_for("message", text="said before")
    status, shown = prove(capsys, "--only", "cut", "--data", str(server.data))
    assert (status, shown["problems"]) == (0, [])
    asha.type("?history")
    assert [event["text"] for event in asha.wait_for("history")["messages"]] == ["said before"]
    assert server.stop() == 0
    before = (server.data / "talk.db").read_bytes()
    assert prove(capsys, "--only", "cut", "--data", str(server.data))[0] == 0
    assert (server.data / "talk.db").read_bytes() == before


def test_ctrl_c_ends_everything_that_was_started(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "talk", "prove", "--short", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**ENVIRONMENT, "TMPDIR": str(folder)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores it
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["event"] == "progress"
    assert len(left_running(folder)) > 4
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Every program that was started has been ended" in said
    assert "Traceback" not in said
    assert not list(folder.glob("talk-prove-*"))
