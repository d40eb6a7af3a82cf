"""One process per folder, with real processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from talk.local.errors import FolderBusy, FolderError
from talk.local.lock import LOCK_NAME, FolderLock

HOLD = """
import sys
from pathlib import Path
from talk.local.errors import FolderBusy
from talk.local.lock import FolderLock
sys.stdin.readline()
try:
    with FolderLock(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.readline()
except FolderBusy:
    print("busy", flush=True)
    sys.stdin.readline()
"""
WITHIN = 20


@contextmanager
def process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        try:
            yield child
        finally:
            child.kill()


def say(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


def hear(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def test_another_process_is_named_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    with process(tmp_path) as child:
        say(child)
        assert hear(child) == "held"
        with pytest.raises(FolderBusy, match=f"process {child.pid}") as caught, FolderLock(tmp_path):
            pass
        assert (caught.value.path, caught.value.pid) == (tmp_path, child.pid)
        child.kill()
        child.wait(WITHIN)
        with FolderLock(tmp_path):
            assert (tmp_path / LOCK_NAME).exists()


def test_of_many_processes_one_wins(tmp_path: Path) -> None:
    with process(tmp_path) as one, process(tmp_path) as two, process(tmp_path) as three, process(tmp_path) as four:
        children = (one, two, three, four)
        for child in children:
            say(child)
        assert sorted(map(hear, children)) == ["busy", "busy", "busy", "held"]


def test_this_process_cannot_hold_it_twice(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    with lock:
        with pytest.raises(FolderBusy), FolderLock(tmp_path):
            pass
        with pytest.raises(FolderBusy), lock:
            pass
        with pytest.raises(FolderBusy), FolderLock(tmp_path):
            pass


def test_it_ends_with_the_block_and_then_names_nobody(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), FolderLock(tmp_path):
        raise ZeroDivisionError
    assert (tmp_path / LOCK_NAME).read_bytes() == b""
    with FolderLock(tmp_path):
        pass


def test_a_lock_without_a_readable_process_id_is_still_a_lock(tmp_path: Path) -> None:
    with FolderLock(tmp_path):
        (tmp_path / LOCK_NAME).write_bytes(b"not a number at all")
        with pytest.raises(FolderBusy) as caught, FolderLock(tmp_path):
            pass
    assert caught.value.pid is None
    assert str(tmp_path) in str(caught.value)


def test_programs_that_were_started_meanwhile_do_not_keep_it(tmp_path: Path) -> None:
    with FolderLock(tmp_path):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    with child:
        with FolderLock(tmp_path):
            assert child.poll() is None
        child.kill()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="nowhere"), FolderLock(tmp_path / "nowhere"):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need rights there")
def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"kept")
    (tmp_path / LOCK_NAME).symlink_to(precious)
    with pytest.raises(FolderError), FolderLock(tmp_path):
        pass
    assert precious.read_bytes() == b"kept"
