"""The lock in a file, for a bot without PostgreSQL: it guards one host, one account and one temporary folder.

The kernel lets it go when the process ends, however it ends: no child keeps it, made by fork or by exec.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logrules.core.guarding.lease import BrokenError, Grant, Holder, MisconfiguredError
from logrules.forks import in_children

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK = 0.1
"""Seconds between two attempts while waiting: a blocking flock in a thread could never be given up."""


def lock_path(key: int) -> Path:
    """Where the lock with this key lies: the same for every process of this account on this host."""
    return Path(tempfile.gettempdir()) / f"logrules-{os.getuid()}-{key & (1 << 64) - 1:016x}.lock"


def seen(key: int) -> Holder | None:
    """Who has written its name into the lock's file and still lives; the lock itself is not touched."""
    try:
        fd = os.open(lock_path(key), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as file:
            note = json.loads(file.read(4096))
        os.kill(note["pid"], 0)
        since = round(max(0.0, time.time() - note["since"]), 1)
        return Holder(str(note["instance"]), since, None, note["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


class FileSession:
    """One open file, locked while we hold it. See `core.guarding.lease.Session`."""

    kind = "file"
    provable = False

    def __init__(self, path: Path, instance: str) -> None:
        self.path = path
        self.instance = instance
        self.announced = True  # the kernel frees it with its holder: nobody can still be polling
        self._fd: int | None = None
        self._epoch = 0
        in_children(self.terminate)

    def facts(self) -> dict[str, object]:
        """Which file."""
        return {"kind": self.kind, "path": str(self.path)}

    async def connect(self, lost: Callable[[str], None]) -> tuple[str, ...]:
        """Open the file; a link planted in a shared folder is not followed."""
        del lost  # a file does not break by itself; the next proof would see it gone
        self.terminate()
        try:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise MisconfiguredError(
                f"The lock's file cannot be opened: {error}; set TMPDIR to a folder you may write"
            ) from error
        return ()

    async def try_lock(self) -> bool:
        """Take it if it is free."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if not await self.prove():  # removed between our opening and locking it: others lock a new file
            raise BrokenError(f"{self.path} was removed meanwhile")
        return True

    async def wait_lock(self, seconds: float) -> bool:
        """Look again and again."""
        deadline = time.monotonic() + seconds
        while not await self.try_lock():
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(_LOOK)
        return True

    async def holder(self) -> Holder | None:
        """Who wrote its name into the file."""
        note = self._read()
        if "instance" not in note:
            return None
        proved = os.fstat(self._descriptor).st_mtime
        since, now = note.get("since"), time.time()
        return Holder(
            str(note["instance"]),
            round(max(0.0, now - since), 1) if isinstance(since, float) else None,
            round(max(0.0, now - proved), 1),
            note.get("pid") if isinstance(note.get("pid"), int) else None,
        )

    async def evict(self) -> bool:
        """There is nothing to end: a former file of ours was closed by ourselves."""
        return False

    async def prove(self) -> bool:
        """Whether the file under this name is still the one that we have locked."""
        mine = os.fstat(self._descriptor)
        try:
            there = self.path.lstat()
        except FileNotFoundError:
            return False
        os.utime(self._descriptor)  # cleaners of temporary folders go by age
        return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)

    async def granted(self) -> Grant:
        """Write our name into it."""
        epoch = self._read().get("epoch")
        self._epoch = (epoch if isinstance(epoch, int) else 0) + 1
        self._write(
            {"instance": self.instance, "pid": os.getpid(), "since": time.time(), "epoch": self._epoch}
        )
        return Grant(self._epoch, float("inf"))

    async def unlock(self) -> None:
        """Let go. The file stays: removing it would let two processes lock two files of one name."""
        self._write({"epoch": self._epoch})
        self.terminate()

    def terminate(self) -> None:
        """Close the file, and with it the lock."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    @property
    def _descriptor(self) -> int:
        if self._fd is None:
            raise BrokenError("the lock's file is closed")
        return self._fd

    def _read(self) -> dict[str, Any]:
        try:
            note = json.loads(os.pread(self._descriptor, 4096, 0))
        except ValueError:
            return {}  # new, or cut short by a crash
        return note if isinstance(note, dict) else {}

    def _write(self, note: dict[str, object]) -> None:
        data = json.dumps(note).encode()
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, data, 0)
        except OSError:
            pass  # a full disk takes the name, not the lock
