"""`make demo`: what it announces comes true."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.long
def test_every_expectation_of_the_demo_holds():
    """The four acts end with status 0, which they do only if each row of the table held."""
    done = subprocess.run(
        [sys.executable, "-m", "bot.demo"], capture_output=True, text=True, timeout=180, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "✗" not in done.stdout
    assert done.stdout.count("✓") == 18
