"""Requests of ours that a user's own Sentry does not see: it would trace them, and put its key upon them."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def unseen() -> Iterator[None]:
    """What is done meanwhile, on this thread or in this task, is no business of any Sentry in the process."""
    if "sentry_sdk" not in sys.modules:  # nobody has set one up, and to import it takes a tenth of a second
        yield
        return
    from sentry_sdk import new_scope
    from sentry_sdk.client import NonRecordingClient

    class Nobody(NonRecordingClient):
        """Has no integration, and counts: else the scopes further out would be asked for theirs."""

        def is_active(self) -> bool:
            return True

    with new_scope() as scope:
        scope.set_client(Nobody())
        yield
