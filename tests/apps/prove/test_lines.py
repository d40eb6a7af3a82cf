"""Numbered lines can be known again, and a change of one letter is seen."""

from __future__ import annotations

import pytest

from talk.apps.prove.lines import Key, Mangled, key_in, text_of
from talk.protocol.limits import MAX_TEXT_POINTS

KEY = Key("asha", 3, 17)


@pytest.mark.parametrize("size", [0, 1, 20, 21, 22, 23, 100, 3_500, MAX_TEXT_POINTS])
def test_a_line_is_known_again(size: int) -> None:
    text = text_of("prove7", KEY, size)
    assert key_in("prove7", text) == KEY
    assert len(text) == size if size > 25 else len(text) < 25


@pytest.mark.parametrize("size", [0, 60])
def test_a_change_is_seen(size: int) -> None:
    text = text_of("prove7", KEY, size)
    for at in range(len("prove7 asha "), len(text)):
        with pytest.raises(Mangled):
            assert key_in("prove7", f"{text[:at]}x{text[at + 1 :]}") is None
    for cut in (text[:-1], text + ".", "prove7", "prove7 asha one 2 0"):
        with pytest.raises(Mangled):
            key_in("prove7", cut)


@pytest.mark.parametrize("text", ["", "hello", "prove70 asha 1 1 0", "said before prove7 asha 1 1 0"])
def test_what_others_wrote_is_none_of_it(text: str) -> None:
    assert key_in("prove7", text) is None


def test_keys_are_in_the_order_in_which_they_were_written() -> None:
    assert Key("asha", 1, 9) < Key("asha", 1, 10) < Key("asha", 2, 1)
