"""Troubles of cables: cut, silent, one way only; and a client that does not read."""

from __future__ import annotations

import asyncio

from talk.apps.prove.stage import Outage, Stage

LONG = 3_900  # code points of a line, 15 KB


async def cut_cables(stage: Stage) -> None:
    for _ in range(3 if stage.short else 6):
        cables = [stage.cables[person.name] for person in stage.here if stage.random.random() < 0.7]
        outage = Outage(stage)
        for cable in cables:
            cable.unplug()
        await asyncio.sleep(stage.random.uniform(0.0, 0.3 if stage.short else 3.0))
        for cable in cables:
            cable.plug()
        outage.over()
        await outage.answered()


async def swallow_answers(stage: Stage) -> None:
    """What people send arrives, and they are not told: all of it has to be sent again and be known again."""
    for _ in range(2 if stage.short else 5):
        cables = [stage.cables[person.name] for person in stage.here]
        outage = Outage(stage)
        for cable in cables:
            cable.swallow_answers()
        for person in stage.here:
            person.burst(10, 0)
        await asyncio.sleep(0.7)
        for cable in cables:
            cable.cut()
        outage.over()
        await outage.answered()


async def stop_reading(stage: Stage) -> None:
    """The others go on meanwhile as if nothing were. What they write is more than the system keeps for the slow one."""
    slow = stage.someone()
    others = [person for person in stage.here if person is not slow]
    stage.cables[slow.name].hold("down")
    try:
        lines = 90 if stage.short else 150
        for person in others:
            person.burst(lines, LONG)
        await stage.acknowledged(lines * len(others))
        outage = Outage(stage, others)
        outage.over()
        await outage.answered()
    finally:
        stage.cables[slow.name].release()
    outage = Outage(stage, [slow])
    outage.over()
    await outage.answered()


async def fall_silent(stage: Stage) -> None:
    """The other troubles go on while one client has yet to notice. It is expected back at the end."""
    person = stage.someone()
    outage = Outage(stage, [person])
    stage.cables[person.name].kill_silently()
    outage.over()
    stage.leave(person, outage)
