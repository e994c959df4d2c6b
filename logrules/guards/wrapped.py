"""The lock that a wrapper holds for us: `logrules run --lock` around a guarded bot.

There is nothing to take and nothing to give back. It is ours while the wrapper lives, which the event
descriptor tells: the wrapper reads it to its own end.
"""

from __future__ import annotations

import os
import select
import stat
from typing import TYPE_CHECKING

from logrules.core.guarding.lease import BrokenError, Grant, Holder

if TYPE_CHECKING:
    from collections.abc import Callable

    from logrules.core.guarding.lease import Held


def reaches(fd: int) -> bool:
    """Whether `fd` is a pipe, and somebody still reads it."""
    try:
        if not stat.S_ISFIFO(os.fstat(fd).st_mode):
            return False
    except OSError:
        return False
    poll = select.poll()
    poll.register(fd, 0)
    return not poll.poll(0)


class WrappedSession:
    """The wrapper's lock, seen from inside. See `core.guarding.lease.Session`."""

    kind = "wrapper"
    announced = True

    def __init__(self, held: Held, fd: int) -> None:
        self.provable = held.provable
        self._held = held
        self._fd = fd

    def facts(self) -> dict[str, object]:
        """Whose lock it is."""
        return {"kind": self.kind}

    async def connect(self, lost: Callable[[str], None]) -> tuple[str, ...]:
        """See whether the wrapper is there."""
        del lost  # the next proof finds it out
        await self.try_lock()
        return ()

    async def try_lock(self) -> bool:
        """It is ours, or the wrapper is gone."""
        if not await self.prove():
            raise BrokenError("logrules run is gone, and its lock with it")
        return True

    async def wait_lock(self, seconds: float) -> bool:
        """Nobody waits for what is held already."""
        del seconds
        return await self.try_lock()

    async def holder(self) -> Holder | None:
        """The wrapper."""
        return None

    async def evict(self) -> bool:
        """There is nobody to end."""
        return False

    async def prove(self) -> bool:
        """Whether the wrapper lives: it does not outlive its lock."""
        return reaches(self._fd)

    async def granted(self) -> Grant:
        """What the wrapper was told."""
        return Grant(self._held.epoch, float("inf"))

    async def unlock(self) -> None:
        """The wrapper does, when we have ended."""

    def terminate(self) -> None:
        """There is nothing to drop."""
