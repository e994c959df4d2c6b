"""The terminal in the README, made by the program itself: what it prints, as an SVG of its own."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
import unittest.mock
from pathlib import Path

from rich.console import Console
from rich.text import Text

from logrules.rules import Rules, rules
from logrules.scanning.scan import scan

LOG = """\
2026-11-22 12:00:03,113 INFO telegram.ext.Application: Application started
2026-11-22 12:00:09,482 ERROR telegram.ext.Updater: Error while getting Updates: Conflict: terminated by \
other getUpdates request; make sure that only one bot instance is running
2026-11-22 12:00:41,007 ERROR telegram.ext.Updater: Error while getting Updates: Conflict: terminated by \
other getUpdates request; make sure that only one bot instance is running
"""
COLUMNS = 96
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""What rich would fetch from the web; the reader's own monospaced font does as well."""


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def picture(lang: str) -> str:
    """An SVG of `logrules scan bot.log`."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text("$ logrules scan bot.log", style="bold"))
    console.print(Text.from_ansi(_scanned(rules.speak(lang))))
    drawn = console.export_svg(title="logrules", unique_id="logrules")
    return _FONTS.sub("", drawn).replace("Fira Code, monospace", "monospace")


def _scanned(known: Rules) -> str:
    """What the program prints at a terminal."""
    shown, colours = _Terminal(), {"COLUMNS": str(COLUMNS), "TERM": "xterm-256color", "NO_COLOR": ""}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("bot.log").write_text(LOG)
        with unittest.mock.patch.dict(os.environ, colours), unittest.mock.patch.object(sys, "stdout", shown):
            scan(["bot.log"], known, as_json=False)
    return shown.getvalue()
