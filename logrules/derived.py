"""What one process has derived from the packs, kept for the next: half a second of each start.

A file below XDG_CACHE_HOME (https://specifications.freedesktop.org/basedir-spec/). One that is missing,
damaged, of another version or somebody else's is made anew; where none can be written there is none.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from hashlib import blake2b
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from logrules.core import wanted as core

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from logrules.core.search import Wanted

MOST = 20_000
"""Expressions that are worth keeping: those of several sets of packs."""
_LARGEST = 32 * 1024 * 1024
_DERIVERS = ("factors.py", "mojibake.py", "search.py", "wanted.py")
"""The modules whose change changes what is derived."""


def wanted(texts: Sequence[str]) -> list[Wanted]:
    """What each expression wants, as `logrules.core.wanted` derives it."""
    path, key = _path(os.environ), _key()
    known = _read(path, key) if path else {}
    new = [text for text in dict.fromkeys(texts) if text not in known]
    if new:
        known.update(zip(new, core.wanted(new), strict=True))
        if path:
            kept = known if len(known) <= MOST else {text: known[text] for text in texts}
            _write(path, core.dump(kept, key))
    return [known[text] for text in texts]


def _path(environ: Mapping[str, str]) -> Path | None:
    base, home = environ.get("XDG_CACHE_HOME", ""), environ.get("HOME")
    folder = Path(base) if base.startswith("/") else Path(home, ".cache") if home else None
    return folder / "logrules" / f"literals-{sys.implementation.cache_tag}" if folder else None


def _key() -> bytes:
    code = resources.files("logrules.core")
    return blake2b(
        b"".join(code.joinpath(name).read_bytes() for name in _DERIVERS) + sys.version.encode(),
        digest_size=16,
    ).digest()


def _read(path: Path, key: bytes) -> dict[str, Wanted]:
    try:
        with path.open("rb") as file:
            if hasattr(os, "geteuid") and os.fstat(file.fileno()).st_uid != os.geteuid():
                return {}  # who can write it could make us blind
            return core.load(file.read(_LARGEST), key)
    except (OSError, ValueError):
        return {}


def _write(path: Path, data: bytes) -> None:
    """All of it or nothing: another process may be reading, or writing the same."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(name).replace(path)
        except OSError:
            Path(name).unlink()
