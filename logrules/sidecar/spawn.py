"""How a command is started under the sidecar. It waits for whatever is imported here."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from logrules.become import NONE, Plan, inherited
from logrules.sources.child import Child

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from logrules.settings import Settings
    from logrules.sources.child import Terminal
    from logrules.sources.signals import Signals


def spawn(
    command: Sequence[str],
    settings: Settings,
    signals: Signals,
    *,
    more: Mapping[str, str] | None = None,
    group: tuple[int, int] | None = None,
) -> Child:
    """Start the command as it would be alone. Raises StartError where it cannot be started.

    Args:
        command: Its words.
        settings: Whose it is.
        signals: What it is given back, as we found them.
        more: What else stands in its environment.
        group: It leads a group of its own, and is killed when we are gone: the guardian's line, and the
            terminal of which that group becomes the foreground, or -1.
    """
    leads, (line, terminal) = group is not None, group or (NONE, NONE)
    plan = Plan(
        signal.SIGKILL if leads else signal.SIGTERM,
        defaults=signals.default,
        ignored=signals.ignored,
        leads=leads,
        line=line,
        terminal=terminal,
    )
    environ = {**inherited(), **(more or {})}
    return Child(command, environ, settings.service, settings.instance, plan, terminals=_stand_ins())


def _stand_ins() -> dict[int, Terminal]:
    """Of our output and our errors those that are a terminal, with what stands in for it."""
    at_terminal = [fd for fd in (1, 2) if os.isatty(fd)]
    if not at_terminal:
        return {}
    from logrules.sources.terminal import stand_in

    return {fd: made for fd in at_terminal if (made := stand_in(fd))}
