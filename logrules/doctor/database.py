"""The database that keeps the lock: the way there, the server, and who holds the lock now."""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from logrules.core.guarding import database_url
from logrules.core.guarding.lease import (
    FullError,
    MisconfiguredError,
    OpeningError,
    PooledError,
    RefusedError,
    Timers,
    bot_id,
    lock_key,
)
from logrules.core.model import ConfigError
from logrules.doctor import network
from logrules.doctor.finding import found, spoken
from logrules.doctor.telegram import clock
from logrules.guards.flock import seen
from logrules.guards.postgres import examine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from logrules.core.guarding.database_url import DatabaseUrl
    from logrules.core.guarding.lease import Seat
    from logrules.doctor.finding import Finding
    from logrules.doctor.patient import Patient
    from logrules.guards.postgres import Server

PORT = 5432
CROWDED = 0.9
"""Of the connections that there may be: from here on the next deploy may find none."""
_CLOCK = 5.0
"""Seconds: both tell parts of one, and only the way between them is left open."""
_WRONG_PASSWORD = "28P01"  # noqa: S105 - https://www.postgresql.org/docs/current/errcodes-appendix.html


def database(patient: Patient) -> Iterator[Finding]:
    """Is there one, does it answer, will it keep a lock, and who has the lock?"""
    setting, raw = patient.read.database_setting, patient.read.database_url
    if raw is None:
        yield found("database.none")
        yield from _of_file(patient)
        return
    try:
        url = database_url.parse(raw, setting)
    except ConfigError as error:
        yield found("database.malformed", fault=spoken(error))
        return
    if url is None:
        yield found("database.other", setting=setting)
        yield from _of_file(patient)
        return
    if url.unknown:
        yield found("database.unknown", setting=setting, options=", ".join(url.unknown))
    yield from _examined(patient, url)


def mirror(patient: Patient) -> Iterator[Finding]:
    """Can the database of LOGRULES_STATE_URL be reached?"""
    url = patient.read.state_url
    if url is None:
        return
    fault, server = _look(patient, url, None)
    is_pooled = fault is not None and fault.name == "database.pooler"  # which a mirror does not mind
    if is_pooled or (server is not None and not server.replica):
        yield found("mirror.ok", host=url.host)
    else:
        why = fault.attrs.get("why", "no answer") if fault else "read-only replica"
        yield found("mirror.away", host=url.host, why=why)


def _examined(patient: Patient, url: DatabaseUrl) -> Iterator[Finding]:
    token = patient.token
    key = lock_key(bot_id(token[1])) if token else None
    begun = time.time()
    fault, server = _look(patient, url, key)
    ended = time.time()
    if fault is not None:
        yield fault
    if server is not None:
        yield from of_server(server, url)
        yield clock(network.ahead(server.now, server.now, begun, ended), url.host, _CLOCK)
        yield from of_seats([seat for seat in server.seats if seat.key == key], patient)


def _of_file(patient: Patient) -> Iterator[Finding]:
    """Who has the lock that is a file, if somebody has."""
    holder = seen(lock_key(bot_id(patient.token[1]))) if patient.token else None
    if holder is not None:
        held = holder.since or 0.0
        yield found("lock.file", instance=holder.instance, pid=holder.pid, held=held)


def _look(patient: Patient, url: DatabaseUrl, key: int | None) -> tuple[Finding | None, Server | None]:
    """What keeps us from the server, or what it says."""
    host, port = _address(url)
    if host is not None and (reached := network.resolves(host, patient.left)).fault:
        return found("database.dns", host=url.host, why=reached.why), None
    timers = replace(Timers(), connect=patient.left, answer=patient.left)
    try:
        return None, asyncio.run(examine(url, key, timers))
    except OpeningError as error:
        if isinstance(error.__cause__, TimeoutError) and host is not None:
            name = "database.silent" if network.connects(host, port, patient.left) else "database.tcp"
            return found(name, host=url.host, why="time-out"), None
        return of_error(error, url), None


def _address(url: DatabaseUrl) -> tuple[str | None, int]:
    """Host and port, where there is one of each; a socket or a list of hosts is the driver's affair."""
    if "," in url.host or "/" in url.host or url.host.startswith("("):
        return None, 0
    parts = urlsplit(f"//{url.host}")
    return parts.hostname, parts.port or PORT


def of_error(error: OpeningError, url: DatabaseUrl) -> Finding:
    """What keeps us out, told apart by what can be done about it."""
    cause = error.__cause__
    why = getattr(cause, "verify_message", "") or str(cause or error)
    return found(_name(error, cause), host=url.host, database=url.database, why=why, fault=str(error))


def _name(error: OpeningError, cause: BaseException | None) -> str:
    reasons = {"database_missing": "database.missing", "dns": "database.dns"}
    is_password = getattr(cause, "sqlstate", None) == _WRONG_PASSWORD
    kinds = (
        (isinstance(cause, ssl.SSLError), "database.tls"),
        (isinstance(error, PooledError), "database.pooler"),
        (isinstance(error, MisconfiguredError), "database.malformed"),
        (error.reason in reasons, reasons.get(error.reason or "", "")),
        (isinstance(error, RefusedError) and is_password, "database.password"),
        (isinstance(error, RefusedError), "database.refused"),
        (isinstance(error, FullError), "database.full"),
    )
    return next((name for is_so, name in kinds if is_so), "database.tcp")


def of_server(server: Server, url: DatabaseUrl) -> Iterator[Finding]:
    """Whether a lock can be kept there."""
    facts: dict[str, Any] = {
        "version": server.version,
        "host": url.host,
        "database": url.database,
        "used": server.used,
        "most": server.most,
    }
    if server.replica:
        yield found("database.replica", **facts)
        return
    yield found("database.pooled" if server.pooled else "database.ok", **facts)
    if not server.leases:
        yield found("database.lease", version=server.version)
    if server.used >= CROWDED * server.most:
        yield found("database.crowded", used=server.used, most=server.most)


def of_seats(seats: list[Seat], patient: Patient) -> Iterator[Finding]:
    """Who has the bot's lock: whoever starts now waits for them."""
    holders = [seat for seat in seats if seat.holds]
    waiting = len(seats) - len(holders)
    if not holders:
        if patient.token:
            yield found("lock.free")
        return
    holder = holders[0]
    since = holder.connected if holder.held is None else holder.held
    facts: dict[str, Any] = {
        "instance": holder.instance,
        "service": holder.service,
        "pid": holder.pid,
        "held": since or 0.0,
        "waiting": waiting,
    }
    timers = patient.read.timers
    if holder.foreign:
        yield found("lock.foreign", **facts)
    elif holder.silent is not None and holder.silent > timers.keepalive + timers.answer:
        yield found("lock.stalled", **facts, silent=holder.silent)
    elif holder.instance == patient.read.instance:
        yield found("lock.ours", **facts)
    else:
        yield found("lock.held", **facts)
