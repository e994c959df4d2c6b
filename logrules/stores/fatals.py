"""Remembers a bot's last fatal end, in a small file beside the state: the next start waits because of it.

Where the platform throws the disk away nothing is remembered, and nothing waits. It is a courtesy: nothing in
here raises for what a disk does.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

from logrules.core.guarding.restarts import Fatal

if TYPE_CHECKING:
    from pathlib import Path


class FatalFile:
    """The last fatal end of one bot.

    Args:
        state: the state's file; this one lies beside it.
        key: the lock's number: another bot's end is none of ours.
    """

    def __init__(self, state: Path, key: int) -> None:
        self._path = state.parent / f"{state.stem}-{key & (1 << 64) - 1:016x}.fatal"

    def last(self) -> Fatal | None:
        """What was remembered; None if there is nothing, or nothing that makes sense."""
        try:
            note: Any = json.loads(self._path.read_bytes()[:4096])
            return Fatal(str(note["code"]), float(note["at"]), int(note["row"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def remember(self, fatal: Fatal) -> None:
        """In place of the one before."""
        new = self._path.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            new.write_text(json.dumps(fatal._asdict()), "utf-8")
            new.replace(self._path)

    def forget(self) -> None:
        """The bot has ended in order."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
