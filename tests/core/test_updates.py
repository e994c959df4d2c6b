"""The updates in hand: what is acknowledged is handled, and nothing comes twice."""

from __future__ import annotations

import random

import pytest

from logrules.core.guarding.updates import Slow, Updates
from logrules.core.model import ConfigError


def handle(updates, *ids, now=0.0):
    """Each has its turn, and it is over."""
    for id_ in ids:
        updates.turn(id_, now)
        updates.turn_over(id_, now)


def test_nothing_fetched_yet():
    """The offset is the poller's own, as long as nothing has come."""
    updates = Updates(60)

    assert (updates.offset(None), updates.offset(7), len(updates)) == (None, 7, 0)


def test_the_oldest_in_hand_is_asked_for():
    """Later ones that are done do not acknowledge an earlier one."""
    updates = Updates(60)
    updates.fetched([5, 6, 7], 0)
    handle(updates, 6, 7)
    held_back = updates.offset(8)
    handle(updates, 5)

    assert (held_back, updates.offset(8)) == (5, 8)


def test_what_comes_again_is_known():
    """Asking from the oldest brings all others once more, handled or not: only new ones are given on."""
    updates = Updates(60)
    updates.fetched([5, 6], 0)
    handle(updates, 6)

    assert (updates.is_new(5), updates.is_new(6), updates.is_new(7)) == (False, False, True)
    assert updates.fetched([5, 6, 7], 1) == {7}


def test_what_is_handled_while_it_comes_again_is_known():
    """A poll may bring once more what was in hand when it began and is not when it ends: nothing twice."""
    updates = Updates(60)
    updates.fetched([5, 6], 0)
    asked = updates.poll(7)
    handle(updates, 5, 6)
    again = updates.fetched([5, 6, 7], 1)
    handle(updates, 7)

    assert (asked, again) == (5, {7})
    assert (updates.poll(8), updates.fetched([8], 2)) == (8, {8})


def test_tasks_of_an_update():
    """An update is handled when its turn and all tasks begun for it are over, in whatever order."""
    updates = Updates(60)
    updates.fetched([5], 0)
    updates.turn(5, 0)
    updates.begun(5)
    updates.begun(5)
    updates.done(5)
    updates.turn_over(5, 1)
    in_hand = (len(updates), updates.in_line, updates.offset(6))
    updates.done(5)

    assert in_hand == (1, 0, 5)
    assert (len(updates), updates.offset(6)) == (0, 6)


def test_forgotten():
    """What is forgotten is acknowledged, and what ends later does no harm."""
    updates = Updates(60)
    updates.fetched([5, 6], 0)
    updates.turn(5, 0)
    updates.forget(5)
    updates.forget(5)
    updates.turn_over(5, 1)

    assert (len(updates), updates.offset(None)) == (1, 6)


def test_handled_once_more_by_its_own_handler():
    """A handler may hand its update to the application again: it is in hand until the outer turn is over."""
    updates = Updates(60)
    updates.fetched([5], 0)
    updates.turn(5, 0)
    handle(updates, 5)
    in_hand = len(updates), updates.in_line
    updates.turn_over(5, 1)

    assert (in_hand, len(updates)) == ((1, 1), 0)


def test_skipped():
    """What an update processor leaves out is handled; a turn that somebody else has begun is not over."""
    updates = Updates(60)
    updates.fetched([5, 6], 0)
    updates.turn(6, 0)
    updates.skipped(5, 1)
    updates.skipped(6, 1)

    assert (len(updates), updates.offset(None)) == (1, 6)


def test_told_before_it_is_handled():
    """Telegram may forget it, and yet it has its place in line; others are not acknowledged by it."""
    updates = Updates(60)
    updates.fetched([5, 6], 0)
    updates.told(6)
    early = updates.offset(None), updates.in_line, updates.bars
    handle(updates, 5)

    assert early == (5, 2, True)
    assert (updates.offset(None), updates.in_line, updates.bars) == (7, 1, False)


def test_slow_updates_count_as_handled():
    """After so much work an update is acknowledged, said once, and what ends later does no harm."""
    updates = Updates(60)
    updates.fetched([5], 0)
    updates.turn(5, 1)
    updates.fetched([6], 10)
    updates.turn(6, 10)
    due = updates.due()
    late = updates.slow(61)
    updates.turn_over(5, 62)

    assert due == 61
    assert late == [Slow(5, 60)]
    assert updates.slow(62) == []
    assert (updates.offset(7), updates.due()) == (6, 70)


def test_who_waits_in_line_is_not_slow():
    """Patience is for work: those behind a slow handler come again if the process dies of it."""
    updates = Updates(60)
    updates.fetched([5, 6, 7], 0)
    updates.turn(5, 0)
    late = [slow.id for slow in updates.slow(600)]
    none_due = updates.due(), updates.slow(700)
    updates.turn_over(5, 700)
    between = updates.slow(701)
    updates.turn(6, 701)

    assert (late, none_due, between) == ([5], (None, []), [])
    assert (updates.offset(None), updates.due()) == (6, 761)


def test_where_nothing_works():
    """An update that nobody takes up is slow by the clock: it must not hold the others back for ever."""
    updates = Updates(60)
    updates.fetched([5], 10)

    assert updates.due() == 70
    assert [slow.id for slow in updates.slow(70)] == [5]


def test_standstill():
    """Who waits while no handler begins or ends waits in vain, also when patience is over."""
    updates = Updates(60)
    seen = [updates.standstill]
    updates.fetched([1, 2], 10)
    seen.append(updates.standstill)
    updates.turn(1, 20)
    seen.append(updates.standstill)
    updates.slow(100)
    updates.fetched([3], 110)
    seen.append(updates.standstill)
    updates.turn_over(1, 120)
    updates.turn(2, 120)
    seen.append(updates.standstill)
    updates.turn(3, 130)
    seen.append(updates.standstill)

    assert seen == [None, 10, 20, 20, 120, None]


def test_without_patience():
    """Zero is python-telegram-bot's way: acknowledged when fetched."""
    updates = Updates(0)

    assert updates.fetched([5, 6], 0) == {5, 6}
    assert (len(updates), updates.offset(None), updates.slow(0), updates.due()) == (0, 7, [], None)
    assert not updates.is_new(8)


def test_ids_may_start_anew():
    """After a week without updates Telegram's next id is random, perhaps a lower one."""
    updates = Updates(60)
    updates.fetched([900], 0)
    handle(updates, 900)

    assert updates.fetched([17], 1) == {17}
    handle(updates, 17)
    assert updates.offset(None) == 18


@pytest.mark.parametrize("patience", [-1, float("nan"), float("inf")])
def test_impossible_patience(patience):
    """It is refused by the name that people know it by."""
    with pytest.raises(ConfigError, match="ack_wait must be 0 or more seconds"):
        Updates(patience)


def test_a_server_walk():
    """Random handling against a server that forgets below the offset: each update is given once, and none is
    forgotten that is not handled, whenever the process dies.
    """
    for seed in range(200):
        _walk(random.Random(seed))


def _walk(chance: random.Random) -> None:
    updates, server, given, handled = Updates(1e9), [], [], set()
    coming = iter(range(100, 160))
    for now in range(300):
        if (id_ := next(coming, None) if chance.random() < 0.3 else None) is not None:
            server.append(id_)
        if chance.random() < 0.4:
            since = updates.offset(None) or 0
            server = [id_ for id_ in server if id_ >= since]
            new = updates.fetched(server[: chance.choice((1, 5, 100))], now)
            given += sorted(new)
        if (open_ := [id_ for id_ in given if id_ not in handled]) and chance.random() < 0.4:
            handled.add(done := chance.choice(open_))
            handle(updates, done)
        assert set(server) >= {id_ for id_ in given if id_ not in handled}
        assert len(given) == len(set(given))
