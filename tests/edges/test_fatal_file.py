"""The memory of a fatal end, on a real disk."""

from __future__ import annotations

import pytest

from logrules.core.guarding.restarts import Fatal
from logrules.stores.fatals import FatalFile


def test_remembered_and_forgotten(tmp_path):
    """It outlives the object, belongs to one bot, and is gone after an end in order."""
    state = tmp_path / "deep" / "bot.sqlite3"
    FatalFile(state, 7).remember(Fatal("LOCK_LOST", 5.0, 3))

    assert FatalFile(state, 7).last() == Fatal("LOCK_LOST", 5.0, 3)
    assert FatalFile(state, 8).last() is None
    FatalFile(state, -1).forget()
    FatalFile(state, 7).forget()
    assert FatalFile(state, 7).last() is None
    assert list((tmp_path / "deep").iterdir()) == []


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", '{"code": "X"}', '{"code":"X","at":"x","row":1}', "\xff"]
)
def test_nonsense_is_nothing(tmp_path, text):
    """A file cut short or written by somebody else delays no start."""
    memory = FatalFile(tmp_path / "bot.sqlite3", 1)
    memory.remember(Fatal("X", 0.0))
    next(tmp_path.iterdir()).write_text(text, "latin-1")

    assert memory.last() is None


def test_a_disk_that_refuses(tmp_path):
    """Nothing raises; nothing is remembered."""
    (tmp_path / "file").write_text("no folder")
    memory = FatalFile(tmp_path / "file" / "bot.sqlite3", 1)
    memory.remember(Fatal("X", 0.0))
    memory.forget()

    assert memory.last() is None
