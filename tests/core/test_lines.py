"""Lines: the same however the bytes were cut, bounded, and every one that is not too long is whole."""

from __future__ import annotations

import codecs
import random
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logrules.core.reading.charsets import RUSSIAN
from logrules.core.reading.lines import LONGEST, Lines

if TYPE_CHECKING:
    from collections.abc import Iterable

TEXTS = {
    "ends of every kind": (b"a\nb\r\nc\rd\r\r\ne\n\nf", [b"a", b"b", b"c", b"d", b"e", b"", b"f"]),
    "a progress bar": (b"\r 1%\r 99%\r100%\nERROR x\n", [b"", b" 1%", b" 99%", b"100%", b"ERROR x"]),
    "an old Mac": (b"a\rb\r", [b"a", b"b"]),
    "NUL bytes of a file that was cut by others": (b"\0" * 200_000 + b"ERROR x\n", [b"ERROR x"]),
    "a line that is too long": (b"x" * (LONGEST + 9) + b"y\nz\n", [b"x" * LONGEST, b"z"]),
    "one that just fits": (b"x" * LONGEST + b"\nz\n", [b"x" * LONGEST, b"z"]),
    "one too long and unfinished": (b"z\n" + b"x" * (LONGEST + 9), [b"z", b"x" * LONGEST]),
    "UTF-16 of PowerShell": ("ошибка\r\nb\r\n".encode("utf-16"), ["ошибка".encode(), b"b"]),
    "big-endian UTF-16": (codecs.BOM_UTF16_BE + "ж\n".encode("utf-16-be"), ["ж".encode()]),
    "UTF-16 that is cut off": (codecs.BOM_UTF16_LE + b"a\0\n\0b", [b"a"]),
    "Russian of Windows": ("ошибка – «бот»\r\n".encode("cp1251"), ["ошибка – «бот»".encode()]),
    "Russian of its console": ("ошибка\n".encode("cp866"), ["ошибка".encode()]),
    "Spanish of Windows": ("conexión’\n".encode("cp1252"), ["conexión’".encode()]),
    "Chinese of Windows": ("连接数据库失败\n".encode("gb2312"), ["连接数据库失败".encode()]),
    "pages that change": ("ж\n".encode() + "бот\n".encode("cp1251"), ["ж".encode(), "бот".encode()]),
    "UTF-8 that is damaged": ("ош\n".encode()[1:], ["ош".encode()[1:]]),
    "a long line of Windows": (b"\xee" * LONGEST + b"y\nz\n", ["о".encode() * (LONGEST // 2), b"z"]),
    "half a byte order mark": (b"\xff", [b"\xff"]),
    "no byte order mark": (b"\xffa\n", [b"\xffa"]),
    "nothing": (b"", []),
}  # fmt: skip


def lines(pieces: Iterable[bytes]) -> bytes:
    """All that comes out for bytes in these pieces."""
    cut = Lines()
    return b"".join([*(cut.feed(piece) for piece in pieces), cut.close()])


def pieces(data: bytes, dice: random.Random) -> list[bytes]:
    """`data` in up to ten pieces, some of them empty."""
    cuts = sorted(dice.randint(0, len(data)) for _ in range(dice.randint(0, 9)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@pytest.mark.parametrize(("data", "expected"), TEXTS.values(), ids=TEXTS.keys())
def test_the_lines_of_a_stream(data: bytes, expected: list[bytes]) -> None:
    """Each ends with one newline, whatever ended it, at once or byte by byte."""
    assert lines([data]) == b"".join(line + b"\n" for line in expected)
    assert lines(bytes([byte]) for byte in data[-999:]) == lines([data[-999:]])


ANY = st.lists(
    st.sampled_from(
        [b"a", b"\r", b"\n", b"\r\n", b"\0", "ж".encode(), b"\x81", b"\x9d", b"\x1b[31m", b"x" * 40_000]
    ),
    max_size=14,
)


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(ANY, st.randoms(use_true_random=False))
def test_no_line_is_lost_doubled_or_split_however_the_bytes_are_cut(
    parts: list[bytes], dice: random.Random
) -> None:
    """Any bytes in any pieces: the very lines that splitting them all at once gives."""
    data = b"x" + b"".join(parts)
    expected = [line[:LONGEST] for line in re.split(rb"\r+\n?|\n", data.replace(b"\0", b""))]

    assert lines(pieces(data, dice)) == b"".join(line + b"\n" for line in expected[:-1]) + (
        expected[-1] + b"\n" if expected[-1] else b""
    )


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(st.binary(max_size=60), st.sampled_from([*RUSSIAN, "cp1252", "gb2312", "utf-8"]), st.data())
def test_a_page_is_told_line_by_line(noise: bytes, page: str, data: st.DataObject) -> None:
    """Whatever is no UTF-8 comes out alike at once and cut anywhere, and UTF-8 as it was."""
    told = data.draw(st.text(st.sampled_from("ошибка conexión连接失败 -:\n"), max_size=60))
    both = b"x" + told.encode(page, "ignore") + noise
    dice = data.draw(st.randoms(use_true_random=False))

    assert lines(pieces(both, dice)) == lines([both])
    assert lines([b"x", told.encode(), b"\n"]) == f"x{told}\n".encode()


@settings(derandomize=True, database=None, deadline=None, max_examples=100)
@given(st.text(st.sampled_from("aж😀\r\n"), max_size=30), st.randoms(use_true_random=False))
def test_utf_16_may_be_cut_anywhere(text: str, dice: random.Random) -> None:
    """A pair of surrogates in two reads is one character."""
    assert lines(pieces(text.encode("utf-16"), dice)) == lines([text.encode()])


def test_a_line_without_end_is_not_kept() -> None:
    """However long it grows, no more than `LONGEST` bytes of it are held, and the next line is found."""
    cut = Lines()
    out = [cut.feed(b"x" * 50_000) for _ in range(100)]

    assert b"".join(out) == b"x" * LONGEST + b"\n"
    assert cut._rest == b""
    assert cut.feed(b"far end\nnext\n") == b"next\n"
