"""Make src/talk/apps/desktop/emoji.tsv from the npm package emojibase-data (MIT; its words come from Unicode's CLDR).

    npm pack emojibase-data && tar xzf emojibase-data-*.tgz
    python tools/emoji.py package

A line is: emoji, group, name, words to find it by in English, and in Hindi. Emoji that are newer than the font we ship
are left out, and so are skin tones and parts that stand for nothing by themselves.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent.parent / "src/talk/apps/desktop/emoji.tsv"
NEWEST = 15.1  # what NotoColorEmoji.ttf 2.042 draws
COMPONENTS = 2  # the group of skin tones and hair


def read(path: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return [entry for entry in entries if "group" in entry and entry["group"] != COMPONENTS]


def words(entry: dict[str, Any]) -> str:
    return " ".join(dict.fromkeys(" ".join([entry["label"], *entry.get("tags", ())]).lower().split()))


def main() -> None:
    package = Path(sys.argv[1])
    version = json.loads((package / "package.json").read_text(encoding="utf-8"))["version"]
    hindi = {entry["hexcode"]: entry for entry in read(package / "hi" / "data.json")}
    lines = [f"# emojibase-data {version} (MIT), from Unicode CLDR; made by tools/emoji.py"]
    for entry in sorted(read(package / "en" / "data.json"), key=lambda entry: entry["order"]):
        if entry["version"] <= NEWEST:
            other = hindi.get(entry["hexcode"])
            fields = (entry["emoji"], str(entry["group"]), entry["label"], words(entry), words(other) if other else "")
            lines.append("\t".join(fields))
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
