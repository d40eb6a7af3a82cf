"""The words of the window: every one of them in every language, whole, and nothing on the screen that is not one."""

from __future__ import annotations

import ast
import re
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from tools.words import SOURCE, WINDOW, collect, po_path, read

from talk.apps.desktop.words import DOMAIN, FOLDER, LANGUAGES

TRANSLATED = [code for code in LANGUAGES if code != SOURCE]
PLACE = re.compile(r"\{[^}]*\}")
# Two words of prose, or one that stands alone with a capital.
PROSE = re.compile(r"[A-Za-z]{2,}[,:;]? [a-z]{2,}|^[A-Z][a-z]{2,}…?$")
MARKS = {"_", "later", "ngettext", "pgettext"}
FOR_LOGS = {"error", "warning"}
# Said in a terminal, where there is no window.
NO_WINDOW = {"checks.py", "start.py"}
# Names of languages, scripts, styles of a font, a tag of Tk, and what a room is looked up by.
NO_WORDS = {
    *("English", "Hinglish", "Devanagari", "Arabic", "Bengali", "Gujarati", "Gurmukhi", "Kannada", "Malayalam"),
    *("Tamil", "Telugu", "Bold", "Regular", "Overlay", "Lobby"),
}
RUN = "run: make words"


def _messages(language: str) -> list[Message]:
    return [message for message in read(language) if message.id]


def _ids(message: Message) -> list[str]:
    return [message.id] if isinstance(message.id, str) else list(message.id)


def _strings(message: Message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string or ())


def _keys(messages: list[Message]) -> set[tuple[str, str]]:
    return {(message.context or "", _ids(message)[0]) for message in messages}


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_language_has_exactly_the_messages_of_the_code(language: str) -> None:
    wanted, there = _keys([message for message in collect() if message.id]), _keys(_messages(language))
    assert len(wanted) > 350
    assert wanted - there == set(), RUN
    assert there - wanted == set(), RUN


def test_the_template_is_made_from_the_code() -> None:
    with (FOLDER / f"{DOMAIN}.pot").open("rb") as file:
        there = _keys([message for message in read_po(file) if message.id])
    assert there == _keys([message for message in collect() if message.id]), RUN


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_message_is_translated_and_sure(language: str) -> None:
    catalog = read(language)
    for message in _messages(language):
        forms = catalog.num_plurals if message.pluralizable else 1
        assert len(_strings(message)) == forms and all(_strings(message)), f"not translated: {message.id!r}"
        assert not message.fuzzy, f"fuzzy: {message.id!r}"


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_has_the_places_and_the_edges_of_its_message(language: str) -> None:
    for message in _messages(language):
        source = _ids(message)[-1]
        for string in _strings(message):
            named = sorted(set(PLACE.findall(source))), sorted(set(PLACE.findall(string)))
            assert named[0] == named[1], f"{source!r} → {string!r}"
            assert source.count("{}") == string.count("{}"), f"{source!r} → {string!r}"
            # A hint begins with the space before it, a question ends with the one after it.
            assert re.findall(r"^\s*|\s*$", source) == re.findall(r"^\s*|\s*$", string), f"{source!r} → {string!r}"


@pytest.mark.parametrize("language", TRANSLATED)
def test_what_is_compiled_is_what_is_written(language: str) -> None:
    compiled = BytesIO()
    write_mo(compiled, read(language))
    compiled.seek(0)
    with po_path(language).with_suffix(".mo").open("rb") as file:
        there, wanted = vars(GNUTranslations(file))["_catalog"], vars(GNUTranslations(compiled))["_catalog"]
    assert {key: text for key, text in there.items() if key} == {key: text for key, text in wanted.items() if key}, RUN


@pytest.mark.parametrize("path", WINDOW, ids=lambda path: path.name)
def test_no_words_for_people_stand_in_the_window_unmarked(path: Path) -> None:
    if path.name in NO_WINDOW:
        return
    assert [text for text in _unmarked(path.read_text(encoding="utf-8")) if text not in NO_WORDS] == []


def _unmarked(source: str) -> list[str]:
    tree = ast.parse(source)
    left: set[ast.AST] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant() as text):  # a docstring
                left.add(text)
            case ast.Call(func=ast.Name(name) | ast.Attribute(attr=name)) if name in MARKS | FOR_LOGS:
                left.update(ast.walk(node))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in left]
    return [text for text in texts if isinstance(text, str) and PROSE.search(text)]


def test_unmarked_words_are_noticed() -> None:
    source = '"""Doc string."""\nLabel(body, "Nothing found")\nButton(row, "Close")\nshow(f"It is here: {name}")'
    assert _unmarked(source) == ["Nothing found", "Close", "It is here: "]
    assert _unmarked('Label(body, _("Nothing found"), "<Return>", "w", colour="soft")') == []


def test_what_is_marked_is_collected() -> None:
    """Not so inside an f-string: Babel does not look there."""
    known = {text for message in collect() if message.id for text in _ids(message)}
    for path in WINDOW:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name("_" | "later" | "ngettext"), args=[ast.Constant(str(text)), *_]):
                    assert text in known, f"{path.name}:{node.lineno}"
                case ast.Call(func=ast.Name("_" | "later" | "ngettext"), args=[ast.JoinedStr(), *_]):
                    raise AssertionError(f"{path.name}:{node.lineno}: put names in with .format")
