"""Lines on standard output and error: the one place that prints."""

from __future__ import annotations

import sys
from typing import Any

import msgspec


def print_json(event: dict[str, Any]) -> None:
    """One JSON object on one line, at once."""
    print_line(msgspec.json.encode(event).decode())


def print_line(text: str) -> None:
    """Errors: BrokenPipeError when nobody reads any more."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Tell the person what went wrong."""
    sys.stderr.write(f"talk: {text}\n")
    sys.stderr.flush()
