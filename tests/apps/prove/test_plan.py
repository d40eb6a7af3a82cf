"""The same seed gives the same troubles in the same order; what makes no sense is refused in words."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from talk.apps.main import parser
from talk.apps.prove.command import command, plan_of
from talk.apps.prove.errors import ProveError
from talk.apps.prove.plan import Plan, chosen, rounds
from talk.apps.prove.server import STORE_FILE
from talk.apps.prove.troubles import TROUBLES
from talk.server import app

NAMES = [trouble.name for trouble in TROUBLES]


def test_a_seed_makes_the_order() -> None:
    first, second = (list(islice(rounds(NAMES, 7), 4)) for _ in range(2))
    assert first == second
    assert first != list(islice(rounds(NAMES, 8), 4))
    assert all(sorted(order) == sorted(NAMES) for order in first)
    assert len({tuple(order) for order in first}) == 4


def test_what_goes_on_beside_comes_first_and_what_goes_together_last() -> None:
    for order in islice(rounds(NAMES, 7, {"power", "kill"}), 10):
        assert order[0] == "half-open"
        assert set(order[-2:]) == {"power", "kill"}


def test_only_some() -> None:
    assert chosen(NAMES, ("wal", "kill")) == ["kill", "wal"]
    assert chosen(NAMES, ()) == NAMES
    with pytest.raises(ProveError, match=r"There is no trouble called fire\. There are: half-open, kill"):
        chosen(NAMES, ("kill", "fire"))


def test_the_same_again() -> None:
    assert Plan(3, 30).again("kill") == "talk prove --minutes 30 --only kill --seed 3"
    assert Plan(3, 5, only=("cut", "wal")).again() == "talk prove --minutes 5 --only cut --only wal --seed 3"
    assert Plan(3, 0, data=Path("/srv")).again("cut") == "talk prove --short --only cut --seed 3 --data /srv"


def given(*words: str) -> Plan:
    return plan_of(parser().parse_args(["prove", *words]))


def test_the_words_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = given("--only", "kill", "--only", "cut", "--seed", "5", "--keep")
    assert (plan.minutes, plan.only, plan.seed, plan.keep, plan.data) == (5.0, ("kill", "cut"), 5, True, None)
    assert given("--short").is_short
    assert not given("--minutes", "0.5").is_short
    (tmp_path / STORE_FILE).touch()
    monkeypatch.chdir(tmp_path.parent)
    assert given("--data", tmp_path.name).data == tmp_path
    assert given().seed != given().seed


@pytest.mark.parametrize(
    "words",
    [
        ("--minutes", "0"),
        ("--minutes", "-1"),
        ("--minutes", "nan"),
        ("--minutes", "2000"),
        ("--short", "--minutes", "3"),
        ("--seed", "-1"),
        ("--seed", str(10**9)),
        ("--only", "fire"),
        ("--data", "/nothing/here"),
    ],
)
def test_words_that_are_off_start_nothing(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert command(parser().parse_args(["prove", *words])) == 2
    said = capsys.readouterr().err
    assert said.startswith("talk: ")
    assert "Traceback" not in said


def test_the_store_has_the_name_that_the_server_gives_it() -> None:
    assert STORE_FILE == app.STORE_FILE
