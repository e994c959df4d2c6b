"""Events as people read them at a terminal: the line first, what to do and what not below it, a line each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from logrules.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARKS = {"debug": "·", "info": "i", "warning": "!", "error": "✖", "critical": "✖"}
_COLOURS = {"debug": "2", "info": "36", "warning": "1;33", "error": "1;31", "critical": "1;31"}
_DIM = "2"
_QUIET = {"debug", "info"}
"""Levels of which the line says all."""
_STEP = re.compile(
    r" (?=WARNING: |ВНИМАНИЕ: )|(?<=\W) (?=[1-9]\d?\) )|(?<=[.!?`]) (?=(?:Do not|Never|Не|Никогда) )"
)
"""Before each step, each warning, and each thing not to do."""
_FRAMES = 12
"""Lines of a traceback: its last ones say what failed, and where."""
_MARGIN = " " * 11
"""As wide as the time and the mark before the words."""


class Readable:
    """Makes text of the JSON lines of events. What to do is said once of each kind.

    Args:
        colours: Whether the terminal shows any.
    """

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours
        self._told: set[tuple[str, str | None]] = set()

    def __call__(self, line: bytes) -> bytes:
        """One line as several; what is no event stays as it is. Never raises."""
        try:
            event: dict[str, Any] = msgspec.json.decode(line)
            rows = [self._head(event)]
            if event["level"] not in _QUIET:
                rows += [*self._steps(event), *self._rest(event)]
        except (msgspec.DecodeError, AttributeError, KeyError, TypeError):
            return line
        return ("\n".join(rows) + "\n").encode("utf-8", "replace")

    def _head(self, event: dict[str, Any]) -> str:
        level = event["level"]
        name = printable(event.get("code") or event.get("logger", ""))
        mark = self._styled(f"{_MARKS[level]} {name}".rstrip(), _COLOURS[level])
        return f"{self._styled(event['timestamp'][11:19], _DIM)} {mark}  {printable(event['message'])}"

    def _steps(self, event: dict[str, Any]) -> Iterator[str]:
        kind = (event.get("code", ""), event.get("reason"))
        if kind not in self._told and "remediation" in event:
            self._told.add(kind)
            yield from (f"{_MARGIN}{printable(step)}" for step in _STEP.split(event["remediation"]))

    def _rest(self, event: dict[str, Any]) -> Iterator[str]:
        error = event.get("error", {})
        told = [f"{name}: {_text(value)}" for name, value in event.get("attrs", {}).items()]
        told += _ending(error.get("stack") or error.get("message", ""))
        for row in "\n".join(told).splitlines():
            yield self._styled(_MARGIN + printable(row), _DIM)

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._colours and text else text


def _ending(stack: str) -> list[str]:
    rows = stack.splitlines()
    left_out = len(rows) - _FRAMES
    if left_out <= 1:
        return rows
    return [f"… {left_out} lines before these: LOGRULES_FORMAT=json prints them", *rows[left_out:]]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
