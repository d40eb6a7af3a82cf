"""Texts as people write them, the same every time: mostly short English and Hinglish, some Hindi, emoji and links."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

_WORDS = (
    "the and you ko hai kya main nahi this that class exam tomorrow kal haan okay bhai yaar chalo when where "
    "sir homework project group photo movie cricket match train ticket late early coffee chai library notes "
    "page chapter please send check again done thanks arre accha theek why because maybe never always "
    "somewhere between"
)
_SYLLABLES = "न म स्ते क ल प री क्षा है क्या तु म्हा रे पा पु स्त मु झे स्कू जा ना अ च्छा ठी ध न्य वा द वि ज्ञा प्र श्न उ त्त र मि त्र"
_EMOJI = "😀 😂 👍🏽 ❤️ 🎉 🙏 🔥 👩🏽‍💻 🇮🇳 😅 ☕ 🤔"
_NAMES = "asha bob chitra dev esha farhan gauri hari isha jai kavya lalit meena nikhil ojas priya ravi sana tara वंदना"

WORDS, SYLLABLES, EMOJI, NAMES = _WORDS.split(), _SYLLABLES.split(), _EMOJI.split(), _NAMES.split()

# As in every language a few of the words are most of what is said (Zipf).
_made = random.Random(108)
HINDI = ["".join(_made.choices(SYLLABLES, k=_made.randint(1, 4))) for _ in range(1_500)]
OFTEN = [1 / (rank + 1) for rank in range(len(HINDI))]

NEWEST = 1_760_000_000_000  # milliseconds since 1970, of the last message
APART = 97_000  # milliseconds between two messages: groups, and a new day now and then


@dataclass(frozen=True, slots=True)
class Said:
    """One message of the history; `speaker` is a number of `NAMES`."""

    number: int
    speaker: int
    text: str
    at: int


def history(count: int) -> Iterator[Said]:
    """So many messages, oldest first."""
    dice = random.Random(7433)
    speaker = 0
    for number in range(count):
        if dice.random() < 0.6:
            speaker = dice.randrange(len(NAMES))
        yield Said(number, speaker, _text(dice), NEWEST - (count - number) * APART)


def _text(dice: random.Random) -> str:
    kind = dice.random()
    if kind < 0.04:
        return " ".join(dice.sample(EMOJI, dice.randint(1, 3)))
    count = min(60, max(1, round(dice.lognormvariate(2.0, 0.7))))
    words = dice.choices(HINDI, OFTEN, k=count) if kind < 0.14 else dice.choices(WORDS, k=count)
    if dice.random() < 0.2:
        words.insert(dice.randrange(len(words) + 1), dice.choice(EMOJI))
    if dice.random() < 0.03:
        words.append(f"https://example.org/{dice.choice(WORDS)}/{dice.randrange(10_000)}")
    if dice.random() < 0.04:
        words.insert(len(words) // 2, "\n")
    return " ".join(words)


def people(count: int) -> dict[str, str]:
    """Accounts, as ids that look like real ones, with names."""
    dice = random.Random(count)
    return {f"@{dice.getrandbits(160):040x}:bench": f"{dice.choice(NAMES)} {number}" for number in range(count)}
