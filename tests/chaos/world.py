"""The world of the chaos suite: real bots, a real PostgreSQL, Telegram's double, and somebody who writes.

What is counted is counted at Telegram: who asked for updates, when, and what people were answered.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from logrules.core.guarding.lease import Timers, strict
from logrules.testing import BotApiServer, PostgresServer, TcpProxy
from tests.processes import PATIENCE, Bot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.processes import Begin

TIMERS = Timers(
    lease=7, dropped=7, keepalive=0.5, answer=1, fence=6, chunk=1, check=0.5, grace=0.3, patience=30, drain=5
)
"""What the bots live by: short ones."""
STRICT = replace(TIMERS, grace=strict(TIMERS))
"""For those who want no overlap whatever happens."""


class Counts(NamedTuple):
    """What a scenario is judged by."""

    overlaps: int
    """Polls of guarded bots at the same time as another's, or after a later one's first."""
    lost: int
    """Messages that nobody answered."""
    repeated: int
    """Answers to what was answered already."""
    conflicts: int
    sick_epochs: int
    """Tenures of the lock whose number is not greater than the one before."""


class World:
    """All parts of one scenario."""

    def __init__(
        self, api: BotApiServer, postgres: PostgresServer, proxy: TcpProxy, begin: Begin = subprocess.Popen
    ) -> None:
        self.api = api
        self.begin = begin
        self.postgres = postgres
        self.proxy = proxy
        self.timers = TIMERS
        self.script = Path(__file__).with_name("polling_bot.py")
        self.bots: list[Bot] = []
        self.timings: dict[str, list[float]] = {}
        """Seconds, by name: printed, and never judged."""
        self._written: list[str] = []
        self._writing = threading.Event()
        self._writer: threading.Thread | None = None

    def start(
        self,
        name: str,
        more: Mapping[str, str] | None = None,
        *,
        through: TcpProxy | None = None,
        prefix: tuple[str, ...] = (),
        script: Path | None = None,
    ) -> Bot:
        """A bot, with `more` in its environment.

        `through` is the network between it and its database, `prefix` a command to run it under, `script`
        another bot than the suite's own.
        """
        port = through.port if through else None
        url = self.postgres.url if port is None else f"postgresql://postgres@127.0.0.1:{port}/postgres"
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("LOGRULES_", "PG"))}
        environ = {
            **clean,
            "BOT_TOKEN": self.api.token,
            "API": self.api.url,
            "LOGRULES_BOT_API": self.api.url,
            "LOGRULES_INSTANCE": name,
            "LOGRULES_STATE": ":memory:",
            "TIMERS": json.dumps(asdict(self.timers)),
            "DATABASE_URL": url,
            **(more or {}),
        }
        self.bots.append(
            Bot(name, [*prefix, sys.executable, str(script or self.script)], environ, self.begin)
        )
        return self.bots[-1]

    def holder(self, name: str = "first", **more: Any) -> Bot:
        """A bot that polls."""
        bot = self.start(name, **more)
        bot.wait("POLLING_STARTED")
        return bot

    def standby(self, name: str = "second", **more: Any) -> Bot:
        """A bot that waits."""
        bot = self.start(name, **more)
        bot.wait("LOCK_WAITING")
        return bot

    # Those who write

    def write(self, text: str) -> None:
        """One message, which must be answered."""
        self._written.append(text)
        self.api.send_text(text)

    @contextlib.contextmanager
    def writing(self, pause: float = 0.1) -> Iterator[None]:
        """Somebody writes all the time."""
        self._writing.clear()
        self._writer = threading.Thread(target=self._write, args=(pause,))
        self._writer.start()
        try:
            yield
        finally:
            self._writing.set()
            self._writer.join()

    def _write(self, pause: float) -> None:
        while not self._writing.wait(pause):
            self.write(f"message {len(self._written)}")

    def answers(self) -> list[str]:
        """What was answered, whoever did it."""
        return [sent.text.partition(": ")[2] for sent in self.api.sent]

    def all_answered(self) -> None:
        """Wait for it."""
        self.api.wait_for(lambda: set(self._written) <= set(self.answers()), PATIENCE)

    # What is counted

    def first_poll(self, name: str) -> float:
        """When this bot first asked for updates."""
        return self.api.wait_for(
            lambda: next((p.when for p in self.api.polls if p.agent == name), 0.0), PATIENCE
        )

    def measured(self, figure: str, value: float) -> None:
        """Note one value of a figure."""
        self.timings.setdefault(figure, []).append(value)

    def measure_takeover(self, figure: str, since: float, name: str) -> None:
        """How long after `since` this bot first polled, and how much of that it already held the lock."""
        polled = self.first_poll(name)
        bot = next(bot for bot in self.bots if bot.name == name)
        held = datetime.fromisoformat(bot.wait("KEEPALIVE_STARTED")["timestamp"]).timestamp()
        self.measured(figure, polled - since)
        self.measured(f"{figure}: of that with the lock", polled - (held - time.time() + time.monotonic()))

    def last_answer(self, name: str) -> float:
        """When this bot last answered somebody; 0 if it never did."""
        return max((sent.when for sent in self.api.sent if sent.text.startswith(f"{name}: ")), default=0.0)

    def polls_after(self, name: str, moment: float) -> int:
        """How many polls this bot has sent since."""
        return sum(poll.agent == name and poll.when > moment for poll in self.api.polls)

    def counts(self, guarded: tuple[str, ...] | None = None) -> Counts:
        """All there is to count by now."""
        names = {bot.name for bot in self.bots} if guarded is None else set(guarded)
        answers = self.answers()
        return Counts(
            overlaps=self._overlaps(names),
            lost=len(set(self._written) - set(answers)),
            repeated=len(answers) - len(set(answers)),
            conflicts=self.api.conflicts,
            sick_epochs=self._sick_epochs(),
        )

    def _overlaps(self, names: set[str]) -> int:
        polls = [poll for poll in self.api.polls if poll.agent in names]
        return sum(
            earlier.agent != later.agent and (earlier.ended is None or earlier.ended > later.when)
            for index, later in enumerate(polls)
            for earlier in polls[:index]
        ) + sum(
            later.agent in {poll.agent for poll in polls[:index]} and later.agent != polls[index - 1].agent
            for index, later in enumerate(polls)
        )

    def _sick_epochs(self) -> int:
        taken = sorted(
            (event["read"], event["epoch"])
            for bot in self.bots
            for event in [*bot.of("LOCK_ACQUIRED"), *bot.of("LOCK_REACQUIRED")]
        )
        epochs = [epoch for _, epoch in taken]
        return sum(later <= earlier for earlier, later in pairwise(epochs))

    # The end

    def end(self) -> None:
        """All bots end in order, and nothing of theirs is left: no process, no session, no lock."""
        for bot in self.bots:
            if bot.process.poll() is None:
                bot.signal(signal.SIGTERM)
                bot.ended()
        left = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'logrules/%'"
        self._until(lambda: self.postgres.query(left) == ["0"], "a session is left")
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        assert self.postgres.query(locks) == ["0"], "a lock is left"

    def _until(self, so: Callable[[], bool], otherwise: str) -> None:
        latest = time.monotonic() + PATIENCE
        while not so():
            assert time.monotonic() < latest, otherwise
            time.sleep(0.1)


@contextlib.contextmanager
def world(postgres: PostgresServer, begin: Begin = subprocess.Popen) -> Iterator[World]:
    """A fresh one around a PostgreSQL that is up; whatever happens, no bot survives it."""
    with BotApiServer() as api, TcpProxy(postgres.port) as proxy:
        made = World(api, postgres, proxy, begin)
        try:
            yield made
        finally:
            for bot in made.bots:
                bot.close()
