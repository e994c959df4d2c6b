"""How a command is started under the sidecar. It waits for whatever is imported here."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from logrules.sources.child import Child, inherited

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from logrules.settings import Settings
    from logrules.sources.child import Terminal
    from logrules.sources.signals import Signals


def spawn(
    command: Sequence[str],
    settings: Settings,
    signals: Signals,
    *,
    more: Mapping[str, str] | None = None,
    prepare: Callable[[], None] = lambda: None,
    at_our_end: int = signal.SIGTERM,
) -> Child:
    """Start the command as it would be alone. Raises StartError where it cannot be started.

    Args:
        command: Its words.
        settings: Whose it is.
        signals: What it is given back, as we found them.
        more: What else stands in its environment.
        prepare: What else to do in the new process.
        at_our_end: What it gets when we are gone.
    """

    def get_ready() -> None:
        signals.as_found()
        prepare()

    return Child(
        command,
        {**inherited(), **(more or {})},
        settings.service,
        settings.instance,
        prepare=get_ready,
        terminals=_stand_ins(),
        at_our_end=at_our_end,
    )


def _stand_ins() -> dict[int, Terminal]:
    """Of our output and our errors those that are a terminal, with what stands in for it."""
    at_terminal = [fd for fd in (1, 2) if os.isatty(fd)]
    if not at_terminal:
        return {}
    from logrules.sources.terminal import stand_in

    return {fd: made for fd in at_terminal if (made := stand_in(fd))}
