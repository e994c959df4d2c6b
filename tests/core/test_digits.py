"""Lines that differ in their digits alone are judged once, and rightly."""

from __future__ import annotations

import json
import random
import re

import pytest

from logrules.core import fatality
from logrules.core.literals.digits import like, tells
from logrules.core.reading import drafting, heads, jsonlogs, looks, mojibake, stacks, tracebacks
from logrules.core.reading.dispatch import Shape
from logrules.core.ruleset import own, rulebook
from logrules.rules import rulebook as shipped
from tests.fuzz.properties import matches, other_numbers_are_no_other_log

ELSEWHERE = {
    heads.ANSI,  # colours are gone before
    heads._ENTITY,  # a line with letters that HTML numbers is like itself alone
    tracebacks._RAISE,  # of tracebacks that are cut off
    stacks._OF_GO,  # of the lines that follow a record's first
}
"""Expressions that are not tried on a line that stands for itself."""


@pytest.mark.parametrize(
    ("expression", "tell"),
    [
        (r"\d{3}-\w+ [0-9a-f]{8} [^x]{2,80}\S .*(?:a|[!-~])\b$", False),
        (r"4\d\d", True),
        (r"(?:a|(?=x[3-5]))", True),
        (r"(?>a\x31)?", True),
        (r"a(?<!9)", True),
        (r"[^0]", True),
        (r"(\d)\1", True),
        (r"(\d)?(?(1)a|b)", True),
    ],
)
def test_which_expressions_tell_digits_apart(expression: str, tell: bool) -> None:
    """One that names a digit, some of them, or what a group has matched; a repeat's bounds are no digits."""
    assert tells(expression) is tell


def test_letters_that_are_spelled_out_are_no_digits() -> None:
    """What is remembered of one word in Cyrillic is not taken for another whose letters' numbers differ."""
    lines = [
        json.dumps({"level": "error", "message": text})
        for text in ("Другой экземпляр уже опрашивает этого бота", "❌ Ошибка подключения к базе данных")
        for _ in range(3)
    ]
    others = [re.sub("[0-9]", lambda found: str((int(found[0]) + 1) % 10), line) for line in lines]
    mixed = [f"{line}\n".encode() for pair in zip(lines, others, strict=True) for line in pair]

    assert [each.code for each in matches(shipped(), mixed)] == ["CONFLICT_409"] * 3 + ["DB_UNREACHABLE"] * 3
    assert like(rb"C:\Users\7") == rb"C:\Users\0"
    assert like(rb"\u0412 7") == rb"\u0412 7"
    assert like(b"can&#39;t 7") == b"can&#39;t 7"


def test_nothing_tells_the_digits_of_a_line_apart_but_packs() -> None:
    """Of all that looks at a line that stands for itself, no expression of ours knows one digit."""
    modules = (drafting, fatality, heads, jsonlogs, looks, mojibake, own, rulebook, stacks, tracebacks)
    found = [each for module in modules for value in vars(module).values() for each in expressions(value)]

    assert len(found) > 100
    assert [each.pattern for each in found if each not in ELSEWHERE and tells(each.pattern, each.flags)] == []


def test_few_lines_wait_for_what_their_digits_say() -> None:
    """No lead that tells digits apart may stand before just anything: each failure would be read anew."""
    book = shipped()
    samples = [text for pattern in book.patterns for text in pattern.match if "\n" not in text]

    assert sum(bool(book._numbered(text)) for text in samples) < len(samples) / 20


def test_what_only_a_library_says_tells_no_digits_apart() -> None:
    """It says where the words of a line begin, and that is learnt once for all that are like it."""
    said = {each for pattern in shipped().patterns for each in pattern.own}

    assert len(said) > 10
    assert [each for each in said if tells(each)] == []


def expressions(value: object) -> list[re.Pattern[str] | re.Pattern[bytes] | Shape]:
    """Those that a module keeps under a name."""
    if isinstance(value, re.Pattern | Shape):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [each for one in value for each in expressions(one)]
    return []


def test_what_comes_again_with_other_numbers() -> None:
    """Samples of all packs, one after the other with other digits each time: what is remembered is true."""
    dice = random.Random(7)
    samples = [text for pattern in shipped().patterns for text in pattern.match if "\n" not in text]
    said = (f"2026-01-15 08:29:41,511 - bot - ERROR - {text}" for text in dice.sample(samples, 100))

    other_numbers_are_no_other_log("".join(f"{line}\n" for line in said).encode(), dice)


def test_a_code_among_the_numbers_counts() -> None:
    """Of lines that differ in their digits alone some hold a known number, and those say more."""
    shape = "2026-01-15 08:29:4{n},511 - bot - ERROR - Failed to start bot: Error: {code}: Unauthorized\n"
    lines = [shape.format(n=n, code=401 + n % 2 * 8).encode() for n in range(8)]

    assert len({like(line) for line in lines}) == 1
    assert [each.code for each in matches(shipped(), lines)] == ["TOKEN_INVALID", "POLLING_START_FAILED"] * 4
