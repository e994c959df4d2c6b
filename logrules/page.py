"""How we speak to people at a terminal: pages that fit it, with each command on a line to be copied."""

from __future__ import annotations

import os
import re
import shutil
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from logrules.core.model import Sign
from logrules.core.text import Part, parts, platform_name, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from logrules.core.ruleset.codes import Text as Texts

NARROWEST, WIDEST = 30, 100
"""Columns: below, words would be torn apart; beyond, the eye loses the line."""
_USUAL = 80
_NAMES = 12
"""Columns that the name of a platform takes."""
_TWO_COLUMNS = 60
"""Columns from which on names stand beside what is said of them."""
LOOK = {
    Sign.BAD: ("✖", "bold red"),
    Sign.WARN: ("!", "bold yellow"),
    Sign.INFO: ("i", "bold cyan"),
    Sign.GOOD: ("✔", "bold green"),
}
_QUOTED = re.compile(r"`([^`]+)`")


class Page:
    """Prints to standard output, as wide as the terminal, in colours only where they are seen and wanted."""

    def __init__(self) -> None:
        columns = shutil.get_terminal_size((_USUAL, 24)).columns
        self._colours = _has_colours()
        self._console = Console(
            width=max(NARROWEST, min(columns, WIDEST)),
            force_terminal=self._colours,
            color_system="auto" if self._colours else None,
            highlight=False,
            emoji=False,
            markup=False,
        )

    def title(self, sign: Sign, code: str, *words: tuple[str, str]) -> None:
        """A heading: the sign's mark and the code, then words, each with its style."""
        mark, style = LOOK[sign]
        line = Text(f"{mark} {code}", style=style)
        for text, own in words:
            line.append(printable(text), style=own)
        self._console.print(line)

    def point(self, sign: Sign, words: str) -> None:
        """Words behind a sign's mark."""
        mark, style = LOOK[sign]
        for line in Text(printable(words)).wrap(self._console, self._console.width - 2):
            self._print(Text(f"{mark} ", style=style) + line)
            mark = " "

    def head(self, words: str) -> None:
        """A heading within the page."""
        self._console.print()
        self._console.print(Text(words, style="bold"))

    def say(self, words: str, *, indent: int = 2, style: str = "") -> None:
        """Words that wrap; what is to be typed stands in lines of its own."""
        self._hung("", parts(printable(words)), indent, style)

    def quote(self, words: str, *, indent: int = 2) -> None:
        """Somebody else's words, which wrap and are not ours to take apart."""
        for line in Text(printable(words)).wrap(self._console, self._console.width - indent):
            self._print(Text(" " * indent, style="dim") + line)

    def line(self, words: str, *, indent: int = 2, style: str = "") -> None:
        """Words that must not be torn apart, however narrow the terminal is."""
        self._console.print(Text(" " * indent + printable(words), style=style), soft_wrap=True)

    def steps(self, steps: Iterable[str], *, indent: int = 2, numbered: bool = True) -> None:
        """One after the other: with numbers, where their order counts."""
        for number, step in enumerate(steps, 1):
            self._hung(f"{number}. " if numbered else "• ", parts(printable(step)), indent)

    def warnings(self, warnings: Iterable[str], *, indent: int = 2) -> None:
        """What not to do: nothing in it stands where it would be copied."""
        for warning in warnings:
            self._hung("• ", [Part(printable(warning), is_command=False)], indent)

    def ways(self, ways: Mapping[str, Texts], lang: str, *, indent: int = 2) -> None:
        """How one thing is done on each platform."""
        for platform, text in ways.items():
            name = platform_name(platform, lang)
            if self._console.width < _TWO_COLUMNS:
                self.line(name, indent=indent, style="dim")
                self._hung("", parts(printable(text[lang])), indent + 2)
            else:
                self._hung(name.ljust(_NAMES) + " ", parts(printable(text[lang])), indent)

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[str]], *, indent: int = 2) -> None:
        """Rows under heads; what does not fit into its column goes on below."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for head in heads:
            table.add_column(head, overflow="fold")
        for row in rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        self._console.print(Padding(table, (0, 0, 0, indent)))

    def blank(self) -> None:
        """An empty line."""
        self._console.print()

    def _hung(self, mark: str, said: Iterable[Part], indent: int, style: str = "") -> None:
        """Words to the right of a mark, wrapped, and each command in a line of its own, whole."""
        left = indent + len(mark)
        before = Text().append(" " * indent + mark, style="dim")  # the mark, not the words behind it
        for part in said:
            if part.is_command:
                start = before if mark.strip() else Text(" " * (left + 2))
                self._print(start + Text(part.text, style="cyan"))
            else:
                for line in self._shown(part.text, style).wrap(self._console, self._console.width - left):
                    self._print(before + line)
                    before = Text(" " * left)
            before, mark = Text(" " * left), ""

    def _print(self, text: Text) -> None:
        text.rstrip()
        self._console.print(text, soft_wrap=True)

    def _shown(self, words: str, style: str) -> Text:
        """Words with what is quoted in them in a colour, or else in its backticks."""
        if not self._colours:
            return Text(words)
        text = Text(style=style)
        for number, piece in enumerate(_QUOTED.split(words)):
            text.append(piece, style="cyan" if number % 2 else "")
        return text


def _has_colours() -> bool:
    """https://no-color.org: a NO_COLOR that is not empty."""
    dumb = os.environ.get("TERM") in {"dumb", "unknown"}
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and not dumb
