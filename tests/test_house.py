"""The house's own rules: what no linter checks."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
LONGEST_FILE = 600  # lines


def test_no_file_is_longer_than_a_person_reads() -> None:
    long = {path.name: lines for path in SOURCES if (lines := len(path.read_text().splitlines())) > LONGEST_FILE}
    assert not long


def test_every_module_says_what_it_is() -> None:
    assert not [path.name for path in SOURCES if not path.read_text().lstrip().startswith('"""')]


def test_importing_talk_or_its_server_loads_nothing_of_clients() -> None:
    script = (
        "import sys, talk, talk.server.app\n"
        "heavy = [name for name in sys.modules if name.startswith(('talk.client', 'talk.encryption', 'talk.apps', "
        "'vodozemac', 'sqlcipher3', 'keyring', 'prompt_toolkit', 'zeroconf'))]\n"
        "print(heavy)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_links_between_the_documents_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.name} → {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)[^):]*\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert not broken


def test_the_lock_holds_every_package_at_one_version() -> None:
    lines = [line for line in (ROOT / "requirements-dev.txt").read_text().splitlines() if line and line[0] not in "# "]
    assert lines
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[^ ]+( *;.*)?", line) for line in lines)
