"""What the doctor can say: says.toml, read."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any, NamedTuple


class Row(NamedTuple):
    """A finding, before it is found."""

    area: str
    state: str
    code: str | None
    reason: str | None
    text: dict[str, str]
    """By language."""
    steps: tuple[int, ...] | None
    """Which of its code's steps are told here, from 1 on; None for the usual ones."""


def _row(name: str, table: dict[str, Any]) -> Row:
    code, _, reason = table.get("code", "").partition(".")
    text = {lang: table[lang] for lang in ("en", "ru")}
    steps = tuple(table["steps"]) if "steps" in table else None
    return Row(table.get("area", name), table["state"], code or None, reason or None, text, steps)


_TABLES: dict[str, Any] = tomllib.loads(resources.files(__package__).joinpath("says.toml").read_text("utf-8"))

SAYS = {
    f"{area}.{name}": _row(area, table)
    for area, tables in _TABLES["finding"].items()
    for name, table in tables.items()
}
"""Findings, by name."""
AREAS: dict[str, dict[str, str]] = _TABLES["area"]
"""Titles, in the order of a start."""
PAGE: dict[str, dict[str, str]] = _TABLES["page"]
"""What stands around the findings."""
