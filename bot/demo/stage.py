"""The demo's stage: narration, real processes whose lines are shown as they print them, and the reckoning."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PATIENCE = 30.0
"""Seconds after which something that should have happened counts as not happened."""


class Expectation(NamedTuple):
    """One row of the closing table."""

    what: str
    expected: str
    seen: str

    @property
    def held(self) -> bool:
        """Whether it came as announced."""
        return self.expected == self.seen


class Stage:
    """Says what happens in plain words, and keeps the score."""

    def __init__(self) -> None:
        # Somebody who reads a file scrolls sideways more readily than through folded lines.
        self.console = Console(highlight=False, width=None if sys.stdout.isatty() else 400)
        self.expectations: list[Expectation] = []

    def act(self, title: str) -> None:
        """Announce an act."""
        self.console.print()
        self.console.print(f"[bold]━━ {title}")

    def say(self, text: str) -> None:
        """One thing that happens now."""
        self.console.print(f"[cyan]▸[/] {text}")

    def show(self, who: str, line: str) -> None:
        """A line as a process printed it, up to the remediation: that is for the reader of the alert."""
        line = re.sub(r',"remediation".*', ", …}", line)
        self.console.print(Padding(f"[dim]{who:>6} │ {escape(line)}[/]", (0, 0, 0, 2), expand=False))

    def quote(self, text: str) -> None:
        """What somebody is told, line by line."""
        self.console.print(Padding(escape(text), (0, 0, 0, 2), expand=False))

    def expect(self, what: str, expected: object, seen: object) -> None:
        """A row of the table: holds if both are the same."""
        self.expectations.append(Expectation(what, str(expected), str(seen)))

    def reckon(self) -> int:
        """Print the table; 0 if everything held, else 1."""
        table = Table("", "What", "Expected", "Seen", title="Expected and seen", title_justify="left")
        table.columns[1].no_wrap = True
        for row in self.expectations:
            table.add_row("[green]✓[/]" if row.held else "[red]✗[/]", row.what, row.expected, row.seen)
        self.console.print()
        self.console.print(table)
        return 0 if all(row.held for row in self.expectations) else 1


class Bot:
    """One running bot, as the platform sees it: a process, its lines and its exit status."""

    def __init__(self, stage: Stage, name: str, arguments: list[str], environ: Mapping[str, str]) -> None:
        self.stage = stage
        self.name = name
        self.events: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bot.demo.echo", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LOGRULES_LANG": "en", **environ, "LOGRULES_INSTANCE": name},
            text=True,
            encoding="utf-8",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def wait_for(self, code: str) -> dict[str, Any]:
        """The first event with this code; an empty one if it does not come in time."""
        return self.wait_until(lambda event: event.get("code") == code)

    def wait_until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first event that is wanted; an empty one if it does not come in time."""
        with self._news:
            self._news.wait_for(
                lambda: any(map(wanted, self.events)) or not self._reader.is_alive(), PATIENCE
            )
            return next(filter(wanted, self.events), {})

    def has(self, code: str) -> bool:
        """Whether it has said this code."""
        return any(event.get("code") == code for event in self.events)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def terminate(self) -> None:
        """What a platform does on a deploy: SIGTERM."""
        self._process.terminate()

    def wait(self) -> int:
        """Its exit status, once it has ended by itself; -9 if it must be killed for not doing so."""
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event = _event(line)
            if event.get("code"):
                self.stage.show(self.name, line.rstrip())
            with self._news:
                self.events.append(event)
                self._news.notify_all()
        with self._news:
            self._news.notify_all()


def _event(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}
