"""Make src/talk/apps/desktop/emoji.tsv from two npm packages: emojibase-data (MIT; its words come from Unicode's CLDR)
and cldr-annotations-full (Unicode License V3), which has words in Hinglish for some 800 emoji.

    npm pack emojibase-data cldr-annotations-full
    mkdir emojibase cldr; tar xzf emojibase-data-*.tgz -C emojibase; tar xzf cldr-annotations-full-*.tgz -C cldr
    python tools/emoji.py emojibase/package cldr/package

A line is: emoji, group, name, more words to find it by; name and more words in Hindi; more words in Hinglish. CLDR's
names in Hinglish are few and odd ("face"), so there they stay English. Emoji that are newer than the font we ship are
left out, and so are skin tones and parts that stand for nothing by themselves. Licences: emoji-LICENSE.txt beside it.
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


def more_words(entry: dict[str, Any]) -> str:
    """What else it is called, without the words of its name."""
    known = entry["label"].lower().split()
    return " ".join(
        dict.fromkeys(word for word in " ".join(entry.get("tags", ())).lower().split() if word not in known)
    )


def hinglish_words(cldr: Path) -> dict[str, str]:
    """Emoji, as CLDR writes them, and what they are called in Hinglish."""
    text = (cldr / "annotations" / "hi-Latn" / "annotations.json").read_text(encoding="utf-8")
    found = json.loads(text)["annotations"]["annotations"]
    return {
        emoji: " ".join(" ".join([*words.get("tts", ()), *words.get("default", ())]).lower().split())
        for emoji, words in found.items()
    }


def line(entry: dict[str, Any], hindi: dict[str, Any], hinglish: str) -> str:
    known = [*entry["label"].lower().split(), *more_words(entry).split()]
    more = " ".join(dict.fromkeys(word for word in hinglish.split() if word not in known))
    names = (entry["label"], more_words(entry), hindi["label"], more_words(hindi), more)
    return "\t".join((entry["emoji"], str(entry["group"]), *names))


def main() -> None:
    package, cldr = Path(sys.argv[1]), Path(sys.argv[2])
    versions = [json.loads((path / "package.json").read_text(encoding="utf-8"))["version"] for path in (package, cldr)]
    hindi = {entry["hexcode"]: entry for entry in read(package / "hi" / "data.json")}
    hinglish = hinglish_words(cldr)
    lines = [f"# emojibase-data {versions[0]}, cldr-annotations-full {versions[1]}; made by tools/emoji.py"]
    for entry in sorted(read(package / "en" / "data.json"), key=lambda entry: entry["order"]):
        if entry["version"] <= NEWEST:
            words = hinglish.get(entry["emoji"]) or hinglish.get(entry["emoji"].replace("\ufe0f", ""), "")
            lines.append(line(entry, hindi.get(entry["hexcode"], {"label": ""}), words))
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
