"""What a child made by plain fork must not keep of ours: a lock's descriptor would outlive its holder there.

A bot that uses `multiprocessing` makes such children, and they survive its SIGKILL.
"""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def in_children(let_go: Callable[[], None]) -> None:
    """Have this bound method called in each child made by fork, for as long as its object lives."""
    method = weakref.WeakMethod(let_go)

    def forked() -> None:
        if bound := method():
            bound()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forked)


def empty(descriptor: int) -> None:
    """Let go of what a descriptor is in this process; its number stays taken, for whoever closes it later."""
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)
