"""What the platform's own variables tell: https://render.com/docs/environment-variables and its like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from logrules import settings
from logrules.core.guarding import database_url
from logrules.core.model import ConfigError
from logrules.core.text import platform_name
from logrules.doctor.finding import found

if TYPE_CHECKING:
    from collections.abc import Iterator

    from logrules.doctor.finding import Finding
    from logrules.doctor.patient import Patient

MARGIN = 2.0
"""Seconds between the end of all drains and the platform's SIGKILL."""


def platform(patient: Patient) -> Iterator[Finding]:
    """Is the service of a kind in which a polling bot lives, and is it alone?"""
    name = settings.platform(patient.environ)
    if name is None:
        yield found("platform.none")
        return
    wrong = list(_CHECKS.get(name, _nothing)(patient))
    if patient.read.preview:
        wrong.append(found("platform.preview"))
    if not wrong:
        kind = patient.environ.get("RENDER_SERVICE_TYPE") or patient.environ.get("DYNO")
        yield found("platform.ok", platform=platform_name(name, "en") + (f", {kind}" if kind else ""))
    yield from wrong


def _nothing(_patient: Patient) -> Iterator[Finding]:
    return iter(())


def _render(patient: Patient) -> Iterator[Finding]:
    kind = patient.environ.get("RENDER_SERVICE_TYPE")
    if kind in {"cron", "static"}:
        yield found("platform.kind", platform="Render", kind=kind)
    if kind in {"web", "pserv"} and patient.read.port is None:
        yield found("platform.port")


def _railway(patient: Patient) -> Iterator[Finding]:
    setting = "RAILWAY_DEPLOYMENT_DRAINING_SECONDS"
    given = patient.environ.get(setting, "")
    if given.isdecimal() and (short := too_short(patient, int(given))):
        yield found("platform.drain", setting=setting, given=int(given), needed=short)


def _heroku(patient: Patient) -> Iterator[Finding]:
    kind, _, number = patient.environ["DYNO"].partition(".")
    if kind == "web":
        yield found("platform.web_dyno")
    if kind != "run" and number.isdecimal() and int(number) > 1:
        yield from alone(patient, int(number))


_CHECKS = {"render": _render, "railway": _railway, "heroku": _heroku}


def too_short(patient: Patient, given: float) -> int | None:
    """The seconds that a clean end may take, where a platform gives fewer."""
    needed = patient.read.timers.drain + patient.read.flush + MARGIN
    return int(needed) if given < needed else None


def alone(patient: Patient, instances: int) -> Iterator[Finding]:
    """Several instances are well where they share a lock; without one each of them polls."""
    if not shares_a_lock(patient):
        yield found("platform.instances", instances=instances)


def shares_a_lock(patient: Patient) -> bool:
    """Whether the lock is in a database, which all machines see."""
    raw = patient.read.database_url
    try:
        return raw is not None and database_url.parse(raw) is not None
    except ConfigError:
        return False
