"""What becomes of the matches of a scan: events, a summary, or how often each rule was met."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from logrules.core.effects import Annotate
from logrules.core.event import Told
from logrules.streams import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from logrules.core.effects import Effect
    from logrules.rules import Rules

    Taken = Any

SPOOL = 16 * 1024 * 1024
"""Bytes of output above which what waits for its turn waits on the disk."""


class Findings(Protocol):
    """Gathers matches; another process may gather, and this one give out."""

    def add(self, effects: Iterable[Effect]) -> None:
        """What an engine has decided."""

    def take(self, *, spool: bool = False) -> Taken:
        """What was gathered since it was last taken; with `spool` much of it waits on the disk."""

    def give(self, taken: Taken) -> None:
        """Tell of what was taken, or keep it for the end."""

    def end(self) -> None:
        """Tell of all that was kept."""


class Events:
    """One JSON line per event."""

    def __init__(self, known: Rules, redact: Callable[[str], str]) -> None:
        self._told = Told(known.specs, known.lang, redact)
        self._lines: list[bytes] = []

    def add(self, effects: Iterable[Effect]) -> None:
        """See `Findings.add`."""
        for effect in effects:
            if isinstance(effect, Annotate):
                self._lines.append(self._told.line(effect.match))

    def take(self, *, spool: bool = False) -> bytes | str:
        """The lines, or a file that holds them."""
        data, self._lines = b"".join(self._lines), []
        if not spool or len(data) <= SPOOL:
            return data
        handle, name = tempfile.mkstemp(prefix="logrules-scan-")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        return name

    def give(self, taken: bytes | str) -> None:
        """Write them. Raises OutputError, and BrokenPipeError where nobody reads."""
        try:
            if isinstance(taken, bytes):
                sys.stdout.buffer.write(taken)
                return
            with Path(taken).open("rb") as file:
                Path(taken).unlink()
                shutil.copyfileobj(file, sys.stdout.buffer)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"cannot write the output: {error.strerror or error}") from error

    def end(self) -> None:
        """See `Findings.end`."""
        sys.stdout.buffer.flush()


class People:
    """A summary at the end."""

    def __init__(self, known: Rules, redact: Callable[[str], str]) -> None:
        from logrules.scanning.summary import Summary

        self._summary, self._all = (Summary(redact, known) for _ in range(2))

    def add(self, effects: Iterable[Effect]) -> None:
        """See `Findings.add`."""
        for effect in effects:
            if isinstance(effect, Annotate):
                self._summary.add(effect.match)

    def take(self, *, spool: bool = False) -> Taken:
        """What each kind of event was seen as."""
        del spool  # it is small
        seen, self._summary.seen = self._summary.seen, {}
        return seen

    def give(self, taken: Taken) -> None:
        """See `Findings.give`."""
        for key, seen in taken.items():
            self._all.meet(key, seen)

    def end(self) -> None:
        """See `Findings.end`."""
        self._all.show()


class Coverage:
    """How often each rule was met, the most frequent first; at the end those that never were."""

    def __init__(self, known: Rules, *, as_json: bool) -> None:
        self._as_json = as_json
        self._met: Counter[str] = Counter()
        self._all = Counter({pattern.rule: 0 for pattern in known.rulebook.patterns})

    def add(self, effects: Iterable[Effect]) -> None:
        """See `Findings.add`."""
        self._met.update(effect.match.rule or "" for effect in effects if isinstance(effect, Annotate))

    def take(self, *, spool: bool = False) -> Taken:
        """How often each was met."""
        del spool  # it is small
        met, self._met = self._met, Counter()
        return met

    def give(self, taken: Taken) -> None:
        """See `Findings.give`."""
        self._all.update(taken)

    def end(self) -> None:
        """See `Findings.end`."""
        for rule, count in sorted(self._all.items(), key=lambda each: (-each[1], each[0])):
            shown = (
                json.dumps({"rule": rule, "count": count})
                if self._as_json
                else f"{count or 'never':>8}  {rule}"
            )
            print(shown)
