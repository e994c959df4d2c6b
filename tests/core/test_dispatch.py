"""What the first letters of a line rule out could not have matched."""

from __future__ import annotations

import random

import pytest

from logrules.core.reading import heads
from logrules.core.reading.dispatch import Shape, chooser
from tests.fuzz import logs


def test_no_head_is_ruled_out_that_matches():
    """Over whole and damaged logs, each shape that matches a line is among those that are tried, in order."""
    shapes = [heads._TRANSPORT, *heads._HEADS]
    choose = chooser(shapes, heads._PIECES)
    tried = 0
    for number in range(300):
        dice = random.Random(f"heads:{number}")
        data = logs.damaged(dice) if number % 2 else logs.log(dice)
        for line in data.decode("utf-8", "replace").split("\n"):
            text = line[dice.choice((0, 0, 0, 1, 11, 25)) :]
            chosen = choose(text)
            tried += len(chosen)
            matching = [shape.compiled() for shape in shapes if shape.compiled().match(text)]
            assert [shape for shape in chosen if shape.match(text)] == matching, text

    assert tried


@pytest.mark.parametrize(
    ("shape", "matches", "rules_out"),
    [
        (r"\d\d-\d", ["12-3", "09-9 x"], ["1a", "12:3", "x"]),
        (r"(?i:error|k)\b", ["ERROR x", "error", "\u212a"], ["warn", "1"]),
        (r"[^a-z\d]+x", ["ABx", "\u00e4x"], ["ax", "1x"]),
        (r"(?=E)(?:ERR|INFO)", ["ERR"], ["INFO"]),
        (r"(?>a{2,3})\w*+(?<!x)-", ["aab-", "aaaa"], ["ab-"]),
        (r"(.)b\1", ["aba"], ["aab"]),
        (r"\[?\s*$", ["", "["], []),
    ],
)
def test_what_a_shape_can_begin_with(shape: str, matches: list[str], rules_out: list[str]):
    """Each kind of node is understood: what can match is kept, what cannot is left out."""
    choose = chooser([Shape(shape)])

    assert all(choose(text) for text in matches)
    assert not any(choose(text) for text in rules_out)


def test_what_must_and_what_must_not_stand_there_are_two_things() -> None:
    """Both hold the same words: what was found out about the one is not taken for the other."""
    choose = chooser([Shape("(?=a)[ab]c"), Shape("(?!a)[ab]c")])

    assert [each.pattern for each in choose("bc")] == ["(?!a)[ab]c"]
