"""The settings themselves, and the user's own packs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from logrules import userpacks
from logrules.commands.check import faults_of
from logrules.core.ruleset.pack import PackError
from logrules.doctor.finding import State, found, spoken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from logrules.doctor.finding import Finding
    from logrules.doctor.patient import Patient

SHOWN = 5
"""Faults of packs; `logrules check` shows them all."""


def configuration(patient: Patient) -> Iterator[Finding]:
    """Is every setting well formed? All that are not, at once."""
    for fault in patient.faults:
        yield found("settings.invalid", fault=spoken(fault))
    if not patient.faults:
        yield found("settings.ok")


def packs(patient: Patient) -> Iterator[Finding]:
    """Are the user's packs well formed, and does every sample give its code?"""
    state = State.BAD if patient.read.packs else State.WARN  # those that nobody named are left out
    try:
        own = userpacks.own(patient.read.packs)
    except PackError as error:
        yield found("packs.fault", state=state, fault=str(error))
        return
    if not own.texts:
        return
    faults = list(faults_of(own.texts, own.texts))
    for fault in faults[:SHOWN]:
        yield found("packs.fault", state=state, fault=str(fault))
    if not faults:
        yield found("packs.ok", packs=", ".join(own.texts))
