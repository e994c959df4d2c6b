"""What a store holds, as its keepers show it to people and to one another, and how two of them agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from logrules.core.alerting.delivery import pack, unpack
from logrules.core.alerting.incidents import Incident
from logrules.core.alerting.silences import Silence

if TYPE_CHECKING:
    from logrules.core.match import Alert

INCIDENT, SILENCE, ALERT, REFUSED = "incident", "silence", "alert", "refused"
"""The kinds of rows."""


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
    """Attempts in a row that came to nothing; those of dying processes, amid a rest, apart."""
    why: str


class Ledger(NamedTuple):
    """Every incident, open or not, the alerts that somebody still has to get, and the silences."""

    incidents: list[Incident]
    waiting: list[Waiting]
    silences: list[Silence]
    resting: list[Resting]
    keeper: str = ""
    """Who holds it: the same for every process that shares one file."""


class Keeper(Protocol):
    """A store that another one can mirror."""

    def ledger(self) -> Ledger:
        """All that it holds."""

    def fold(self, theirs: Ledger) -> Ledger:
        """Take in what another one holds; all that is held then."""


class Row(NamedTuple):
    """One entry of a ledger, as bytes that any version of us can read."""

    kind: str
    service: str
    key: str
    data: bytes


class _Refused(msgspec.Struct):
    why: str
    alert: msgspec.Raw


def rows(ledger: Ledger) -> Iterator[Row]:
    """A ledger as rows; who rests is no other keeper's business."""
    encode = msgspec.json.encode
    for row in ledger.incidents:
        yield Row(INCIDENT, row.service, f"{row.code}/{row.reason or ''}", encode(row))
    for silence in ledger.silences:
        yield Row(SILENCE, silence.service, silence.code, encode(silence))
    for sink, alert, refused in ledger.waiting:
        data = encode(_Refused(refused, msgspec.Raw(pack(alert)))) if refused else pack(alert)
        yield Row(REFUSED if refused else ALERT, alert.service, f"{alert.event_id}/{sink}", data)


def of_rows(found: Iterable[Row]) -> Ledger:
    """The ledger that rows tell of, without those that make no sense to this version of us."""
    ledger = Ledger([], [], [], [])
    for row in found:
        try:
            _read(row, ledger)
        except ValueError:
            continue
    return ledger


def _read(row: Row, ledger: Ledger) -> None:
    sink = row.key.rpartition("/")[2]
    if row.kind == INCIDENT:
        ledger.incidents.append(msgspec.json.decode(row.data, type=Incident))
    elif row.kind == SILENCE:
        ledger.silences.append(msgspec.json.decode(row.data, type=Silence))
    elif row.kind == ALERT:
        ledger.waiting.append(Waiting(sink, unpack(row.data)))
    elif row.kind == REFUSED:
        refused = msgspec.json.decode(row.data, type=_Refused)
        ledger.waiting.append(Waiting(sink, unpack(bytes(refused.alert)), refused.why))


def sound(row: Incident | Silence) -> None:
    """Raise ValueError for a row with something in it that nobody has written there."""
    msgspec.convert(msgspec.structs.asdict(row), type(row))


def agreed(ours: Incident | None, theirs: Incident) -> Incident:
    """What two keepers know of one incident together; to agree once more changes nothing.

    Rows that began together are one incident: what both have counted is counted once. Two that were opened
    apart and both go on are added up, and from then on begin where theirs does. Else the later one counts.
    """
    if ours is None or ours == theirs:
        return theirs
    window, earlier = max((ours.window, ours.earlier), (theirs.window, theirs.earlier))
    is_same = ours.first_seen == theirs.first_seen
    if is_same or (ours.closed_at is None and theirs.closed_at is None):
        row = _together(ours, theirs, is_same=is_same)
    else:
        row = max(ours, theirs, key=lambda each: each.last_seen)
    return msgspec.structs.replace(row, window=window, earlier=earlier)


def _together(ours: Incident, theirs: Incident, *, is_same: bool) -> Incident:
    both = (ours, theirs)
    newer = max(both, key=lambda row: (row.alerts, row.last_seen, row.count, -row.suppressed))
    last_seen = max(row.last_seen for row in both)
    opened_at = min(_known(row.opened_at for row in both), default=None)
    total = max if is_same else sum
    return msgspec.structs.replace(
        newer,
        first_seen=theirs.first_seen,
        last_seen=last_seen,
        count=total([row.count for row in both]),
        proved=any(row.proved for row in both),
        opened_at=opened_at,
        alerted_at=max(_known(row.alerted_at for row in both), default=None),
        alerts=total([row.alerts for row in both]),
        suppressed=newer.suppressed if is_same else sum(row.suppressed for row in both),
        # What has been seen since wipes a good sign out, and an end.
        good_since=min(
            _known(row.good_since for row in both if _stands(row.good_since, last_seen)), default=None
        ),
        closed_at=min(
            _known(row.closed_at for row in both if _stands(row.closed_at, last_seen)), default=None
        ),
        recent=() if opened_at is not None else tuple(sorted({*ours.recent, *theirs.recent})),
    )


def _known(times: Iterable[float | None]) -> list[float]:
    return [time for time in times if time is not None]


def _stands(time: float | None, last_seen: float) -> bool:
    return time is not None and time >= last_seen
