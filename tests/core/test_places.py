"""Where values stand in a TOML file, as an editor counts; and how deep it is nested, before it is parsed."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from logrules.core.ruleset.places import depth, place

PACKS = Path(__file__).parents[2] / "logrules" / "packs"
TEXT = '''format = 0
lead = ['a', "b[]",
  # c ]
  """x
[[pattern]] y"""]
[[pattern]]
code = "A"
any = [
  'one',
  "tw\\"o",  # hi
]
[[pattern]]
code="B"
form = { a = 1, b.c = [1,{d=2}] }
[code.X.reason."y z"]
summary.en = "q"
'''


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("format",), (1, 1)),
        (("lead", 1), (2, 14)),
        (("lead", 2), (4, 3)),
        (("pattern", 0), (6, 1)),
        (("pattern", 0, "any"), (8, 1)),
        (("pattern", 0, "any", 1), (10, 3)),
        (("pattern", 1, "code"), (13, 1)),
        (("pattern", 1, "form", "b", "c", 1, "d"), (14, 27)),
        (("code", "X", "reason", "y z", "summary", "en"), (16, 1)),
        (("code", "X", "sign"), (15, 1)),
        (("pattern", 1, "match", 7), (12, 1)),
        (("nothing",), None),
    ],
)
def test_a_place(path: tuple[str | int, ...], expected: tuple[int, int] | None) -> None:
    """Line and column, from 1; of what is not there, those of what is around it."""
    assert place(TEXT, path) == expected


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Any:
    """Every path in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield (*path, key)
        yield from paths(each, (*path, key))


@pytest.mark.parametrize("pack", sorted(PACKS.glob("*.toml")), ids=lambda pack: pack.name)
def test_every_value_of_our_packs_has_a_place(pack: Path) -> None:
    """The tokenizer finds what the parser finds, and at each place there stands what was asked for."""
    text = pack.read_text("utf-8")
    lines = text.split("\n")

    for path in [path for path in paths(tomllib.loads(text)) if path[0] == "pattern"][:100]:
        line, column = place(text, path) or (0, 0)
        start = lines[line - 1][column - 1 :]
        assert start.startswith(("'", '"', str(path[-1])) if len(path) > 2 else "["), path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = 1", 0),
        ("a.b.c = [[1]]", 2),
        ('a = "b.c.d [[[" # e.f [[', 0),
        ("a" + ".a" * 50_000 + " = 1", 50_000),
        ("a = " + "[" * 50_000, 50_000),
        ("a = " + "{a = " * 9, 9),
        ("a.b = 1\n" * 50, 1),
    ],
)
def test_depth(text: str, expected: int) -> None:
    """Dots and brackets count, but for those in texts and comments; no hostile text takes long."""
    assert depth(text) == expected
