"""What is to be sent: the outbox, who has claimed what of it, and the rests of receivers."""

from __future__ import annotations

import random
from functools import reduce
from typing import TYPE_CHECKING

from logrules.core.alerting import incidents
from logrules.core.alerting.delivery import LONGEST_ASKED, back_off, pack, unpack

if TYPE_CHECKING:
    import sqlite3

    from logrules.core.alerting.delivery import Delivery
    from logrules.core.match import Alert

LEASE = 30.0
"""Seconds for which an alert belongs to whoever claimed it: more than one bounded attempt takes."""
FAILED = 100
_FREE = "failed IS NULL AND (claimed_until <= :now OR claimed_until > :now + :lease)"
"""Unsent, and not in anybody's hands; a claim beyond its longest lease was made by a clock that ran ahead."""
_IDLE = "failed IS NULL AND (claim = '' OR claimed_until <= :now OR claimed_until > :now + :lease)"
"""The same, or nobody's at all: it waits for more of its kind, which is gathered in one alert."""


def post(db: sqlite3.Connection, alert: Alert, sink: str, now: float, ready: float) -> None:
    """One row, together with what waits there of the same kind; to be sent when `ready`."""
    which = (sink, alert.service, alert.code, alert.reason or "")
    added = db.execute(
        "INSERT OR IGNORE INTO outbox (sink, service, code, reason, event_id, alert, claimed_until) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*which, alert.event_id, pack(alert), ready),
    )
    if added.rowcount:
        _folded(db, which, now)


def claim(db: sqlite3.Connection, sink: str, name: str, now: float, *, hurry: bool) -> Alert | None:
    """The next alert for a sink, from now on in the hands of `name`; None where it has none, or rests."""
    if _rest(db, sink, now, hurry=hurry) > now:
        return None
    ready = _IDLE if hurry else _FREE
    which = db.execute(
        f"SELECT sink, service, code, reason FROM outbox WHERE sink = :sink AND {ready} "  # noqa: S608
        "ORDER BY attempts, seq",
        {"sink": sink, "now": now, "lease": LEASE},
    ).fetchone()
    if which is None:
        return None
    seq, alert = _folded(db, which, now)
    db.execute(
        "UPDATE outbox SET attempts = attempts + 1, claim = ?, claimed_until = ? WHERE seq = ?",
        (name, now + LEASE, seq),
    )
    return alert


def deliver(db: sqlite3.Connection, alert: Alert, sink: str) -> None:
    """It has arrived: nothing of it is left, and its receiver needs no rest."""
    db.execute("DELETE FROM outbox WHERE event_id = ? AND sink = ?", (alert.event_id, sink))
    db.execute("DELETE FROM holds WHERE sink = ?", (sink,))


def reject(db: sqlite3.Connection, alert: Alert, sink: str, why: str) -> None:
    """It was refused for good: it is kept aside, among the latest of its kind."""
    db.execute("UPDATE outbox SET failed = ? WHERE event_id = ? AND sink = ?", (why, alert.event_id, sink))
    db.execute(
        "DELETE FROM outbox WHERE failed IS NOT NULL AND seq NOT IN "
        "(SELECT seq FROM outbox WHERE failed IS NOT NULL ORDER BY seq DESC LIMIT ?)",
        (FAILED,),
    )


def give_back(db: sqlite3.Connection, alert: Alert, sink: str, name: str) -> None:
    """It did not get through: it is in nobody's hands again."""
    db.execute(
        "UPDATE outbox SET claimed_until = 0 WHERE event_id = ? AND sink = ? AND claim = ?",
        (alert.event_id, sink, name),
    )


def let_go(db: sqlite3.Connection, name: str) -> None:
    """Free all that `name` has claimed."""
    db.execute("UPDATE outbox SET claimed_until = 0 WHERE claim = ?", (name,))


def hold(db: sqlite3.Connection, sink: str, delivery: Delivery, now: float) -> None:
    """Let a sink rest for as long as its receiver asked, else for longer after each failure.

    Whoever tried amid a rest, because it is about to end, makes none of it longer.
    """
    asked = delivery.after
    if asked is None and _rest(db, sink, now, hurry=False) > now:
        db.execute("UPDATE holds SET why = ? WHERE sink = ?", (delivery.why, sink))
        return
    row = db.execute("SELECT failures FROM holds WHERE sink = ?", (sink,)).fetchone()
    failures = (row[0] if row else 0) + 1
    wait = asked if asked is not None else back_off(failures, random.random())  # noqa: S311  # no secret
    values = (sink, now + wait, asked is not None, failures, delivery.why)
    db.execute("REPLACE INTO holds (sink, until, asked, failures, why) VALUES (?, ?, ?, ?, ?)", values)


def rouse(db: sqlite3.Connection) -> None:
    """End the rests that no receiver asked for."""
    db.execute("UPDATE holds SET until = 0 WHERE NOT asked")


def due(db: sqlite3.Connection, sink: str, now: float, *, hurry: bool) -> float | None:
    """When (seconds since the epoch) there is something to claim for a sink; None for never."""
    ready = _IDLE if hurry else _FREE
    query = f"SELECT min(iif({ready}, 0, claimed_until)) FROM outbox WHERE sink = :sink AND failed IS NULL"  # noqa: S608
    free = db.execute(query, {"sink": sink, "now": now, "lease": LEASE}).fetchone()[0]
    return None if free is None else max(float(free), _rest(db, sink, now, hurry=hurry))


def missed_by(db: sqlite3.Connection, alert: Alert) -> set[str]:
    """Which sinks have not taken an alert yet."""
    query = "SELECT sink FROM outbox WHERE event_id = ? AND failed IS NULL"
    return {sink for (sink,) in db.execute(query, (alert.event_id,))}


def undelivered(db: sqlite3.Connection, sinks: tuple[str, ...], name: str, now: float) -> list[Alert]:
    """What none of these sinks has taken yet, of all that is for `name` to send, oldest first."""
    marks = ", ".join("?" * len(sinks))
    query = (
        f"SELECT alert FROM outbox WHERE failed IS NULL AND sink IN ({marks}) "  # noqa: S608  # only marks
        "AND (claim IN ('', ?) OR claimed_until <= ?) GROUP BY event_id ORDER BY min(seq)"
    )
    return [unpack(row[0]) for row in db.execute(query, (*sinks, name, now))]


def _rest(db: sqlite3.Connection, sink: str, now: float, *, hurry: bool) -> float:
    """Until when a sink rests; 0 if it does not."""
    row = db.execute("SELECT until, asked FROM holds WHERE sink = ?", (sink,)).fetchone()
    if row is None or (hurry and not row[1]) or row[0] > now + LONGEST_ASKED:
        return 0.0
    return float(row[0])


def _folded(db: sqlite3.Connection, which: tuple[str, str, str, str], now: float) -> tuple[int, Alert]:
    """What waits for a receiver of one service, code and reason, as the one alert that goes out.

    One that was in somebody's hands when the next one came is met here again, when it comes back.
    """
    fields = dict(zip(("sink", "service", "code", "reason"), which, strict=True))
    rows = db.execute(
        "SELECT seq, alert FROM outbox WHERE sink = :sink AND service = :service AND code = :code "  # noqa: S608
        f"AND reason = :reason AND {_IDLE} ORDER BY seq",
        {**fields, "now": now, "lease": LEASE},
    ).fetchall()
    alert = reduce(incidents.fold, (unpack(data) for _, data in rows))
    seq: int = rows[-1][0]
    if len(rows) > 1:
        db.executemany("DELETE FROM outbox WHERE seq = ?", [(row[0],) for row in rows[:-1]])
        db.execute(
            "UPDATE outbox SET event_id = ?, alert = ? WHERE seq = ?", (alert.event_id, pack(alert), seq)
        )
    return seq, alert
