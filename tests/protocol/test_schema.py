from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from talk.protocol import commands, errors, events, wire
from talk.protocol.schema import reference, schema

from .vectors import vectors

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/protocol.md").read_text("utf-8")
TOOL = runpy.run_path(str(ROOT / "tools/protocol_docs.py"))
FRAMES = vectors("frames")
SCHEMA = schema()
COMMAND, EVENT = (
    jsonschema.Draft202012Validator({**SCHEMA, "anyOf": [{"$ref": f"#/$defs/{union}"}]})
    for union in ("Command", "Event")
)
WRITTEN = PAGE.partition(TOOL["BEGIN"])[0]


def tags(union: Any) -> set[str]:
    return {struct.__struct_config__.tag for struct in union.__args__}


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert {"Command", "Event", "Identity", "Sealed", "TextContent", "NoticeContent"} <= set(SCHEMA["$defs"])


def test_everything_in_the_schema_is_described_in_whole_sentences() -> None:
    for name, definition in SCHEMA["$defs"].items():
        if name not in ("Command", "Event"):
            assert definition["description"].endswith(".")
            assert "\n " not in definition["description"]


@pytest.mark.parametrize("frame", FRAMES["commands"], ids=lambda frame: frame["type"])
def test_every_command_fits_the_schema(frame: dict[str, Any]) -> None:
    COMMAND.validate(frame)


@pytest.mark.parametrize("frame", FRAMES["events"], ids=lambda frame: frame["type"])
def test_every_event_fits_the_schema(frame: dict[str, Any]) -> None:
    EVENT.validate(frame)


@pytest.mark.parametrize("frame", FRAMES["commands"], ids=lambda frame: frame["type"])
def test_the_schema_and_the_reader_agree_on_what_is_missing_or_wrong(frame: dict[str, Any]) -> None:
    for field in frame:
        for changed in ({**frame, field: None}, {name: value for name, value in frame.items() if name != field}):
            try:
                wire.decode_command(json.dumps(changed))
            except wire.RefusedFrame:
                assert not COMMAND.is_valid(changed)
            else:
                COMMAND.validate(changed)


@pytest.mark.parametrize("vector", FRAMES["refused"], ids=lambda vector: vector["text"][:50])
def test_a_refused_frame_does_not_fit_the_schema(vector: dict[str, str]) -> None:
    try:
        frame = json.loads(vector["text"])
    except json.JSONDecodeError:
        return
    assert not COMMAND.is_valid(frame)


def test_the_schema_in_docs_is_the_one_of_today() -> None:
    assert (ROOT / "docs/protocol.schema.json").read_text("utf-8") == TOOL["schema_text"](), (
        "run tools/protocol_docs.py"
    )


def test_the_reference_in_docs_is_the_one_of_today() -> None:
    assert TOOL["page_text"](PAGE) == PAGE, "run tools/protocol_docs.py"


def test_writing_keeps_what_stands_around_the_reference() -> None:
    page = f"before\n{TOOL['BEGIN']}\nof yesterday\n{TOOL['END']}\nafter\n"
    written = TOOL["page_text"](page)
    assert written.startswith("before\n")
    assert written.endswith("\nafter\n")
    assert "yesterday" not in written
    assert TOOL["page_text"](written) == written


def test_the_reference_names_everything() -> None:
    text = reference()
    for tag in tags(commands.Command):
        assert f"#### Command `{tag}`" in text
    for tag in tags(events.Event) - {"ping", "pong"}:
        assert f"#### Event `{tag}`" in text
    for code in errors.Code:
        assert f"| `{code}` |" in text
    assert "{" not in re.sub(r"`[^`]*`", "", text)


def test_every_link_in_the_page_leads_somewhere() -> None:
    headings = re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(#([^)]+)\)", PAGE)
    assert links
    assert set(links) <= anchors


@pytest.mark.parametrize("tag", sorted(tags(commands.Command) | tags(events.Event)))
def test_the_written_chapters_speak_of_every_command_and_event(tag: str) -> None:
    assert f"`{tag}`" in WRITTEN


@pytest.mark.parametrize(
    "code", sorted(set(errors.Code) - {"hello_first", "login_first", "already_logged_in", "bad_request"})
)
def test_the_written_chapters_speak_of_every_error_that_needs_thought(code: str) -> None:
    assert f"`{code}`" in WRITTEN


def test_the_example_of_the_page_is_the_vector() -> None:
    proofs = vectors("proofs")
    example = proofs["connections"][0]
    for signed in (example["hello"], example["login"]):
        assert "\n".join(f"    {line}" for line in signed.splitlines()) in WRITTEN
