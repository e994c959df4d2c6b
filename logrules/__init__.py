"""logrules: codes, remediations, alerts and clean exits for bots.

from logrules import guard

guard(application).run_polling()
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in typing, for every command's start waits for what is imported here
if TYPE_CHECKING:
    from typing import Any

    from logrules.core.guarding.lease import Timers
    from logrules.polling.guarded import bot_token, guard
    from logrules.polling.life import Guard

__version__ = "0.1.0"
__all__ = ["Guard", "Timers", "__version__", "bot_token", "guard"]

_HOMES = {
    "Guard": "logrules.polling.life",
    "Timers": "logrules.core.guarding.lease",
    "bot_token": "logrules.polling.guarded",
    "guard": "logrules.polling.guarded",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: importing logrules imports nothing else."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
