"""Memory while people come, talk and go. The slope is measured after a warm-up; `churn.py` runs it for hours."""

from __future__ import annotations

import pytest
from tests.online.churn import churn
from tests.online.conftest import Serve
from tests.online.long import LONG

pytestmark = pytest.mark.online

SECONDS = 600.0 if LONG else 6.0
KIB_A_VISIT = 0.1 if LONG else 1.5  # a connection that is not let go of is about 6


def test_nothing_is_kept_of_those_who_came_talked_and_went(serve: Serve) -> None:
    growth = churn(serve("--rate", "1000"), SECONDS)
    assert growth.kib_a_visit < KIB_A_VISIT, str(growth)
