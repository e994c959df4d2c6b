"""What one process has derived from the packs, kept for the next: more than a second of each start.

A file below XDG_CACHE_HOME (https://specifications.freedesktop.org/basedir-spec/). One that is missing,
damaged, of another version or somebody else's is made anew; where none can be written there is none.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from logrules.core.ruleset import needs as core
from logrules.core.ruleset import pack

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from typing import Any

MOST = 20_000
"""Expressions that are worth keeping: those of several sets of packs."""
DATABASES = 8
"""Databases that are kept: of 2 MB each, two for a set of packs."""
_LARGEST = 32 * 1024 * 1024
_DIGEST = 16
_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
SHIPPED = Path(__file__).with_name("packs") / "derived"
"""Where a wheel has what is derived of our own packs; a tree of sources has it nowhere."""
_DERIVERS = (
    "literals/codepages.py",
    "literals/factors.py",
    "literals/digits.py",
    "literals/shelf.py",
    "literals/plan.py",
    "ruleset/needs.py",
    "ruleset/pack.py",
)
"""The modules whose change changes what is derived."""


def needs(texts: Sequence[str]) -> list[core.Need]:
    """What each expression needs, as `logrules.core.ruleset.needs` derives it."""
    key = _key()
    known = _loaded(_shipped(), key)
    if not known.keys() >= set(texts):  # packs of the user's own, or a tree of sources
        known |= _kept(texts, known.keys(), key)
    return [known[text] for text in texts]


def shipment(texts: Sequence[str]) -> bytes:
    """What a wheel holds at SHIPPED, so that nobody who installs it derives what we ship."""
    return core.dump(dict(zip(texts, core.needs(texts), strict=True)), _key())


def _kept(texts: Sequence[str], shipped: Collection[str], key: bytes) -> dict[str, core.Need]:
    """What earlier processes have derived, and this one derives for those that come after it."""
    folder = _folder(os.environ)
    path = folder / f"literals-{sys.implementation.cache_tag}" if folder else None
    known = _loaded(_owned(path), key) if path else {}
    new = [text for text in dict.fromkeys(texts) if text not in known and text not in shipped]
    if new:
        known.update(zip(new, core.needs(new), strict=True))
        if path:
            kept = known if len(known) <= MOST else {text: known[text] for text in texts if text in known}
            _write(path, core.dump(kept, key))
    return known


def documents(files: Sequence[Path]) -> Iterable[dict[str, Any]]:
    """What packs of ours say, without their samples; one is read at a time."""
    folder, name = _folder(os.environ), _name(files)
    path = folder / f"packs-{sys.implementation.cache_tag}" if folder else None
    data = _owned(path) if path else b""
    digest, rest = data[:_DIGEST], data[_DIGEST:]
    if not rest or digest != _digest(rest, name):
        rest = pack.dump(pack.document(file.read_text("utf-8"), samples=False) for file in files)
        if path:
            _write(path, _digest(rest, name) + rest)
    return pack.restored(rest)


def _name(files: Sequence[Path]) -> str:
    """What stands for all that is in them, and for its order."""
    each = (blake2b(file.read_bytes(), digest_size=_DIGEST).digest() for file in files)
    return blake2b(b"".join(each), digest_size=_DIGEST).hexdigest()


class Databases:
    """Plans with their databases, a file each; those of several sets of packs, and no more."""

    def load(self, name: str) -> bytes | None:
        """What was saved under `name`; None unless it is whole and our own."""
        folder = _folder(os.environ)
        data = _owned(folder / f"database-{name}") if folder else b""
        digest, rest = data[:_DIGEST], data[_DIGEST:]
        return rest if rest and digest == _digest(rest, name) else None

    def save(self, name: str, data: bytes) -> None:
        """Keep `data`, if there is a place for it."""
        if folder := _folder(os.environ):
            _write(folder / f"database-{name}", _digest(data, name) + data)
            with contextlib.suppress(OSError):
                old = sorted(folder.glob("database-*"), key=lambda path: -path.stat().st_mtime)[DATABASES:]
                for path in old:
                    path.unlink()


def _digest(data: bytes, name: str) -> bytes:
    return blake2b(data, digest_size=_DIGEST, key=name.encode() + _key()).digest()


def _folder(environ: Mapping[str, str]) -> Path | None:
    base, home = environ.get("XDG_CACHE_HOME", ""), environ.get("HOME")
    folder = Path(base) if base.startswith("/") else Path(home, ".cache") if home else None
    return folder / "logrules" if folder else None


@cache
def _key() -> bytes:
    """Of the code that derives: what another version has kept may mean something else."""
    code = Path(__file__).with_name("core")
    return blake2b(b"".join((code / name).read_bytes() for name in _DERIVERS), digest_size=16).digest()


def _loaded(data: bytes, key: bytes) -> dict[str, core.Need]:
    try:
        return core.load(data, key)
    except ValueError:
        return {}


def _shipped() -> bytes:
    """What came with the code, and is trusted as that is, whoever has installed it."""
    try:
        return SHIPPED.read_bytes()
    except OSError:
        return b""


def _owned(path: Path) -> bytes:
    """What a file holds; nothing if it is not there, or others can write it: they could make us blind."""
    try:
        with path.open("rb") as file:
            about = os.fstat(file.fileno())
            if hasattr(os, "geteuid") and (about.st_uid != os.geteuid() or about.st_mode & _BY_OTHERS):
                return b""
            return file.read(_LARGEST)
    except OSError:
        return b""


def _write(path: Path, data: bytes) -> None:
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
