"""Who is believed, and what follows.

Text is evidence, never an order. Reading a log (`acts` is false) says what each record means and no more.
Watching a child (`acts` is true), a bad sign from text is a warning until it is proved: by the Bot API (a
revoked token) or by the child's own end. Conflicts that go on are told as errors, yet never as
fatal: whoever can make a bot print one line can make it print three in a minute.
Without `stop_on` no text alone ever stops anything.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from logrules.core.effects import Annotate, Probe, Send, Stop
from logrules.core.match import Match
from logrules.core.model import Exit, Form, Severity, Sign

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from logrules.core.effects import Effect
    from logrules.core.ruleset.codes import Code

PROBE_EVERY = 60.0
"""Seconds between two questions of one kind."""
ANNOTATE_EVERY = 60.0
"""Seconds in which the same sign is annotated once; what came between is counted."""
LAST_WORDS = 5.0
"""A child that ends within so many seconds of a bad sign has proved it."""
CONFLICTS = 3
CONFLICTS_OVER = 30.0
CONFLICTS_APART = 120.0
"""So many conflicts, over so many seconds and never so far apart, are no handover: somebody else polls."""
_LASTING_FORMS = (Form.LOG, Form.TRACEBACK)
_POLLS = frozenset(
    {
        "CONFLICT_409",
        "CONFLICT_SUSPECTED",
        "CONFLICT_YIELDED",
        "POLLING_STALLED",
        "POLLING_STARTED",
        "POLLING_START_FAILED",
    }
)
"""What only a program says that asks for updates: it is not meant to come to an end."""
_LEAVES = frozenset({"SHUTDOWN_CLEAN", "SHUTDOWN_SIGNAL"})
LONG = 600.0
"""Seconds after which a child that has a bot's token, and says nothing, is taken for the bot."""
LEAVING = 60.0
"""Seconds within which an end follows from a child's own word that it ends."""


class Policy(NamedTuple):
    """What an engine may do with what it reads."""

    acts: bool
    """False: say what each record means. True: a child is watched, and may be ended."""
    stop_on: frozenset[str] = frozenset()
    """Codes that end the child on the word of its text."""
    overlap: float = 0.0
    """Seconds after `started` in which a conflict may be the predecessor's."""
    started: float = 0.0
    """When the child was started, in seconds since the epoch."""


class Belief:
    """What was read and is not proved yet, and what has been."""

    def __init__(self, codes: Mapping[str, Code], policy: Policy) -> None:
        self._codes = codes
        self._policy = policy
        self._asked: dict[str, float] = {}
        self._recent: deque[tuple[float, Match]] = deque(maxlen=64)
        self._conflicts: list[float] = []
        self._annotated: dict[tuple[str, str | None, Severity], tuple[float, int]] = {}
        self._stopped = False
        self._polls = False
        self._left = float("-inf")

    def is_cut_short(self, now: float, *, has_token: bool) -> bool:
        """Whether an end with status 0 is news: the child is a bot, and has not said that it ends.

        A job that is meant to end says nothing of polling, and seldom takes long; one with a bot's token
        in its environment may still be the bot's own migration.
        """
        is_bot = self._polls or (has_token and now - self._policy.started >= LONG)
        return is_bot and now - self._left > LEAVING

    def spoken(self, match: Match, now: float) -> Iterator[Effect]:
        """The guard's own word: believed as it is, and its exit is its own."""
        self._note(match, now)
        yield Send(msgspec.structs.replace(match, proved=True))

    def read(self, match: Match, now: float) -> Iterator[Effect]:
        """What follows from a match in text."""
        if not self._policy.acts:
            yield Annotate(match)
            return
        self._note(match, now)
        lasting = self._goes_on(match, now)
        if lasting and match.code in self._policy.stop_on:
            yield from self._proved(match, stop=True)
            return
        mild = self._lasting(match, now) if lasting else self._doubted(match)
        yield from self._told(mild, now)
        yield Send(mild)
        yield from self._question(match, mild, now)
        if match.fatal and self._is_bad(match):
            self._recent.append((now, match))

    def answer(self, probe: Probe, now: float) -> Iterator[Effect]:
        """The Bot API says that it is so. A refused token is the one sign that ends a child by itself.

        That a webhook is set proves no conflict: it is how a webhook bot lives, and its users may make it
        print anything. So it is told as an error, and ends the child only if the operator has said so.
        """
        match = msgspec.structs.replace(probe.match, time=now)
        if probe.what == "webhook":
            set_ = msgspec.structs.replace(match, reason="webhook_active", level=Severity.ERROR)
            yield Annotate(set_)
            yield Send(set_)
            return
        fatal = self._codes[match.code].why(match.reason).fatal
        yield from self._proved(msgspec.structs.replace(match, fatal=fatal), stop=True)

    def ended(self, status: int, now: float) -> Iterator[Effect]:
        """The child ended by itself: what it complained of last was true, and fatal if it failed of it."""
        last = {(match.code, match.reason): match for when, match in self._recent if now - when <= LAST_WORDS}
        self._recent.clear()
        for match in last.values():  # in the order in which each was first said
            yield from self._last_word(self._sure(match), status)

    def _last_word(self, sure: Match, status: int) -> Iterator[Effect]:
        if status:
            yield Annotate(sure)
            yield Send(sure)
        else:
            yield Send(msgspec.structs.replace(sure, fatal=False, level=Severity.ERROR))

    def _note(self, match: Match, now: float) -> None:
        self._polls |= match.code in _POLLS
        if match.code in _LEAVES:
            self._left = now

    def _told(self, match: Match, now: float) -> Iterator[Annotate]:
        """An annotation, but not for every line of a storm: a platform cuts a log that grows too fast."""
        key = match.code, match.reason, match.level
        last, untold = self._annotated.get(key, (float("-inf"), 0))
        if now - last < ANNOTATE_EVERY:
            self._annotated[key] = last, untold + 1
            return
        self._annotated[key] = now, 0
        yield Annotate(msgspec.structs.replace(match, count=untold + 1))

    def _question(self, match: Match, mild: Match, now: float) -> Iterator[Effect]:
        what = _probe(match)
        if what and now - self._asked.get(what, float("-inf")) >= PROBE_EVERY:
            self._asked[what] = now
            yield Probe(what, mild)
        if self._is_enough(match):
            yield from self._stop(match)

    def _is_enough(self, match: Match) -> bool:
        """Whether its words end the child because the operator said so; conflicts must go on even then."""
        return match.code in self._policy.stop_on and match.fatal and match.reason != "other_getupdates"

    def _goes_on(self, match: Match, now: float) -> bool:
        """Whether conflicts have gone on for so long that only a second poller explains them."""
        if (match.code, match.reason) != (
            "CONFLICT_409",
            "other_getupdates",
        ) or match.form not in _LASTING_FORMS:
            return False
        if now <= self._policy.started + self._policy.overlap:
            return False
        if self._conflicts and now - self._conflicts[-1] > CONFLICTS_APART:
            self._conflicts.clear()
        self._conflicts.append(now)
        return len(self._conflicts) >= CONFLICTS and now - self._conflicts[0] >= CONFLICTS_OVER

    def _proved(self, match: Match, *, stop: bool) -> Iterator[Effect]:
        sure = self._sure(match)
        yield Annotate(sure)
        yield Send(sure)
        if stop:
            yield from self._stop(sure)

    def _stop(self, match: Match) -> Iterator[Effect]:
        if not self._stopped:
            self._stopped = True
            yield Stop(match, self._codes[match.code].why(match.reason).exit or Exit.SOFTWARE)

    def _lasting(self, match: Match, now: float) -> Match:
        """The match as repetition supports it: worth an error, and still only text."""
        told = {"times": len(self._conflicts), "seconds": int(now - self._conflicts[0])}
        return msgspec.structs.replace(self._doubted(match), level=Severity.ERROR, attrs=told)

    def _doubted(self, match: Match) -> Match:
        """The match as text alone supports it."""
        level = match.level
        if self._is_bad(match) and level.rank > Severity.WARNING.rank:
            level = Severity.WARNING
        return msgspec.structs.replace(match, fatal=False, level=level, proved=False)

    def _sure(self, match: Match) -> Match:
        level = self._codes[match.code].why(match.reason).severity
        return msgspec.structs.replace(match, level=level, proved=True)

    def _is_bad(self, match: Match) -> bool:
        return self._codes[match.code].sign in {Sign.BAD, Sign.WARN}


def _probe(match: Match) -> str | None:
    """The question that would settle it."""
    if match.code == "TOKEN_INVALID":
        return "token"
    if match.code == "CONFLICT_409" and match.reason != "other_getupdates":
        return "webhook"
    return None
