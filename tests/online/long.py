"""The long form of tests that measure: `make long`, or TALK_LONG=1 pytest."""

from __future__ import annotations

import os

import pytest

LONG = os.environ.get("TALK_LONG", "") not in ("", "0")
only_long = pytest.mark.skipif(not LONG, reason="the long form: make long")
