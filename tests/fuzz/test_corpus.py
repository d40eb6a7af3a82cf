"""Every file that fuzzing found worth keeping, and whatever Hypothesis makes of them and of nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fuzz.__main__ import CORPUS
from tests.fuzz.harnesses import HARNESSES

MOST = 400 * 1024  # bytes of all of the corpus
SLOW = frozenset({"door", "member", "control", "backup", "store", "inside", "mail", "profile_file", "tls_files"})


def files(name: str) -> list[Path]:
    return sorted(path for path in (CORPUS / name).iterdir() if path.is_file())


def test_each_harness_has_a_corpus_and_each_corpus_a_harness() -> None:
    assert sorted(path.name for path in CORPUS.iterdir()) == sorted(HARNESSES)
    assert all(files(name) for name in HARNESSES)
    assert sum(path.stat().st_size for name in HARNESSES for path in files(name)) < MOST


@pytest.mark.parametrize("name", HARNESSES)
def test_what_was_found_before(name: str) -> None:
    for path in files(name):
        try:
            HARNESSES[name](path.read_bytes())
        except Exception as error:
            error.add_note(f"by the file {path}")
            raise


@pytest.mark.parametrize("name", HARNESSES)
def test_any_bytes(name: str) -> None:
    harness = HARNESSES[name]

    @settings(max_examples=15 if name in SLOW else 100, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=300))
    def any_bytes(data: bytes) -> None:
        harness(data)

    any_bytes()


@pytest.mark.parametrize("name", HARNESSES)
def test_what_was_found_with_changes(name: str) -> None:
    """Bytes of the corpus exchanged, left out, doubled, and cut off."""
    harness, known = HARNESSES[name], [path.read_bytes() for path in files(name)]

    @settings(max_examples=15 if name in SLOW else 100, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(known), st.integers(0, 2**32))
    def with_changes(data: bytes, seed: int) -> None:
        harness(_changed(data, random.Random(seed)))

    with_changes()


def _changed(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 5)):
        place = chance.randrange(len(changed) + 1)
        match chance.randrange(4):
            case 0:
                changed[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                del changed[place : place + chance.randint(1, 20)]
            case 2:
                changed[place:place] = changed[place : place + chance.randint(1, 20)]
            case 3:
                changed[place:place] = chance.choice([b'"', b"{", b"[", b"}", b"null", b"-1", b"\0", b"\xff", b"1e999"])
    return bytes(changed)
