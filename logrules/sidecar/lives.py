"""What follows the end of a life: nothing, another one, or staying without one.

    spawn → life → its end → exit

One `Watch` stands beside all lives: incidents and alerts know of no restart.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from logrules.sidecar.life import Life
from logrules.sources.child import Child

if TYPE_CHECKING:
    from collections.abc import Sequence

    from logrules.settings import Settings
    from logrules.sidecar.life import End
    from logrules.sidecar.options import Options
    from logrules.sidecar.watch import Watch
    from logrules.sources.signals import Signals


class Lives:
    """All lives of one command."""

    def __init__(
        self, command: Sequence[str], signals: Signals, watch: Watch, settings: Settings, options: Options
    ) -> None:
        self._command = command
        self._signals = signals
        self._watch = watch
        self._settings = settings
        self._options = options

    def run(self) -> int:
        """Live, and return the status to end with. Raises OSError where the command cannot be started."""
        end = self._life()
        return end.stop.exit if end.stop else end.status

    def _life(self) -> End:
        child = Child(self._command, os.environ, self._settings.service, self._settings.instance)
        return Life(child, self._signals, self._watch).run()
