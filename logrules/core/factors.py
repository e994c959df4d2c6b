"""What a regular expression cannot match without: the literals that the scanner looks for.

Reads the tree of `re`'s own parser, so that it understands exactly what `re` matches.
"""

from __future__ import annotations

import re
from typing import Any

from logrules.core.scanner import Literal

SHORTEST = 3
"""Bytes below which a literal is too common to be worth a look."""

_UNBOUNDED = 100
"""A repeat that may go further than this is as good as endless."""


def factors(pattern: str) -> list[Literal]:
    """Literals of which every match of `pattern` holds at least one; empty if there are none to rely on.

    Raises re.error for a malformed pattern.
    """
    tree = _parsed(pattern)
    return _best(_candidates(tree, caseless=bool(tree.state.flags & re.IGNORECASE)))


def dangers(pattern: str) -> str | None:
    """Why `pattern` could take for ever on a hostile line; None if it could not."""
    endless = list(_endless(_parsed(pattern), inside=False))
    if any(endless):
        return "a repeat inside a repeat can take for ever: write it without nesting, e.g. `[^)]*` for `(\\w+\\s*)*`"
    if len(endless) > 3:  # noqa: PLR2004 - the text says it
        return (
            "more than three endless repeats such as `.*`: bound them, e.g. `.{0,200}`, or split the pattern"
        )
    return None


def _parsed(pattern: str) -> Any:
    """`re`'s own tree. Its module is private: this is the only place that knows."""
    from re import _parser  # type: ignore[attr-defined] # noqa: PLC0415 - private, kept in here

    return _parser.parse(pattern)


def _best(candidates: list[list[Literal]]) -> list[Literal]:
    """The set whose shortest member is longest: the rarest, as far as one can tell."""
    usable = [each for each in candidates if each and min(len(one.data) for one in each) >= SHORTEST]
    return max(usable, key=lambda each: (min(len(one.data) for one in each), -len(each)), default=[])


def _candidates(tree: Any, *, caseless: bool) -> list[list[Literal]]:
    """Every set of literals of which one must occur, for a sequence of nodes."""
    found: list[list[Literal]] = []
    run: list[str] = []

    def close() -> None:
        if run:
            found.append([Literal("".join(run).encode(), caseless)])
            run.clear()

    for operation, argument in _flat(tree, caseless=caseless):
        name = str(operation)
        if name == "LITERAL" and not (caseless and argument > 127):  # noqa: PLR2004 - ASCII
            run.append(chr(argument))
        elif name in {"AT", "ASSERT", "ASSERT_NOT"}:
            continue  # takes no room: the literal goes on behind it
        else:
            close()
            found.extend(_inner(name, argument, caseless=caseless))
    close()
    return found


def _inner(name: str, argument: Any, *, caseless: bool) -> list[list[Literal]]:
    if name == "SUBPATTERN":
        _, added, dropped, body = argument
        folds = (caseless or bool(added & re.IGNORECASE)) and not dropped & re.IGNORECASE
        return _candidates(body, caseless=folds)
    if name == "BRANCH":
        branches = [_best(_candidates(branch, caseless=caseless)) for branch in argument[1]]
        return [sum(branches, [])] if all(branches) else []  # noqa: RUF017 - a handful of short lists
    if name in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"} and argument[0] >= 1:
        return _candidates(argument[2], caseless=caseless)
    if name == "ATOMIC_GROUP":
        return _candidates(argument, caseless=caseless)
    return []


def _flat(tree: Any, *, caseless: bool) -> Any:
    """The nodes of a sequence, with plain groups opened so that literals go on through them."""
    for operation, argument in tree:
        if str(operation) == "SUBPATTERN" and not argument[1] and not argument[2]:
            yield from _flat(argument[3], caseless=caseless)
        else:
            yield operation, argument


def _endless(tree: Any, *, inside: bool) -> Any:
    """For each endless repeat, whether it stands inside another."""
    for operation, argument in tree:
        name = str(operation)
        if name in {"MAX_REPEAT", "MIN_REPEAT"}:
            endless = argument[1] > _UNBOUNDED
            if endless:
                yield inside
            yield from _endless(argument[2], inside=inside or endless)
        elif name == "SUBPATTERN":
            yield from _endless(argument[3], inside=inside)
        elif name == "BRANCH":
            for branch in argument[1]:
                yield from _endless(branch, inside=inside)
        elif name in {"ASSERT", "ASSERT_NOT"}:
            yield from _endless(argument[1], inside=inside)
