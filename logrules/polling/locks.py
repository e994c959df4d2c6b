"""Which lock it is: the database's, a file's where there is none, or the one that a wrapper holds already."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from logrules.core import faults
from logrules.core.guarding import database_url
from logrules.guards.fence import KernelFence

if TYPE_CHECKING:
    from logrules.core.guarding.database_url import DatabaseUrl
    from logrules.core.guarding.lease import Session, Timers
    from logrules.core.model import Report
    from logrules.settings import Settings

logger = logging.getLogger(__name__)


def session(settings: Settings, key: int, timers: Timers) -> Session:
    """What keeps the lock with this key. Raises ConfigError where the settings contradict themselves."""
    if settings.held is not None and settings.held.key == key:
        return _wrapped(settings)
    url = _url(settings)
    if url is None:
        from logrules.guards.flock import FileSession, lock_path

        return FileSession(lock_path(key), settings.instance)
    from logrules.guards.postgres import PostgresSession, application_name

    name = application_name(settings.service, settings.instance, settings.release)
    return PostgresSession(url, key, name, timers)


def introduce(session: Session, settings: Settings, report: Report) -> None:
    """Say what became of the database's address, and what the lock does not do where it is none's."""
    url = _url(settings) if session.kind == "postgres" else None
    if url is not None:
        for note in url.notes:
            logger.info("%s: %s", settings.database_setting, note)
        for option in url.unknown:
            logger.warning(
                "%s: %s is unknown and is left out: is it misspelt?", settings.database_setting, option
            )
    if session.kind != "file":
        return
    why = (
        f"{settings.database_setting} is of another kind"
        if settings.database_url
        else "DATABASE_URL is not set"
    )
    only = f"{why}: the lock is a file, and guards against a second instance on this host only"
    report("LOCK_LOCAL_ONLY", only, attrs=session.facts())


def fence(session: Session, clock: int, report: Report) -> KernelFence | None:
    """In the process that is to end: a timer does not survive a fork."""
    if not session.provable:
        return None
    try:
        return KernelFence(clock)
    except OSError as error:
        words = f"No kernel timer ends a holder that stands still: {error.strerror or error}"
        report("LOCK_FENCE_WEAK", f"{words}; a thread of this process does")
        return None


def _url(settings: Settings) -> DatabaseUrl | None:
    raw = settings.database_url
    return database_url.parse(raw, settings.database_setting) if raw else None


def _wrapped(settings: Settings) -> Session:
    """The wrapper's word alone is not enough: an environment outlives it, and travels."""
    from logrules.guards.wrapped import WrappedSession, reaches

    assert settings.held is not None
    if settings.events_fd is None or not reaches(settings.events_fd):
        raise faults.DESCRIPTOR_LOST.error()
    return WrappedSession(settings.held, settings.events_fd)
