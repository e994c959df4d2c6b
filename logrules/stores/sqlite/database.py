"""The connection of one process: to the file, or to memory for as long as the file cannot be used."""

from __future__ import annotations

import errno
import os
import sqlite3
import time
import uuid
from contextlib import closing, contextmanager
from threading import RLock
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar
from weakref import WeakSet

from logrules.stores.sqlite.damage import advice, is_of_rows, leave_out, salvage
from logrules.stores.sqlite.rows import fold, ledger
from logrules.stores.sqlite.schema import StoreError, set_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

BUSY = 2.0
"""Seconds to wait for another process that writes; the bot may wait with us."""
RETURN = 60.0
"""Seconds after which a file that could not be used is tried again."""

T = TypeVar("T")


class Database:
    """Runs transactions; thread-safe; survives a fork, and the loss of its file.

    Args:
        path: The file; made, with its folder, readable by its owner only. None: memory.
        on_failure: Called once, with a text for the operator, when the file cannot be used.
        on_damage: The same when some of what is in it cannot be read.
        clock: Seconds since the epoch.
    """

    name: str
    """Whoever claims something through it: another one in each process."""
    _db: sqlite3.Connection
    _pid: int
    _on_disk: bool

    def __init__(
        self,
        path: Path | None,
        *,
        on_failure: Callable[[str], None],
        on_damage: Callable[[str], object],
        clock: Callable[[], float],
    ) -> None:
        self._path = path
        self._on_failure = on_failure
        self._on_damage = on_damage
        self._clock = clock
        self._lock = RLock()
        self._enter_process()
        _databases.add(self)

    def run(self, work: Callable[[sqlite3.Connection], T], *, lasting: bool = True) -> T:
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
                if not (self._has_left_out() if is_of_rows(error) else self._has_fallen_back(error)):
                    raise
                return _transact(self._db, work)

    def close(self, last: Callable[[sqlite3.Connection], object]) -> None:
        """Let go of the file after a `last` statement. What comes later opens it again."""
        with self._lock:
            try:
                if self._pid == os.getpid():
                    last(self._db)
            except sqlite3.Error:
                pass  # as after a kill
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

    def _enter_process(self) -> None:
        """Open the file for this process: a connection may not cross a fork, nor be closed behind it."""
        self._inherited = getattr(self, "_db", None)
        self._pid = os.getpid()
        self.name = uuid.uuid4().hex
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
                self._enter_process()
            yield self._db

    def _has_left_out(self) -> bool:
        """Go on without the rows that cannot be read, if that is what is wrong, and say so."""
        try:
            left_out = _transact(self._db, leave_out)
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
        self._on_failure(f"the state file {self._path} cannot be used ({error}). {advice(error, self._path)}")

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
                salvage(broken, self._db)
            _transact(self._db, leave_out)

    def _return(self, lost: _Lost) -> None:
        """Take the file again, with all that was gathered meanwhile; or stay where we are."""
        assert self._path is not None
        self._lost = lost._replace(until=time.monotonic() + RETURN)
        try:
            file = _opened(self._path, 0.0)
        except (sqlite3.Error, OSError, StoreError):
            return
        try:
            self._say_damage(_transact(file, leave_out))
            _transact(file, lambda db: _bring(self._db, db, lost, self._clock()))
        except sqlite3.Error:
            file.close()
            return
        file.execute(f"PRAGMA busy_timeout = {BUSY * 1000:.0f}")
        self._db.close()
        self._db, self._on_disk, self._lost = file, True, None
        self._file = _file_at(self._path)


_databases: WeakSet[Database] = WeakSet()
_forking: list[Database] = []


def _before_fork() -> None:
    _forking.extend(_databases)
    for database in _forking:
        database.before_fork()


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
    theirs = ledger(memory)
    fold(file, theirs._replace(waiting=[each for each in theirs.waiting if not each.refused]), now)
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
        _transact(db, set_up)  # before WAL, which would change a file that is not ours
        _patiently(lambda: db.execute("PRAGMA journal_mode = WAL"), busy)
    except BaseException:
        db.close()
        raise
    return db


def _in_memory() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _transact(db, set_up)
    return db


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
