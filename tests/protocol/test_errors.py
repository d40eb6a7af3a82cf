from __future__ import annotations

import string
from typing import Any

import pytest

from talk.protocol.errors import RETRYABLE, SENTENCES, Code, Malformed, Refused

WORDS = {"detail": "x", "limit": 1, "length": 2, "name": "bob"}


def words_of(code: Code) -> dict[str, Any]:
    names = {name for _, name, _, _ in string.Formatter().parse(SENTENCES[code]) if name}
    return {name: WORDS[name] for name in names}


@pytest.mark.parametrize("code", Code)
def test_every_code_has_a_whole_sentence(code: Code) -> None:
    sentence = str(Refused(code, **words_of(code)))
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert "{" not in sentence
    assert len(sentence) < 300


def test_codes_are_words_for_programs() -> None:
    assert all(code.value.replace("_", "").islower() and code.value == code.name.lower() for code in Code)


@pytest.mark.parametrize("code", Code)
def test_whether_it_may_work_later_is_said(code: Code) -> None:
    assert Refused(code, **words_of(code)).retryable is (code in RETRYABLE)


def test_names_that_would_be_free_come_along() -> None:
    refused = Refused(Code.NAME_TAKEN, suggestions=("bob2",), name="bob")
    assert refused.suggestions == ("bob2",)
    assert Refused(Code.TEXT_EMPTY).suggestions == ()


def test_a_detail_with_braces_is_only_shown() -> None:
    assert "{name}" in str(Refused(Code.BAD_REQUEST, detail="{name}"))


def test_malformed_is_a_refusal() -> None:
    error = Malformed("not JSON")
    assert isinstance(error, Refused)
    assert error.code is Code.MALFORMED
    assert "not JSON" in str(error)
