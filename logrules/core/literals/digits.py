"""Digits that have no say: lines that differ in those alone are judged once.

A log says the same again with other times and numbers. Whatever does not tell one digit from another gives
the same for all of them, at the same places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from logrules.core.literals.factors import parsed
from logrules.core.literals.spelled import is_spelled

if TYPE_CHECKING:
    from collections.abc import Iterable

_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_ALL = frozenset(range(ord("0"), ord("9") + 1))
_EVERY = frozenset({"CATEGORY_DIGIT", "CATEGORY_WORD", "CATEGORY_NOT_SPACE"})


def like(line: bytes) -> bytes:
    r"""What stands for all lines that differ from `line` in nothing but which digits they have.

    Where letters are spelled out, as `\u0412` or `&#39;`, digits are letters.
    """
    if is_spelled(line) or b"&#" in line:
        return line
    return line.translate(_ZEROS)


def tells(expression: str | bytes, flags: int = 0) -> bool:
    """Whether a regular expression tells one digit from another."""
    return _tell(parsed(expression, flags))


def _tell(tree: Iterable[Any]) -> bool:
    return any(_tells(str(operation), argument) for operation, argument in tree)


def _tells(name: str, argument: Any) -> bool:
    match name:
        case "LITERAL" | "NOT_LITERAL":
            return argument in _ALL
        case "IN":
            return len(_digits(argument)) not in {0, len(_ALL)}
        case "BRANCH":
            return any(map(_tell, argument[1]))
        case "SUBPATTERN" | "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT" | "ASSERT" | "ASSERT_NOT":
            return _tell(argument[-1])
        case "ATOMIC_GROUP":
            return _tell(argument)
    return name not in {"AT", "ANY"}  # a reference to a group compares what stands in it


def _digits(choices: Iterable[Any]) -> set[int]:
    """The digits that a set names."""
    found: set[int] = set()
    for kind, value in choices:
        match str(kind):
            case "LITERAL":
                found |= _ALL & {value}
            case "RANGE":
                found |= _ALL & set(range(value[0], value[1] + 1))
            case "CATEGORY" if str(value) in _EVERY:
                found |= _ALL
    return found
