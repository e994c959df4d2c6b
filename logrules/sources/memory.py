"""How often the kernel has killed in our container for want of memory: the one proof of it from inside.

https://docs.kernel.org/admin-guide/cgroup-v2.html (memory.events), and cgroup-v1/memory.html (oom_control).
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUPS, OURS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def kills(groups: Path = GROUPS, ours: Path = OURS) -> int | None:
    """Processes of our control group that were killed so far; None where nobody counts."""
    with contextlib.suppress(OSError, ValueError):
        for counts in _counts(groups, ours.read_text("utf-8", "replace")):
            with contextlib.suppress(OSError):
                if found := re.search(
                    r"^oom_kill (\d+)$", counts.read_text("ascii", "replace"), re.MULTILINE
                ):
                    return int(found[1])
    return None


def _counts(groups: Path, ours: str) -> Iterator[Path]:
    """Where it may be counted: in a container the group's own path is often not to be seen, only its root."""
    for number, controllers, path in re.findall(r"^(\d+):([^:\n]*):/(.*)$", ours, re.MULTILINE):
        if "memory" in controllers.split(","):
            base, name = groups / "memory", "memory.oom_control"
        elif number == "0":
            base, name = groups, "memory.events"
        else:
            continue
        yield base / path / name
        yield base / name
