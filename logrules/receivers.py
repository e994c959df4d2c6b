"""What a receiver of alerts of your own needs, and how it is found.

It is a function: it takes one alert, makes one attempt within some seconds, and returns what became of it.

    # ours.py; LOGRULES_ALERT_RECEIVERS=ours:tell
    from logrules.receivers import DELIVERED, Alert, Delivery

    def tell(alert: Alert) -> Delivery:
        ...
        return DELIVERED  # or retry(why, after=seconds), or rejected(why): it never will

Whatever it raises is tried again. The promise is the same as for ours: alerts are on disk before the first
attempt, each comes at least once and with the same `event_id`, and no secret is left in them.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logrules.core.alerting.delivery import DELIVERED, Delivery, Receiver, rejected, retry
from logrules.core.match import Alert
from logrules.core.model import LogrulesError
from logrules.post import Post

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DELIVERED", "Alert", "Delivery", "Post", "Receiver", "load", "rejected", "retry"]


def load(named: str) -> Receiver:
    """The receiver that `module:function` names; the working directory is looked into last.

    Raises:
        LogrulesError: it cannot be imported, or cannot be called.
    """
    module, _, path = named.partition(":")
    try:
        if (here := str(Path.cwd())) not in sys.path:
            sys.path.append(here)
        found: Any = import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # it is somebody else's module
        raise LogrulesError(f"{named} cannot be imported: {type(error).__name__}: {error}") from None
    if not callable(found):
        raise LogrulesError(f"{named} is no function")
    return _checked(named, found)


def _checked(named: str, function: Callable[[Alert], Any]) -> Receiver:
    def receive(alert: Alert) -> Delivery:
        try:
            outcome = function(alert)
        except SystemExit:  # it would end the thread, and with it all that is told
            return retry(f"{named} called for an exit")
        if isinstance(outcome, Delivery):
            return outcome
        return retry(f"{named} returned no Delivery, but {type(outcome).__name__}")

    return receive
