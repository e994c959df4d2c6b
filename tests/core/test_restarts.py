"""How long a start waits after its own fatal end."""

from __future__ import annotations

import pytest

from logrules.core.guarding.restarts import LONGEST, SOON, Fatal, delay, next_fatal, spread


def test_rows_of_fatal_ends():
    """Ends soon after one another count up; one that comes late begins anew."""
    first = next_fatal(None, "CONFLICT_409", 1000.0)
    second = next_fatal(first, "LOCK_LOST", 1010.0)
    late = next_fatal(second, "LOCK_LOST", 1010.0 + SOON + 6.0)

    assert (first.row, second.row, late.row) == (1, 2, 1)
    assert second.code == "LOCK_LOST"


def test_a_delayed_start_still_belongs_to_its_row():
    """The delay itself is no time in which the bot was well."""
    last = Fatal("CONFLICT_409", 0.0, row=10)

    assert next_fatal(last, "CONFLICT_409", delay(last, 0.0) + SOON).row == 11


@pytest.mark.parametrize(("row", "seconds"), [(1, 0), (2, 5), (3, 10), (5, 40), (8, LONGEST), (99, LONGEST)])
def test_delays_double(row, seconds):
    """The first restart is free; then 5 s, doubled each time, up to five minutes."""
    assert delay(Fatal("X", 0.0, row), 0.0) == seconds


def test_time_that_has_passed_counts():
    """A platform that waited by itself is not made to wait twice; a clock set back shortens nothing."""
    last = Fatal("X", 100.0, row=3)

    assert delay(last, 104.0) == 6.0
    assert delay(last, 500.0) == 0.0
    assert delay(last, 50.0) == 10.0
    assert delay(None, 0.0) == 0.0


def test_bots_that_fell_together_do_not_come_back_together():
    """By chance a delay is up to a quarter longer, never shorter; what is free stays so."""
    assert [spread(8.0, share) for share in (0.0, 0.5, 1.0)] == [8.0, 9.0, 10.0]
    assert spread(0.0, 1.0) == 0.0
