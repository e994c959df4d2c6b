"""The lock's state table, its timers, its key."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from logrules.core.guarding.lease import (
    LAST_WORD,
    MARGIN,
    OPERATORS,
    POLL,
    SOFT,
    TABLE,
    Action,
    Event,
    Lease,
    State,
    Timers,
    UnexpectedEventError,
    bot_id,
    is_clean,
    lock_key,
    notice,
    strict,
)
from logrules.core.model import ConfigError
from logrules.rules import rules

ENDS = {State.RELEASED, State.FAILED}


def walk(*events):
    """The codes that these events say, in order."""
    lease = Lease()
    return [step.code for event in events if (step := lease.on(event)).code]


def test_story_of_a_clean_life():
    """Acquire, keep alive, release."""
    assert walk(
        Event.START, Event.CONNECTED, Event.GRANTED, Event.PROVED, Event.SETTLED, Event.STOP, Event.UNLOCKED
    ) == ["LOCK_ACQUIRED", "KEEPALIVE_STARTED", "LOCK_RELEASED"]


def test_story_of_a_loss():
    """A loss, one attempt that succeeds, another loss, one that does not: the end."""
    start = (Event.START, Event.CONNECTED, Event.BUSY, Event.GRANTED, Event.PROVED, Event.SETTLED)

    assert walk(*start, Event.BROKEN, Event.REGAINED, Event.BROKEN, Event.DENIED)[-4:] == [
        *("LOCK_LOST", "LOCK_REACQUIRED", "LOCK_LOST", "LOCK_REACQUIRE_FAILED"),
    ]


@pytest.mark.parametrize("state", State)
def test_unexpected_event_changes_nothing(state):
    """What the table does not say is an error, and the state stays."""
    for event in Event:
        lease = Lease()
        lease.state = state
        if (state, event) not in TABLE:
            with pytest.raises(UnexpectedEventError):
                lease.on(event)
            assert lease.state is state


def test_every_state_can_be_left_or_is_an_end():
    """No state but the two ends is a trap, and both ends end."""
    left = {state for state, _ in TABLE}

    assert set(State) - left == ENDS
    assert {step.state for step in TABLE.values() if step.action is Action.END} == ENDS
    assert all(step.action is Action.END for step in TABLE.values() if step.state in ENDS)


@settings(deadline=None)
@given(some.lists(some.sampled_from(Event), max_size=60))
def test_whatever_happens_in_whatever_order(events):
    """Any events at all: polling needs a proof, an end is an end, and what is said is said in its order."""
    lease, proved, said = Lease(), False, []
    for event in events:
        before = lease.state
        if (before, event) not in TABLE:
            with pytest.raises(UnexpectedEventError):
                lease.on(event)
            assert lease.state is before
            continue
        assert before not in ENDS
        step = lease.on(event)
        proved = event in {Event.PROVED, Event.REGAINED} or (proved and before.holds)
        said.append(step.code)
        assert proved or not step.state.holds
        assert step.state.holds == (step.action is Action.KEEP)
        assert step.fatal == (step.state is State.FAILED)
        assert not step.fatal or step.code
    assert said.count("LOCK_RELEASED") + said.count("LOCK_FENCED") <= 1
    story = [
        code for code in said if code in {"LOCK_ACQUIRED", "LOCK_REACQUIRED", "LOCK_LOST", "LOCK_RELEASED"}
    ]
    assert story[::2] == [code for code in story if code.endswith("ACQUIRED")]  # have, have not, have …


@settings(deadline=None)
@given(some.data())
def test_walks_along_the_table_end(data):
    """Whoever follows the table can always end: a stop, or two steps, from anywhere."""
    lease = Lease()
    for _ in range(data.draw(some.integers(0, 40))):
        if lease.state in ENDS:
            return
        lease.on(data.draw(some.sampled_from([event for state, event in TABLE if state is lease.state])))
    if lease.state not in {*ENDS, State.RELEASING}:
        lease.on(Event.STOP)
    if lease.state is State.RELEASING:
        lease.on(Event.BROKEN)

    assert lease.state in ENDS


def test_fence_is_known_wherever_a_poll_may_be_out():
    """Time can run out while holding, and after it as long as polls may be in flight."""
    fenced = {state for state, event in TABLE if event is Event.FENCED}

    assert fenced == {State.HOLDING, State.LOST, State.RELEASING}
    assert {TABLE[state, Event.FENCED] for state in fenced} == {(State.FAILED, "LOCK_FENCED", Action.END)}


@pytest.mark.parametrize("state", [state for state in State if state not in {*ENDS, State.RELEASING}])
def test_stop_is_understood_everywhere(state):
    """A signal may come at any time: each state that lasts knows it."""
    if state is State.LOST:
        assert TABLE[state, Event.STOP].state is State.RELEASED
    assert TABLE[state, Event.STOP].state in {State.RELEASED, State.RELEASING}


def test_codes_exist_and_fatal_ones_have_an_exit():
    """Every cell's code has a remediation, and an exit status where it ends the process."""
    for step in TABLE.values():
        if step.code:
            assert rules[step.code].remediation
            assert not step.fatal or rules[step.code].exit


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"keepalive": 9.0}, ("keepalive", "fence")),
        ({"keepalive": 3.0, "answer": 1.0, "fence": 6.5}, ("keepalive", "fence")),
        ({"lease": 20.0}, ("fence", "lease")),
        ({"dropped": 20.0}, ("fence", "dropped")),
        ({"check": 6.0}, ("check", "chunk")),
        ({"lease": 15.0}, ("LOGRULES_LEASE", "LOGRULES_FENCE")),
        ({"patience": 0.0}, ("patience", "LOGRULES_PATIENCE")),
        ({"grace": -1.0}, ("grace",)),
        ({"answer": float("nan")}, ("answer",)),
    ],
)
def test_timers_that_contradict_each_other(changes, named):
    """Each inequality is checked when the timers are built; the error names both settings."""
    with pytest.raises(ConfigError) as error:
        Timers(**changes)

    assert all(name in str(error.value) for name in named)


EXTRA = some.floats(-1, 30)


@settings(deadline=None)
@given(some.floats(0.05, 60), some.floats(0.05, 60), EXTRA, EXTRA, EXTRA)
def test_no_timers_let_two_poll(keepalive, answer, later, lasting, open_for):
    """Whatever timers can be built: the last poll, the last word and the end all come before the server's."""
    fence = keepalive + max(answer, POLL) + SOFT + later
    durations = {"lease": fence + MARGIN + lasting, "dropped": fence + MARGIN + open_for}
    try:
        timers = Timers(keepalive=keepalive, answer=answer, fence=fence, **durations)
    except ConfigError:
        assert min(later, lasting, open_for, fence) < 1e-9
        return
    last_poll_ends = timers.fence - SOFT
    freed = min(timers.lease, timers.dropped)  # at the earliest, after the last proof was sent

    assert last_poll_ends < timers.fence - LAST_WORD < timers.fence < freed
    assert timers.keepalive + timers.answer < last_poll_ends  # a loss is known before time runs out
    assert timers.keepalive + POLL < last_poll_ends  # and an ordinary holder always may poll
    assert strict(timers) > timers.fence


@settings(deadline=None)
@given(some.floats(13, 3600))
def test_timers_follow_the_lease(lease):
    """An operator who sets the lease alone gets timers that agree with one another."""
    timers = Timers.scaled(lease)

    assert timers.fence == pytest.approx(lease * 2 / 3)
    assert timers.dropped == timers.lease == lease
    assert Timers.scaled(lease, fence=lease * 0.7).fence == lease * 0.7
    assert Timers.scaled(Timers().lease) == Timers()


def test_settings_name_timers():
    """What an operator may set is there under that name."""
    assert set(OPERATORS) <= {field.name for field in fields(Timers)}


def test_timers_by_default_fit_a_platform():
    """The usual ones hold: silent long before the lease is over, drained before Render's 30 s."""
    timers = Timers()

    assert timers.keepalive + timers.answer < timers.fence < timers.lease
    assert timers.drain + 5 < 30
    assert all(field.default is not None for field in fields(timers))


@pytest.mark.parametrize(
    ("announced", "waited", "server_age", "usual", "strictly"),
    [
        (True, True, 1000.0, True, True),
        (True, False, 1000.0, True, True),
        (True, True, 3.0, True, True),
        (False, False, 1000.0, True, False),
        (False, False, 3.0, False, False),
        (False, True, 1000.0, False, False),
    ],
)
def test_whose_word_is_taken(announced, waited, server_age, usual, strictly):
    """An announcement always counts; that nobody was there counts only where two may poll for a moment.

    A server that is younger than the fence may have forgotten a holder.
    """
    timers = Timers()
    seen = {"announced": announced, "waited": waited, "server_age": server_age}

    assert is_clean(timers, **seen) is usual
    assert is_clean(replace(timers, grace=strict(timers)), **seen) is strictly


def test_notices_grow_rarer():
    """At once, after 10, 30, 60 seconds, then every minute."""
    assert [notice(count) for count in range(7)] == [0, 10, 30, 60, 120, 180, 240]


def test_key_is_fixed_for_ever():
    """Two versions of logrules must meet at one lock: the key never changes. Only the public id goes in."""
    assert lock_key("123456") == FROZEN
    assert lock_key("123456") != lock_key("123457")
    assert -(1 << 63) <= lock_key("1") < 1 << 63
    assert len({lock_key(str(number)) for number in range(20_000)}) == 20_000


FROZEN = -1286756466840205954


@pytest.mark.parametrize("token", ["", "s3cret", ":s3cret", "s3cret:AAA", "12 34:s3cret", "１２:s3cret"])
def test_malformed_token(token):
    """What is no token is refused without being repeated."""
    with pytest.raises(ConfigError) as error:
        bot_id(token)

    assert "s3cret" not in str(error.value)


def test_bot_id_is_the_public_part():
    """Nothing behind the colon is used."""
    assert bot_id(" 123456:" + "A" * 35) == "123456"
