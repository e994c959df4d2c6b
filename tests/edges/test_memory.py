"""Where the kernel counts whom it has killed for want of memory: files as containers and hosts have them."""

from __future__ import annotations

import pytest

from logrules.sources.memory import kills

V2 = "low 0\nhigh 0\nmax 1871\noom 3\noom_kill 2\noom_group_kill 0\n"
V1 = "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n"


@pytest.mark.parametrize(
    ("ours", "files", "expected"),
    [
        ("0::/\n", {"memory.events": V2}, 2),
        ("0::/system.slice/bot.service\n", {"system.slice/bot.service/memory.events": V2}, 2),
        ("0::/../../elsewhere\n", {"memory.events": V2}, 2),
        ("4:memory:/docker/4f2a\n1:cpu:/\n0::/\n", {"memory/memory.oom_control": V1}, 5),
        (
            "4:cpu,memory:/a\n",
            {"memory/a/memory.oom_control": V1, "memory/memory.oom_control": "oom_kill 9\n"},
            5,
        ),
        ("0::/\n", {}, None),
        ("0::/\n", {"memory.events": "\xff\0nonsense"}, None),
        ("nonsense", {"memory.events": V2}, None),
        (None, {"memory.events": V2}, None),
    ],
)
def test_kills_are_counted(tmp_path, ours, files, expected):
    """Both versions of control groups, seen from within a container or without; else nobody counts."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "latin-1")
    if ours is not None:
        (tmp_path / "ours").write_text(ours)

    assert kills(tmp_path, tmp_path / "ours") == expected
