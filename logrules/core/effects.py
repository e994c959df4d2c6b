"""What the engine decides, for others to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from logrules.core.match import Match
    from logrules.core.model import Exit


class Annotate(NamedTuple):
    """Say on our own output what a record means."""

    match: Match


class Send(NamedTuple):
    """Hand a verified match to the store, which decides whether anybody is to be told."""

    match: Match


class Probe(NamedTuple):
    """Ask the Bot API whether a bad sign is true: `what` is `token` or `webhook`."""

    what: str
    match: Match


class Stop(NamedTuple):
    """End the child, cleanly, with this status."""

    match: Match
    exit: Exit


Effect = Annotate | Send | Probe | Stop
