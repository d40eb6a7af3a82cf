"""Collects the words of the window and brings them into every language: `make words`.

languages/talk.pot                     every message in English, made from the code
languages/<code>/LC_MESSAGES/talk.po   its translation; only the msgstr are written by people
languages/<code>/LC_MESSAGES/talk.mo   the same for gettext, made from it

Sentences of the library have the context "said" and no marks in the code (`tools/library_words.py`).
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from tools.library_words import sentences

from talk.apps.chat import COMMANDS
from talk.apps.desktop.words import DOMAIN, FOLDER, LANGUAGES, SAID

TALK = Path(__file__).parent.parent / "src" / "talk"
WINDOW = sorted((TALK / "apps" / "desktop").glob("*.py"))
LIBRARY = [
    *(TALK / "protocol" / f"{name}.py" for name in ("errors", "link", "names", "text")),
    *sorted((TALK / "client").glob("*.py")),
    *(TALK / "encryption" / f"{name}.py" for name in ("contacts", "database", "errors", "own", "vault")),
    *(TALK / "local" / f"{name}.py" for name in ("addresses", "errors", "folders", "lock", "nearby")),
    TALK / "apps" / "hosting.py",
]
TABLES = {"protocol/errors.py": ("SENTENCES",), "local/addresses.py": ("Reach",)}
KEYWORDS = {"_": None, "later": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}
EVERY_TIME = datetime(2026, 1, 1, tzinfo=UTC)  # or the files would change at each run
SOURCE = "en"


def po_path(language: str) -> Path:
    return FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def collect() -> Catalog:
    """Every message of the window, and every sentence of the library."""
    catalog = _empty()
    for path in WINDOW:
        for _line, message, _comments, context in extract_from_file("python", path, keywords=KEYWORDS):
            catalog.add(message, context=context)
    for words in COMMANDS.values():
        catalog.add(words)
    for sentence in sentences(LIBRARY, TABLES):
        catalog.add(sentence, context=SAID)
    return catalog


def _empty(language: str | None = None) -> Catalog:
    catalog = Catalog(
        locale=language, project="TAlk", version="1", creation_date=EVERY_TIME, revision_date=EVERY_TIME, fuzzy=False
    )
    catalog.header_comment = "# The words of TAlk's window. See CONTRIBUTING.md."
    catalog.last_translator = catalog.language_team = catalog.msgid_bugs_address = "TAlk"
    return catalog


def read(language: str) -> Catalog:
    """What is translated into this language so far."""
    path = po_path(language)
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def updated(language: str, template: Catalog) -> Catalog:
    """The messages of today, with the translations of before."""
    before = read(language)
    after = _empty(language)
    for message in template:
        if message.id:
            known = before.get(message.id, message.context)
            after.add(message.id, known.string if known else None, context=message.context)
    return after


def main() -> int:
    """Write all files anew; 1 when something is not translated yet."""
    template = collect()
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / f"{DOMAIN}.pot").open("wb") as file:
        write_po(file, template, width=100, sort_output=True, no_location=True)
    absent = 0
    for language in (code for code in LANGUAGES if code != SOURCE):
        catalog = updated(language, template)
        path = po_path(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            write_po(file, catalog, width=100, sort_output=True, no_location=True)
        with path.with_suffix(".mo").open("wb") as file:
            write_mo(file, catalog)
        missing = [message for message in catalog if message.id and not all(_strings(message.string))]
        print(f"{language}: {len(catalog)} messages, {len(missing)} not translated")
        absent += len(missing)
    return 1 if absent else 0


def _strings(string: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    return (string or "",) if isinstance(string, str) or string is None else tuple(string) or ("",)


if __name__ == "__main__":
    sys.exit(main())
