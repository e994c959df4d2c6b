"""A process that has so many things to tell, and ends: with logrules, or with the plain Sentry SDK."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Life(NamedTuple):
    """What a process does."""

    who: str
    """`logrules` or `sdk`."""
    dsn: str
    state: str
    """The file of what is unsent; its successor is given the same."""
    events: int
    pause: float = 0.0
    """Seconds between two captures."""
    end: str = "clean"
    """`clean`, `SIGTERM`, `SIGKILL`, `_exit` or `crash`."""
    flush: float = 5.0
    """Seconds that a clean end gives what is unsent; the SDK has its own two."""
    bare_429: float = 60.0
    """Seconds of quiet after a 429 that does not say how many."""
    lease: float = 30.0
    """Seconds after which what a killed process had in hand is free."""
    same: bool = False
    """Whether all of it is one trouble."""


def logrules(life: Life) -> tuple[Callable[[int], object], Callable[[], object]]:
    """How to capture, and how to end in order."""
    from logrules.alerts import open_alerts
    from logrules.core.alerting import delivery
    from logrules.core.match import Match
    from logrules.rules import rules
    from logrules.settings import Settings
    from logrules.stores.sqlite import outbox

    delivery.BARE_429, outbox.LEASE = life.bare_429, life.lease
    settings = Settings(
        service="bot", instance="a", lang="en", state_file=life.state, sentry_dsn=life.dsn, flush=life.flush
    )
    alerts = open_alerts(settings, str)
    level = rules.specs["CONFLICT_409"].severity

    def capture(number: int) -> None:
        service = "bot" if life.same else f"{number}"
        match = Match(
            code="CONFLICT_409",
            fatal=True,
            level=level,
            message="409",
            service=service,
            instance="a",
            time=time.time(),
            proved=True,
        )
        alerts.send(match)

    def close() -> None:
        alerts.flush(settings.flush)
        alerts.close()

    return capture, close


def sdk(life: Life) -> tuple[Callable[[int], object], Callable[[], object]]:
    """The same with what everybody has: its defaults."""
    import sentry_sdk

    sentry_sdk.init(life.dsn)
    return lambda number: sentry_sdk.capture_message(f"{number}", "fatal"), lambda: None


def main(life: Life) -> None:
    """Say `begun`, capture, say how long each capture took, and end."""
    capture, close = {"logrules": logrules, "sdk": sdk}[life.who](life)
    print("begun", flush=True)
    took = []
    for number in range(life.events):
        since = time.perf_counter()
        capture(number)
        took.append(time.perf_counter() - since)
        time.sleep(life.pause)
    print(json.dumps(took), flush=True)
    if life.end == "clean":
        close()
    elif life.end == "crash":
        raise SystemError("the bot's own")
    elif life.end == "_exit":
        os._exit(3)
    else:
        os.kill(os.getpid(), signal.Signals[life.end])


if __name__ == "__main__":
    main(Life(**json.loads(sys.argv[1])))
