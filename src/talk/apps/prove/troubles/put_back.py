"""What no server can undo: its data is set back. Clients must notice, people must be told, and the chat goes on."""

from __future__ import annotations

import asyncio
import os
import time

from talk.apps.prove.errors import ProveError
from talk.apps.prove.server import STORE_FILE
from talk.apps.prove.stage import Outage, Stage

AFTER = 2.0  # seconds in which lines are written that will be gone
LOG = STORE_FILE + "-wal"


async def restore_backup(stage: Stage) -> None:
    file = stage.folder / f"backup-{time.monotonic_ns()}.db"
    since = time.monotonic()
    await stage.server.backup(file)
    await _write_on(stage)
    outage = Outage(stage)
    await stage.server.stop()
    await stage.server.restore(file)
    stage.put_back(since)
    outage.over()
    await stage.server.start()
    await outage.answered()
    stage.all_greet()


async def cut_log(stage: Stage) -> None:
    # A server that ends in order empties its log, so that what is cut off is from now on.
    await stage.server.stop()
    since = time.monotonic()
    await stage.server.start()
    await _write_on(stage)
    outage = Outage(stage)
    await stage.server.kill()
    log = stage.server.data / LOG
    size = log.stat().st_size
    if not size:
        raise ProveError("The server's write-ahead log is empty, so nothing can be cut off.")
    os.truncate(log, int(size * stage.random.uniform(0.3, 0.7)))
    stage.put_back(since)
    outage.over()
    await stage.server.start()
    await outage.answered()
    stage.all_greet()


async def _write_on(stage: Stage) -> None:
    for person in stage.here:
        person.burst(10, 0)
    await stage.acknowledged(20)
    await asyncio.sleep(AFTER)
