"""All emoji by group, and finding them by words in English, Hinglish or Hindi (`emoji.tsv`, made by tools/emoji.py)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from talk.apps.desktop.words import language, later

FILE = Path(__file__).parent / "emoji.tsv"
MOST_FOUND = 180

# Emojibase's group numbers, in the order of Unicode's emoji charts.
GROUPS = {
    0: later("Smileys"),
    1: later("People"),
    3: later("Animals and nature"),
    4: later("Food and drink"),
    5: later("Travel and places"),
    6: later("Activities"),
    7: later("Objects"),
    8: later("Symbols"),
    9: later("Flags"),
}


@dataclass(frozen=True, slots=True)
class Emoji:
    """An emoji, its names, and the words that find it."""

    text: str
    name: str
    hindi: str
    words: str

    @property
    def shown_name(self) -> str:
        """Its name in the language in use."""
        return self.hindi or self.name if language() == "hi" else self.name


@lru_cache(1)
def all_emoji() -> dict[int, list[Emoji]]:
    """Group number → emoji, in their order."""
    groups: dict[int, list[Emoji]] = {group: [] for group in GROUPS}
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            continue
        text, group, name, english, hindi, more_hindi, hinglish = line.split("\t")
        words = f" {name.lower()} {english} {hindi.lower()} {more_hindi} {hinglish}"
        groups[int(group)].append(Emoji(text, name, hindi, words))
    return groups


def search(typed: str) -> list[Emoji]:
    """The emoji that fit every word that was typed; those whose name begins with it first."""
    wanted = typed.casefold().split()
    found = [
        emoji
        for emojis in all_emoji().values()
        for emoji in emojis
        if all(f" {word}" in emoji.words for word in wanted)
    ]
    found.sort(key=lambda emoji: not any(name.startswith(tuple(wanted[:1])) for name in (emoji.name, emoji.hindi)))
    return found[:MOST_FOUND]
