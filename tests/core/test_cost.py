"""How long an expression can take at worst: an upper bound, shown against a matcher that counts its steps."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logrules.core.literals.factors import parsed
from logrules.core.reading.statements import STATEMENT
from logrules.core.ruleset.cost import ENDLESS, worst
from logrules.core.ruleset.patterns import PATIENCE
from logrules.rules import rulebook

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize(
    "pattern",
    [
        r"(\w+\s*)*x",
        r"(?:a+)+b",
        r"((a|b)+c*)+x",
        r"(?:.*,)+x",
        r"(?:a{1,20}){1,20}b",
        r"(?:a?){30}a{30}",
        r"(x+x+)+y",
        r"(?=(a+)+b)x",
        r"(?:a|a)*b",
        r"(?:a|ab|b)*c",
        r"foo.*bar.*baz.*qux",
        r"(?i:(?:K|k)+)+x",
        r"(a)(?:\1|a)*b",
        "(" * 60 + "a*" + ")*" * 60 + "b",
    ],
)
def test_an_endless_expression_is_known(pattern: str) -> None:
    """Repeats in repeats, choices that overlap, and too many `.*`: however they are dressed."""
    assert worst(pattern, STATEMENT) > PATIENCE


@pytest.mark.parametrize(
    "pattern",
    [
        r"a+b+c",
        r"(?:a|b)+c",
        r"[^)]*\)",
        r"(?:[\w.-]{1,30} ){2,14}failed",
        r"(?:\d{1,3}\.){3}\d{1,3}:\d+ refused",
        r"Payment .{0,200} refused for .{0,200}: ",
        r"(?:in|into|is|as)(?: (?:the|this|that)){0,6} file",
        r"foo.*bar.*baz",
    ],
)
def test_an_ordinary_expression_is_not_suspected(pattern: str) -> None:
    """Flat repeats that say where they end cost next to nothing, in repeats too."""
    assert worst(pattern, STATEMENT) <= PATIENCE


def test_the_bound_itself_is_quick() -> None:
    """The deepest nesting that the parser takes, and the widest choices, are judged at once."""
    assert worst("(?:" * 200 + "a" + "){1,9}" * 200, STATEMENT) == ENDLESS
    assert worst("|".join("ab" for _ in range(600)), STATEMENT) < ENDLESS


def test_our_own_expressions_are_within_the_bound() -> None:
    """No line, however hostile, keeps a shipped pattern busy."""
    slow = [
        (pattern.place, text)
        for pattern in rulebook().patterns
        for number, text in enumerate(pattern.any)
        if worst(pattern.compiled(number).pattern, STATEMENT) > PATIENCE
    ]

    assert slow == []


class Steps:
    """A matcher that goes back as `re` does, and counts how often it looks at a part of the expression."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.count = 0

    def ends(self, nodes: list[tuple[Any, Any]], at: int) -> Iterator[int]:
        """Every place at which the nodes can end, once for each way."""
        if not nodes:
            yield at
            return
        (operation, argument), rest = nodes[0], nodes[1:]
        self.count += 1
        for end in self._node(str(operation), argument, at):
            yield from self.ends(rest, end)

    def _node(self, name: str, argument: Any, at: int) -> Iterator[int]:
        if name == "LITERAL":
            if self.text[at : at + 1] == chr(argument):
                yield at + 1
        elif name == "IN":
            if self.text[at : at + 1] in {chr(letter) for _, letter in argument}:
                yield at + 1
        elif name == "SUBPATTERN":
            yield from self.ends(list(argument[3]), at)
        elif name == "BRANCH":
            for branch in argument[1]:
                yield from self.ends(list(branch), at)
        else:
            assert name == "MAX_REPEAT"
            least, most, body = argument
            yield from self._repeat(least, most, body, at)

    def _repeat(self, least: int, most: int, body: Any, at: int) -> Iterator[int]:
        if most > 0:
            for end in self.ends(list(body), at):
                if end > at:
                    yield from self._repeat(max(0, least - 1), most - 1, body, end)
        if least == 0:
            yield at


EXPRESSIONS = st.recursive(
    st.sampled_from(["a", "b", "ab", "[ab]", "a?", "a*", "b+", "[ab]{0,3}"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda both: f"(?:{both[0]}|{both[1]})"),
        st.tuples(inner, st.sampled_from(["?", "*", "+", "{1,2}", "{2,3}"])).map(
            lambda both: f"(?:{both[0]}){both[1]}"
        ),
    ),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(EXPRESSIONS)
def test_the_bound_is_never_too_low(expression: str) -> None:
    """On every text of six letters that then fails, no expression takes more steps than was said."""
    pattern = f"{expression}c"
    nodes = list(parsed(pattern))
    for letters in product("ab", repeat=6):
        steps = Steps("".join(letters))
        assert list(steps.ends(nodes, 0)) == []
        # `re` compares letters in a row at once, and looks into a group and at its end: two looks a step.
        assert steps.count <= 3 * worst(pattern, 6) + len(pattern), (pattern, letters)
