"""With a key of Render's API: which services have this bot's token, and how this one is set up."""

from __future__ import annotations

import contextlib
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from logrules.doctor.finding import found
from logrules.doctor.network import place
from logrules.doctor.platform import alone, too_short
from logrules.renderapi import RenderApi, RenderApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from logrules.doctor.finding import Finding
    from logrules.doctor.patient import Patient
    from logrules.renderapi import EnvGroup, Service

WORKERS = 8
"""Questions at a time; Render takes some hundreds a minute."""
SHUTDOWN = 30
"""Seconds between SIGTERM and SIGKILL where a service says nothing else."""
_MALFORMED = (KeyError, TypeError, AttributeError)
"""What an answer of another form than the documented one leads to."""


def services(patient: Patient) -> Iterator[Finding]:
    """Which services carry the same token? It is compared here, and shown nowhere."""
    read, token = patient.read, patient.token
    if read.render_key is None or token is None:
        yield found("render.off" if read.render_key is None else "render.no_token")
        return
    with closing(RenderApi(read.render_key, base_url=read.render_api, timeout=patient.left)) as api:
        try:
            there = api.services()
            groups = api.env_groups()
        except (RenderApiError, *_MALFORMED) as error:
            yield _failed(error, place(read.render_api))
            return
        carriers, unseen = _carriers(api, there, groups, token[1], patient)
    mine = patient.environ.get("RENDER_SERVICE_ID")
    yield from of_services(there, carriers, mine)
    if unseen:
        yield found("render.partial", unseen=unseen, all=len(there) + len(groups))
    for service in there:
        if service.id == mine:
            yield from _own(service, patient)


def of_services(
    there: Sequence[Service], carriers: Mapping[str, set[str]], mine: str | None
) -> Iterator[Finding]:
    """Who else could poll: a service that is suspended or static does not.

    Args:
        there: All services.
        carriers: Ids of those that have the token, each with the names of its settings.
        mine: The id of the one that this runs in.
    """
    having = [each for each in there if each.id in carriers]
    running = [each for each in having if not each.suspended and each.type != "static_site"]
    others = [each for each in running if each.id != mine]
    allowed = 1 if mine is None else 0  # from elsewhere, the one that is meant is among them
    facts: dict[str, Any] = {
        "count": len(there),
        "having": ", ".join(_named(each, carriers[each.id]) for each in having),
        "services": [
            {"name": s.name, "id": s.id, "type": s.type, "suspended": s.suspended, "url": s.url}
            for s in having
        ],
    }
    if not having:
        yield found("render.nobody", **facts)
    else:
        yield found("render.shared" if len(others) > allowed else "render.one", **facts)


def _named(service: Service, settings: set[str]) -> str:
    kind = f"{service.type}, suspended" if service.suspended else service.type
    return f"{service.name} ({kind}: {', '.join(sorted(settings))})"


def _carriers(
    api: RenderApi, there: Sequence[Service], groups: Sequence[EnvGroup], token: str, patient: Patient
) -> tuple[dict[str, set[str]], int]:
    """Which services have the token, under which names, and how many answers did not come."""
    having: dict[str, set[str]] = {}

    def look_at_service(service: Service) -> None:
        for name in _names(api.env_vars(service.id), token):
            having.setdefault(service.id, set()).add(name)

    def look_at_group(group: EnvGroup) -> None:
        for name in _names(api.group_vars(group.id), token):
            for service in group.services:
                having.setdefault(service, set()).add(f"{name} of {group.name}")

    work: list[Callable[[], None]] = [lambda each=each: look_at_service(each) for each in there]  # type: ignore[misc]
    work += [lambda each=each: look_at_group(each) for each in groups if each.services]  # type: ignore[misc]
    return having, len(work) - _done(work, patient.until)


def _names(values: Mapping[str, str], token: str) -> list[str]:
    return [name for name, value in values.items() if token in value]


def _done(work: list[Callable[[], None]], until: float) -> int:
    """Do it side by side; how much of it was done in time."""
    left, done = list(work), list[None]()

    def run() -> None:
        while time.monotonic() < until:
            try:
                look = left.pop()
            except IndexError:
                return
            with contextlib.suppress(RenderApiError, *_MALFORMED):
                look()
                done.append(None)

    threads = [threading.Thread(target=run, name="doctor-render", daemon=True) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return len(done)


def _failed(error: Exception, host: str) -> Finding:
    status = error.status if isinstance(error, RenderApiError) else 200
    if status in {401, 403}:
        return found("render.refused", answer=str(error))
    if status == 429:  # noqa: PLR2004
        return found("render.limited", answer=str(error))
    return found("render.away", host=host, why=str(error))


def _own(service: Service, patient: Patient) -> Iterator[Finding]:
    """How the service that we are in is set up."""
    given = service.shutdown or SHUTDOWN
    if short := too_short(patient, given):
        yield found("platform.drain", setting="maxShutdownDelaySeconds", given=given, needed=short)
    if service.instances is not None and service.instances > 1:
        yield from alone(patient, service.instances)
    if service.plan == "free":
        yield found("platform.sleeps")
