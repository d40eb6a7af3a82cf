"""What the window remembers comes back, and whatever is in its file never stops it."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from talk.apps.desktop.settings import FILE, MOST_BYTES, SCALES, TEXT_SIZES, Settings, load, save
from talk.apps.desktop.words import LANGUAGES

CHOSEN: dict[str, Any] = {
    "theme": "light",
    "scale": 1.5,
    "text_size": 19,
    "language": "hi",
    "geometry": "1000x700+-20+40",
    "maximized": True,
    "chat": "/home/आशा/talk",
    "notify": False,
    "notify_private_text": True,
    "sound": True,
    "hosting": True,
    "recent_emoji": ["👨‍👩‍👧", "🎉"],
}
WRONG = [
    ("theme", "blue"), ("theme", "x" * 17), ("scale", 0.01), ("scale", -1), ("scale", 1e300), ("scale", "big"),
    ("text_size", 0), ("text_size", 10**30), ("text_size", 13), ("language", "xx"), ("language", "../hi"),
    ("geometry", "1x1"), ("geometry", "1000x700"), ("geometry", "9" * 65), ("geometry", "; exit"),
    ("geometry", "1000x700+0+0\n"), ("chat", "x" * 4097), ("maximized", "yes"), ("hosting", 1), ("notify", None),
    ("notify_private_text", "no"), ("sound", []), ("recent_emoji", ["x"] * 65), ("recent_emoji", ["x" * 33]),
    ("recent_emoji", "🎉"),
]  # fmt: skip


def write(folder: Path, content: bytes) -> None:
    (folder / FILE).write_bytes(content)


def test_all_that_was_chosen_comes_back(tmp_path: Path) -> None:
    assert CHOSEN.keys() == set(Settings.__struct_fields__)
    chosen = Settings(**CHOSEN)
    assert all(getattr(Settings(), name) != value for name, value in CHOSEN.items())
    save(tmp_path / "new", chosen)
    assert load(tmp_path / "new") == chosen
    if sys.platform != "win32":
        assert stat.S_IMODE((tmp_path / "new" / FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("text_size", TEXT_SIZES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_all_that_can_be_chosen_is_read(tmp_path: Path, scale: float, text_size: int, language: str) -> None:
    chosen = Settings(scale=scale, text_size=text_size, language=language, theme="dark")
    save(tmp_path, chosen)
    assert load(tmp_path) == chosen


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_value_that_nobody_can_have_chosen_counts_as_never_set(tmp_path: Path, field: str, value: object) -> None:
    write(tmp_path, msgspec.json.encode({**CHOSEN, field: value}))
    assert getattr(load(tmp_path), field) == getattr(Settings(), field)


def test_every_field_is_tried_with_something_wrong() -> None:
    assert {field for field, _ in WRONG} == CHOSEN.keys()


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"theme": "\xff"}', b"[" * 60_000, b'{"theme": NaN}',
        b" " * MOST_BYTES + b'{"theme": "light"}', b"\0" * 10,
    ],
)  # fmt: skip
def test_a_damaged_file_counts_as_none(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, content)
    assert load(tmp_path) == Settings()


@given(content=st.binary(max_size=200))
def test_any_bytes_at_all(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("window")
    write(folder, content)
    load(folder)


def test_what_a_newer_talk_has_written_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, msgspec.json.encode({**CHOSEN, "wallpaper": {"of": ["the", "moon"]}}))
    assert load(tmp_path) == Settings(**CHOSEN)


def test_no_file_and_a_folder_in_its_place(tmp_path: Path) -> None:
    assert load(tmp_path) == Settings()
    (tmp_path / FILE).mkdir()
    assert load(tmp_path) == Settings()
    save(tmp_path, Settings())


def test_what_cannot_be_kept_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    save(tmp_path / "file", Settings())
    save(tmp_path / "file" / "below", Settings())
    save(tmp_path, Settings(theme="light"))
    save(tmp_path, Settings(chat=os.fsdecode(b"/home/\xff/talk")))
    assert load(tmp_path) == Settings(theme="light")
