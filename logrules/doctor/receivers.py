"""Whoever gets the alerts: nothing that they would show to anybody is sent."""

from __future__ import annotations

import sys
import time
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

from logrules.core.alerting.delivery import Verdict
from logrules.doctor.finding import State, found
from logrules.doctor.network import place, reach, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from logrules.doctor.finding import Finding
    from logrules.doctor.patient import Patient

LOOKED_UP = 1.0
"""Seconds: a Sentry server takes the first envelope, and looks the key up behind that answer."""


def sentry(patient: Patient) -> Iterator[Finding]:
    """Does Sentry know the key in SENTRY_DSN, and take what comes with it?"""
    dsn = patient.read.sentry_dsn
    if dsn is None:
        if "SENTRY_DSN" not in patient.environ:
            yield found("sentry.off")
        return
    if away := told(reach(dsn, patient.left), dsn, "sentry", State.WARN):
        yield away
        return
    from logrules.sinks.sentry import probe

    outcome = probe(dsn, patient.left)
    if outcome.verdict is Verdict.DELIVERED:
        time.sleep(min(LOOKED_UP, patient.left))
        outcome = probe(dsn, patient.left)
    if outcome.verdict is Verdict.DELIVERED:
        yield found("sentry.ok", host=place(dsn))
    else:
        name = "sentry.refused" if outcome.verdict is Verdict.REJECTED else "sentry.away"
        yield found(name, host=place(dsn), why=outcome.why)


def receivers(patient: Patient) -> Iterator[Finding]:
    """Is anybody told at all, and is anybody at the address of LOGRULES_ALERT_WEBHOOK?"""
    read, url = patient.read, patient.read.alert_webhook
    if not any((read.sentry_dsn, read.alert_chat, url, read.alert_receivers)):
        yield found("receivers.none")
    for name in read.alert_receivers:
        if not _is_there(name.partition(":")[0]):
            yield found("receivers.absent", name=name)
    if url is not None:
        away = told(reach(url, patient.left), url, "receivers", State.WARN)
        yield away or found("hook.ok", host=place(url))


def _is_there(module: str) -> bool:
    """Whether its outermost package can be found, from here too; nothing of it is run."""
    top = module.partition(".")[0]
    return top in sys.modules or PathFinder.find_spec(top, [*sys.path, str(Path.cwd())]) is not None
