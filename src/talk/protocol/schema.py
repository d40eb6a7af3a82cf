"""The protocol for readers: a JSON Schema (draft 2020-12) and a reference in Markdown, both made from the types.

`tools/protocol_docs.py` writes them into docs/, and a test notices when they are not written anew.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any, get_args

import msgspec

from talk.protocol import events, ids, keys
from talk.protocol.commands import Command
from talk.protocol.errors import RETRYABLE, SENTENCES
from talk.protocol.events import Event
from talk.protocol.limits import MAX_NUMBER, PROTOCOL_VERSION

CONTENTS = (events.TextContent, events.Sealed, events.NoticeContent)

# Types that are written by name in the reference, recognised by their pattern.
_NAMED = {
    "account id": (ids.AccountId, "who it is, for ever"),
    "id": (ids.RoomId, "of a server, a device, a room or an epoch"),
    "id or empty": (ids.AnyServerId, ""),
    "message id": (ids.MessageId, "chosen by who asks; `say` and `send` keep it for every retry"),
    "message id or empty": (ids.OptionalId, ""),
    "key": (keys.Key, "32 bytes"),
    "key or empty": (keys.NoKey, ""),
    "signature": (keys.Signature, "Ed25519, 64 bytes"),
    "key id": (keys.KeyId, "of a one-time or fallback key"),
}
_PATTERNS = {get_args(kind)[1].pattern: name for name, (kind, _) in _NAMED.items()}


def schema() -> dict[str, Any]:
    """The JSON Schema: a frame of a client is a `Command`, a frame of a server an `Event`, both under `$defs`."""
    (command, event, *_), components = msgspec.json.schema_components(
        [Command, Event, *CONTENTS], ref_template="#/$defs/{name}"
    )
    for component in components.values():
        component["description"] = inspect.cleandoc(component["description"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"TAlk protocol, version {PROTOCOL_VERSION}",
        "description": "Every text frame is one JSON object: Command from a client, Event from a server.",
        "anyOf": [{"$ref": "#/$defs/Command"}, {"$ref": "#/$defs/Event"}],
        "$defs": {"Command": {"anyOf": command["anyOf"]}, "Event": {"anyOf": event["anyOf"]}, **components},
    }


def reference() -> str:
    """All commands, events, their parts and the error codes, as Markdown with headings of level 3 and 4."""
    definitions = schema()["$defs"]
    commands, answers = (_referred(definitions.pop(union)) for union in ("Command", "Event"))
    parts = [name for name in definitions if name not in {*commands, *answers}]
    shared = [name for name in answers if name in commands]
    sections = [
        "### Simple types\n",
        *_simple_types(),
        "### Commands\n",
        *(_section(_title("Command", definitions[name]), definitions[name]) for name in commands),
        "### Events\n",
        *(_section(_title("Event", definitions[name]), definitions[name]) for name in answers if name not in shared),
        f"`{'` and `'.join(_tag(definitions[name]) for name in shared)}` are the same in both directions.\n",
        "### Parts\n",
        *(_section(name, definitions[name]) for name in parts),
        "### Error codes\n",
        *_error_codes(),
    ]
    page = "\n".join(sections)
    for name in answers:
        page = page.replace(f"(#{name.lower()})", f"(#event-{_tag(definitions[name])})")
    return page


def _referred(union: dict[str, Any]) -> list[str]:
    return [option["$ref"].rpartition("/")[2] for option in union["anyOf"]]


def _tag(definition: dict[str, Any]) -> str:
    return str(definition["properties"]["type"]["enum"][0])


def _title(kind: str, definition: dict[str, Any]) -> str:
    return f"{kind} `{_tag(definition)}`"


def _section(title: str, definition: dict[str, Any]) -> str:
    rows = [
        f"| `{name}` | {_words(field)} | {_when(name, field, definition)} |"
        for name, field in definition["properties"].items()
        if "$ref" in field or _is_data(name, field)
    ]
    table = ["| field | type | |", "|---|---|---|", *rows, ""] if rows else []
    return "\n".join([f"#### {title}\n", f"{definition['description']}\n", *table])


def _is_data(name: str, field: dict[str, Any]) -> bool:
    """Whether this field is more than the name of its frame."""
    return name != "type" or len(field.get("enum", ())) != 1


def _when(name: str, field: dict[str, Any], definition: dict[str, Any]) -> str:
    if name in definition["required"]:
        return "required"
    return f"otherwise `{msgspec.json.encode(field['default']).decode()}`"


def _words(field: dict[str, Any]) -> str:
    """What a field holds, in words."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    return _kind(field) + (
        f"; {field['description']}"
        if field.get("type") in ("integer", "object", "array") and "description" in field
        else ""
    )


def _kind(field: dict[str, Any]) -> str:
    match field.get("type"):
        case "string":
            return _PATTERNS.get(field.get("pattern", ""), "text" + _bounds(field, "Length", " characters"))
        case "integer":
            return "integer" + _bounds(field, "imum")
        case "boolean":
            return "true or false"
        case "array":
            return f"list{_bounds(field, 'Items')} of {_words(field['items'])}"
        case "object":
            key = _words({"type": "string", **field["propertyNames"]})
            return f"map{_bounds(field, 'Properties')} of {key} → {_words(field['additionalProperties'])}"
        case _:
            return "any JSON"


def _bounds(field: dict[str, Any], suffix: str, unit: str = "") -> str:
    """The bounds of a length or a number: JSON Schema's min… and max…"""
    lowest, highest = (field.get(bound + suffix) for bound in ("min", "max"))
    shown = "2⁵³−1" if highest == MAX_NUMBER else highest
    if lowest is None and highest is None:
        return ""
    if highest is None:
        return f" (at least {lowest}{unit})"
    return f" (at most {shown}{unit})" if lowest is None else f" ({lowest} to {shown}{unit})"


def _simple_types() -> Iterator[str]:
    yield "| name | JSON string that matches | |\n|---|---|---|"
    for name, (kind, meaning) in _NAMED.items():
        pattern = get_args(kind)[1].pattern.replace("|", "\\|")
        yield f"| {name} | `{pattern}` | {meaning} |"
    yield ""


def _error_codes() -> Iterator[str]:
    yield "| code | what people read | may work later |\n|---|---|---|"
    for code, sentence in SENTENCES.items():
        shown = re.sub(r"\{(\w+)(?:!r)?\}", r"‹\1›", sentence)
        yield f"| `{code}` | {shown} | {'yes' if code in RETRYABLE else ''} |"
    yield ""
