"""Write docs/protocol.schema.json, and the reference inside docs/protocol.md, from the types of the protocol.

python tools/protocol_docs.py
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from talk.protocol import limits
from talk.protocol.schema import reference, schema

ROOT = Path(__file__).parent.parent
SCHEMA = ROOT / "docs/protocol.schema.json"
PAGE = ROOT / "docs/protocol.md"
LIMITS = ROOT / "src/talk/protocol/limits.py"
BEGIN, END = "<!-- reference: begin -->", "<!-- reference: end -->"


def schema_text() -> str:
    """What docs/protocol.schema.json has to be."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def page_text(page: str) -> str:
    """The page with the reference of today between its markers."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{reference()}\n{limits_table()}\n{END}{after}"


def limits_table() -> str:
    """The bounds, with the words that stand beside and above them in the source."""
    rows = ["### Bounds\n", "| bound | value | |", "|---|---|---|"]
    group = ""
    for line in LIMITS.read_text("utf-8").splitlines():
        group = line.removeprefix("# ") if line.startswith("# ") else group if line else ""
        found = re.fullmatch(r"([A-Z_]+) = [^#]+(?:# (.*))?", line)
        if found:
            words = ": ".join(filter(None, (group, found[2])))
            rows.append(f"| `{found[1]}` | {_shown(getattr(limits, found[1]))} | {words} |")
    return "\n".join(rows)


def _shown(value: object) -> str:
    return f"{value:_}".replace("_", " ") if isinstance(value, int) and value >= 10_000 else str(value)


def main() -> None:
    SCHEMA.write_text(schema_text(), "utf-8")
    PAGE.write_text(page_text(PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
