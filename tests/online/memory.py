"""Looking for a text everywhere that a process could have put it: its memory, its files, what it printed."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/PID/mem")

_CHUNK = 8 * 1024 * 1024  # bytes of memory that are looked at together


@dataclass(frozen=True, slots=True)
class Form:
    """One way in which a text may stand somewhere."""

    name: str
    content: bytes


def forms(text: str) -> list[Form]:
    """The text in the encodings that a program may hold it in."""
    utf8 = text.encode()
    found = [Form(name, text.encode(name)) for name in ("UTF-8", "UTF-16-LE", "UTF-16-BE", "UTF-32-LE", "UTF-32-BE")]
    found.append(Form("JSON", json.dumps(text)[1:-1].encode()))
    for offset in range(3):
        # The characters at both ends depend on what stands before and after the text.
        encoded = base64.b64encode(bytes(offset) + utf8)
        inner = encoded[-(-offset * 4 // 3) : len(encoded) - 4]
        found.append(Form(f"base64 at {offset}", inner))
        found.append(Form(f"base64url at {offset}", inner.translate(bytes.maketrans(b"+/", b"-_"))))
    return found


def found_in(parts: Iterable[bytes], wanted: list[Form]) -> set[str]:
    """The names of the forms that stand in any of these parts."""
    return {form.name for part in parts for form in wanted if form.content in part}


def memory(pid: int) -> Iterator[bytes]:
    """All memory of a process that can be written to, in parts that overlap by a page."""
    overlap = 4096
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    with Path(f"/proc/{pid}/mem").open("rb", 0) as mem:
        for fields in map(str.split, maps):
            if not fields[1].startswith("rw"):
                continue
            start, end = (int(text, 16) for text in fields[0].split("-"))
            for at in range(start, end, _CHUNK):
                try:
                    mem.seek(at)
                    yield mem.read(min(_CHUNK + overlap, end - at))
                except OSError:
                    continue  # such as pages of a device


def files(folder: Path) -> Iterator[bytes]:
    """The content of every file below the folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.read_bytes()
