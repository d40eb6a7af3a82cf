"""Words that are drawn as pictures, measured and drawn on the network's thread before the window gets them.

A word in Hindi that was never seen takes 0.4 ms, a long message 20: on the window's thread that is a late frame.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from talk.apps.desktop import pictures
from talk.apps.desktop.fonts import needs_shaping
from talk.apps.desktop.runs import words_to_shape


async def draw_ahead(texts: Iterable[str], size: int) -> None:
    """Have the words of these texts drawn at this size (pixels). Between two of them others have their turn."""
    for text in texts:
        if needs_shaping(text):
            for word in words_to_shape(text, needs_shaping):
                pictures.draw_ahead(word, size)
                await asyncio.sleep(0)
