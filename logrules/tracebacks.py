"""An exception as the `error` of an event: its type, what it says, its whole traceback with all causes."""

from __future__ import annotations

import traceback

from logrules.core.event import Error

LONGEST = 8000
"""Characters of a traceback: with them a line stays below its cap, so that nothing else of it is cut."""


def error_of(error: BaseException) -> Error:
    """What is known about `error`, not redacted yet. Never raises, whatever its own methods do."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    try:
        message = str(error)
    except Exception:  # noqa: BLE001  a foreign __str__ may raise anything
        message = "<its text cannot be shown>"
    try:
        stack = "".join(traceback.format_exception(error))
    except Exception as fault:  # noqa: BLE001  whatever breaks the formatting, the error itself is told
        stack = f"{name}: {message} <no traceback: {type(fault).__name__}>"
    return Error(type=name, message=message, stack=_shortened(stack))


def _shortened(stack: str) -> str:
    """The first cause is at the head of a traceback and the last at its end: the middle goes first."""
    if len(stack) <= LONGEST:
        return stack
    half = LONGEST // 2
    head, tail = stack[:half].rpartition("\n")[0], stack[-half:].partition("\n")[2]
    lines = stack.count("\n") - head.count("\n") - tail.count("\n")
    return f"{head or stack[:half]}\n  [{lines} lines left out]\n{tail or stack[-half:]}"
