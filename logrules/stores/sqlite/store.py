"""What a match does to its incident, and the alert that follows from it: one transaction."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from logrules.core.alerting import incidents
from logrules.core.alerting.delivery import Verdict, hold, seal, unhold
from logrules.core.alerting.incidents import Around, Decision, Incident
from logrules.stores.sqlite import outbox, rows
from logrules.stores.sqlite.database import Database

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from logrules.core.alerting.delivery import Delivery
    from logrules.core.alerting.ledger import Ledger
    from logrules.core.alerting.silences import Silence
    from logrules.core.match import Alert, Match
    from logrules.core.ruleset.codes import Code
    from logrules.stores.sqlite.rows import Moment

OTHERS = 30.0
"""Seconds that whoever has heard the good sign goes before the others in telling that an incident is over: a
mirror may take so long to say that it has."""


class Store:
    """Thread-safe; survives a fork. `path=None` keeps everything in memory.

    Args:
        path: The file; made, with its folder, readable by its owner only.
        codes: What each code means.
        sinks: Names of the receivers for which alerts are kept.
        redact: Takes the secrets out of a string; applied before anything is written.
        on_failure: Called once, with a text for the operator, when the file cannot be used.
        on_damage: The same when some of what is in it cannot be read; without it `on_failure` is called.
        lang: The language of titles.
        holds: Decide nothing before `release`: what comes first may be old news to a mirror.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        path: Path | None,
        codes: Mapping[str, Code],
        sinks: Sequence[str],
        *,
        redact: Callable[[str], str],
        on_failure: Callable[[str], None],
        on_damage: Callable[[str], object] | None = None,
        lang: str = "en",
        holds: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._codes = codes
        self._sinks = tuple(sinks)
        self._redact = redact
        self._lang = lang
        self._clock = clock
        self._holding = os.getpid() if holds else 0
        """Which process will release: the child of a fork is not told to."""
        self._database = Database(path, on_failure=on_failure, on_damage=on_damage or on_failure, clock=clock)
        self.resolving = frozenset().union(*(_resolvers(code) for code in codes.values()))
        """Codes that may end an incident."""
        self._healed: set[tuple[str, str, str | None]] = set()

    def take(self, match: Match) -> Decision | None:
        """Count a match in its incident and put the alert that follows, if any, into the outbox.

        Returns what was decided, once it is durable; None for a code that nobody knows, and for what is held.
        """
        if match.code not in self._codes:
            return None
        code = self._codes[match.code].why(match.reason)
        if code.alert is None and match.code not in self.resolving and not _historic(match):
            return incidents.decide(None, match, code, self._clock())
        return self._database.run(lambda db: self._hold_or_take(db, match, code))

    def take_all(self, matches: Sequence[Match]) -> list[Decision | None]:
        """The same of several, with one wait for the disk."""
        return self._database.run(lambda _: [self.take(match) for match in matches])  # in one transaction

    def release(self) -> bool:
        """Decide what was held back, by us or by a killed process, and what comes; whether there was any."""
        return self._database.run(self._release)

    def fold(self, theirs: Ledger) -> Ledger:
        """Take in what a mirror holds; all that is held then. See `logrules.core.alerting.ledger.Keeper`."""
        return self._database.run(lambda db: rows.fold(db, theirs, self._clock()))

    def claim(self, sink: str, *, hurry: bool = False) -> Alert | None:
        """The next alert to send through `sink`, ours until it is settled or the lease is over.

        None where there is none, or while the sink rests; `hurry` skips a rest that nobody asked us for.
        """
        return self._database.run(lambda db: self._claim(db, sink, self._clock(), hurry=hurry), lasting=False)

    def settle(self, alert: Alert, sink: str, delivery: Delivery) -> None:
        """Record what became of a claimed alert: gone, kept aside, or free again after a rest of the sink."""
        self._database.run(lambda db: self._settle(db, alert, sink, delivery, self._clock()), lasting=False)

    def due(self, sink: str, *, hurry: bool = False) -> float | None:
        """When (seconds since the epoch) there will be something to claim; None for never.

        That an incident ends is worth a word, too, once somebody was told of it.
        """
        now = self._clock()
        return self._database.run(lambda db: min(self._dues(db, sink, now, hurry=hurry), default=None))

    def rouse(self) -> None:
        """End the rests that no receiver asked for: who starts may find what was away back again."""
        self._database.run(outbox.rouse, lasting=False)

    def undelivered(self) -> list[Alert]:
        """What no receiver has taken yet, of all that is ours to send, oldest first."""
        now = self._clock()
        return self._database.run(lambda db: outbox.undelivered(db, self._sinks, self._database.name, now))

    def missed_by(self, alert: Alert) -> list[str]:
        """Who of ours has not taken an alert yet."""
        waiting = self._database.run(lambda db: outbox.missed_by(db, alert))
        return [sink for sink in self._sinks if sink in waiting]

    def open_incidents(self) -> list[Incident]:
        """What is confirmed and not resolved, oldest first."""
        now = self._clock()
        return self._database.run(
            lambda db: [
                row for row in rows.unclosed(db) if row.is_open and self._resolved(row, now).closed_at is None
            ]
        )

    def history(self) -> list[Moment]:
        """The latest signs of lock and polling, oldest first."""
        return self._database.run(rows.history)

    def silence(self, silence: Silence) -> None:
        """Keep nobody, or again somebody, from being told; the last word about a code counts."""
        self._database.run(lambda db: rows.hush(db, silence, self._clock()))

    def ledger(self) -> Ledger:
        """All that is kept of incidents, alerts and silences; each in its order in time."""
        return self._database.run(rows.ledger)

    def close(self) -> None:
        """Let go of what is claimed, and of the file. What comes later opens it again."""
        self._database.close(lambda db: outbox.let_go(db, self._database.name))

    # One transaction

    def _hold_or_take(self, db: sqlite3.Connection, match: Match, code: Code) -> Decision | None:
        if self._holding != os.getpid():
            return self._take(db, match, code, self._clock())
        db.execute("INSERT INTO held (match) VALUES (?)", (hold(match, self._redact),))
        return None

    def _release(self, db: sqlite3.Connection) -> bool:
        self._holding = 0
        held = db.execute("SELECT match FROM held ORDER BY seq").fetchall()
        for (data,) in held:
            match = unhold(data)
            if match is not None and match.code in self._codes:
                self._take(db, match, self._codes[match.code].why(match.reason), self._clock())
        if held:
            db.execute("DELETE FROM held")
        return bool(held)

    def _take(self, db: sqlite3.Connection, match: Match, code: Code, now: float) -> Decision:
        if _historic(match):
            rows.remember(db, match, self._redact)
        others = self._sweep(db, now, match.service)
        for row in others:
            healed = incidents.heal(row, match, self._codes[row.code].why(row.reason), now)
            if healed != row:
                rows.save(db, healed)
                self._healed.add(row.key)
        around = Around(
            inhibited=incidents.inhibits(match, others, self._codes, now),
            silenced=any(silence.covers(match, now) for silence in rows.silences(db)),
            limited=rows.limited(db, now),
        )
        own = rows.incident_of(db, match)
        decision = incidents.decide(own, match, code, now, around=around, lang=self._lang)
        if code.alert is None:
            return decision
        rows.save(db, decision.incident)
        if decision.alert is not None:
            self._post(db, decision.alert, now, ready=now + incidents.patience(match))
        return decision

    def _sweep(self, db: sqlite3.Connection, now: float, service: str | None = None) -> list[Incident]:
        """Close what is over and tell of it; what is not closed, of one service or of all."""
        unclosed = [row for row in rows.unclosed(db, service) if row.code in self._codes]
        over = [row for row in unclosed if (end := self._ends_at(row)) is not None and end <= now]
        for row in over:
            closed = self._resolved(row, now)
            rows.save(db, closed)
            self._healed.discard(row.key)
            end_alert = incidents.end_of(closed, self._codes[row.code].why(row.reason), lang=self._lang)
            if end_alert is not None:
                self._post(db, end_alert, now)
        return [row for row in unclosed if row not in over]

    def _resolved(self, row: Incident, now: float) -> Incident:
        code = self._codes.get(row.code)
        return incidents.resolve(row, code.why(row.reason), now) if code else row

    def _dues(self, db: sqlite3.Connection, sink: str, now: float, *, hurry: bool) -> Iterator[float]:
        due = outbox.due(db, sink, now, hurry=hurry)
        if due is not None:
            yield due
        yield from filter(None, (self._ends_at(row) for row in rows.unclosed(db) if row.alerts))

    def _ends_at(self, row: Incident) -> float | None:
        """When it is ours to say that an incident is over."""
        code = self._codes.get(row.code)
        end = incidents.ends_at(row, code.why(row.reason)) if code else None
        return end if end is None or row.key in self._healed else end + OTHERS

    def _post(self, db: sqlite3.Connection, alert: Alert, now: float, ready: float = 0.0) -> None:
        sealed = seal(alert, self._redact)
        for sink in self._sinks:
            outbox.post(db, sealed, sink, now, ready)

    def _claim(self, db: sqlite3.Connection, sink: str, now: float, *, hurry: bool) -> Alert | None:
        self._sweep(db, now)
        alert = outbox.claim(db, sink, self._database.name, now, hurry=hurry)
        return incidents.recount(alert, rows.incident_of(db, alert)) if alert is not None else None

    def _settle(
        self, db: sqlite3.Connection, alert: Alert, sink: str, delivery: Delivery, now: float
    ) -> None:
        why = self._redact(delivery.why)
        if delivery.verdict is Verdict.DELIVERED:
            outbox.deliver(db, alert, sink)
            row = rows.incident_of(db, alert)
            if row is not None and (told := incidents.told(row, alert)) != row:
                rows.save(db, told)
        elif delivery.verdict is Verdict.REJECTED:
            outbox.reject(db, alert, sink, why or delivery.verdict.value)
        else:
            outbox.give_back(db, alert, sink, self._database.name)
            outbox.hold(db, sink, delivery._replace(why=why), now)


def _resolvers(code: Code) -> frozenset[str]:
    return code.resolved_by.union(*(reason.resolved_by for reason in code.reasons.values()))


def _historic(match: Match) -> bool:
    return match.code.startswith(("LOCK_", "POLLING_"))
