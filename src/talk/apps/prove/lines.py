"""The numbered lines that people write, so that each can be known again wherever it arrives. Pure.

A line's text is made from its key and its size, so whoever gets it can see that no letter of it was changed.
"""

from __future__ import annotations

from dataclasses import dataclass

WORDS = 5  # before what fills a line up
FILLER = "😀"  # four bytes, so that few lines fill every buffer


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Who wrote a line, and which one it is: the `number` in this `life` of the writer's program, both from 1."""

    writer: str
    life: int
    number: int

    def __str__(self) -> str:
        return f"{self.writer} {self.life} {self.number}"


class Mangled(ValueError):
    """A line of this run whose text is not what its writer wrote."""


def text_of(tag: str, key: Key, size: int = 0) -> str:
    """The text of this line, filled up to `size` code points. `tag` marks the run."""
    head = f"{tag} {key} {size}"
    if size < len(head) + 2:
        return head
    return f"{head} {FILLER * (size - len(head) - 1)}"


def key_in(tag: str, text: str) -> Key | None:
    """Which line this is; None for a text that is none of this run. Errors: Mangled."""
    words = text.split(" ", WORDS)
    if words[0] != tag:
        return None
    try:
        key, size = Key(words[1], int(words[2]), int(words[3])), int(words[4])
    except (IndexError, ValueError) as error:
        raise Mangled(text[:80]) from error
    if text != text_of(tag, key, size):
        raise Mangled(text[:80])
    return key
