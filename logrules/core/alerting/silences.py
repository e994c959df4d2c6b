"""Silences: for how long, and why, nobody is to be told of a code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from logrules.core.alerting.incidents import Incident
    from logrules.core.match import Match

LONGEST = 30 * 86400.0
"""Seconds: one that outlasts whoever asked for it is a rule, and belongs in a pack (`alert = false`)."""


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator has asked for. Times are seconds since the epoch."""

    code: str
    service: str = ""
    """Empty for every service."""
    since: float
    """When it was said: of two about the same code, the later one counts."""
    until: float
    why: str

    @property
    def key(self) -> tuple[str, str]:
        """What makes it this silence and no other."""
        return self.service, self.code

    def lasts(self, now: float) -> bool:
        """Whether it is in force; one that lies too far ahead was made by a clock that ran ahead."""
        return now < self.until <= now + LONGEST

    def covers(self, match: Match | Incident, now: float) -> bool:
        """Whether nobody is to be told of it."""
        return self.lasts(now) and match.code == self.code and self.service in {"", match.service}

    def after(self, earlier: Iterable[Silence]) -> Silence:
        """The same as the last word, also where an earlier one was said by a clock that is ahead of ours."""
        since = max([self.since, *(each.since + 0.001 for each in earlier)])
        return msgspec.structs.replace(self, since=since)

    def ended(self, now: float) -> Silence:
        """The word that takes it back."""
        return msgspec.structs.replace(self, since=now, until=now)
