"""What our packs say, read once: TOML takes forty times as long as what is kept of it."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from logrules import kept
from logrules.core.ruleset import pack

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from typing import Any


def documents(name: str, files: Sequence[Path]) -> Iterable[dict[str, Any]]:
    """What packs of ours say, without their samples; one is unpacked at a time.

    Args:
        name: Of all of them together, for the file in which they are kept.
        files: The packs.
    """
    of = _contents(files)
    data = kept.opened(kept.shipped(name), of)
    path = kept.place(name)
    if not data and path:
        data = kept.opened(kept.owned(path), of)
    if not data:
        data = _dumped(files)
        if path:
            kept.write(path, kept.sealed(data, of))
    return pack.restored(data)


def shipment(files: Sequence[Path]) -> bytes:
    """What a wheel brings along, so that nobody who installs it reads TOML of ours."""
    return kept.sealed(_dumped(files), _contents(files))


def _dumped(files: Sequence[Path]) -> bytes:
    return pack.dump(pack.document(file.read_text("utf-8"), samples=False) for file in files)


def _contents(files: Sequence[Path]) -> str:
    """What stands for all that is in them, and for its order."""
    each = (blake2b(file.read_bytes(), digest_size=16).digest() for file in files)
    return blake2b(b"".join(each), digest_size=16).hexdigest()
