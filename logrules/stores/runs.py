"""Which runs have begun and not ended: what a process that was killed cannot say, its successor says.

Each run has a small file beside the state's own, locked for as long as its process lives and removed when it
ends in order. A file that nobody locks belongs to a run that was cut short. It is a courtesy: nothing in here
raises for what a disk does.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from typing import TYPE_CHECKING, Any

from logrules.core.guarding.lease import Run
from logrules.forks import in_children

if TYPE_CHECKING:
    from pathlib import Path

_LONGEST = 4096
"""Bytes of a file of ours; a longer one is none."""


class RunFiles:
    """The runs of one bot, in one folder. See `core.guarding.lease.Runs`.

    Args:
        state: the state's file; the runs lie beside it.
        key: the lock's number: another bot's runs are none of ours.
        instance: who we are.
    """

    def __init__(self, state: Path, key: int, instance: str) -> None:
        self._folder = state.parent
        self._prefix = f"{state.stem}-{key & (1 << 64) - 1:016x}-"
        self._instance = instance
        self._file: tuple[Path, int] | None = None
        in_children(self._leave_to_parent)

    def begin(self, epoch: int) -> list[Run]:
        """See `core.guarding.lease.Runs`."""
        self.end()
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            runs = [run for path in sorted(self._folder.glob(f"{self._prefix}*.run")) for run in _taken(path)]
            self._note(Run(self._instance, os.getpid(), time.time(), epoch))
        except OSError:
            return []
        return runs

    def end(self) -> None:
        """See `core.guarding.lease.Runs`."""
        if self._file is None:
            return
        (path, descriptor), self._file = self._file, None
        try:
            path.unlink(missing_ok=True)
        except OSError:
            pass  # it will be told of, though it ended in order: better than the other way round
        os.close(descriptor)

    def _leave_to_parent(self) -> None:
        """In a child made by fork, which may live on: it is not our run."""
        if self._file is not None:
            os.close(self._file[1])
            self._file = None

    def _note(self, run: Run) -> None:
        path = self._folder / f"{self._prefix}{secrets.token_hex(8)}.run"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
        self._file = path, descriptor
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(descriptor, json.dumps(run._asdict()).encode())


def _taken(path: Path) -> list[Run]:
    """The run that this file tells of, and the file is gone; nothing if its process lives."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return []
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        data = os.read(descriptor, _LONGEST)
        path.unlink(missing_ok=True)
    except OSError:
        return []
    finally:
        os.close(descriptor)
    return _parsed(data)


def _parsed(data: bytes) -> list[Run]:
    try:
        note: Any = json.loads(data)
        return [Run(str(note["instance"]), int(note["pid"]), float(note["since"]), int(note["epoch"]))]
    except (ValueError, TypeError, KeyError):
        return []  # cut short before it was written: it never polled
