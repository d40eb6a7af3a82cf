"""Troubles of disks: full, without power, or the server killed just as it saves."""

from __future__ import annotations

import asyncio
import os

from talk.apps.prove.errors import ProveError
from talk.apps.prove.machine import limit_files, why_no_limits, why_no_strace
from talk.apps.prove.stage import Outage, Stage

MAX_SYNC = 15  # by then the server is killed, counted from now on
KILLED_WITHIN = 60.0  # seconds


def why_no_sync(stage: Stage) -> str:
    return "" if not stage.why_no_disk else why_no_strace()


def why_no_full_disk(stage: Stage) -> str:
    return "" if not stage.why_no_disk else why_no_limits()


async def fill_disk(stage: Stage) -> None:
    """Where there is no disk that can be filled, the server's files may not grow: it gets an error as well."""

    async def set_full(on: bool) -> None:
        if stage.why_no_disk:
            limit_files(stage.server.pid, 0 if on else None)
        else:
            await stage.disk.order("full", on=on)

    for _ in range(1 if stage.short else 3):
        outage = Outage(stage)
        await set_full(True)
        await asyncio.sleep(1.0 if stage.short else stage.random.uniform(1.0, 4.0))
        await set_full(False)
        outage.over()
        await outage.answered()


async def kill_at_sync(stage: Stage) -> None:
    for _ in range(1 if stage.short else 4):
        sync = stage.random.randint(1, MAX_SYNC)
        if stage.why_no_disk:
            await _start_under_strace(stage, sync)
        else:
            await stage.disk.order("kill_at", sync=sync, pid=stage.server.pid)
        await _back_after(stage)


def killed_at(sync: int) -> tuple[str, ...]:
    """The words that run a program and kill it as its fdatasync of this number begins, counted from 1 (strace(1))."""
    quiet = ("strace", "-f", "-o", os.devnull, "-e", "trace=fdatasync")
    return *quiet, f"--inject=fdatasync:signal=KILL:when={sync}"


async def _start_under_strace(stage: Stage, sync: int) -> None:
    """A server that will be killed at that fdatasync; the first few belong to its start."""
    await stage.server.kill()
    await stage.server.start_to_die(killed_at(sync + 2))


async def cut_power(stage: Stage) -> None:
    """At any moment, and as the server saves. What is not synced is gone, but for what the disk had written already."""
    for number in range(2 if stage.short else 5):
        await stage.acknowledged(stage.random.randint(5, 40))
        if number % 2:
            await stage.disk.order("cut_at", sync=stage.random.randint(1, MAX_SYNC), pid=stage.server.pid)
            await _back_after(stage)
            continue
        outage = Outage(stage)
        await stage.disk.order("cut")
        await stage.server.kill()
        outage.over()
        await _back(stage, outage)


async def _back_after(stage: Stage) -> None:
    """Wait until the server is killed as it saves, and have it back."""
    if not await stage.server.wait_killed(KILLED_WITHIN):
        raise ProveError("The server saved so little that it was not killed as it did.")
    outage = Outage(stage)  # until now people were served
    outage.over()
    await _back(stage, outage)


async def _back(stage: Stage, outage: Outage) -> None:
    if not stage.why_no_disk:
        await stage.disk.order("plug")
    await stage.server.start()
    await outage.answered()
