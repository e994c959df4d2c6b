"""A stream's way out that costs the command nothing when it breaks down: then its bytes pass as they are.

But not where secrets were to be masked in them: then they are withheld.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from logrules.sources.child import Outlet


class Failsafe:
    """An outlet around another.

    Args:
        outlet: does the work.
        failed: is told of its first fault.
        is_secret: whether what it has not worked on must not go out.
    """

    def __init__(self, outlet: Outlet, failed: Callable[[Exception], None], *, is_secret: bool) -> None:
        self._outlet: Outlet | None = outlet
        self._failed = failed
        self._is_secret = is_secret

    @property
    def deadline(self) -> float | None:
        """See `logrules.sources.child.Outlet`."""
        return self._outlet.deadline if self._outlet else None

    def feed(self, data: bytes, now: float) -> bytes:
        """See `logrules.sources.child.Outlet`."""
        return self._tried(lambda outlet: outlet.feed(data, now), b"" if self._is_secret else data)

    def release(self, now: float) -> bytes:
        """See `logrules.sources.child.Outlet`."""
        return self._tried(lambda outlet: outlet.release(now), b"")

    def end(self, now: float) -> bytes:
        """See `logrules.sources.child.Outlet`."""
        return self._tried(lambda outlet: outlet.end(now), b"")

    def _tried(self, work: Callable[[Outlet], bytes], otherwise: bytes) -> bytes:
        if self._outlet is None:
            return otherwise
        try:
            return work(self._outlet)
        except Exception as error:  # noqa: BLE001  whatever it is, the command must go on
            self._outlet = None
            self._failed(error)
            return otherwise
