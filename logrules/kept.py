"""What one process has made for those that come after it: seconds of each start.

Files below XDG_CACHE_HOME (https://specifications.freedesktop.org/basedir-spec/). One that is missing,
damaged, of another version or somebody else's is not read; where none can be written there is none.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from functools import cache
from hashlib import blake2b
from pathlib import Path

SHIPPED = Path(__file__).with_name("packs") / "derived"
"""Where a wheel has what is made of our own packs; a tree of sources has it nowhere."""
_LARGEST = 32 * 1024 * 1024
_DIGEST = 16
_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_MAKERS = (
    "literals/codepages.py",
    "literals/factors.py",
    "literals/digits.py",
    "literals/shelf.py",
    "literals/plan.py",
    "ruleset/needs.py",
    "ruleset/pack.py",
)
"""The modules whose change changes what is made."""


def folder() -> Path | None:
    """Where the files are; None if the environment names no place."""
    base, home = os.environ.get("XDG_CACHE_HOME", ""), os.environ.get("HOME")
    where = Path(base) if base.startswith("/") else Path(home, ".cache") if home else None
    return where / "logrules" if where else None


def place(name: str) -> Path | None:
    """The file of this name, for this Python."""
    where = folder()
    return where / f"{name}-{sys.implementation.cache_tag}" if where else None


def sealed(data: bytes, of: str) -> bytes:
    """`data` for `opened`, with a seal of what it was made of, and of the code that made it."""
    return _digest(data, of) + data


def opened(data: bytes, of: str) -> bytes:
    """What was sealed; nothing unless it is whole, and made of just this by just this code."""
    rest = data[_DIGEST:]
    return rest if rest and data[:_DIGEST] == _digest(rest, of) else b""


def _digest(data: bytes, of: str) -> bytes:
    return blake2b(data, digest_size=_DIGEST, key=of.encode() + code()).digest()


@cache
def code() -> bytes:
    """Of the code that makes it: what another version has kept may mean something else."""
    core = Path(__file__).with_name("core")
    return blake2b(b"".join((core / name).read_bytes() for name in _MAKERS), digest_size=16).digest()


def shipped(name: str) -> bytes:
    """What came with the code, and is trusted as that is, whoever has installed it."""
    try:
        return (SHIPPED / name).read_bytes()
    except OSError:
        return b""


def owned(path: Path) -> bytes:
    """What a file holds; nothing if it is not there, or others can write it: they could make us blind."""
    try:
        with path.open("rb") as file:
            about = os.fstat(file.fileno())
            if hasattr(os, "geteuid") and (about.st_uid != os.geteuid() or about.st_mode & _BY_OTHERS):
                return b""
            return file.read(_LARGEST)
    except OSError:
        return b""


def write(path: Path, data: bytes) -> None:
    """All of it or nothing: another process may be reading, or writing the same."""
    import tempfile  # and much with it, which few processes need

    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(name).replace(path)
        except OSError:
            Path(name).unlink()
