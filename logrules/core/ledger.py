"""What a store holds, as its keepers show it to people and to one another."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from logrules.core.incidents import Incident
    from logrules.core.model import Alert
    from logrules.core.silences import Silence


class Waiting(NamedTuple):
    """An alert that one receiver has not taken."""

    sink: str
    alert: Alert
    refused: str = ""
    """Why the receiver never will; empty while it is tried again."""


class Resting(NamedTuple):
    """A receiver that is left alone for a while."""

    sink: str
    until: float
    failures: int
    """Attempts in a row that came to nothing."""
    why: str


class Ledger(NamedTuple):
    """Every incident, open or not, the alerts that somebody still has to get, and the silences."""

    incidents: list[Incident]
    waiting: list[Waiting]
    silences: list[Silence]
    resting: list[Resting]
