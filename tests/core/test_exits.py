"""What an exit status says of a process."""

from __future__ import annotations

import pytest

from logrules.core.exits import read
from logrules.rules import rules


@pytest.mark.parametrize(
    ("status", "reason", "said"),
    [
        (0, "returned", "status 0, as if its work were done"),
        (1, None, "status 1"),
        (78, None, "status 78"),
        (126, "not_started", "may not be run"),
        (127, "not_started", "not found"),
        (128, None, "status 128"),
        (128 + 1, "signalled", "SIGHUP"),
        (128 + 6, "crashed", "SIGABRT"),
        (128 + 9, "killed", "SIGKILL"),
        (128 + 11, "crashed", "SIGSEGV"),
        (128 + 13, None, "SIGPIPE"),
        (128 + 15, "signalled", "SIGTERM"),
        (255, None, "status 255"),
    ],
)
def test_a_status_is_read(status, reason, said):
    """The signal behind 128 + n is named, and the reason has texts of its own."""
    exited = read(status)

    assert exited.reason == reason
    assert exited.words.endswith(said)
    assert reason is None or reason in rules["PROCESS_EXITED"].reasons
