"""`logrules run`: a command, with the sidecar beside it.

What needs no heavy import is refused before (see `options`); then the command is spawned, and the rest read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from logrules.sidecar.lives import Lives
from logrules.sidecar.watch import Watch
from logrules.sources.signals import Signals
from logrules.streams import complain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from logrules.settings import Settings
    from logrules.sidecar.options import Options

NOT_EXECUTABLE, NOT_FOUND = 126, 127


def run(command: Sequence[str], settings: Settings, options: Options) -> int:
    """Run `command` under the sidecar and return the exit status to end with.

    It is the child's own (128 + n after a signal), 127 or 126 where it cannot be started, or the code's if
    we ended it.
    """
    with Signals() as signals:
        watch = Watch(settings, options, wake=signals.wake)
        try:
            return Lives(command, signals, watch, settings, options).run()
        except OSError as error:
            complain(
                f"cannot start {command[0]!r}: {error.strerror or error}. Is the command right, and in PATH?"
            )
            return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        finally:
            watch.close()
