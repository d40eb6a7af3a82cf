"""A link as a QR code, for whoever draws it."""

from __future__ import annotations

import segno

QUIET_ZONE = 4  # light modules to leave free on each side (ISO/IEC 18004 section 5.3.8)


def qr_matrix(link: str) -> list[list[bool]]:
    """The modules of the code row by row, True for dark, without the quiet zone; [] for what is too long for a code."""
    try:
        # A link in capitals is the same link, and takes a smaller code.
        code = segno.make_qr(link.upper(), error="l")
    except segno.DataOverflowError:
        return []
    return [[bool(module) for module in row] for row in code.matrix]
