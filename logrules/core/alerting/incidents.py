"""Whether a match is worth waking somebody: one pure function over one row.

    confirm → open incident? count it : group → inhibit → silence → rate → Alert | the named reason why not

An incident is everything that a service says about one code (and reason), whichever instance says it, from
the first sighting until it is resolved. `decide` takes its row and a match and returns the new row, what was
decided, and the alert if there is one. Who keeps the rows and who sends the alert is no matter of this file.

What it does not do: silences are only asked for, not kept here.
"""

from __future__ import annotations

import uuid
from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from logrules.core.belief import LAST_WORDS
from logrules.core.match import Alert
from logrules.core.model import Severity
from logrules.core.ruleset.codes import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from logrules.core.match import Match
    from logrules.core.ruleset.codes import AlertSpec, Code

LEVELS = ("debug", "info", "warning", "error", "fatal")
"""Sentry's words, from quiet to loud."""

_NAMESPACE = uuid.UUID("6f4f8a3e-5d0b-5c57-9f0e-6c6f67727573")
_UNPROVED = LEVELS.index("warning")
_PATIENCE = LAST_WORDS + 1.0
_kind = attrgetter("service", "instance", "code", "reason", "level", "fatal", "proved")
"""What matches have in common of which one can stand for all."""


class Outcome(StrEnum):
    """What was decided about a match."""

    OPENED = "opened"  # somebody is told of a new incident
    REPEATED = "repeated"  # told again, because it is still open after `alert.repeat`
    ESCALATED = "escalated"  # told again, because it is worse than what was told
    COUNTED = "counted"  # already told
    UNCONFIRMED = "unconfirmed"  # not seen often enough
    INHIBITED = "inhibited"  # an open incident of another code says it already
    SILENCED = "silenced"  # an operator asked for quiet
    LIMITED = "limited"  # too many alerts lately
    MUTE = "mute"  # the code wakes nobody

    @property
    def tells(self) -> bool:
        """Whether an alert goes out."""
        return self in {Outcome.OPENED, Outcome.REPEATED, Outcome.ESCALATED}


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the store. Times are seconds since the epoch, by the store's clock."""

    service: str
    code: str
    reason: str | None = None
    first_seen: float
    last_seen: float
    count: int = 0
    """Sightings since `first_seen`."""
    sighting: str = ""
    """What the latest one was, where it can be told: its proof, which comes later, is no second one."""
    proved: bool = False
    opened_at: float | None = None
    """When it was confirmed; None while it is not."""
    alerted_at: float | None = None
    alerts: int = 0
    suppressed: int = 0
    """Sightings that nobody was told of, since the last alert."""
    loudness: int = -1
    """Of the latest alert, see `_loudness`: a reminder may be quieter, and escalates again."""
    good_since: float | None = None
    """Since when a resolving code stands; the bad one wipes it out."""
    closed_at: float | None = None
    window: int = -1
    """The repeat window of the last alert, and how many came before it in that window: they make its id."""
    earlier: int = 0
    recent: tuple[float, ...] = ()
    """The latest sightings of one that is not confirmed yet."""

    @property
    def key(self) -> tuple[str, str, str | None]:
        """What makes it this incident and no other."""
        return self.service, self.code, self.reason

    @property
    def is_open(self) -> bool:
        """Confirmed and not resolved."""
        return self.opened_at is not None and self.closed_at is None


class Around(NamedTuple):
    """What the rest of the store says about a match."""

    inhibited: bool = False
    silenced: bool = False
    limited: bool = False


ALONE = Around()


class Decision(NamedTuple):
    """The new row, what was decided, and whom to tell what."""

    incident: Incident
    outcome: Outcome
    alert: Alert | None


def decide(
    row: Incident | None, match: Match, code: Code, now: float, *, around: Around = ALONE, lang: str = "en"
) -> Decision:
    """What `match` does to the incident it belongs to. `code` is the match's, as its reason makes it."""
    known = _current(row, match, code, now)
    row = _seen(known, match, code, now)
    is_proof = bool(row.sighting) and row.sighting == known.sighting
    sightings = match.count - is_proof
    if code.alert is None:
        return _untold(row, Outcome.MUTE, sightings)
    level = _level(match, code.alert)
    loudness = _loudness(level, match)
    outcome = _occasion(row, code.alert, now, loudness)
    if outcome.tells:
        outcome = _hushed(match, around) or outcome
    if not outcome.tells:
        return _untold(row, outcome, sightings)
    row = msgspec.structs.replace(row, suppressed=row.suppressed + match.count - 1)
    told = _told(row, loudness, int(now // max(code.alert.repeat, 1.0)), now)
    if is_proof and now - (known.alerted_at or 0.0) < _PATIENCE:
        # The alert that rests on its text still waits, and gives way to this one.
        told = msgspec.structs.replace(told, alerts=known.alerts)
    alert = _alert(told, match, code, level, code.alert.title[lang])
    return Decision(msgspec.structs.replace(told, suppressed=0), outcome, alert)


def gathered(matches: Sequence[Match]) -> list[Match]:
    """What came together, in its order: of more than two of one kind the first, and the last for all others.

    So a storm costs no more than what is different in it; what came between two of a kind stays between them.
    """
    first, last, counts = dict[object, int](), dict[object, int](), dict[object, int]()
    for at, match in enumerate(matches):
        kind = _kind(match)
        first.setdefault(kind, at)
        last[kind] = at
        counts[kind] = counts.get(kind, 0) + match.count
    found = {at: matches[at] for at in first.values()}
    for each, at in last.items():
        if at not in found:
            others = counts[each] - found[first[each]].count
            found[at] = msgspec.structs.replace(matches[at], count=others)
    return [found[at] for at in sorted(found)]


def patience(match: Match) -> float:
    """Seconds that an alert waits for more of its kind: one message is to tell of text and of its proof."""
    return 0.0 if match.proved else _PATIENCE


def heal(row: Incident, match: Match, code: Code, now: float) -> Incident:
    """The row after a match of another code, which may be the good sign that it waits for."""
    if row.good_since is None and match.code in code.resolved_by and row.is_open:
        return msgspec.structs.replace(row, good_since=now)
    return row


def ends_at(row: Incident, code: Code) -> float | None:
    """When the incident is over if nothing more is seen: its good sign has stood long enough by then.

    A code that no other one resolves is over when it was quiet for a whole repeat interval.
    """
    if not row.is_open:
        return None
    if row.good_since is not None:
        return row.good_since + code.resolve_after
    return None if code.resolved_by else row.last_seen + _fresh(code)


def resolve(row: Incident, code: Code, now: float) -> Incident:
    """The row, closed if it is over by now."""
    end = ends_at(row, code)
    return row if end is None or now < end else msgspec.structs.replace(row, closed_at=end)


def end_of(row: Incident, code: Code, *, lang: str = "en") -> Alert | None:
    """What there is to say of an incident that has just been closed: nothing, if nobody was told of it."""
    if row.closed_at is None or code.alert is None or not row.alerts:
        return None
    named = [row.service, row.code, row.reason or "", "closed", str(row.closed_at)]
    return Alert(
        event_id=uuid.uuid5(_NAMESPACE, "|".join(named)).hex,
        code=row.code,
        reason=row.reason,
        fatal=False,
        level="info",
        title=code.alert.title[lang],
        message="Resolved",
        remediation={},
        service=row.service,
        instance="",
        time=row.closed_at,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        count=row.count,
        suppressed=row.suppressed,
        number=0,
        closed_at=row.closed_at,
    )


def inhibits(match: Match, others: Iterable[Incident], codes: Mapping[str, Code], now: float) -> bool:
    """Whether an open incident of another code makes `match` old news.

    It must have been seen lately, and what is proved is never hidden by what is not.
    """
    return any(
        row.is_open
        and row.code != match.code
        and row.code in codes
        and match.code in (code := codes[row.code].why(row.reason)).inhibits
        and now - row.last_seen < _fresh(code)
        and (row.proved or not match.proved)
        for row in others
    )


def told(row: Incident, alert: Alert) -> Incident:
    """The row once a receiver has taken its latest alert, with what was counted while that waited."""
    if (row.first_seen, row.alerts) != (alert.first_seen, alert.number):
        return row
    return msgspec.structs.replace(row, suppressed=min(row.suppressed, max(0, row.count - alert.count)))


def recount(alert: Alert, row: Incident | None) -> Alert:
    """An alert that had to wait, with what its incident has counted since: one message says it all."""
    if row is None or (row.first_seen, row.alerts) != (alert.first_seen, alert.number):
        return alert
    suppressed = alert.suppressed + row.count - alert.count
    return msgspec.structs.replace(alert, count=row.count, suppressed=suppressed, last_seen=row.last_seen)


def fold(earlier: Alert, later: Alert) -> Alert:
    """Two alerts of one kind that both still wait, as the one that goes out: as loud as the louder of them.

    What follows an end makes it old news; what is over by now is still told, with its end.
    """
    if earlier.is_end:
        return later
    # Those between the two, and one of them: a proof is none of its own.
    untold = earlier.suppressed + max(0, later.count - earlier.count)
    if later.is_end:
        fields = {name: getattr(later, name) for name in ("count", "last_seen", "closed_at")}
        return msgspec.structs.replace(earlier, suppressed=untold, **fields)
    is_same = earlier.first_seen == later.first_seen
    told = max(later, earlier, key=lambda alert: (LEVELS.index(alert.level), alert.fatal))
    return msgspec.structs.replace(
        told,
        event_id=later.event_id,
        count=later.count,
        suppressed=untold if is_same else later.suppressed,
        before=earlier.before + (0 if is_same else earlier.count),
        number=later.number,
        first_seen=later.first_seen,
        last_seen=later.last_seen,
        closed_at=later.closed_at,
    )


def _fresh(code: Code) -> float:
    """Seconds for which the last sighting of a code still means that it goes on."""
    return max(code.resolve_after, code.alert.repeat if code.alert else 0.0)


def _current(row: Incident | None, match: Match, code: Code, now: float) -> Incident:
    """The open row, or a new one that remembers only what ids are made of."""
    row = row and resolve(_rebased(row, now), code, now)
    if row is not None and row.closed_at is None:
        return row
    new = Incident(service=match.service, code=match.code, reason=match.reason, first_seen=now, last_seen=now)
    return msgspec.structs.replace(new, window=row.window, earlier=row.earlier) if row else new


def _rebased(row: Incident, now: float) -> Incident:
    """The row without times that are still to come: the clock was set back, and nothing may wait for it."""
    ahead = {
        name: now
        for name in ("first_seen", "last_seen", "opened_at", "alerted_at", "good_since")
        if (getattr(row, name) or 0.0) > now
    }
    return msgspec.structs.replace(row, **ahead)


def _seen(row: Incident, match: Match, code: Code, now: float) -> Incident:
    """The row after one more sighting, opened if that confirms it."""
    sighting = "" if match.line is None else f"{match.instance}:{match.line}:{match.time}"
    row = msgspec.structs.replace(
        row,
        last_seen=now,
        count=row.count + match.count - (bool(sighting) and sighting == row.sighting),
        sighting=sighting,
        proved=row.proved or match.proved,
        good_since=None,
    )
    if row.is_open:
        return row
    # Who proves a fatal sign ends with it: there will be no second sighting.
    if code.confirm is None or (match.fatal and match.proved):
        return msgspec.structs.replace(row, opened_at=now, recent=())
    times = (*row.recent, *[now] * match.count)
    recent = tuple(when for when in times if now - code.confirm.within <= when <= now)
    if len(recent) >= code.confirm.count:
        return msgspec.structs.replace(row, opened_at=now, recent=(), count=len(recent), first_seen=recent[0])
    return msgspec.structs.replace(row, recent=recent, count=len(recent), first_seen=recent[0])


def _occasion(row: Incident, alert: AlertSpec, now: float, loudness: int) -> Outcome:
    """Whether there is anything new to tell."""
    if row.opened_at is None:
        return Outcome.UNCONFIRMED
    if row.alerted_at is None:
        return Outcome.OPENED
    if loudness > row.loudness:
        return Outcome.ESCALATED
    return Outcome.REPEATED if now - row.alerted_at >= alert.repeat else Outcome.COUNTED


def _hushed(match: Match, around: Around) -> Outcome | None:
    """Why there is something new, and yet nobody is told."""
    if around.inhibited:
        return Outcome.INHIBITED
    if around.silenced:
        return Outcome.SILENCED
    if around.limited and not (match.fatal and match.proved):
        return Outcome.LIMITED
    return None


def _untold(row: Incident, outcome: Outcome, sightings: int) -> Decision:
    """Nobody is told of it. The proof of a sighting is no second one that nobody was told of."""
    return Decision(msgspec.structs.replace(row, suppressed=row.suppressed + sightings), outcome, None)


def _level(match: Match, alert: AlertSpec) -> str:
    """The code's own level as far as the match bears it.

    Text alone is a warning, text that goes on an error; what heals is not fatal.
    """
    loudest = LEVELS.index(alert.level)
    if not match.proved:
        loudest = min(loudest, _UNPROVED + (match.level is Severity.ERROR))
    if not match.fatal:
        loudest = min(loudest, LEVELS.index("error"))
    return LEVELS[loudest]


def _loudness(level: str, match: Match) -> int:
    """Order of alerts: louder levels first, and within a level what is fatal."""
    return 2 * LEVELS.index(level) + (match.fatal and match.proved)


def _told(row: Incident, loudness: int, window: int, now: float) -> Incident:
    return msgspec.structs.replace(
        row,
        alerted_at=now,
        alerts=row.alerts + 1,
        loudness=loudness,
        earlier=row.earlier + 1 if row.window == window else 0,
        window=window,
    )


def _alert(row: Incident, match: Match, code: Code, level: str, title: str) -> Alert:
    return Alert(
        event_id=_event_id(row, level),
        code=row.code,
        reason=row.reason,
        fatal=match.fatal and match.proved,
        level=level,
        title=title,
        message=match.message,
        remediation={lang: code.remediation_lines(lang) for lang in LANGUAGES},
        service=row.service,
        instance=match.instance,
        time=min(match.time, row.last_seen),  # a log's own clock may run ahead
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        count=row.count,
        suppressed=row.suppressed,
        number=row.alerts,
        evidence=match.evidence,
        epoch=match.epoch,
        attrs=match.attrs,
    )


def _event_id(row: Incident, level: str) -> str:
    """The same for everybody who tells of this in one repeat window, even if nobody remembers the incident.

    Who does remember marks the second and later alerts of a window (an escalation, an incident opened again),
    which a receiver must not take for the first.
    """
    named = [row.service, row.code, row.reason or "", level, str(row.window)]
    if row.earlier:
        named.append(str(row.earlier))
    return uuid.uuid5(_NAMESPACE, "|".join(named)).hex
