"""Whether this computer is in dark mode, asked once."""

from __future__ import annotations

import shutil
import subprocess
import sys

WITHIN = 1.0  # seconds


def system_is_dark() -> bool:
    """What the system says; dark where it says nothing."""
    if sys.platform.startswith("linux"):
        return _gnome_is_dark()
    import darkdetect  # comes with CustomTkinter

    return bool(darkdetect.isDark())


def _gnome_is_dark() -> bool:
    program = shutil.which("gsettings")
    if program is None:
        return True
    try:
        asked = subprocess.run(  # noqa: S603 - a fixed command
            [program, "get", "org.gnome.desktop.interface", "color-scheme"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=WITHIN,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return True
    return "light" not in asked.stdout and (asked.returncode != 0 or "default" not in asked.stdout)
