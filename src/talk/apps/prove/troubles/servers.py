"""Troubles of programs: killed, frozen, started again and again, and with a clock that jumps."""

from __future__ import annotations

import asyncio

from talk.apps.prove.processes import python
from talk.apps.prove.stage import Outage, Stage

HOUR = 3600.0  # seconds
JUMPS = (HOUR, -26 * HOUR)  # by which a clock is wrong, one after the other
CLOCK = python("talk.apps.prove.clock")


async def kill_server(stage: Stage) -> None:
    """Some of the kills come while people still come back."""
    for number in range(3 if stage.short else 6):
        for person in stage.here:
            person.burst(6, 0)
        await stage.acknowledged(stage.random.randint(1, 25))
        outage = Outage(stage)
        await stage.server.kill()
        outage.over()
        await stage.server.start()
        if number % 2:
            await outage.answered()
    await outage.answered()


async def restart_storm(stage: Stage) -> None:
    for _ in range(2 if stage.short else 5):
        outage = Outage(stage)
        await stage.server.stop()
        outage.over()
        await stage.server.start()
        await asyncio.sleep(stage.random.uniform(0.0, 0.5))
    await outage.answered()


async def freeze(stage: Stage) -> None:
    for frozen in (stage.server, stage.someone()):
        outage = Outage(stage)
        frozen.freeze()
        await asyncio.sleep(1.5 if stage.short else stage.random.uniform(2.0, 12.0))
        frozen.thaw()
        outage.over()
        await outage.answered()


async def kill_people(stage: Stage) -> None:
    for _ in range(1 if stage.short else 3):
        person = stage.someone()
        person.burst(20, 0)
        await stage.acknowledged(stage.random.randint(1, 20))
        outage = Outage(stage)
        await person.kill()
        outage.over()
        await person.start_again()
        await person.ready()
        stage.write(person)
        await outage.answered()


async def shift_clocks(stage: Stage) -> None:
    """The server's jumps under everybody, then one client's. At its next start the server has its own clock again."""
    file = stage.folder / "clock"
    file.write_text("0")
    await stage.server.stop()
    await stage.server.start(program=(*CLOCK, str(file)))
    for shift in (*JUMPS, 0.0):
        outage = Outage(stage)
        file.write_text(str(shift))
        outage.over()
        await outage.answered()
    person = stage.someone()
    for shift in (*JUMPS, 0.0):
        outage = Outage(stage)
        person.set_clock(shift)
        outage.over()
        await outage.answered()
