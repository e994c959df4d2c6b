"""Every command as its parser knows it: what it is for, arguments and options, examples, exit statuses.

Help speaks English, and so does this, in both languages' reference.
"""

from __future__ import annotations

import argparse
import re
import textwrap

from logrules import manual
from logrules.arguments import parser

MEANS = {"en": "| | Meaning |", "ru": "| | Что значит |"}
ENDS = {"en": "Exit statuses:", "ru": "Коды завершения:"}
_GROUPS = {"", "export"}
"""What only leads to commands."""


def commands(lang: str) -> str:
    """All of them, in the order of `logrules --help`."""
    told = (each for each in manual.tree(parser(())) if each[0] not in _GROUPS)
    return "\n\n".join(_command(path, parser, lang) for path, parser in told)


def _command(path: str, parser: argparse.ArgumentParser, lang: str) -> str:
    rows = [
        f"| `{_spelt(action)}` | {action.help} |"
        for action in parser._actions  # noqa: SLF001  argparse shows its tree nowhere else
        if action.dest != "help" and action.help != argparse.SUPPRESS
    ]
    statuses = "\n".join(manual.STATUSES[path])
    parts = [
        f"### logrules {path}",
        f"{parser.description} {parser.epilog or ''}".strip(),
        f"```sh\n{_examples(path)}\n```",
        "\n".join([MEANS[lang], "|---|---|", *rows]) if rows else "",
        f"{ENDS[lang]}\n```\n{statuses}\n```",
    ]
    return "\n\n".join(part for part in parts if part)


def _examples(path: str) -> str:
    shown = textwrap.dedent(manual.EXAMPLES[path]).strip()
    return re.sub(r"(?<=\S) {2,}(?=\S)", "  # ", shown)


def _spelt(action: argparse.Action) -> str:
    """An option or an argument as it is typed."""
    values = "|".join(map(str, action.choices)) if action.choices else action.metavar or action.dest.upper()
    takes = "" if action.nargs == 0 else str(values).replace("|", r"\|")
    return " ".join(filter(None, [", ".join(action.option_strings), takes]))
