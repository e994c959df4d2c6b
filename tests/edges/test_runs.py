"""Runs that did not end: told of once by the next one, whoever killed them."""

from __future__ import annotations

import stat
import subprocess
import sys

import pytest

from logrules.core.guarding.lease import lock_key
from logrules.stores.runs import RunFiles

KEY, OTHER = lock_key("123456"), lock_key("654321")
HOLDER = """
import sys, time
from pathlib import Path
from logrules.core.guarding.lease import lock_key
from logrules.stores.runs import RunFiles

runs = RunFiles(Path(sys.argv[1]), lock_key("123456"), "killed-one")
runs.begin(41)
print("begun", flush=True)
time.sleep(60)
"""


@pytest.fixture
def state(tmp_path):
    return tmp_path / "new" / "bot.sqlite3"


@pytest.fixture
def killed(state):
    """A process whose run has begun; it is ended by SIGKILL."""
    command = [sys.executable, "-c", HOLDER, str(state)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        yield process
        process.kill()


def test_killed_run_is_told_of_once(state, killed):
    """The next run hears of it, with instance, process, epoch and time; the one after that does not."""
    killed.kill()
    killed.wait()
    runs = RunFiles(state, KEY, "next")
    (told,) = runs.begin(42)
    runs.end()

    assert (told.instance, told.pid, told.epoch) == ("killed-one", killed.pid, 41)
    assert told.since == pytest.approx(state.parent.stat().st_mtime, abs=3600)
    assert RunFiles(state, KEY, "third").begin(43) == []


def test_living_run_is_not_told_of(state, killed):
    """A process that is alive, however slowly it ends, speaks for itself."""
    runs = RunFiles(state, KEY, "next")
    assert runs.begin(42) == []
    runs.end()
    killed.kill()
    killed.wait()

    assert [run.instance for run in RunFiles(state, KEY, "third").begin(43)] == ["killed-one"]


def test_another_bot_is_not_told_of(state, killed):
    """The same folder and service, another bot: none of its business."""
    killed.kill()
    killed.wait()

    assert RunFiles(state, OTHER, "other").begin(1) == []


def test_run_that_ends_in_order_leaves_nothing(state):
    """Its file is private while it lasts, and gone afterwards; ending twice is no error."""
    runs = RunFiles(state, KEY, "a")
    runs.begin(1)
    (file,) = state.parent.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    runs.end()
    runs.end()

    assert list(state.parent.iterdir()) == []


@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b'{"instance": "x"}', b'{"pid": "x"}', b"\xff"])
def test_garbage_is_no_run(state, garbage):
    """A file that was cut short before it was written tells nothing, and is cleared away."""
    state.parent.mkdir()
    cut = state.parent / f"bot-{KEY & (1 << 64) - 1:016x}-0.run"
    cut.write_bytes(garbage)
    runs = RunFiles(state, KEY, "a")

    assert runs.begin(1) == []
    assert not cut.exists()
    runs.end()


def test_planted_link_is_not_followed(state, tmp_path):
    """A link in the folder cannot make us read or remove something else."""
    precious = tmp_path / "precious"
    precious.write_text('{"instance": "x", "pid": 1, "since": 1, "epoch": 1}')
    state.parent.mkdir()
    (state.parent / f"bot-{KEY & (1 << 64) - 1:016x}-0.run").symlink_to(precious)
    runs = RunFiles(state, KEY, "a")

    assert runs.begin(1) == []
    assert precious.exists()
    runs.end()


def test_folder_that_cannot_be_used_is_no_error(tmp_path):
    """Where there is no place for it, nothing is told and nothing raised."""
    (tmp_path / "file").write_text("")
    runs = RunFiles(tmp_path / "file" / "bot.sqlite3", KEY, "a")

    assert runs.begin(1) == []
    runs.end()
