"""Whether the desktop is in dark mode, asked of a real program that answers, fails, hangs or is not there."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from talk.apps.desktop import theme

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="GNOME's way")


@pytest.mark.parametrize(
    ("script", "dark"),
    [
        ("echo \"'prefer-dark'\"", True),
        ("echo \"'prefer-light'\"", False),
        ("echo \"'default'\"", False),
        ("echo \"'something-new'\"", True),
        ("echo 'No such schema' >&2; exit 1", True),
        ("echo \"'default'\"; exit 1", True),
        ("exit 0", True),
        ("printf '\\377\\376'", True),
        ('[ "$*" = "get org.gnome.desktop.interface color-scheme" ] && echo "\'prefer-light\'"', False),
    ],
)
def test_what_the_desktop_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, dark: bool) -> None:
    _put(tmp_path, script)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert theme.system_is_dark() is dark


def _put(folder: Path, script: str) -> None:
    program = folder / "gsettings"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_a_desktop_that_does_not_answer_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _put(tmp_path, "exec sleep 50")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(theme, "WITHIN", 0.1)
    before = time.monotonic()
    assert theme.system_is_dark()
    assert time.monotonic() - before < 20


def test_a_program_that_cannot_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gsettings").write_text("#!/no/such/shell\n")
    (tmp_path / "gsettings").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert theme.system_is_dark()


def test_a_desktop_without_the_program_is_dark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert theme.system_is_dark()
