"""The fault matrix in its short form; `make bench-alerts` runs all of it beside the plain Sentry SDK."""

from __future__ import annotations

import pytest

from tests import warm
from tests.faults.matrix import ROWS, Scale, run

SHORT = Scale(events=25, fault=1.0, slow=0.2, bare_429=1.0, lease=1.0)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_nothing_captured_is_lost(row, tmp_path):
    """Every event arrives, by the process's end or after its next start; what comes twice bears one id."""
    told = run(row, "logrules", SHORT, tmp_path, warm.begun)

    assert told.captured == SHORT.events
    assert told.lost == 0
    assert told.doubled == 0
    assert told.spoilt == 0


def test_the_count_can_fail(tmp_path):
    """The plain SDK, killed, has lost nearly all: the count sees it."""
    (killed,) = (row for row in ROWS if row.name == "SIGKILL")

    assert run(killed, "sdk", SHORT, tmp_path).lost > 0
