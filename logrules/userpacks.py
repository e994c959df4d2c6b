"""Packs of the user's own: where they are found, and how they are read.

Of the working directory, and of no other: `logrules.toml`, and the packs in `logrules.d/`. LOGRULES_PACKS
names others instead, or `none`; `--pack` adds to either. The later one has the last word: of one folder the
names in their order, then `logrules.d/` over `logrules.toml`, then `--pack` over all.
"""

from __future__ import annotations

import codecs
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from logrules.core.model import ConfigError
from logrules.core.ruleset.pack import LONGEST, PackError
from logrules.rules import extended, rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from logrules.rules import Rules

FILE, FOLDER = "logrules.toml", "logrules.d"
NONE = "none"
"""What LOGRULES_PACKS says for no packs at all."""
STDIN = "-"
"""The name of a pack that somebody pipes to us."""

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Own(NamedTuple):
    """The user's packs, the one with the last word in front."""

    texts: dict[str, str]
    """File name to text."""
    found: tuple[str, ...] = ()
    """Those that nobody named: the working directory's."""


def own(named: Sequence[str] | None, added: Iterable[str] = ()) -> Own:
    """The packs of the user.

    Args:
        named: What LOGRULES_PACKS names; None where it is not set: then the working directory is looked at.
        added: What `--pack` names.

    Raises:
        PackError: One cannot be read; says why and what to do.
    """
    found = [] if named is not None else list(_here())
    files = [*found, *_files(named or (), "LOGRULES_PACKS"), *_files(added, "--pack")]
    texts: dict[str, str] = {}
    for path in reversed(files):
        if not any(_same(path, other) for other in texts):
            texts[path] = _read(path)
    return Own(texts, tuple(path for path in found if path in texts))


def read(paths: Iterable[str]) -> dict[str, str]:
    """The packs that somebody names, as `own` reads them. Raises PackError."""
    return {path: _read(path) for path in _files(paths, "")}


def known(named: Sequence[str] | None, tell: Callable[[str], None]) -> Rules:
    """The rules of a program that must not fail for a pack that lies about: it is told of, and left out.

    Raises:
        ConfigError: A pack that LOGRULES_PACKS names is of no use.
    """
    try:
        packs = own(named)
        with_them = extended(packs.texts)
    except PackError as error:
        if named is not None:
            raise ConfigError(f"LOGRULES_PACKS: {error}") from error
        tell(f"the packs of the working directory are left out: {error}")
        return rules
    if note := told(packs):
        tell(note)
    return with_them


def _here() -> Iterable[str]:
    """What lies in the working directory, in the order of its say."""
    if os.path.lexists(FILE):
        yield FILE
    if os.path.isdir(FOLDER):  # noqa: PTH112  paths stay as they are typed, so that a complaint can be redacted
        yield from _folder(FOLDER)


def _files(paths: Iterable[str], asked: str) -> list[str]:
    files = []
    for path in paths:
        if not path.strip():
            raise PackError(
                f"{asked}: an empty name is no pack: name a TOML file, or a folder of them".lstrip(": ")
            )
        if os.path.isdir(path):  # noqa: PTH112
            inside = _folder(path)
            if not inside:
                raise PackError(f"there is no pack in the folder {path}: a pack's name ends in .toml")
            files += inside
        else:
            files.append(path)
    return files


def _folder(path: str) -> list[str]:
    return sorted(str(each) for each in Path(path).glob("*.toml") if not each.name.startswith("."))


def _same(path: str, other: str) -> bool:
    try:
        return Path(path).samefile(other)
    except OSError:
        return False


def _read(path: str) -> str:
    """The text of a pack. It must be a file: a pipe or a device could keep us waiting for ever."""
    if path == STDIN:
        return _text(sys.stdin.buffer.read(), path)
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise PackError(f"cannot read the pack {path}: it is no file. Name a TOML file of patterns")
            data = file.read(4 * LONGEST + 1)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise PackError(f"cannot read the pack {path}: {why}. Name a TOML file of patterns") from error
    if len(data) > 4 * LONGEST:
        raise PackError(f"cannot read the pack {path}: it has more than {4 * LONGEST} bytes: that is no pack")
    return _text(data, path)


def _text(data: bytes, path: str) -> str:
    if data.startswith(_UTF16):
        raise PackError(f"cannot read the pack {path}: it is UTF-16 text, not UTF-8 text: save it as UTF-8")
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PackError(
            f"cannot read the pack {path}: it is not UTF-8 text (line {line}): save it as UTF-8"
        ) from error


def told(packs: Own) -> str | None:
    """What to say of packs that nobody named; None if there are none."""
    if not packs.found:
        return None
    return f"with {', '.join(packs.found)}, found here (LOGRULES_PACKS={NONE} leaves packs out)"
