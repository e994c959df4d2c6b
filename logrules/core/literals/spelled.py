r"""Letters that are spelled out: `\u0411`, as JSON in ASCII does, and Python on an ASCII stream.

Cyrillic, signs and emoji; the quotation marks and line ends that JSON spells out as well stay its own.
"""

from __future__ import annotations

import re

_HEX = "[0-9a-fA-F]"
_LETTER = (
    rf"u(?:04{_HEX}{{2}}|2{_HEX}{{3}}|[fF][eE]0[fF]|[dD]83[c-eC-E]\\u[dD][c-fC-F]{_HEX}{{2}})"
    rf"|U0001[fF]{_HEX}{{3}}"
)
# What must not stand before it comes behind its first byte: only what begins with a byte is looked for fast.
_WORD = re.compile(rf"\\(?<!\\\\)(?:{_LETTER})(?:\\(?:{_LETTER})){{0,7}}".encode())


def is_spelled(text: bytes) -> bool:
    """Whether it spells letters out: its digits are no numbers then."""
    return b"\\" in text and _WORD.search(text) is not None


def unspelled(text: bytes) -> bytes:
    """`text` in UTF-8, with as many lines."""
    return _WORD.sub(_read, text) if b"\\" in text else text


def _read(word: re.Match[bytes]) -> bytes:
    halves = word[0].decode("unicode_escape").encode("utf-16-le", "surrogatepass")
    return halves.decode("utf-16-le", "replace").encode()
