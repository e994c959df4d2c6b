"""Waiting for what another thread will do, without looking at the clock again and again."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Bell:
    """Rung after each change; those who wait look again."""

    def __init__(self) -> None:
        self._rings = 0
        self._rung = threading.Condition()

    def ring(self) -> None:
        """Something has changed."""
        with self._rung:
            self._rings += 1
            self._rung.notify_all()

    def wait_for(self, condition: Callable[[], T], timeout: float, explain: Callable[[], str]) -> T:
        """Block until `condition` gives something true, and return that; it is asked after each change.

        Raises:
            TimeoutError: not within `timeout` seconds; `explain` says what happened instead.
        """
        deadline = time.monotonic() + timeout
        while True:
            rings = self._rings  # before the question: what changes during it asks again
            if result := condition():
                return result
            if not self._hear_another(rings, deadline):
                raise TimeoutError(f"not so within {timeout:g} s; {explain()}")

    def _hear_another(self, rings: int, deadline: float) -> bool:
        with self._rung:
            return self._rung.wait_for(lambda: self._rings != rings, deadline - time.monotonic())
