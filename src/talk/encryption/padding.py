"""Padding: whoever sees a sealed message learns only which bucket its content falls into.

The padding stands inside the content, as the field `pad`, so that Matrix's format stays as it is. The kind counts too:
a receipt and a short text must not differ by the length of their names.
"""

from __future__ import annotations

from typing import Any

from talk.encryption.errors import ContentTooLong
from talk.protocol.keys import canonical

# The next power of two would no longer fit into MAX_SEALED once sealed and in base64.
BUCKETS = (512, 1024, 2048, 4096, 8192, 16384)


def pad(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    """The content with a `pad` that makes the canonical JSON of content and kind together as long as a bucket.

    Errors: ContentTooLong.
    """
    length = len(canonical({**content, "pad": ""})) + len(canonical(kind))
    bucket = next((size for size in BUCKETS if size >= length), None)
    if bucket is None:
        raise ContentTooLong(length, BUCKETS[-1])
    return {**content, "pad": " " * (bucket - length)}
