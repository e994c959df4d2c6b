"""Plain data as YAML for people: in blocks, and every string quoted, so that none is taken for a number."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Plain = str | int | float | bool | Sequence["Plain"] | Mapping[str, "Plain"]


def dumped(value: Plain) -> str:
    """`value` as a document. Keys must be plain words; a string of JSON is one of YAML, too."""
    return "".join(f"{line}\n" for line in _lines(value))


def _lines(value: Plain) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from _entry(f"{key}:", each)
    elif isinstance(value, list) and value:
        for each in value:
            first, *rest = _lines(each)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield _scalar(value)


def _entry(head: str, value: Plain) -> Iterator[str]:
    if isinstance(value, dict | list) and value:
        yield head
        yield from (f"  {line}" for line in _lines(value))
    else:
        yield f"{head} {_scalar(value)}"


def _scalar(value: Plain) -> str:
    """As JSON has it; what YAML takes for the end of a line besides is spelled out."""
    return re.sub("[\\x7f-\\x9f\\u2028\\u2029\\ufeff]", _spelled, json.dumps(value, ensure_ascii=False))


def _spelled(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
