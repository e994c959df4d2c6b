"""`logrules run`: a command, with the sidecar beside it.

What needs no heavy import is refused before (see `options`); then the command is spawned, and the rest read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from logrules.core.model import ConfigError, Exit
from logrules.sidecar.lives import Free, Lives
from logrules.sidecar.options import OnFatal
from logrules.sidecar.watch import UnwatchedError, Watch
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
        watch = Watch(settings, options, wake=signals.wake)
        try:
            return _run(command, signals, watch, settings, options)
        except StartError as error:
            complain(str(error))
            return error.status
        finally:
            watch.close()


def _run(command: Sequence[str], signals: Signals, watch: Watch, settings: Settings, options: Options) -> int:
    """Its lives; with a lock, within that: lock → lives → life."""
    if options.lock is None:
        return Lives(command, signals, watch, settings, options, bond=Free()).run()
    from logrules.sidecar.standby import Standby, find

    find(command[0])
    parks = settings.park or options.on_fatal is OnFatal.PARK
    try:
        standby = Standby(options.lock, settings, signals, watch, parks=parks)
    except UnwatchedError:
        return Exit.SOFTWARE
    return standby.run(Lives(command, signals, watch, settings, options, bond=standby).run)
