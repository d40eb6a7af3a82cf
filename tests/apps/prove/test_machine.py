"""The disk that loses what is not synced, mounted for real: it is unmounted whatever becomes of its program."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from talk.apps.prove.machine import LossyDisk, may_have_fuse

pytestmark = pytest.mark.skipif(not may_have_fuse(), reason="needs FUSE")


@pytest.fixture
def disk(tmp_path: Path) -> LossyDisk:
    return LossyDisk(tmp_path / "disk", tmp_path / "mount", tmp_path / "log", "1")


def is_mounted(disk: LossyDisk) -> bool:
    return str(disk.mountpoint) in Path("/proc/mounts").read_text()


async def test_it_is_there_until_it_is_closed(disk: LossyDisk) -> None:
    assert await disk.mount() == ""
    assert is_mounted(disk)
    with (disk.mountpoint / "file").open("w") as file:
        file.write("here")
        file.flush()
        assert (disk.folder / "file").read_text() == ""
        os.fsync(file.fileno())
    assert (disk.folder / "file").read_text() == "here"
    await disk.close()
    assert not is_mounted(disk)


async def test_one_whose_program_has_died_is_unmounted_too(disk: LossyDisk) -> None:
    assert await disk.mount() == ""
    assert disk._child is not None
    await disk._child.kill()
    assert is_mounted(disk)
    await disk.close()
    assert not is_mounted(disk)


async def test_a_mounting_that_is_cancelled_leaves_nothing(disk: LossyDisk) -> None:
    mounting = asyncio.ensure_future(disk.mount())
    while not is_mounted(disk):  # noqa: ASYNC110 - the kernel tells nobody
        await asyncio.sleep(0.001)
    mounting.cancel()
    await asyncio.gather(mounting, return_exceptions=True)
    await disk.close()
    assert not is_mounted(disk)
