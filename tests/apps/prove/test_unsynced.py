"""Pages in memory look like the file, and a power cut leaves what was synced, and perhaps some of the rest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talk.apps.prove.unsynced import PAGE, Unsynced

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the disk is for Linux")


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    file = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    os.write(file, b"synced")
    yield file
    os.close(file)


def on_disk(file: int) -> bytes:
    return os.pread(file, 100 * PAGE, 0)


def test_what_is_written_is_seen_and_not_on_disk_until_it_is_synced(file: int) -> None:
    pages = Unsynced(6)
    pages.write(file, b"SY", 0)
    pages.write(file, b"more", PAGE)
    assert pages.read(file, 10 * PAGE, 0) == b"SYnced".ljust(PAGE, b"\0") + b"more"
    assert on_disk(file) == b"synced"
    pages.sync(file)
    assert on_disk(file) == b"SYnced".ljust(PAGE, b"\0") + b"more"


def test_a_power_cut_keeps_whole_pages_by_chance(file: int) -> None:
    count = 40
    pages = Unsynced(6)
    for number in range(count):
        pages.write(file, bytes([number + 1]) * PAGE, number * PAGE)
    lost = pages.lose(file, Random(1))
    assert 5 < lost < count - 5
    whole = empty = 0
    for number in range(count):
        page = on_disk(file)[number * PAGE : (number + 1) * PAGE]
        whole += page == bytes([number + 1]) * PAGE
        empty += not page.removeprefix(b"synced").strip(b"\0")
    assert (whole, empty) == (count - lost, lost)


def test_a_file_that_was_cut_short_reads_zeros_where_it_grows_again(file: int) -> None:
    pages = Unsynced(6)
    pages.write(file, b"x" * 100, 0)
    os.ftruncate(file, 10)
    pages.truncate(10)
    pages.write(file, b"y", 50)
    assert pages.read(file, 100, 0) == b"x" * 10 + b"\0" * 40 + b"y"


Step = tuple[str, int, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(["write", "truncate", "sync"]), st.integers(0, 3 * PAGE), st.integers(1, 2 * PAGE)),
    max_size=20,
)


@given(STEPS)
def test_it_is_a_file_whatever_is_done_to_it(steps: list[Step]) -> None:
    file, model, pages = os.memfd_create("file"), bytearray(), Unsynced(0)
    try:
        for number, (step, at, length) in enumerate(steps, 1):
            if step == "write":
                data = bytes([number]) * length
                pages.write(file, data, at)
                model.extend(bytes(max(0, at + length - len(model))))
                model[at : at + length] = data
            elif step == "truncate":
                os.ftruncate(file, at)
                pages.truncate(at)
                model = bytearray(bytes(model[:at]).ljust(at, b"\0"))
            else:
                pages.sync(file)
                assert on_disk(file) == model
            assert pages.size == len(model)
            assert pages.read(file, 10 * PAGE, 0) == model
            assert pages.read(file, 100, at) == model[at : at + 100]
    finally:
        os.close(file)
