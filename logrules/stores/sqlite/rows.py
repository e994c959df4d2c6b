"""Incidents, silences and the history: their rows, and the statements over them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from logrules.core.alerting.delivery import pack, unpack
from logrules.core.alerting.incidents import Incident
from logrules.core.alerting.ledger import Ledger, Resting, Waiting, agreed
from logrules.core.alerting.silences import LONGEST, Silence

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from logrules.core.match import Alert, Match

HISTORY = 1000
LIMIT, LIMIT_WITHIN = 20, 600.0
"""No more than so many incidents are told of within so many seconds, except proved fatal ones."""
COLUMNS = ", ".join(Incident.__struct_fields__)
_MARKS = ", ".join("?" * len(Incident.__struct_fields__))


class Moment(NamedTuple):
    """One entry of the history."""

    time: float
    service: str
    instance: str
    code: str
    reason: str | None
    epoch: int | None
    message: str


def save(db: sqlite3.Connection, row: Incident) -> None:
    """Write an incident, new or changed."""
    values = [getattr(row, name) for name in row.__struct_fields__[:-1]]
    values[2] = row.reason or ""  # a NULL would be no key
    db.execute(f"REPLACE INTO incidents ({COLUMNS}) VALUES ({_MARKS})", (*values, json.dumps(row.recent)))  # noqa: S608


def incident(row: tuple[object, ...]) -> Incident:
    """What a row of the table says."""
    fields = dict(zip(Incident.__struct_fields__, row, strict=True))
    recent = fields["recent"]
    fields |= {"reason": fields["reason"] or None, "proved": bool(fields["proved"])}
    fields["recent"] = () if recent == "[]" else tuple(json.loads(str(recent)))
    return Incident(**fields)  # type: ignore[arg-type]


def incident_of(db: sqlite3.Connection, what: Match | Alert | Incident) -> Incident | None:
    """The incident of one service, code and reason."""
    row = db.execute(
        f"SELECT {COLUMNS} FROM incidents WHERE service = ? AND code = ? AND reason = ?",  # noqa: S608
        (what.service, what.code, what.reason or ""),
    ).fetchone()
    return incident(row) if row else None


def unclosed(db: sqlite3.Connection, service: str | None = None) -> list[Incident]:
    """What is not resolved, of one service or of all, oldest first."""
    rows = db.execute(
        f"SELECT {COLUMNS} FROM incidents WHERE closed_at IS NULL AND (service = :it OR :it IS NULL) "  # noqa: S608
        "ORDER BY first_seen",
        {"it": service},
    )
    return [incident(row) for row in rows]


def silences(db: sqlite3.Connection) -> list[Silence]:
    """All of them, oldest first."""
    rows = db.execute("SELECT service, code, since, until, why FROM silences ORDER BY since")
    return [silence(*row) for row in rows]


def silence(service: str, code: str, since: float, until: float, why: str) -> Silence:
    """What a row of the table says."""
    return Silence(service=service, code=code, since=since, until=until, why=why)


def hush(db: sqlite3.Connection, silence: Silence, now: float) -> None:
    """Write a silence, unless a later word about its code is there; forget old ones."""
    db.execute("DELETE FROM silences WHERE until < ?", (now - LONGEST,))
    db.execute(
        "INSERT INTO silences (service, code, since, until, why) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET since = excluded.since, until = excluded.until, why = excluded.why "
        "WHERE excluded.since >= since",
        (silence.service, silence.code, silence.since, silence.until, silence.why),
    )


def ledger(db: sqlite3.Connection) -> Ledger:
    """All that is kept of incidents, alerts and silences; each in its order in time."""
    rows = db.execute(f"SELECT {COLUMNS} FROM incidents ORDER BY first_seen")  # noqa: S608  # our own names
    alerts = db.execute("SELECT sink, alert, coalesce(failed, '') FROM outbox ORDER BY seq")
    holds = db.execute("SELECT sink, until, failures, why FROM holds ORDER BY sink")
    return Ledger(
        [incident(row) for row in rows],
        [Waiting(sink, unpack(alert), refused) for sink, alert, refused in alerts],
        silences(db),
        [Resting(*row) for row in holds],
        db.execute("SELECT id FROM keeper").fetchone()[0],
    )


def fold(db: sqlite3.Connection, theirs: Ledger, now: float) -> Ledger:
    """Take in what somebody else keeps; all that is held then."""
    for row in theirs.incidents:
        ours = incident_of(db, row)
        both = agreed(ours, row)
        if both != ours:
            save(db, both)
    for silence in theirs.silences:
        hush(db, silence, now)
    for sink, alert, _ in theirs.waiting:
        db.execute(
            "INSERT OR IGNORE INTO outbox (sink, service, code, reason, event_id, alert) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (sink, alert.service, alert.code, alert.reason or "", alert.event_id, pack(alert)),
        )
    return ledger(db)


def limited(db: sqlite3.Connection, now: float) -> bool:
    """Whether people have been told of so many incidents lately that more would be noise."""
    since = (now - LIMIT_WITHIN, now)
    told = db.execute("SELECT count(*) FROM incidents WHERE alerted_at > ? AND alerted_at <= ?", since)
    return bool(told.fetchone()[0] >= LIMIT)


def remember(db: sqlite3.Connection, match: Match, redact: Callable[[str], str]) -> None:
    """Add an entry to the history, and forget the oldest."""
    text = redact(match.message)[:200].encode("utf-8", "replace").decode()
    seq = db.execute(
        "INSERT INTO history (time, service, instance, code, reason, epoch, message) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (match.time, match.service, match.instance, match.code, match.reason, match.epoch, text),
    ).lastrowid
    db.execute("DELETE FROM history WHERE seq <= ?", ((seq or 0) - HISTORY,))


def history(db: sqlite3.Connection) -> list[Moment]:
    """The latest signs of lock and polling, oldest first."""
    query = "SELECT time, service, instance, code, reason, epoch, message FROM history ORDER BY seq"
    return [Moment(*row) for row in db.execute(query)]
