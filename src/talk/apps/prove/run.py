"""A run: begin, one trouble after the other, then hold everything that anybody got against what was acknowledged."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from talk.apps.prove.errors import ProveError
from talk.apps.prove.outcome import Outcome, Row
from talk.apps.prove.plan import Plan, chosen, rounds
from talk.apps.prove.report import Progress
from talk.apps.prove.server import TALK
from talk.apps.prove.source import copy_data
from talk.apps.prove.stage import Stage
from talk.apps.prove.trouble import Trouble
from talk.apps.prove.troubles import TROUBLES

START, END = "start", "end"
MISTAKE = "Traceback (most recent call last)"


async def prove(plan: Plan, folder: Path, progress: Progress, program: Sequence[str] = TALK) -> Outcome:
    """Run the plan in this empty folder. `program` are the words before `serve`: tests try servers that are worse.

    Errors: ProveError when it cannot even begin.
    """
    names = chosen([trouble.name for trouble in TROUBLES], plan.only)
    suffix = f".{plan.seed % 997}" if plan.data else ""  # where these names may be taken
    stage = Stage(folder, seed=plan.seed, suffix=suffix, program=program)
    run = _Run(plan, stage, progress, [trouble for trouble in TROUBLES if trouble.name in names])
    with (folder / "events.jsonl").open("ab") as journal:

        def keep(name: str, event: dict[str, Any]) -> None:
            journal.write(msgspec.json.encode({"who": name, **event}) + b"\n")

        stage.events = keep
        try:
            if plan.data is not None:
                await copy_data(plan.data, stage.data)
            stage.ledger.stage = START
            await stage.open()
            await run.troubles()
            await run.end()
        except (ProveError, OSError) as error:
            stage.problem(str(error) or "it took too long")
        finally:
            try:
                await stage.close()
            finally:
                stage.kill_now()
    run.look_into_logs()
    return run.outcome()


class _Run:
    def __init__(self, plan: Plan, stage: Stage, progress: Progress, troubles: Sequence[Trouble]) -> None:
        self._plan, self._stage, self._progress = plan, stage, progress
        self._troubles = {trouble.name: trouble for trouble in troubles}
        self._times: Counter[str] = Counter()
        self._started_at = time.monotonic()
        self._done = 0

    async def troubles(self) -> None:
        """One round for the short form, or round after round until the time is over. Errors: ProveError.

        The first round is always brief, so that every trouble has come before any comes at length.
        """
        stage = self._stage
        stage.all_write()
        await stage.acknowledged(len(stage.people))
        runnable = [name for name, trouble in self._troubles.items() if not trouble.why_not(stage)]
        if not runnable:
            stage.problem("None of these troubles can be brought about on this machine, so nothing was proved.")
        lossy = {name for name in runnable if self._troubles[name].lossy}
        for order in rounds(runnable, self._plan.seed, lossy):
            for name in order:
                if self._is_over():
                    return
                await self._one(self._troubles[name])
            await stage.all_back()
            stage.short = self._plan.is_short
            if self._plan.is_short or not runnable:
                return

    def _is_over(self) -> bool:
        minutes = self._plan.minutes
        return minutes > 0 and time.monotonic() - self._started_at > minutes * 60

    async def _one(self, trouble: Trouble) -> None:
        """Errors: ProveError when the server is not to be had any more."""
        stage = self._stage
        stage.ledger.stage = trouble.name
        self._times[trouble.name] += 1
        self._show(trouble.name, trouble.says)
        try:
            await stage.place(lossy=trouble.lossy)
            await trouble.run(stage)
            await stage.settle()
        except (ProveError, TimeoutError) as error:
            stage.problem(str(error) or "it took too long")
            await stage.recover()
        self._done += 1
        stage.all_write()

    async def end(self) -> None:
        """Everybody is back: let them get what they missed, and read the server's own history."""
        stage = self._stage
        stage.ledger.stage = END
        self._show(END, "everything is held against what was acknowledged")
        await stage.all_back()
        stage.all_greet()
        await stage.settle()
        log = await next(iter(stage.people.values())).server_log()
        stage.ledger.log(log)
        for person in stage.people.values():
            if person.had_gap:
                stage.ledger.fetched(person.name, [key for _, key in log])

    def _show(self, name: str, says: str) -> None:
        minutes = self._plan.minutes
        part = (
            (time.monotonic() - self._started_at) / (minutes * 60)
            if minutes
            else self._done / max(1, len(self._troubles))
        )
        self._stage.events("", {"event": "trouble", "t": time.monotonic(), "name": name})
        self._progress.show(part, name, says, self._stage.ledger.acknowledged)

    def look_into_logs(self) -> None:
        """A program that made a mistake of its own has written it down."""
        for log in sorted(self._stage.folder.glob("*.log")):
            if MISTAKE in log.read_text("utf-8", "replace"):
                self._stage.problem(f"A program made a mistake of its own; see {log.name}.")

    def outcome(self) -> Outcome:
        stage, ledger = self._stage, self._stage.ledger
        for key in ledger.failed():
            stage.problem(f'Line "{key}" was given up by its client, which said so.')
        rows = [self._row(trouble) for trouble in self._troubles.values()]
        rows += [Row(name, "", counts=ledger.counts(name)) for name in (START, END)]
        return Outcome(
            rows=tuple(row for row in rows if row.says or row.counts.acknowledged or not row.is_clean),
            total=ledger.counts(),
            lost=tuple(ledger.lost()),
            problems=tuple(stage.problems),
            seconds=time.monotonic() - self._started_at,
            started_at=self._started_at,
        )

    def _row(self, trouble: Trouble) -> Row:
        stage = self._stage
        waits = stage.waits.get(trouble.name, [])
        why_not = trouble.why_not(stage)
        if not why_not and not self._times[trouble.name]:
            why_not = "there was no time left for it"
        return Row(
            name=trouble.name,
            says=trouble.says,
            times=self._times[trouble.name],
            counts=stage.ledger.counts(trouble.name),
            unavailable=sum(waits),
            longest=max(waits, default=0.0),
            within=trouble.within,
            why_not=why_not,
            puts_back=trouble.puts_back,
        )
