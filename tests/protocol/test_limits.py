from __future__ import annotations

from talk.protocol import limits


def test_bounds_fit_into_each_other() -> None:
    assert limits.MAX_FRAME_BEFORE_LOGIN < limits.MAX_FRAME < limits.MAX_PARTIAL_FRAMES
    assert limits.GAP_TAIL <= limits.MAX_HISTORY <= limits.MAX_BEHIND
    assert limits.MAX_TEXT_BYTES < limits.MAX_SEALED < limits.MAX_FRAME
    assert limits.MAX_MAILBOX_PER_SENDER < limits.MAX_MAILBOX
    assert limits.PING_AFTER * 2 < limits.DEAD_AFTER


def test_numbers_are_exact_in_every_language() -> None:
    assert float(limits.MAX_NUMBER) == limits.MAX_NUMBER
    assert float(limits.MAX_NUMBER + 2) == float(limits.MAX_NUMBER + 1)
    assert limits.MAIL_LIFETIME_MS < limits.MAX_NUMBER
