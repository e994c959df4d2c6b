"""The chaos suite in its short form: each fault once. `make chaos` does it again and again, and measures."""

from __future__ import annotations

import pytest

from tests.chaos.scenarios import SCENARIOS, unguarded_deploys
from tests.chaos.world import world


@pytest.mark.parametrize("name", SCENARIOS)
def test_one_poller_whatever_fails(postgres, name):
    """No overlap, nothing lost, repeats only after a death, tenures in their order, nothing left behind."""
    scenario = SCENARIOS[name]
    with world(postgres) as made:
        scenario.run(made)
        counts = made.counts(guarded=tuple(bot.name for bot in made.bots if bot.name != "rival"))
        made.end()

    assert counts.lost == 0
    assert scenario.repeats or counts.repeated == 0
    assert scenario.overlaps or counts.overlaps == 0
    assert counts.sick_epochs == 0


def test_what_the_suite_must_see_it_sees(postgres):
    """Python-telegram-bot alone overlaps and conflicts in the same deploys: zero above is no blindness."""
    with world(postgres) as made:
        unguarded_deploys(made)
        counts = made.counts()

    assert counts.overlaps > 0
    assert counts.conflicts > 0
