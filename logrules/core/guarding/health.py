"""How a bot is, in the words of those who ask by HTTP: a platform's probes and Prometheus."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Phase(StrEnum):
    """What the bot is at."""

    PREVIEW = "preview"
    """It is not to poll at all: a preview deploy."""
    DELAYED = "delayed"
    """It lets time pass after its own fatal end."""
    WAITING = "waiting"
    """Somebody else holds the lock."""
    STARTING = "starting"
    POLLING = "polling"
    STALLED = "stalled"
    """It polls, and nothing comes back."""
    LOST = "lost"
    """It held the lock, and tries to take it again."""
    STOPPING = "stopping"
    PARKED = "parked"
    """It has ended for good and stays, for a restart would change nothing."""


SICK = frozenset({Phase.STALLED, Phase.LOST})
"""What a platform should know of; in all other phases a restart would make nothing better."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """A bot's state at one moment; times are seconds since the epoch."""

    phase: Phase
    service: str
    instance: str
    version: str
    since: float
    """When the phase began."""
    epoch: int | None = None
    holder: str | None = None
    """Who holds the lock, as far as we know."""
    last_proof: float | None = None
    last_poll: float | None = None
    in_hand: int = 0
    """Updates fetched and not handled."""
    events: Mapping[str, int] = field(default_factory=dict)
    """How often each code was said."""


class Page(NamedTuple):
    """An HTTP answer."""

    status: HTTPStatus
    kind: str
    body: bytes


def page(path: str, health: Health) -> Page:
    """The answer to a GET of `path`."""
    if path == "/healthz":
        return _told(health, well=health.phase not in SICK)
    if path == "/readyz":
        return _told(health, well=health.phase is Phase.POLLING)
    if path == "/metrics":
        # https://prometheus.io/docs/instrumenting/exposition_formats/
        body = "".join(f"{line}\n" for line in _metrics(health)).encode()
        return Page(HTTPStatus.OK, "text/plain; version=0.0.4; charset=utf-8", body)
    words = b"Here are /healthz, /readyz and /metrics.\n"
    found = HTTPStatus.OK if path == "/" else HTTPStatus.NOT_FOUND
    return Page(found, "text/plain; charset=utf-8", words)


def _told(health: Health, *, well: bool) -> Page:
    facts = {
        "state": health.phase,
        "since": health.since,
        "service": health.service,
        "instance": health.instance,
        "version": health.version,
        "epoch": health.epoch,
        "holder": health.holder,
        "last_proof": health.last_proof,
        "last_poll": health.last_poll,
    }
    body = json.dumps({key: fact for key, fact in facts.items() if fact is not None}, ensure_ascii=False)
    status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
    return Page(status, "application/json", f"{body}\n".encode())


def _metrics(health: Health) -> Iterator[str]:
    named = f"service={_quoted(health.service)},instance={_quoted(health.instance)}"
    yield from _metric("info", "gauge", "The bot and its guard.")
    yield f"logrules_info{{{named},version={_quoted(health.version)}}} 1"
    yield from _metric("state", "gauge", "1 for what the bot is at, 0 for the rest.")
    for phase in Phase:
        yield f"logrules_state{{state={_quoted(phase)}}} {int(phase is health.phase)}"
    gauges = (
        ("state_since_timestamp_seconds", "When the state began.", health.since),
        ("lock_epoch", "Number of the tenure of the lock.", health.epoch),
        ("lock_last_proof_timestamp_seconds", "When the lock was last proved.", health.last_proof),
        ("last_poll_timestamp_seconds", "When getUpdates was last answered.", health.last_poll),
        ("updates_in_hand", "Updates fetched and not handled.", health.in_hand),
    )
    for name, help_, value in gauges:
        if value is not None:
            yield from _metric(name, "gauge", help_)
            yield f"logrules_{name} {value!r}"
    if health.holder is not None:
        yield from _metric("lock_holder", "gauge", "1 for who holds the lock, as far as this instance knows.")
        yield f"logrules_lock_holder{{holder={_quoted(health.holder)}}} 1"
    yield from _metric("events_total", "counter", "How often each code was said.")
    for code, count in sorted(health.events.items()):
        yield f"logrules_events_total{{code={_quoted(code)}}} {count}"


def _metric(name: str, kind: str, help_: str) -> tuple[str, str]:
    return f"# HELP logrules_{name} {help_}", f"# TYPE logrules_{name} {kind}"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'"{escaped}"'
