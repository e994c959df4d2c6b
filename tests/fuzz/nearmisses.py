"""Texts that nearly match an expression, and never do: what keeps `re` busiest.

Each is what the expression wants before one of its repeats, and then as much as the repeat can take.
"""

from __future__ import annotations

from re import _parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG = 20
"""Rounds from which a repeat is worth filling."""
_FILLERS = " a1A-.:[(/\"'\\ж@_,="
_END = "\x00"
"""What no expression takes at its end."""


def near_misses(pattern: str, size: int) -> Iterator[str]:
    """Texts of `size` letters; several for each repeat, one of nothing but words if there is none."""
    tree = _parser.parse(pattern)
    found = set(_filled(tree, "", size)) or {(_shortest(tree)[:-1] * size)[:size]}
    for text in sorted(found):
        yield text[: size - 1] + _END


def _filled(tree: Any, before: str, size: int) -> Iterator[str]:
    """For each long repeat: what stands before it, and what it takes, again and again."""
    for operation, argument in tree:
        name = str(operation)
        if name.endswith("REPEAT"):
            yield from _repeated(argument, before, size)
            yield from _filled(argument[2], before, size)
        elif name == "SUBPATTERN":
            yield from _filled(argument[3], before, size)
        elif name == "ATOMIC_GROUP":
            yield from _filled(argument, before, size)
        elif name == "BRANCH":
            for branch in argument[1]:
                yield from _filled(branch, before, size)
        before += _shortest([(operation, argument)])


def _repeated(argument: Any, before: str, size: int) -> Iterator[str]:
    _, most, body = argument
    if most <= LONG:
        return
    round_ = _shortest(body) or "a"
    yield before + round_ * (size // len(round_) + 1)
    if len(body) == 1:
        for filler in _FILLERS:
            if _takes(body[0], filler):
                yield before + filler * size


def _takes(node: Any, letter: str) -> bool:
    name, argument = str(node[0]), node[1]
    if name == "ANY":
        return True
    if name == "NOT_LITERAL":
        return bool(ord(letter) != argument)
    if name == "IN":
        return _of_class(argument, letter)
    return name == "LITERAL" and bool(ord(letter) == argument)


def _of_class(items: Any, letter: str) -> bool:
    kinds = [(str(kind), value) for kind, value in items]
    return (("NEGATE", None) in kinds) != any(_of_kind(kind, value, letter) for kind, value in kinds)


def _of_kind(kind: str, value: Any, letter: str) -> bool:
    match kind:
        case "LITERAL":
            return bool(ord(letter) == value)
        case "RANGE":
            return bool(value[0] <= ord(letter) <= value[1])
        case "CATEGORY":
            name = str(value)
            within = {
                "DIGIT": letter.isdecimal(),
                "SPACE": letter.isspace(),
                "WORD": letter.isalnum() or letter == "_",
            }
            return within[name.rsplit("_", 1)[1]] != ("_NOT_" in name)
    return False


def _shortest(tree: Any) -> str:
    """A short text that a sequence matches, where nothing looks around."""
    return "".join(_short(str(operation), argument) for operation, argument in tree)


def _short(name: str, argument: Any) -> str:
    if name in {"ANY", "NOT_LITERAL", "IN"}:
        return next((each for each in _FILLERS if _takes((name, argument), each)), _first(name, argument))
    if name.endswith("REPEAT"):
        return _shortest(argument[2]) * int(argument[0])
    if name == "BRANCH":
        return min((_shortest(branch) for branch in argument[1]), key=len)
    inside = {"SUBPATTERN": lambda: argument[3], "ATOMIC_GROUP": lambda: argument}.get(name)
    if inside:
        return _shortest(inside())
    return chr(argument) if name == "LITERAL" else ""


def _first(name: str, argument: Any) -> str:
    """A letter that a class names."""
    kinds = [(str(kind), value) for kind, value in argument] if name == "IN" else []
    letters = [value for kind, value in kinds if kind == "LITERAL"]
    return chr([*letters, *(value[0] for kind, value in kinds if kind == "RANGE"), ord("a")][0])
