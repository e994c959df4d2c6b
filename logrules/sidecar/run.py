"""`logrules run`: a command, with the sidecar beside it.

What needs no heavy import is refused before (see `options`); then the command is spawned, and the rest read.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from logrules.core.model import ConfigError
from logrules.sidecar.spawn import spawn
from logrules.sources.child import StartError
from logrules.sources.signals import Signals
from logrules.streams import complain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from logrules.settings import Settings
    from logrules.sidecar.options import Options


def run(command: Sequence[str], settings: Settings, options: Options) -> int:
    """Run `command` under the sidecar and return the exit status to end with.

    It is the child's own (128 + n after a signal), 127 or 126 where it cannot be started, or the code's if
    we ended it.
    """
    if options.heartbeat and not (settings.sentry_dsn and settings.crons):
        raise ConfigError("--heartbeat checks in with Sentry: set SENTRY_DSN, and LOGRULES_CRONS not to off")
    with Signals() as signals:
        try:
            first = spawn(command, settings, signals) if options.lock is None else None
            gc.enable()  # see `logrules.__main__`
            from logrules.sidecar.lives import live  # beside the command, which does not wait for it

            return live(command, first, signals, settings, options)
        except StartError as error:
            complain(str(error))
            return error.status
