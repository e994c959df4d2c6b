"""Incidents, the outbox of their alerts, and the history of lock and polling: one SQLite file.

What a match does to its incident and the alert that follows from it are one transaction, on disk before
anybody tries to send. Several processes may share the file; each alert is claimed by one sender at a time,
for as long as a lease lasts. What a killed process had claimed is free again when that is over.

The bot comes first: a file that cannot be used (full disk, read-only, corrupt, held by somebody, not ours) is
reported once, and the process goes on in memory; it looks every minute whether the file can be used again.
A row that cannot be read is left out, and said, for all the others' sake.
Nothing in here raises for what a disk does.
"""

from __future__ import annotations

import errno
import json
import os
import random
import sqlite3
import time
import uuid
from contextlib import closing, contextmanager
from functools import reduce
from threading import RLock
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar
from weakref import WeakSet

from logrules.core.alerting import incidents
from logrules.core.alerting.delivery import LONGEST_ASKED, Verdict, back_off, hold, pack, seal, unhold, unpack
from logrules.core.alerting.incidents import Around, Decision, Incident
from logrules.core.alerting.ledger import Ledger, Resting, Waiting, agreed, sound
from logrules.core.alerting.silences import LONGEST, Silence
from logrules.core.model import LogrulesError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from logrules.core.alerting.delivery import Delivery
    from logrules.core.match import Alert, Match
    from logrules.core.ruleset.codes import Code

APPLICATION = 0x6C6F6772
"""What marks a file as ours: we never add tables to a database of somebody else."""

LEASE = 30.0
"""Seconds for which an alert belongs to whoever claimed it: more than one bounded attempt takes."""
BUSY = 2.0
"""Seconds to wait for another process that writes; the bot may wait with us."""
RETURN = 60.0
"""Seconds after which a file that could not be used is tried again."""
HISTORY = 1000
FAILED = 100
OTHERS = 30.0
"""Seconds that whoever has heard the good sign goes before the others in telling that an incident is over: a
mirror may take so long to say that it has."""
LIMIT, LIMIT_WITHIN = 20, 600.0
"""No more than so many incidents are told of within so many seconds, except proved fatal ones."""

_SCHEMA_1 = """
CREATE TABLE incidents (
    service TEXT, code TEXT, reason TEXT, first_seen REAL, last_seen REAL, count INTEGER, sighting TEXT,
    proved INTEGER, opened_at REAL, alerted_at REAL, alerts INTEGER, suppressed INTEGER, loudness INTEGER,
    good_since REAL, closed_at REAL, window INTEGER, earlier INTEGER, recent TEXT,
    PRIMARY KEY (service, code, reason));
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT, sink TEXT, service TEXT, code TEXT, reason TEXT,
    alert BLOB, attempts INTEGER DEFAULT 0, claim TEXT DEFAULT '', claimed_until REAL DEFAULT 0, failed TEXT,
    UNIQUE (event_id, sink));
CREATE TABLE holds (sink TEXT PRIMARY KEY, until REAL, asked INTEGER, failures INTEGER);
CREATE TABLE history (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, time REAL, service TEXT, instance TEXT, code TEXT, reason TEXT,
    epoch INTEGER, message TEXT);
"""
_SCHEMA_2 = """
CREATE TABLE silences (
    service TEXT, code TEXT, since REAL, until REAL, why TEXT, PRIMARY KEY (service, code));
ALTER TABLE holds ADD COLUMN why TEXT NOT NULL DEFAULT '';
CREATE TABLE held (seq INTEGER PRIMARY KEY AUTOINCREMENT, match BLOB);
CREATE TABLE keeper (id TEXT);
INSERT INTO keeper VALUES (lower(hex(randomblob(16))));
"""
_SCHEMAS = (_SCHEMA_1, _SCHEMA_2)
"""Each makes of a file of the version before it one of its own."""
VERSION = len(_SCHEMAS)
_COLUMNS = ", ".join(Incident.__struct_fields__)
_MARKS = ", ".join("?" * len(Incident.__struct_fields__))
_FREE = "failed IS NULL AND (claimed_until <= :now OR claimed_until > :now + :lease)"
"""Unsent, and not in anybody's hands; a claim beyond its longest lease was made by a clock that ran ahead."""
_IDLE = "failed IS NULL AND (claim = '' OR claimed_until <= :now OR claimed_until > :now + :lease)"
"""The same, or nobody's at all: it waits for more of its kind, which is gathered in one alert."""

T = TypeVar("T")


class StoreError(LogrulesError):
    """The file is a sound database, and yet nothing that we may write to."""


class Moment(NamedTuple):
    """One entry of the history."""

    time: float
    service: str
    instance: str
    code: str
    reason: str | None
    epoch: int | None
    message: str


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

    _db: sqlite3.Connection
    _pid: int
    _name: str
    _on_disk: bool

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
        self._path = path
        self._codes = codes
        self._sinks = tuple(sinks)
        self._redact = redact
        self._on_failure = on_failure
        self._on_damage = on_damage or on_failure
        self._lang = lang
        self._holds = holds
        self._clock = clock
        self.resolving = frozenset().union(*(_resolvers(code) for code in codes.values()))
        """Codes that may end an incident."""
        self._healed: set[tuple[str, str, str | None]] = set()
        self._lock = RLock()
        self._enter_process()
        _stores.add(self)

    def take(self, match: Match) -> Decision | None:
        """Count a match in its incident and put the alert that follows, if any, into the outbox.

        Returns what was decided, once it is durable; None for a code that nobody knows, and for what is held.
        """
        if match.code not in self._codes:
            return None
        code = self._codes[match.code].why(match.reason)
        if code.alert is None and match.code not in self.resolving and not _historic(match):
            return incidents.decide(None, match, code, self._clock())
        return self._run(lambda db: self._hold_or_take(db, match, code))

    def take_all(self, matches: Sequence[Match]) -> list[Decision | None]:
        """The same of several, with one wait for the disk."""
        return self._run(lambda _: [self.take(match) for match in matches])  # in one transaction

    def release(self) -> bool:
        """Decide what was held back, by us or by a killed process, and what comes; whether there was any."""
        return self._run(self._release)

    def fold(self, theirs: Ledger) -> Ledger:
        """Take in what a mirror holds; all that is held then. See `logrules.core.alerting.ledger.Keeper`."""
        return self._run(lambda db: _fold(db, theirs, self._clock()))

    def claim(self, sink: str, *, hurry: bool = False) -> Alert | None:
        """The next alert to send through `sink`, ours until it is settled or the lease is over.

        None where there is none, or while the sink rests; `hurry` skips a rest that nobody asked us for.
        """
        return self._run(lambda db: self._claim(db, sink, self._clock(), hurry=hurry), lasting=False)

    def settle(self, alert: Alert, sink: str, delivery: Delivery) -> None:
        """Record what became of a claimed alert: gone, kept aside, or free again after a rest of the sink."""
        self._run(lambda db: self._settle(db, alert, sink, delivery, self._clock()), lasting=False)

    def due(self, sink: str, *, hurry: bool = False) -> float | None:
        """When (seconds since the epoch) there will be something to claim; None for never.

        That an incident ends is worth a word, too, once somebody was told of it.
        """
        now = self._clock()
        return self._run(lambda db: min(self._dues(db, sink, now, hurry=hurry), default=None))

    def rouse(self) -> None:
        """End the rests that no receiver asked for: who starts may find what was away back again."""
        self._run(lambda db: db.execute("UPDATE holds SET until = 0 WHERE NOT asked"), lasting=False)

    def undelivered(self) -> list[Alert]:
        """What no receiver has taken yet, of all that is ours to send, oldest first."""
        marks = ", ".join("?" * len(self._sinks))
        query = (
            f"SELECT alert FROM outbox WHERE failed IS NULL AND sink IN ({marks}) "  # noqa: S608  # only marks
            "AND (claim IN ('', ?) OR claimed_until <= ?) GROUP BY event_id ORDER BY min(seq)"
        )
        values = (*self._sinks, self._name, self._clock())
        return self._run(lambda db: [unpack(row[0]) for row in db.execute(query, values)])

    def missed_by(self, alert: Alert) -> list[str]:
        """Who of ours has not taken an alert yet."""
        query = "SELECT sink FROM outbox WHERE event_id = ? AND failed IS NULL"
        waiting = self._run(lambda db: {sink for (sink,) in db.execute(query, (alert.event_id,))})
        return [sink for sink in self._sinks if sink in waiting]

    def open_incidents(self) -> list[Incident]:
        """What is confirmed and not resolved, oldest first."""
        now = self._clock()
        return self._run(
            lambda db: [
                row for row in _unclosed(db) if row.is_open and self._resolved(row, now).closed_at is None
            ]
        )

    def history(self) -> list[Moment]:
        """The latest signs of lock and polling, oldest first."""
        query = "SELECT time, service, instance, code, reason, epoch, message FROM history ORDER BY seq"
        return self._run(lambda db: [Moment(*row) for row in db.execute(query)])

    def silence(self, silence: Silence) -> None:
        """Keep nobody, or again somebody, from being told; the last word about a code counts."""
        self._run(lambda db: _hush(db, silence, self._clock()))

    def ledger(self) -> Ledger:
        """All that is kept of incidents, alerts and silences; each in its order in time."""
        return self._run(_ledger)

    def close(self) -> None:
        """Let go of what is claimed, and of the file. What comes later opens it again."""
        with self._lock:
            try:
                if self._pid == os.getpid():
                    self._db.execute("UPDATE outbox SET claimed_until = 0 WHERE claim = ?", (self._name,))
            except sqlite3.Error:
                pass  # it is free when its lease is over
            self._db.close()
            self._pid = -1

    def before_fork(self) -> None:
        """Wait for a transaction of another thread, and let go of the file.

        SQLite keeps the locks of a process in its memory, too: a child would take those that it inherits for
        its own, and find the file busy for ever, or free when it is not.
        """
        self._lock.acquire()
        self._is_set_aside = self._on_disk and self._pid == os.getpid() and not self._db.in_transaction
        if self._is_set_aside:
            self._db.close()

    def after_fork(self) -> None:
        """In the parent: go on with the file."""
        if self._is_set_aside:
            self._open()
        self._lock.release()

    def enter_child(self) -> None:
        """In the child: it has a lock of its own, and opens the file when it needs it."""
        self._lock = RLock()

    # One transaction

    def _hold_or_take(self, db: sqlite3.Connection, match: Match, code: Code) -> Decision | None:
        if not self._holds:
            return self._take(db, match, code, self._clock())
        db.execute("INSERT INTO held (match) VALUES (?)", (hold(match, self._redact),))
        return None

    def _release(self, db: sqlite3.Connection) -> bool:
        self._holds = False
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
            _remember(db, match, self._redact)
        others = self._sweep(db, now, match.service)
        for row in others:
            healed = incidents.heal(row, match, self._codes[row.code].why(row.reason), now)
            if healed != row:
                _save(db, healed)
                self._healed.add(row.key)
        around = Around(
            inhibited=incidents.inhibits(match, others, self._codes, now),
            silenced=any(silence.covers(match, now) for silence in _silences(db)),
            limited=_limited(db, now),
        )
        own = _incident_of(db, match)
        decision = incidents.decide(own, match, code, now, around=around, lang=self._lang)
        if code.alert is None:
            return decision
        _save(db, decision.incident)
        if decision.alert is not None:
            self._post(db, decision.alert, now, ready=now + incidents.patience(match))
        return decision

    def _sweep(self, db: sqlite3.Connection, now: float, service: str | None = None) -> list[Incident]:
        """Close what is over and tell of it; what is not closed, of one service or of all."""
        rows = [row for row in _unclosed(db, service) if row.code in self._codes]
        over = [row for row in rows if (end := self._ends_at(row)) is not None and end <= now]
        for row in over:
            closed = self._resolved(row, now)
            _save(db, closed)
            self._healed.discard(row.key)
            end_alert = incidents.end_of(closed, self._codes[row.code].why(row.reason), lang=self._lang)
            if end_alert is not None:
                self._post(db, end_alert, now)
        return [row for row in rows if row not in over]

    def _resolved(self, row: Incident, now: float) -> Incident:
        code = self._codes.get(row.code)
        return incidents.resolve(row, code.why(row.reason), now) if code else row

    def _dues(self, db: sqlite3.Connection, sink: str, now: float, *, hurry: bool) -> Iterator[float]:
        due = _due(db, sink, now, hurry=hurry)
        if due is not None:
            yield due
        yield from filter(None, (self._ends_at(row) for row in _unclosed(db) if row.alerts))

    def _ends_at(self, row: Incident) -> float | None:
        """When it is ours to say that an incident is over."""
        code = self._codes.get(row.code)
        end = incidents.ends_at(row, code.why(row.reason)) if code else None
        return end if end is None or row.key in self._healed else end + OTHERS

    def _post(self, db: sqlite3.Connection, alert: Alert, now: float, ready: float = 0.0) -> None:
        """One outbox row a sink, together with what waits there of the same kind; to be sent when `ready`."""
        sealed = seal(alert, self._redact)
        for sink in self._sinks:
            which = (sink, alert.service, alert.code, alert.reason or "")
            added = db.execute(
                "INSERT OR IGNORE INTO outbox (sink, service, code, reason, event_id, alert, claimed_until) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*which, alert.event_id, pack(sealed), ready),
            )
            if added.rowcount:
                _folded(db, which, now)

    def _claim(self, db: sqlite3.Connection, sink: str, now: float, *, hurry: bool) -> Alert | None:
        self._sweep(db, now)
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
            (self._name, now + LEASE, seq),
        )
        return incidents.recount(alert, _incident_of(db, alert))

    def _settle(
        self, db: sqlite3.Connection, alert: Alert, sink: str, delivery: Delivery, now: float
    ) -> None:
        which = (alert.event_id, sink)
        if delivery.verdict is Verdict.DELIVERED:
            db.execute("DELETE FROM outbox WHERE event_id = ? AND sink = ?", which)
            db.execute("DELETE FROM holds WHERE sink = ?", (sink,))
            row = _incident_of(db, alert)
            if row is not None and (told := incidents.told(row, alert)) != row:
                _save(db, told)
        elif delivery.verdict is Verdict.REJECTED:
            why = self._redact(delivery.why) or delivery.verdict.value
            db.execute("UPDATE outbox SET failed = ? WHERE event_id = ? AND sink = ?", (why, *which))
            db.execute(
                "DELETE FROM outbox WHERE failed IS NOT NULL AND seq NOT IN "
                "(SELECT seq FROM outbox WHERE failed IS NOT NULL ORDER BY seq DESC LIMIT ?)",
                (FAILED,),
            )
        else:
            db.execute(
                "UPDATE outbox SET claimed_until = 0 WHERE event_id = ? AND sink = ? AND claim = ?",
                (*which, self._name),
            )
            _hold(db, sink, delivery._replace(why=self._redact(delivery.why)), now)

    # The connection

    def _enter_process(self) -> None:
        """Open the file for this process: a connection may not cross a fork, nor be closed behind it."""
        self._inherited = getattr(self, "_db", None)
        self._pid = os.getpid()
        self._name = uuid.uuid4().hex
        self._on_disk = self._path is not None
        self._lost: _Lost | None = None
        self._open()

    def _open(self) -> None:
        try:
            self._db = _opened(self._path, BUSY) if self._path is not None else _in_memory()
            self._file = _file_at(self._path)
        except (sqlite3.Error, OSError, StoreError) as error:
            self._fall_back(error)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._pid != os.getpid():  # asked under the lock: another thread may be closing
                self._holds = False  # whoever was to release it has stayed with the parent
                self._enter_process()
            yield self._db

    def _run(self, work: Callable[[sqlite3.Connection], T], *, lasting: bool = True) -> T:
        """`work` in a transaction, which outlasts the machine's own end, too, if it is `lasting`.

        Else, after a power failure, what was sent is sent once more: that spares two of three waits for the
        disk, for which whoever captures would wait as well.
        """
        with self._connection() as db:
            if db.in_transaction:
                return work(db)  # a signal handler has interrupted this very thread: one commit for both
            if lasting and self._on_disk and _file_at(self._path) != self._file:
                self._follow()
            if self._lost is not None and time.monotonic() >= self._lost.until:
                self._return(self._lost)
            try:
                self._db.execute(f"PRAGMA synchronous = {'FULL' if lasting else 'NORMAL'}")
                return _transact(self._db, work)
            except Exception as error:
                if not (self._has_left_out() if _is_of_rows(error) else self._has_fallen_back(error)):
                    raise
                return _transact(self._db, work)

    def _has_left_out(self) -> bool:
        """Go on without the rows that cannot be read, if that is what is wrong, and say so."""
        try:
            left_out = _transact(self._db, _leave_out)
        except sqlite3.Error as error:
            return self._has_fallen_back(error)
        self._say_damage(left_out)
        return bool(left_out)

    def _say_damage(self, left_out: Sequence[str]) -> None:
        if left_out:
            some = f"{', '.join(left_out[:5])}{' …' if len(left_out) > 5 else ''}"  # noqa: PLR2004
            self._on_damage(
                f"damaged entries of the state file {self._path} were left out: {some}. What they were about "
                "stands in earlier logs; check that disk."
            )

    def _has_fallen_back(self, error: Exception) -> bool:
        if self._on_disk:
            self._fall_back(error)
            return True
        return False

    def _fall_back(self, error: Exception) -> None:
        """Go on in memory with what can still be read of the file, and say so."""
        self._set_aside()
        self._lost = _Lost.of(self._db)
        self._on_failure(
            f"the state file {self._path} cannot be used ({error}). {_advice(error, self._path)}"
        )

    def _follow(self) -> None:
        """Somebody has removed the file, or put another one in its place: that gets what ours had."""
        self._set_aside()
        self._return(_Lost(0.0, frozenset(), 0))
        if not self._on_disk:
            self._on_failure(f"the state file {self._path} was removed, and cannot be made anew.")

    def _set_aside(self) -> None:
        """Go on in memory with what can be read of the file."""
        broken: sqlite3.Connection | None = getattr(self, "_db", None)
        self._on_disk = False
        self._db = _in_memory()
        if broken is not None and broken is not self._inherited:
            with closing(broken):
                _salvage(broken, self._db)
            _transact(self._db, _leave_out)

    def _return(self, lost: _Lost) -> None:
        """Take the file again, with all that was gathered meanwhile; or stay where we are."""
        assert self._path is not None
        self._lost = lost._replace(until=time.monotonic() + RETURN)
        try:
            file = _opened(self._path, 0.0)
        except (sqlite3.Error, OSError, StoreError):
            return
        try:
            self._say_damage(_transact(file, _leave_out))
            _transact(file, lambda db: _bring(self._db, db, lost, self._clock()))
        except sqlite3.Error:
            file.close()
            return
        file.execute(f"PRAGMA busy_timeout = {BUSY * 1000:.0f}")
        self._db.close()
        self._db, self._on_disk, self._lost = file, True, None
        self._file = _file_at(self._path)


_stores: WeakSet[Store] = WeakSet()
_forking: list[Store] = []


def _before_fork() -> None:
    _forking.extend(_stores)
    for store in _forking:
        store.before_fork()


def _after_fork() -> None:
    while _forking:
        _forking.pop().after_fork()


def _enter_child() -> None:
    while _forking:
        _forking.pop().enter_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_enter_child)


class _Lost(NamedTuple):
    """When the file was lost, and what of it was in memory then."""

    until: float
    """On time.monotonic(): when it is tried again."""
    outbox: frozenset[tuple[str, str]]
    history: int

    @classmethod
    def of(cls, memory: sqlite3.Connection) -> Self:
        outbox = frozenset(memory.execute("SELECT event_id, sink FROM outbox"))
        (history,) = memory.execute("SELECT coalesce(max(seq), 0) FROM history").fetchone()
        return cls(time.monotonic() + RETURN, outbox, history)


def _bring(memory: sqlite3.Connection, file: sqlite3.Connection, lost: _Lost, now: float) -> None:
    """Give the file what memory has that it has not; what was told meanwhile is told."""
    settled = lost.outbox - frozenset(
        memory.execute("SELECT event_id, sink FROM outbox WHERE failed IS NULL")
    )
    file.executemany("DELETE FROM outbox WHERE event_id = ? AND sink = ?", settled)
    theirs = _ledger(memory)
    _fold(file, theirs._replace(waiting=[each for each in theirs.waiting if not each.refused]), now)
    columns = "time, service, instance, code, reason, epoch, message"
    file.executemany(
        f"INSERT INTO history ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  # our own names
        memory.execute(f"SELECT {columns} FROM history WHERE seq > ? ORDER BY seq", (lost.history,)),  # noqa: S608
    )


def _file_at(path: Path | None) -> tuple[int, int] | None:
    """Which file it is; None where there is none."""
    try:
        found = os.stat(path) if path is not None else None  # noqa: PTH116  # asked at each capture
    except OSError:
        return None
    return found and (found.st_dev, found.st_ino)


def _opened(path: Path, busy: float) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists() and not path.is_file():  # closing a device to everybody else would break the machine
        raise OSError(errno.EINVAL, "not a file")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(descriptor).st_mode & 0o077:
            os.fchmod(descriptor, 0o600)  # SQLite gives its side files the same mode
    finally:
        os.close(descriptor)
    db = sqlite3.connect(path, timeout=busy, isolation_level=None, check_same_thread=False)
    try:
        _transact(db, _set_up)  # before WAL, which would change a file that is not ours
        _patiently(lambda: db.execute("PRAGMA journal_mode = WAL"), busy)
    except BaseException:
        db.close()
        raise
    return db


def _in_memory() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _transact(db, _set_up)
    return db


def _has_tables(db: sqlite3.Connection) -> bool:
    return bool(db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])


def _set_up(db: sqlite3.Connection) -> None:
    """Make the tables that an empty or earlier file lacks. Raises StoreError for one that is not ours."""
    application = db.execute("PRAGMA application_id").fetchone()[0]
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION and (application or _has_tables(db)):
        raise StoreError("it is the database of another program")
    if version > VERSION:
        raise StoreError(f"a later logrules wrote it: schema {version}, this one knows {VERSION}")
    if version == VERSION:
        return
    for schema in _SCHEMAS[version:]:
        for statement in schema.split(";"):
            db.execute(statement)
    db.execute(f"PRAGMA application_id = {APPLICATION}")
    db.execute(f"PRAGMA user_version = {VERSION}")


def _patiently(work: Callable[[], object], busy: float) -> None:
    """`work`, tried again while others hold the file: a change of journal mode does not wait by itself."""
    until = time.monotonic() + busy
    while True:
        try:
            work()
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


def _transact(db: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    db.execute("BEGIN IMMEDIATE")
    try:
        result = work(db)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return result


def _is_of_rows(error: Exception) -> bool:
    """Whether the database works, and what is in it makes no sense."""
    return not isinstance(error, sqlite3.Error) or "Could not decode" in str(error)


def _salvage(broken: sqlite3.Connection, into: sqlite3.Connection) -> None:
    """Copy every row that is found, table by table: from its beginning and, past a damage, from its end."""
    broken.text_factory = lambda data: data.decode("utf-8", "replace")
    for table in ("incidents", "outbox", "holds", "history", "silences", "held"):
        for order in ("rowid", "rowid DESC"):
            try:
                for row in broken.execute(f"SELECT * FROM {table} ORDER BY {order}"):  # noqa: S608  # our names
                    marks = ", ".join("?" * len(row))
                    into.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)  # noqa: S608
            except sqlite3.Error:
                continue
            break


def _leave_out(db: sqlite3.Connection) -> list[str]:
    """Delete the rows that make no sense, and name them. What one was to tell, the next sighting tells.

    SQLite notices a page that makes no sense, not a byte of a row that has changed.
    """
    found = [*_unreadable(db)]
    for table, rowid, of in found:
        db.execute(f"DELETE FROM {table} WHERE rowid = ?", (rowid,))  # noqa: S608  # our own names
        if table == "outbox":
            db.execute(
                "UPDATE incidents SET alerted_at = NULL WHERE service = ? AND code = ? AND reason = ?", of[:3]
            )
    return [f"{_ENTRIES[table]} {of[1]}" if table in _ENTRIES else table for table, _, of in found]


def _unreadable(db: sqlite3.Connection) -> Iterator[tuple[str, int, list[Any]]]:
    """Table, number and values of each row that cannot be read, or holds what nobody has written there."""
    db.text_factory = bytes  # what is no text would end the query
    try:
        for table, (columns, check) in _CHECKS.items():
            for rowid, *values in db.execute(f"SELECT rowid, {columns} FROM {table}").fetchall():  # noqa: S608
                try:
                    check(*[each.decode() if isinstance(each, bytes) else each for each in values])
                except Exception:  # noqa: BLE001  # whatever it raises, nobody can read it
                    of = [
                        each.decode("utf-8", "replace") if isinstance(each, bytes) else each
                        for each in values
                    ]
                    yield table, rowid, of
    finally:
        db.text_factory = str


def _advice(error: Exception, path: Path | None) -> str:
    text = str(error)
    if isinstance(error, StoreError):
        return "Set LOGRULES_STATE to a file of its own."
    if "locked" in text:
        return f"Another program holds it for long: find it with `fuser {path}`."
    if "full" in text or "space" in text:
        return "Free some space on that disk."
    if "malformed" in text or "not a database" in text:
        return f"Move it away (`mv {path} {path}.broken`)."
    return "Set LOGRULES_STATE to a file that this user may write."


# Rows


def _save(db: sqlite3.Connection, row: Incident) -> None:
    values = [getattr(row, name) for name in row.__struct_fields__[:-1]]
    values[2] = row.reason or ""  # a NULL would be no key
    db.execute(f"REPLACE INTO incidents ({_COLUMNS}) VALUES ({_MARKS})", (*values, json.dumps(row.recent)))  # noqa: S608


def _incident(row: tuple[object, ...]) -> Incident:
    fields = dict(zip(Incident.__struct_fields__, row, strict=True))
    recent = fields["recent"]
    fields |= {"reason": fields["reason"] or None, "proved": bool(fields["proved"])}
    fields["recent"] = () if recent == "[]" else tuple(json.loads(str(recent)))
    return Incident(**fields)  # type: ignore[arg-type]


def _is_alert(_service: str, code: str, reason: str, event_id: str, alert: str) -> None:
    """Raise ValueError for a row of the outbox that is not what it says."""
    of = unpack(alert.encode())
    if (of.code, of.reason or "", of.event_id) != (code, reason, event_id):
        raise ValueError(event_id)


_CHECKS: Mapping[str, tuple[str, Callable[..., object]]] = {
    "incidents": (_COLUMNS, lambda *values: sound(_incident(values))),
    "outbox": ("service, code, reason, event_id, alert", _is_alert),
    "silences": ("service, code, since, until, why", lambda *values: sound(_silence(*values))),
    "holds": ("until, failures, sink, why", lambda until, failures, *_: until + failures),
    "held": ("match", lambda match: unhold(match.encode())),
    "history": ("time, service, instance, code, message", lambda *_: None),
}
"""By table: what is read of a row, and what raises where it makes no sense."""
_ENTRIES = {"incidents": "incident", "outbox": "alert", "silences": "silence"}


def _incident_of(db: sqlite3.Connection, what: Match | Alert | Incident) -> Incident | None:
    row = db.execute(
        f"SELECT {_COLUMNS} FROM incidents WHERE service = ? AND code = ? AND reason = ?",  # noqa: S608
        (what.service, what.code, what.reason or ""),
    ).fetchone()
    return _incident(row) if row else None


def _unclosed(db: sqlite3.Connection, service: str | None = None) -> list[Incident]:
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM incidents WHERE closed_at IS NULL AND (service = :it OR :it IS NULL) "  # noqa: S608
        "ORDER BY first_seen",
        {"it": service},
    )
    return [_incident(row) for row in rows]


def _silences(db: sqlite3.Connection) -> list[Silence]:
    rows = db.execute("SELECT service, code, since, until, why FROM silences ORDER BY since")
    return [_silence(*row) for row in rows]


def _silence(service: str, code: str, since: float, until: float, why: str) -> Silence:
    return Silence(service=service, code=code, since=since, until=until, why=why)


def _hush(db: sqlite3.Connection, silence: Silence, now: float) -> None:
    db.execute("DELETE FROM silences WHERE until < ?", (now - LONGEST,))
    db.execute(
        "INSERT INTO silences (service, code, since, until, why) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET since = excluded.since, until = excluded.until, why = excluded.why "
        "WHERE excluded.since >= since",
        (silence.service, silence.code, silence.since, silence.until, silence.why),
    )


def _ledger(db: sqlite3.Connection) -> Ledger:
    rows = db.execute(f"SELECT {_COLUMNS} FROM incidents ORDER BY first_seen")  # noqa: S608  # our own names
    alerts = db.execute("SELECT sink, alert, coalesce(failed, '') FROM outbox ORDER BY seq")
    holds = db.execute("SELECT sink, until, failures, why FROM holds ORDER BY sink")
    return Ledger(
        [_incident(row) for row in rows],
        [Waiting(sink, unpack(alert), refused) for sink, alert, refused in alerts],
        _silences(db),
        [Resting(*row) for row in holds],
        db.execute("SELECT id FROM keeper").fetchone()[0],
    )


def _fold(db: sqlite3.Connection, theirs: Ledger, now: float) -> Ledger:
    for row in theirs.incidents:
        ours = _incident_of(db, row)
        both = agreed(ours, row)
        if both != ours:
            _save(db, both)
    for silence in theirs.silences:
        _hush(db, silence, now)
    for sink, alert, _ in theirs.waiting:
        db.execute(
            "INSERT OR IGNORE INTO outbox (sink, service, code, reason, event_id, alert) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (sink, alert.service, alert.code, alert.reason or "", alert.event_id, pack(alert)),
        )
    return _ledger(db)


def _limited(db: sqlite3.Connection, now: float) -> bool:
    since = (now - LIMIT_WITHIN, now)
    told = db.execute("SELECT count(*) FROM incidents WHERE alerted_at > ? AND alerted_at <= ?", since)
    return bool(told.fetchone()[0] >= LIMIT)


def _resolvers(code: Code) -> frozenset[str]:
    return code.resolved_by.union(*(reason.resolved_by for reason in code.reasons.values()))


def _historic(match: Match) -> bool:
    return match.code.startswith(("LOCK_", "POLLING_"))


def _remember(db: sqlite3.Connection, match: Match, redact: Callable[[str], str]) -> None:
    text = redact(match.message)[:200].encode("utf-8", "replace").decode()
    seq = db.execute(
        "INSERT INTO history (time, service, instance, code, reason, epoch, message) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (match.time, match.service, match.instance, match.code, match.reason, match.epoch, text),
    ).lastrowid
    db.execute("DELETE FROM history WHERE seq <= ?", ((seq or 0) - HISTORY,))


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


def _due(db: sqlite3.Connection, sink: str, now: float, *, hurry: bool) -> float | None:
    ready = _IDLE if hurry else _FREE
    query = f"SELECT min(iif({ready}, 0, claimed_until)) FROM outbox WHERE sink = :sink AND failed IS NULL"  # noqa: S608
    free = db.execute(query, {"sink": sink, "now": now, "lease": LEASE}).fetchone()[0]
    return None if free is None else max(float(free), _rest(db, sink, now, hurry=hurry))


def _hold(db: sqlite3.Connection, sink: str, delivery: Delivery, now: float) -> None:
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
