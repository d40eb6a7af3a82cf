"""What the library and the server say, in the person's language.

They say it in English, also to programs and to the command line; some of it was kept on disk, or comes from another
process. So it is the sentence itself that is looked up: `Waiting for bob.` fits the template `Waiting for {name}.`,
whose translation is filled with `bob`. What is filled in may be a sentence too. What fits nothing stays as it is.
"""

from __future__ import annotations

import re
from functools import lru_cache

from talk.apps.desktop.words import SAID, language, library_sentences, pgettext
from talk.client import Comparing, Ended, Notice
from talk.encryption.sas_emoji import SAS_EMOJI

MOST = 2_000  # characters; a server may say anything
DEEPEST = 12  # a list of reasons is one in the other
FRAGMENT = 5  # characters of its own, under which a template only tells what stands inside another
_FIELD = re.compile(r"\{(\w+)\}")


def said(what: object) -> str:
    """The words of an error, of an event, or a sentence that one of them had."""
    return _said(what.text if isinstance(what, Notice | Ended | Comparing) else str(what), DEEPEST)


def emoji_name(english: str) -> str:
    """The name of one of the emoji that are compared."""
    return next((hindi for _, name, hindi in SAS_EMOJI if name == english and language() == "hi"), english)


def _said(text: str, depth: int) -> str:
    if not depth or not text or len(text) > MOST:
        return text
    for pattern, template, words in _templates(language()):
        if words < FRAGMENT and depth == DEEPEST:
            return text
        found = pattern.fullmatch(text)
        if found is not None:
            values = {name: _said(value, depth - 1) for name, value in found.groupdict().items()}
            return _FIELD.sub(lambda field: values.get(field[1], ""), pgettext(SAID, template))  # noqa: B023
    return text


@lru_cache(1)
def _templates(_language: str) -> list[tuple[re.Pattern[str], str, int]]:
    """Each with how many characters are its own; the most first, because `{name} has` fits much."""
    known = [(len(_FIELD.sub("", template)), template) for template in library_sentences()]
    return [(_pattern(template), template, own) for own, template in sorted(known, reverse=True)]


def _pattern(template: str) -> re.Pattern[str]:
    parts, seen = [], set[str]()
    for number, part in enumerate(_FIELD.split(template)):
        if number % 2 == 0:
            parts.append(re.escape(part))
        elif part in seen:
            parts.append(f"(?P={part})")
        else:
            parts.append(f"(?P<{part}>.*?)")
            seen.add(part)
    return re.compile("".join(parts), re.DOTALL)
