"""Memory while people come, talk and go. The slope is measured after a warm-up; `churn.py` runs it for hours."""

from __future__ import annotations

import pytest
from tests.online.churn import COLLECTS, FLAGS, churn
from tests.online.conftest import Serve
from tests.online.long import LONG

pytestmark = pytest.mark.online

SECONDS = 600.0 if LONG else 6.0
KIB_A_VISIT = 0.1 if LONG else 0.6  # of a connection that is not let go of, what is left is 1 at least


def test_nothing_is_kept_of_those_who_came_talked_and_went(serve: Serve) -> None:
    growth = churn(serve(*FLAGS, program=COLLECTS), SECONDS)
    assert growth.kib_a_visit < KIB_A_VISIT, str(growth)
