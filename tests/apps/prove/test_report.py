"""The bar, the table, what stands apart, and what a failure says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from talk.apps.prove.ledger import LOBBY, Counts, Lost
from talk.apps.prove.lines import Key
from talk.apps.prove.outcome import Outcome, Row
from talk.apps.prove.plan import Plan
from talk.apps.prove.report import MOST_SHOWN, Progress, apart, as_json, bar, not_run, show, table, verdict

KILL = Row("kill", "the server is killed", 2, Counts(1_200), 3.25, 2.0, 60.0)
RESTORE = Row("restore", "a backup", 1, Counts(80, announced=31, asked_again=2), 2.0, 2.0, 60.0, puts_back=True)
POWER = Row("power", "the power is cut", why_not="it needs a FUSE file system")
WELL = Outcome((KILL, RESTORE, POWER), Counts(1_280, announced=31), (), (), 61.2, 100.0)
LOST = Lost(Key("asha", 1, 17), LOBBY, "kill", 112.34, ("bob", "devi"))
PLAN = Plan(7, 30)


def test_the_table() -> None:
    lines = table(WELL)
    assert lines[0].split("  ")[0] == "trouble"
    assert len({len(line) for line in lines}) == 1
    assert lines[2].split() == ["kill", "2", "1,200", "0", "0", "0", "3.2", "0"]
    assert lines[-1].split() == ["all", "3", "1,280", "0", "0", "0", "5.2", "0"]
    assert not any(line.startswith("power") for line in lines)


def test_what_nobody_can_undo_and_what_was_not_run_stand_apart() -> None:
    assert any(
        "restore: a backup; 31 acknowledged lines were gone, 2 private ones" in line for line in apart(WELL.rows)
    )
    assert apart([KILL]) == []
    assert not_run(WELL.rows)[-1] == "  power: the power is cut; it needs a FUSE file system"
    assert not_run([KILL]) == []


def test_all_is_well() -> None:
    assert WELL.is_clean
    [_, said] = verdict(WELL, PLAN, None)
    assert said.startswith("PROVED")
    assert "2 of 3 troubles in 61 seconds, seed 7" in said


@pytest.mark.parametrize(
    "counts", [Counts(5, lost=1), Counts(5, twice=1), Counts(5, out_of_order=1), Counts(5, undecryptable=1)]
)
def test_one_number_that_is_not_zero_fails(counts: Counts) -> None:
    bad = replace(WELL, rows=(replace(KILL, counts=counts), RESTORE), total=counts)
    assert not bad.is_clean
    assert bad.culprits() == ["kill"]
    said = "\n".join(verdict(bad, PLAN, Path("/tmp/kept")))
    assert "FAILED" in said
    assert "/tmp/kept" in said
    assert "talk prove --minutes 30 --only kill --seed 7" in said


def test_waiting_too_long_fails_and_is_marked() -> None:
    late = replace(WELL, rows=(replace(KILL, unavailable=120.1, longest=60.1), RESTORE))
    assert not late.is_clean
    assert late.culprits() == ["kill"]
    assert "120.1!" in "\n".join(table(late))
    assert replace(WELL, rows=(replace(KILL, unavailable=120.1, longest=60.0),)).is_clean


def test_a_problem_that_no_column_counts_fails() -> None:
    bad = replace(WELL, problems=(("restore", "The server does not start."),))
    assert not bad.is_clean
    said = verdict(bad, PLAN, None)
    assert "  restore: The server does not start." in said
    assert "  talk prove --minutes 30 --only restore --seed 7" in said


def test_a_failure_before_any_trouble_is_tried_again_as_a_whole() -> None:
    bad = replace(WELL, problems=(("start", "The server does not start."),))
    assert not bad.culprits()
    assert "  talk prove --minutes 30 --seed 7" in verdict(bad, PLAN, None)


def test_what_was_lost_is_said_exactly() -> None:
    many = tuple(replace(LOST, key=Key("asha", 1, number)) for number in range(MOST_SHOWN + 5))
    said = verdict(replace(WELL, lost=many, total=Counts(50, lost=len(many))), PLAN, None)
    lost = 'lost: line "asha 1 0" to the lobby, acknowledged in kill, 12.3 s after the beginning, is not with bob, devi'
    assert f"  {lost}" in said
    assert "  and 5 more lost lines" in said


def test_json_has_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    bad = replace(WELL, lost=(LOST,), total=Counts(50, lost=1), problems=(("kill", "no"),))
    show(bad, PLAN, Path("/kept"), json=True)
    shown = json.loads(capsys.readouterr().out)
    assert shown.keys() == as_json(bad, PLAN, None).keys()
    assert (shown["ok"], shown["seed"], shown["kept"]) == (False, 7, "/kept")
    assert shown["lost"] == [{"line": "asha 1 17", "to": "", "trouble": "kill", "missing_at": ["bob", "devi"]}]
    assert shown["not_run"] == {"power": "it needs a FUSE file system"}
    assert [row["trouble"] for row in shown["troubles"]] == ["kill", "restore"]
    assert shown["troubles"][0]["longest_allowed"] == 60.0


def test_the_bar() -> None:
    assert bar(0.5, "kill", "…", 1_234).startswith("[############............]  50%  1,234 acknowledged  kill")
    assert bar(7, "kill", "…", 0).startswith(f"[{'#' * 24}] 100%")
    assert len(bar(0.1, "kill", "long " * 50, 0)) == 110


def test_on_a_terminal_the_bar_stays_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(json=False, terminal=True)
    progress.show(0.1, "kill", "a long sentence", 1)
    progress.show(0.2, "cut", "short", 2)
    progress.clear()
    said = capsys.readouterr().err
    assert "\n" not in said
    assert said.count("\r") == 4
    assert said.endswith("\r")
    Progress(json=False, terminal=False).show(0.1, "kill", "", 1)
    assert capsys.readouterr().err.endswith("\n")
    Progress(json=True).show(0.1, "kill", "", 1)
    assert json.loads(capsys.readouterr().out)["trouble"] == "kill"
