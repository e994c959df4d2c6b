"""How two keepers of one incident agree, and how a ledger travels."""

from __future__ import annotations

import random

import msgspec
import pytest

from logrules.core.alerting.incidents import Incident
from logrules.core.alerting.ledger import Ledger, Row, Waiting, agreed, of_rows, rows
from logrules.core.alerting.silences import Silence
from logrules.core.match import Alert


def make_incident(**changes):
    fields = {"service": "bot", "code": "CONFLICT_409", "first_seen": 100.0, "last_seen": 110.0, "count": 3}
    fields |= {"opened_at": 100.0, "alerted_at": 100.0, "alerts": 1, "suppressed": 2, "loudness": 9}
    return Incident(**{**fields, "window": 5, **changes})


def make_alert(**changes):
    fields = {"event_id": "e" * 32, "code": "CONFLICT_409", "fatal": True, "level": "fatal", "title": "t"}
    fields |= {"message": "\0м", "remediation": {"en": "x"}, "service": "bot", "instance": "a", "time": 1.0}
    return Alert(**{**fields, "first_seen": 1.0, "count": 1, **changes})


def test_lost_row_comes_back():
    """A keeper that has lost its disk takes the row as it is."""
    assert agreed(None, make_incident()) == make_incident()


def test_what_both_have_counted_is_counted_once():
    """Rows that began together are one: the larger count, the latest sighting, the latest alert."""
    ours = make_incident(count=5, last_seen=150.0)
    theirs = make_incident(count=4, last_seen=140.0, alerts=2, alerted_at=135.0, suppressed=0)
    row = agreed(ours, theirs)

    assert (row.count, row.last_seen, row.alerts, row.alerted_at) == (5, 150.0, 2, 135.0)
    assert row.suppressed == 0
    assert agreed(theirs, msgspec.structs.replace(theirs, suppressed=1)) == theirs  # it has been told since


def test_two_that_were_opened_apart_are_added_up():
    """Both go on, each with its own count: one incident with the sum, told as often as both."""
    row = agreed(make_incident(first_seen=105.0, count=2, suppressed=1), make_incident())

    assert (row.first_seen, row.count, row.alerts, row.suppressed) == (100.0, 5, 2, 3)


def test_good_sign_stands_until_something_is_seen():
    """A good sign that the other keeper has seen wiped out by a later bad one does not count."""
    healing = make_incident(good_since=120.0)

    assert agreed(healing, make_incident()).good_since == 120.0
    assert agreed(make_incident(), healing).good_since == 120.0
    assert agreed(healing, make_incident(last_seen=130.0)).good_since is None


def test_end_is_believed_unless_it_went_on():
    """An incident that one keeper has closed is closed, but for what the other has seen of it since."""
    closed = make_incident(good_since=120.0, closed_at=200.0)

    assert agreed(make_incident(), closed).closed_at == 200.0
    assert agreed(make_incident(last_seen=300.0), closed).closed_at is None


def test_later_incident_counts():
    """Where one is over and another has begun, it is the later one; what ids are made of is kept."""
    old = make_incident(closed_at=200.0, window=7, earlier=1)
    new = make_incident(first_seen=900.0, last_seen=900.0, opened_at=900.0, count=1, window=7)

    for row in (agreed(old, new), agreed(new, old)):
        assert (row.first_seen, row.count, row.closed_at) == (900.0, 1, None)
        assert (row.window, row.earlier) == (7, 1)


@pytest.mark.parametrize("seed", range(100))
def test_agreeing_again_changes_nothing(seed):
    """Whatever both know, once agreed they agree: a round that was cut short may be made again."""
    chance = random.Random(seed)

    def some():
        first = chance.choice([100.0, 105.0, 300.0])
        last = first + chance.choice([0.0, 10.0, 250.0])
        opened = chance.choice([None, first])
        alerts = chance.randrange(3) if opened else 0
        good = chance.choice([None, last + 5])
        return make_incident(
            first_seen=first,
            last_seen=last,
            count=chance.randrange(1, 5),
            opened_at=opened,
            alerts=alerts,
            alerted_at=last if alerts else None,
            suppressed=chance.randrange(3),
            good_since=good,
            closed_at=good + 300 if good and opened and chance.random() < 0.5 else None,
            window=chance.randrange(3),
            earlier=chance.randrange(2),
            recent=() if opened else (last,),
        )

    ours, theirs = some(), some()
    row = agreed(ours, theirs)

    assert agreed(row, theirs) == row
    assert agreed(row, row) == row
    assert agreed(theirs, row) == row


def test_ledger_survives_its_journey():
    """Incidents, silences, unsent and refused alerts are the same on the other side."""
    silence = Silence(code="LOCK_LOST", since=1.0, until=2.0, why="почему")
    waiting = [Waiting("sentry", make_alert()), Waiting("my.module:send", make_alert(), "400: no")]
    ledger = Ledger([make_incident(reason="x"), make_incident()], waiting, [silence], [])

    assert of_rows(rows(ledger)) == ledger
    assert len({row[:3] for row in rows(ledger)}) == 5


def test_row_of_another_version_is_left_out():
    """What this version cannot read is no error, and what a later one has added is no hindrance."""
    (row,) = rows(Ledger([make_incident()], [], [], []))
    added = msgspec.json.encode({**msgspec.json.decode(row.data), "later": 1})
    found = [row._replace(data=added), row._replace(data=b"\xff"), Row("omen", "bot", "k", b"{}")]

    assert of_rows(found).incidents == [make_incident()]
