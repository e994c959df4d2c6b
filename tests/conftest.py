"""The doubles of `logrules.testing`, each fresh for its test."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest

from logrules.testing import BotApiServer, PostgresServer, SentryReceiver

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_configure(config: pytest.Config) -> None:
    """What commands keep for their next start goes where it harms nobody: one folder for all workers.

    And Python keeps what it compiles, even in containers that forbid it: a thousand processes start here,
    and half of each start was compiling.
    """
    if not hasattr(config, "workerinput"):
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        sys.dont_write_bytecode = False
        folder = tempfile.TemporaryDirectory(prefix="logrules-cache-")
        os.environ["XDG_CACHE_HOME"] = folder.name
        config.add_cleanup(folder.cleanup)
        if config.getoption("numprocesses", None):
            _derive(config)


def _derive(config: pytest.Config) -> None:
    """What is derived from the packs is there when tests ask: else each worker begins with deriving it."""
    deriving = subprocess.Popen(
        [sys.executable, "-c", "from logrules.rules import rules; rules.rulebook.search.prepare()"],
        cwd=config.rootpath,
    )

    def end() -> None:
        deriving.wait()

    config.add_cleanup(end)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What waits begins at once, the longest first, on all workers but one, which computes meanwhile.

    xdist gives each worker a stretch of the list, as long as the next one's; who is done steals from the end
    of the longest that is left. So nobody is still waiting when all others have gone home.
    """
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    if workers == 1:
        return
    items.sort(key=_patience, reverse=True)  # stable: files stay together, and their fixtures
    waiting = [item for item in items if _patience(item) > 1]
    others = items[len(waiting) :]
    items.clear()
    for worker in range(workers - 1):
        mine = waiting[worker :: workers - 1]
        more = max(0, (len(waiting) + len(others)) // workers - len(mine))
        items += [*mine, *others[:more]]
        del others[:more]
    items += others


def _patience(item: pytest.Item) -> int:
    """How much of a test is waiting for other processes: 3 for ten seconds and more, 0 for none of it."""
    folder = item.path.parent.name
    return (
        3
        if item.get_closest_marker("long")
        else {"e2e": 2, "chaos": 2, "faults": 2, "edges": 1}.get(folder, 0)
    )


@pytest.fixture
def bot_api() -> Iterator[BotApiServer]:
    """Telegram's Bot API with the official server's own time constants."""
    with BotApiServer() as server:
        yield server


@pytest.fixture
def sentry() -> Iterator[SentryReceiver]:
    """A Sentry that takes everything until told otherwise."""
    with SentryReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL for the whole run; tests ask for `postgres`."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> PostgresServer:
    """A PostgreSQL that is up, whatever the test before did to it, and has no session but yours."""
    postgres_server.resume()
    postgres_server.start()
    postgres_server.terminate_backends()
    return postgres_server
