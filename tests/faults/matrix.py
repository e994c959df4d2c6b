"""The fault matrix: what of so many events is told, whatever the receiver or the process does.

A process captures; the fault passes; the process ends; the next one starts. What arrives is counted at the
receiver, by what was told and not by what anybody says of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from sentry_relay.processing import StoreNormalizer

from logrules.testing import SentryReceiver
from tests.faults.emitter import Life

if TYPE_CHECKING:
    from pathlib import Path


class Scale(NamedTuple):
    """How much of it, and for how long."""

    events: int = 200
    fault: float = 10.0
    """Seconds that the receiver's fault lasts; the process captures for twice as long."""
    slow: float = 2.0
    """Seconds that an answer takes, where it is slow."""
    bare_429: float = 60.0
    """What logrules waits after a 429 that does not say how long; the SDK's own is a minute."""
    flush: float = 5.0
    lease: float = 30.0
    """Seconds for which logrules leaves alone what a killed process had in hand."""


class Row(NamedTuple):
    """One fault."""

    name: str
    fault: Callable[[SentryReceiver, Scale], object] | None = None
    """What the receiver does for a while; None: it is well."""
    burst: bool = False
    """Everything is captured at once."""
    end: str = "clean"


def _asked(scale: Scale) -> str:
    return str(max(1, round(scale.fault / 2)))


ROWS = (
    Row("burst", burst=True),
    Row("down", lambda receiver, _: receiver.down()),
    Row("429, Retry-After", lambda r, scale: r.status(429, {"Retry-After": _asked(scale)})),
    Row(
        "429, X-Sentry-Rate-Limits",
        lambda r, scale: r.status(429, {"X-Sentry-Rate-Limits": f"{_asked(scale)}:error:organization"}),
    ),
    Row("429 that does not say how long", lambda receiver, _: receiver.status(429)),
    Row("503", lambda receiver, _: receiver.status(503)),
    Row("slow answers", lambda receiver, scale: receiver.slow(scale.slow)),
    Row("connections reset", lambda receiver, _: receiver.reset()),
    Row("acknowledgements lost", lambda receiver, _: receiver.ack_lost()),
    Row("down, and SIGKILL", lambda receiver, _: receiver.down(), burst=True, end="SIGKILL"),
    Row("SIGTERM", burst=True, end="SIGTERM"),
    Row("SIGKILL", burst=True, end="SIGKILL"),
    Row("os._exit", burst=True, end="_exit"),
    Row("crash", burst=True, end="crash"),
)


class Told(NamedTuple):
    """What became of the events of one row."""

    captured: int
    by_its_end: int
    """Different ones that had arrived when the process was gone."""
    lost: int
    """Those that had not when its successor was gone, too."""
    repeated: int
    """Arrivals of an event that was there already, under the same id: receivers drop them."""
    doubled: int
    """Arrivals of one that was there already, under another id: nobody can tell."""
    spoilt: int
    """Events of ours in which Sentry's normaliser finds an error, or something to cut."""


Begin = Callable[..., "subprocess.Popen[str]"]
"""How a process begins: `subprocess.Popen`, or like it."""


def run(row: Row, who: str, scale: Scale, folder: Path, by: Begin = subprocess.Popen) -> Told:
    """One row, by `logrules` or by the plain `sdk`."""
    pause = 0.0 if row.burst else 2 * scale.fault / scale.events
    with SentryReceiver() as receiver:
        life = Life(
            who=who,
            dsn=receiver.dsn,
            state=str(folder / "state.db"),
            events=scale.events,
            pause=pause,
            end=row.end,
            flush=scale.flush,
            bare_429=scale.bare_429,
            lease=scale.lease,
        )
        if row.fault is not None:
            row.fault(receiver, scale)
        process = begin(life, by)
        if row.fault is not None:
            time.sleep(scale.fault)
            receiver.ok()
        captured = len(ended(process))
        by_its_end = len(_names(receiver))
        ended(begin(life._replace(events=0, end="clean", flush=scale.bare_429 + 60), by))
        return _counted(receiver, captured, by_its_end, ours=who == "logrules")


def begin(life: Life, by: Begin = subprocess.Popen) -> subprocess.Popen[str]:
    """The process, as soon as it captures."""
    command = [sys.executable, "-m", "tests.faults.emitter", json.dumps(life._asdict())]
    process = by(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def ended(process: subprocess.Popen[str]) -> list[float]:
    """Wait for its end; the seconds that each capture took."""
    out, _ = process.communicate()
    took: list[float] = json.loads(out.splitlines()[0])
    return took


def _names(receiver: SentryReceiver) -> dict[str, list[str]]:
    """The ids under which each captured event has arrived, with every repeat."""
    names = defaultdict(list)
    for item in receiver.items:
        if item.type == "event" and (name := _name(item.content)).isdigit():
            names[name].append(item.content["event_id"])
    return names


def _name(event: dict[str, Any]) -> str:
    return str(event.get("tags", {}).get("service") or event.get("message") or "")


def _counted(receiver: SentryReceiver, captured: int, by_its_end: int, *, ours: bool) -> Told:
    names = _names(receiver)
    return Told(
        captured=captured,
        by_its_end=by_its_end,
        lost=captured - len(names),
        repeated=sum(len(ids) - len(set(ids)) for ids in names.values()),
        doubled=sum(len(set(ids)) - 1 for ids in names.values()),
        spoilt=sum(map(_is_spoilt, receiver.events.values())) if ours else 0,
    )


def _is_spoilt(event: dict[str, Any]) -> bool:
    relay = StoreNormalizer(
        project_id=1,
        client="logrules",
        protocol_version="7",
        enable_trimming=True,
        received_at=datetime.now(UTC).isoformat(),
        max_secs_in_future=60,
        max_secs_in_past=30 * 86400,
    )
    kept = relay.normalize_event(event)
    return bool(kept.get("errors") or kept.get("_meta"))
