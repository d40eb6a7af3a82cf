"""`talk prove`: the words of the command, where everything is written, and what is left when it ends."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from talk.apps.loop import run
from talk.apps.output import complain
from talk.apps.prove.errors import ProveError
from talk.apps.prove.outcome import Outcome
from talk.apps.prove.plan import DEFAULT_MINUTES, MAX_MINUTES, MAX_SEED, Plan, chosen
from talk.apps.prove.report import Progress, show
from talk.apps.prove.run import prove
from talk.apps.prove.server import TALK
from talk.apps.prove.source import check_source
from talk.apps.prove.troubles import TROUBLES

INTERRUPTED = 130  # as a shell calls it after Ctrl-C


def command(given: argparse.Namespace, program: Sequence[str] = TALK) -> int:
    """Exit status 0 only if nothing acknowledged was lost, came twice or out of order, and everybody was served again;
    1 if not, 2 for words that are off, 130 after Ctrl-C.

    `program` are the words before `serve`: tests try servers that are worse.
    """
    if getattr(sys, "frozen", False):
        complain("talk prove needs TAlk as Python installs it, not the program in one file. Nothing was done.")
        return 2
    try:
        plan = plan_of(given)
    except ProveError as error:
        complain(str(error))
        return 2
    folder = Path(tempfile.mkdtemp(prefix="talk-prove-"))
    keep = plan.keep
    try:
        outcome = run(_until_told_to_stop(plan, folder, Progress(json=given.json), program))
        keep = keep or not outcome.is_clean
        show(outcome, plan, folder if keep else None, json=given.json)
        return 0 if outcome.is_clean else 1
    except ProveError as error:
        complain(str(error))
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        complain("Stopped. Every program that was started has been ended.")
        return INTERRUPTED
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def plan_of(given: argparse.Namespace) -> Plan:
    """Errors: ProveError."""
    minutes = DEFAULT_MINUTES if given.minutes is None else given.minutes
    if not (math.isfinite(minutes) and 0 < minutes <= MAX_MINUTES):
        raise ProveError(f"--minutes is a number of minutes, at most {MAX_MINUTES:.0f}.")
    if given.short and given.minutes is not None:
        raise ProveError("--short and --minutes do not go together. Choose one of them.")
    seed = random.randrange(MAX_SEED) if given.seed is None else given.seed  # noqa: S311 - nothing secret
    if not 0 <= seed < MAX_SEED:
        raise ProveError(f"--seed is a whole number from 0 to {MAX_SEED - 1}.")
    chosen([trouble.name for trouble in TROUBLES], given.only)
    data = Path(given.data).absolute() if given.data else None
    if data is not None:
        check_source(data)
    return Plan(seed, 0.0 if given.short else minutes, tuple(given.only), data, given.keep)


async def _until_told_to_stop(plan: Plan, folder: Path, progress: Progress, program: Sequence[str]) -> Outcome:
    """A signal to end lets everything be ended first, like Ctrl-C."""
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        with contextlib.suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(sign, task.cancel)
    try:
        return await prove(plan, folder, progress, program)
    finally:
        progress.clear()
        sys.stderr.flush()
