"""The chaos suite in its short form: the faults that other tests do not hold, once.

`make chaos` does all of them again and again, each bot begun by Python itself, and measures.
"""

from __future__ import annotations

import pytest

from tests import warm
from tests.chaos.scenarios import SCENARIOS, unguarded_deploys
from tests.chaos.world import world

SHORT = (
    *("sigterm", "sigkill", "sigstop", "black_hole", "ghost_waiter", "cancel_race", "rolling_deploy"),
    *("wrapper_stopped", "wrapper_and_restart", "wrapped_deploys"),
)


@pytest.mark.parametrize("name", SHORT)
@pytest.mark.long
def test_one_poller_whatever_fails(postgres, name):
    """No overlap, nothing lost, repeats only after a death, tenures in their order, nothing left behind."""
    scenario = SCENARIOS[name]
    with world(postgres, warm.begun) as made:
        scenario.run(made)
        counts = made.counts(guarded=tuple(bot.name for bot in made.bots if bot.name != "rival"))
        made.end()

    assert counts.lost == 0
    assert scenario.repeats or counts.repeated == 0
    assert scenario.overlaps or counts.overlaps == 0
    assert counts.sick_epochs == 0


def test_what_the_suite_must_see_it_sees(postgres):
    """Python-telegram-bot alone overlaps and conflicts in the same deploys: zero above is no blindness."""
    with world(postgres, warm.begun) as made:
        unguarded_deploys(made, deploys=1)
        counts = made.counts()

    assert counts.overlaps > 0
    assert counts.conflicts > 0
