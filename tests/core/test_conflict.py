"""The conflict rule: what a 409 leads to."""

from __future__ import annotations

import pytest
from telegram.error import Conflict, NetworkError

from logrules.core.guarding.conflict import PAUSES, Conflicts, Policy, Verdict, conflict
from logrules.core.model import ConfigError

WORDS = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
WEBHOOK = (
    "Conflict: can't use getUpdates method while webhook is active; "
    "use deleteWebhook to delete the webhook first"
)


def verdicts(*times, policy=None, proved=True, since=0.0):
    """What conflicts at these seconds are, the lock having been acquired at `since`."""
    conflicts = Conflicts(policy or Policy())
    return [conflicts.seen(time, proved=proved, held_for=time - since).verdict for time in times]


S, P, Y, X = Verdict.SUSPECTED, Verdict.PAUSE, Verdict.YIELDED, Verdict.PROVED


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        pytest.param((100,), [S], id="one proves nothing"),
        pytest.param((100, 107), [S, X], id="a second one later does"),
        pytest.param((100, 102, 103), [S, P, P], id="within the server's delay they may be one"),
        pytest.param((100, 102, 105), [S, P, X], id="any earlier one counts"),
        pytest.param((100, 160), [S, X], id="sixty seconds are close"),
        pytest.param((100, 160.5), [S, S], id="more are another incident"),
        pytest.param((100, 200, 204), [S, S, X], id="an old one counts no more"),
    ],
)
def test_proved_lock(times, expected):
    """Two conflicts more than 3 s and at most 60 s apart, under a proved lock, are a rival."""
    assert verdicts(*times) == expected


def test_overlap_of_a_deploy_counts_for_nothing():
    """Conflicts within the budget after LOCK_ACQUIRED are said once and paused for; the next two decide."""
    policy = Policy(overlap=150)
    times = (10, 17, 30, 60, 95, 130, 151, 185)

    assert verdicts(*times, policy=policy) == [S, P, P, P, P, P, P, X]


def test_pauses_grow_and_each_outlasts_the_servers_delay():
    """4, 8, 16, then 30 s, and from the start in a new incident."""
    conflicts = Conflicts(Policy(overlap=3000))
    pauses = [conflicts.seen(time, proved=True, held_for=time).pause for time in (1, 6, 15, 32, 63, 94)]

    assert pauses == [*PAUSES, 30.0, 30.0]
    assert min(PAUSES) > 3
    assert conflicts.seen(1000, proved=True, held_for=1000).pause == PAUSES[0]


def test_without_a_grace_the_first_one_ends_it():
    """LOGRULES_CONFLICT_GRACE=0: no budget, no second conflict."""
    assert verdicts(0.0, policy=Policy(window=0, overlap=150)) == [X]


def test_unproved_lock_yields():
    """An instance that cannot know steps back for two minutes; the third time in ten it gives up."""
    assert verdicts(0, 125, 250, proved=False) == [Y, Y, X]
    assert verdicts(0, 125, 650, 1300, proved=False) == [Y, Y, Y, Y]
    assert verdicts(0, policy=Policy(window=0), proved=False) == [Y]


def test_incident_ends_once():
    """The end of an incident is told once, after it has been quiet for longer than conflicts lie apart."""
    conflicts = Conflicts(Policy())
    assert not conflicts.over(0)
    conflicts.seen(10, proved=True, held_for=10)

    assert [conflicts.over(time) for time in (20, 70, 71, 72)] == [False, False, True, False]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"window": 90.0}, ("LOGRULES_CONFLICT_GRACE", "yield")),
        ({"window": 7.0}, ("LOGRULES_CONFLICT_GRACE",)),
        ({"overlap": -1.0}, ("LOGRULES_OVERLAP",)),
    ],
)
def test_settings_that_contradict_each_other(settings, named):
    """An instance that yields must not look like a rival, nor a rival have no time to be one."""
    with pytest.raises(ConfigError) as error:
        Policy(**settings)

    assert all(name in str(error.value) for name in named)


def wrapped(error):
    """Another error, of which `error` is the cause."""
    outer = RuntimeError("polling failed")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Conflict(WORDS), "other_getupdates"),
        (Conflict("something new"), "other_getupdates"),
        (Conflict(WEBHOOK), "webhook_active"),
        (Conflict("Conflict: terminated by setWebhook request"), "webhook_active"),
        (RuntimeError(f"Error code: 409. Description: {WORDS}"), "other_getupdates"),
        (ValueError("Conflict: terminated by other long poll or webhook"), "other_getupdates"),
        (wrapped(Conflict(WORDS)), "other_getupdates"),
        (wrapped(wrapped(OSError(WEBHOOK))), "webhook_active"),
        (RuntimeError("order 1409 not found"), None),
        (RuntimeError("HTTP 409"), None),
        (NetworkError("Bad Gateway (502)"), None),
        (RuntimeError("a conflict of interests"), None),
    ],
)
def test_conflict_is_recognised_by_meaning(error, reason):
    """By its type or Telegram's own words, wherever in the chain; never by the digits."""
    assert conflict(error) == reason


def test_chain_that_bites_its_tail():
    """A circle of causes ends the search."""
    first, second = RuntimeError("a"), RuntimeError("b")
    first.__cause__, second.__cause__ = second, first

    assert conflict(first) is None
