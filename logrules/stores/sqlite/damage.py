"""What is wrong with a file, what can still be read of it, and what its operator can do."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from logrules.core.alerting.delivery import unhold, unpack
from logrules.core.alerting.ledger import sound
from logrules.stores.sqlite.rows import COLUMNS, incident, silence
from logrules.stores.sqlite.schema import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path


def is_of_rows(error: Exception) -> bool:
    """Whether the database works, and what is in it makes no sense."""
    return not isinstance(error, sqlite3.Error) or "Could not decode" in str(error)


def salvage(broken: sqlite3.Connection, into: sqlite3.Connection) -> None:
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


def leave_out(db: sqlite3.Connection) -> list[str]:
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


def advice(error: Exception, path: Path | None) -> str:
    """What its operator can do about a file that cannot be used."""
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


def _is_alert(_service: str, code: str, reason: str, event_id: str, alert: str) -> None:
    """Raise ValueError for a row of the outbox that is not what it says."""
    of = unpack(alert.encode())
    if (of.code, of.reason or "", of.event_id) != (code, reason, event_id):
        raise ValueError(event_id)


_CHECKS: Mapping[str, tuple[str, Callable[..., object]]] = {
    "incidents": (COLUMNS, lambda *values: sound(incident(values))),
    "outbox": ("service, code, reason, event_id, alert", _is_alert),
    "silences": ("service, code, since, until, why", lambda *values: sound(silence(*values))),
    "holds": ("until, failures, sink, why", lambda until, failures, *_: until + failures),
    "held": ("match", lambda match: unhold(match.encode())),
    "history": ("time, service, instance, code, message", lambda *_: None),
}
"""By table: what is read of a row, and what raises where it makes no sense."""
_ENTRIES = {"incidents": "incident", "outbox": "alert", "silences": "silence"}
