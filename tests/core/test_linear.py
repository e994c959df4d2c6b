"""No line can keep a regular expression busy: what each of ours can be made to do is known, and small."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

import logrules.core
from logrules.core.engine import EVIDENCE
from logrules.core.literals.factors import parsed
from logrules.core.reading import jsonlogs, stacks, tracebacks
from logrules.core.reading.dispatch import Shape
from logrules.core.reading.lines import LONGEST
from logrules.core.reading.looks import REACH
from logrules.core.reading.statements import STATEMENT
from logrules.core.ruleset import rulebook as rulebook_module
from logrules.rules import rulebook
from tests.core.test_cost import EXPRESSIONS, Steps
from tests.fuzz.linear import FOR_EVER, steps

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 1 << 26
"""Steps over one line that nobody notices: some tenths of a second, and only if somebody is out for it."""
MOST_OF_A_PATTERN = 1 << 23
"""…of one expression of a pack: many are tried on one statement."""
SHORTER = {
    "jsonlogs._KEYED": jsonlogs.LONGEST,
    "stacks._OUTERMOST": stacks.LONGEST,
    "tracebacks._FUTURE": tracebacks.LONGEST,
    "tracebacks._RAISED": tracebacks.LONGEST,
    "drafts._VARIES": STATEMENT,
    "redact": EVIDENCE + 3,
    "rulebook._TAIL": rulebook_module._REACH,
}
"""What sees no more than so much of a line."""
OPERATORS = {"places", "shape", "pack", "database_url", "codes"}
"""Modules that read what an operator has written, and no log."""
Expression = re.Pattern[str] | re.Pattern[bytes] | Shape
SEARCHES = {"search", "sub", "finditer", "findall", "split"}


@pytest.mark.parametrize(
    "pattern",
    ["a+b+c", "[^)]*\\)", "\\d+-\\d+", "\\s*+\\s*x", "(?>\\s*)\\s*x", "\\w+\\b\\w+x", "(?:\\w+\\.)+\\w+x",
     "(?:\\w+ ){0,5}x", "(?:a|b)+c", "(?:(?:\\.|[^\\n]))++x", "a*a*", "(['\"])x+\\1y+"],
)  # fmt: skip
def test_what_is_linear(pattern: str) -> None:
    """Loops that share no letters, or of which one gives nothing back: two looks at each letter at most."""
    assert steps(pattern, 4096) < 3 * 4096


@pytest.mark.parametrize(
    ("pattern", "power"),
    [
        (".*a.*b", 2),
        ("\\s*\\s*x", 2),
        ("a*a*,b*b*x", 3),
        (".*a.*b.*c", 3),
        (" *[-|]* *(?:x *[-|]* *){2}y", 4),
    ],
)
def test_what_multiplies(pattern: str, power: int) -> None:
    """Loops that can pass letters on multiply each other's work."""
    assert 1000**power <= steps(pattern, 1000) < 1000**power * 2


@pytest.mark.parametrize(
    "pattern", ["(\\w+\\s*)*x", "(?:a+)+b", "(?:.*,)+x", "(?:a|a?)+b", "(?i:(?:kk?|K)+)x", "x(?:y{0,9})*z"]
)
def test_what_doubles(pattern: str) -> None:
    """A loop that can read one text in two ways takes for ever."""
    assert steps(pattern, 4096) == FOR_EVER


def test_a_search_begins_anywhere() -> None:
    """What is looked for is tried at every place, unless what must stand before it stands there once."""
    assert steps("\\w+=x", 4096, search=True) > 4096**2
    assert steps("(?<!\\w)\\w+=x", 4096, search=True) < 3 * 4096
    assert steps("foo\\d+=x", 4096, search=True) < 3 * 4096


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(EXPRESSIONS)
def test_what_is_called_linear_grows_linearly(expression: str) -> None:
    """Counted step by step, over all repeated texts of two letters: four times as long, no more work."""
    pattern = f"{expression}c"
    if steps(pattern, 1000) > 3 * 1000:
        return
    for letters in product("ab", repeat=3):
        counts = []
        for times in (4, 16):
            counted = Steps("".join(letters) * times)
            assert list(counted.ends(list(parsed(pattern)), 0)) == []
            counts.append(counted.count)
        assert counts[1] <= 5 * counts[0], (pattern, letters)


def _constants() -> Iterator[tuple[str, Expression]]:
    """Every expression that a module of the core holds, by its name."""
    for found in pkgutil.walk_packages(logrules.core.__path__, "logrules.core."):
        module, short = importlib.import_module(found.name), found.name.rpartition(".")[2]
        if short not in OPERATORS:
            for name, value in vars(module).items():
                for pattern in _patterns(value):
                    yield f"{short}.{name}", pattern


def _patterns(value: object) -> Iterator[Expression]:
    if isinstance(value, re.Pattern | Shape):
        yield value
    elif isinstance(value, tuple | list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _patterns(each)


@cache
def _searched() -> set[str]:
    """The names of expressions that are looked for anywhere in a text; those in collections always count."""
    names = {"redact._FORMS", "mojibake._SHAPES", "conflict._REASONS"}
    for path in Path(logrules.core.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in SEARCHES and isinstance(node.value, ast.Name):
                names.add(f"{path.stem}.{node.value.id}")
    return names


CORE = [
    pytest.param(name, pattern, id=f"{name}-{number}") for number, (name, pattern) in enumerate(_constants())
]


@pytest.mark.parametrize(("name", "pattern"), CORE)
def test_no_line_keeps_the_core_busy(name: str, pattern: Expression) -> None:
    """Whatever stands in 64 KiB of a line: blanks, digits, brackets. If this fails, let a repeat give nothing
    back (`*+`), make its choice once and for all (`(?>…)`), or bound it (`{0,80}`)."""  # noqa: D209
    source, flags = pattern.pattern, pattern.flags
    text = source if isinstance(source, str) else source.decode("latin-1")
    length = SHORTER.get(name, SHORTER.get(name.partition(".")[0], LONGEST))

    assert steps(text, length, search=name in _searched(), flags=flags & ~re.UNICODE) <= MOST


def test_no_statement_keeps_a_pattern_busy() -> None:
    """Every expression of every shipped pack, over the longest statement: what is wrong is named."""
    slow = {
        (pattern.place, pattern.any[number]): made
        for pattern in rulebook().patterns
        for number in range(len(pattern.any))
        if (made := steps(pattern.compiled(number).pattern, STATEMENT)) > MOST_OF_A_PATTERN
    }

    assert not slow


def test_no_record_keeps_a_lead_or_frames_busy() -> None:
    """What packs let stand before the words, and the frames that they ask for anywhere in a record."""
    leads = {"|".join(f"(?:{each})" for each in pattern.lead) for pattern in rulebook().patterns}
    frames = {pattern.frames for pattern in rulebook().patterns if pattern.frames}
    slow = [lead for lead in leads if steps(lead, STATEMENT) > MOST_OF_A_PATTERN]
    own = {"|".join(each for each in pattern.own) for pattern in rulebook().patterns if pattern.own}
    slow += [each for each in own if steps(each, 300, search=True) > MOST]
    slow += [frame for frame in frames if steps(frame, REACH, search=True) > MOST]

    assert not slow
