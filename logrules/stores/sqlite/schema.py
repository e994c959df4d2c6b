"""The tables of the file, and whose file it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from logrules.core.model import LogrulesError

if TYPE_CHECKING:
    import sqlite3

APPLICATION = 0x6C6F6772
"""What marks a file as ours: we never add tables to a database of somebody else."""

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


class StoreError(LogrulesError):
    """The file is a sound database, and yet nothing that we may write to."""


def set_up(db: sqlite3.Connection) -> None:
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


def _has_tables(db: sqlite3.Connection) -> bool:
    return bool(db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
