"""What one process has derived from expressions, kept for the next: more than a second of each start."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from logrules import kept
from logrules.core.ruleset import needs as core

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

LITERALS = "literals"
"""The name of what is kept, wherever that is."""
MOST = 20_000
"""Expressions that are worth keeping: those of several sets of packs."""
DATABASES = 8
"""Databases that are kept: of 2 MB each, two for a set of packs."""


def needs(texts: Sequence[str]) -> list[core.Need]:
    """What each expression needs, as `logrules.core.ruleset.needs` derives it."""
    known = _loaded(kept.shipped(LITERALS))
    if not known.keys() >= set(texts):  # packs of the user's own, or a tree of sources
        known |= _kept(texts, known.keys())
    return [known[text] for text in texts]


def shipment(texts: Sequence[str]) -> bytes:
    """What a wheel brings along, so that nobody who installs it derives what we ship."""
    return _dumped(dict(zip(texts, core.needs(texts), strict=True)))


def _kept(texts: Sequence[str], shipped: Collection[str]) -> dict[str, core.Need]:
    """What earlier processes have derived, and this one derives for those that come after it."""
    path = kept.place(LITERALS)
    known = _loaded(kept.owned(path)) if path else {}
    new = [text for text in dict.fromkeys(texts) if text not in known and text not in shipped]
    if new:
        known.update(zip(new, core.needs(new), strict=True))
        if path:
            some = known if len(known) <= MOST else {text: known[text] for text in texts if text in known}
            kept.write(path, _dumped(some))
    return known


def _dumped(known: dict[str, core.Need]) -> bytes:
    return kept.sealed(core.dump(known), LITERALS)


def _loaded(data: bytes) -> dict[str, core.Need]:
    rest = kept.opened(data, LITERALS)
    return core.load(rest) if rest else {}


class Databases:
    """Plans with their databases, a file each; those of several sets of packs, and no more."""

    def load(self, name: str) -> bytes | None:
        """What was saved under `name`; None unless it is whole and our own."""
        where = kept.folder()
        return kept.opened(kept.owned(where / f"database-{name}"), name) or None if where else None

    def save(self, name: str, data: bytes) -> None:
        """Keep `data`, if there is a place for it."""
        if where := kept.folder():
            kept.write(where / f"database-{name}", kept.sealed(data, name))
            with contextlib.suppress(OSError):
                old = sorted(where.glob("database-*"), key=lambda path: -path.stat().st_mtime)[DATABASES:]
                for path in old:
                    path.unlink()
